/**
 * The entrance to the package in Bun: the client of pages, which keeps `folder` in files. Bun puts its own in the place of the packages
 * `undici` and `ws`, without what the client for Node needs of them. @module
 */
import type { MixnetEvent as Event, MixnetState as State } from '../../client/mixnetEvents.ts'
import type { Plain } from '../../client/optionKinds.ts'
import { type TrafficDescription as Description, describeTraffic as describe } from '../../client/trafficFigures.ts'
import type { TrafficChoice as Choice } from '../../client/trafficProfiles.ts'
import { WebMixnet } from '../../client/web/webMixnet.ts'
import {
  type ErrorCode,
  isMixnetError as isError,
  type MixnetError as MixnetFailure,
} from '../../foundation/base/errors.ts'
import { scriptProvider } from '../../foundation/crypto/scriptProvider.ts'
import { loadWebCurve } from '../../foundation/crypto/webCurve.ts'
import { nodeFiles } from '../../foundation/platform/node/nodeFiles.ts'
import { webWorld } from '../../foundation/platform/web/webWorld.ts'
import type { ConnectOptions as BrowserOptions } from './browser.ts'
import { clientOptions } from './connectOptions.ts'
import { latePaying } from './latePaying.ts'

export type MixnetError = MixnetFailure
export type MixnetErrorCode = ErrorCode
/** What `onEvent` gets, and what `state` says. */
export type MixnetEvent = Event
export type MixnetState = State
export type MixnetConnection = WebMixnet
export type ConnectOptions = BrowserOptions

/** As on Node. */
export async function connect(options: ConnectOptions): Promise<MixnetConnection> {
  const world = { ...webWorld(scriptProvider, await loadWebCurve()), files: nodeFiles }
  const { tickets, ...others } = options ?? {}
  const client = clientOptions(options === undefined ? options : others)
  const load = () => import('../../client/credentials/openTickets.ts')
  const open = latePaying(client, tickets, async (choice) => (await load()).lateOpener(world, choice))
  return await WebMixnet.connect(world, { ...client, open })
}

export type TrafficChoice = Plain<Choice>
export type TrafficDescription = Description

/** What a choice costs and what it hides, in words and figures, before anything is connected. Throws BAD_ARGUMENT. */
export function describeTraffic(choice?: TrafficChoice): TrafficDescription {
  return describe(choice as Choice)
}

export function isMixnetError(error: unknown, code?: MixnetErrorCode): error is MixnetError {
  return isError(error, code)
}
