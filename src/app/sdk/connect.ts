/**
 * The entrance to the package: `import { connect } from 'starling-mixnet'`. A client of a mixnet on the machine's own sockets,
 * files and clock. Guide: docs/guides/first-app.md. @module
 */
import { Mixnet } from '../../client/mixnet.ts'
import type { MixnetEvent as Event, MixnetState as State } from '../../client/mixnetEvents.ts'
import { type TrafficDescription as Description, describeTraffic as describe } from '../../client/trafficFigures.ts'
import type { TrafficChoice as Choice } from '../../client/trafficProfiles.ts'
import {
  type ErrorCode,
  isMixnetError as isError,
  type MixnetError as MixnetFailure,
} from '../../foundation/base/errors.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { holdProcess } from '../../foundation/platform/node/holdProcess.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
import { type CommonOptions, clientOptions } from './connectOptions.ts'

/** What this package throws: a stable `code`, whose fault it is (`guilty`), and what to do about it (`nextStep`). */
export type MixnetError = MixnetFailure
export type MixnetErrorCode = ErrorCode
/** What `onEvent` gets, and what `state` says. */
export type MixnetEvent = Event
export type MixnetState = State
/** A client and what it offers: `fetch` and adapters for other libraries, `open`, `send`, `messages`, `explain`, `proxy`, `close`. */
export type MixnetConnection = Mixnet

export type ConnectOptions = CommonOptions

/**
 * Resolves when requests can be made. Rejects with TOPOLOGY_UNAVAILABLE, GATEWAY_UNREACHABLE, GATEWAY_REFUSED,
 * EXIT_UNREACHABLE, KEY_FILE_UNREADABLE, BAD_ARGUMENT, ABORTED or TIMEOUT. Close what it returns, or declare it with `await using`.
 */
export async function connect(options: ConnectOptions): Promise<MixnetConnection> {
  // Between two attempts nothing is open, and a script would end without a word in the middle of its await.
  const release = holdProcess()
  try {
    return await Mixnet.connect(nodeWorld(nodeProvider), clientOptions(options))
  } finally {
    release()
  }
}

/** True for a MixnetError of any copy of this package, and, where `code` is given, only for that code. */
export function isMixnetError(error: unknown, code?: MixnetErrorCode): error is MixnetError {
  return isError(error, code)
}

/** Which traffic a client makes: a profile's name, a budget, or parameters. */
export type TrafficChoice = Choice
export type TrafficDescription = Description

/** What a choice costs and what it hides, in words and figures, before anything is connected. Throws BAD_ARGUMENT. */
export function describeTraffic(choice?: TrafficChoice): TrafficDescription {
  return describe(choice)
}
