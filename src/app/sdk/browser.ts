/**
 * The entrance to the package in browsers: `import { connect } from 'starling-mixnet'`. No Node, no WebAssembly: the curve comes
 * from WebCrypto, the rest is JavaScript, and works under a policy without `unsafe-eval`. @module
 */

import { ClientPool } from '../../client/clientPool.ts'
import type { MixnetEvent as Event, MixnetState as State } from '../../client/mixnetEvents.ts'
import type { Plain } from '../../client/optionKinds.ts'
import type { TicketOptions } from '../../client/ticketOptions.ts'
import { type TrafficDescription as Description, describeTraffic as describe } from '../../client/trafficFigures.ts'
import type { TrafficChoice as Choice } from '../../client/trafficProfiles.ts'
import type { WebMixnet, WebMixnetOptions } from '../../client/web/webMixnet.ts'
import {
  type ErrorCode,
  isMixnetError as isError,
  type MixnetError as MixnetFailure,
} from '../../foundation/base/errors.ts'
import { scriptProvider } from '../../foundation/crypto/scriptProvider.ts'
import { webWorld } from '../../foundation/platform/web/webWorld.ts'
import { type CommonOptions, clientOptions, memberOptions } from './connectOptions.ts'
import { latePaying } from './latePaying.ts'
import { connectWeb } from './webConnect.ts'

export type MixnetError = MixnetFailure
export type MixnetErrorCode = ErrorCode
/** What `onEvent` gets, and what `state` says. */
export type MixnetEvent = Event
export type MixnetState = State
export type MixnetConnection = WebMixnet

export interface ConnectOptions extends CommonOptions, Pick<WebMixnetOptions, 'ca' | 'parts'> {
  /** As on Node, but nothing is loaded or asked before a gateway wants to be paid, even so. */
  readonly tickets?: TicketOptions | undefined
}

/** As on Node. `folder` names a place in the origin's IndexedDB. `forceTls` is true by default in pages that came by https, and in their workers. */
export async function connect(options: ConnectOptions): Promise<MixnetConnection> {
  const { tickets, ...others } = options ?? {}
  const client = clientOptions(options === undefined ? options : others)
  // Drop-ins for the official packages never pay: theirs cannot either.
  const open = latePaying(client, tickets, async (choice) =>
    (await import('./webCredentialWallet.ts')).pageOpener(choice),
  )
  return await connectWeb({ ...client, open })
}

export function isMixnetError(error: unknown, code?: MixnetErrorCode): error is MixnetError {
  return isError(error, code)
}

/** Which traffic a client makes: a profile's name, a budget, or parameters. */
export type TrafficChoice = Plain<Choice>
export type TrafficDescription = Description

/** What a choice costs and what it hides, in words and figures, before anything is connected. Throws BAD_ARGUMENT. */
export function describeTraffic(choice?: TrafficChoice): TrafficDescription {
  return describe(choice as Choice)
}

/** As on Node. */
export async function connectPool(choice: ConnectOptions & { readonly size: number }): Promise<ClientPool> {
  const { size, ...options } = choice ?? {}
  const { clock, random } = webWorld(scriptProvider)
  return await ClientPool.connect(size, { clock, random: random.stream('pool') }, (number, signal) =>
    connect(memberOptions(options, number, signal)),
  )
}
