/**
 * The entrance to the package: `import { connect } from 'starling-mixnet'`. A client of a mixnet on the machine's own sockets,
 * files and clock. Guide: docs/guides/first-app.md. @module
 */
import { Mixnet, type NodeMixnetOptions } from '../../client/mixnet.ts'
import type { MixnetEvent as Event, MixnetState as State } from '../../client/mixnetEvents.ts'
import {
  type ErrorCode,
  isMixnetError as isError,
  type MixnetError as MixnetFailure,
} from '../../foundation/base/errors.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { holdProcess } from '../../foundation/platform/node/holdProcess.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'

/** What this package throws: a stable `code`, whose fault it is (`guilty`), and what to do about it (`nextStep`). */
export type MixnetError = MixnetFailure
export type MixnetErrorCode = ErrorCode
/** What `onEvent` gets, and what `state` says. */
export type MixnetEvent = Event
export type MixnetState = State
/** A client and what it offers: `fetch` and adapters for other libraries, `open`, `send`, `messages`, `explain`, `proxy`, `close`. */
export type MixnetConnection = Mixnet

export interface ConnectOptions extends Omit<NodeMixnetOptions, 'directories' | 'connectTimeout'> {
  /** URL of the network's directory, or several with the same contents: http://127.0.0.1:8080/api. */
  readonly directory: string | readonly string[]
  /** Milliseconds for `connect` to succeed. Default 60,000. */
  readonly connectTimeout?: number | undefined
}

/**
 * Resolves when requests can be made. Rejects with TOPOLOGY_UNAVAILABLE, GATEWAY_UNREACHABLE, GATEWAY_REFUSED,
 * EXIT_UNREACHABLE, KEY_FILE_UNREADABLE, BAD_ARGUMENT, ABORTED or TIMEOUT. Close what it returns, or declare it with `await using`.
 */
export async function connect({ directory, connectTimeout, ...options }: ConnectOptions): Promise<MixnetConnection> {
  const limit: { readonly connectTimeout?: Millis } =
    connectTimeout === undefined ? {} : { connectTimeout: millis(connectTimeout) }
  const directories = typeof directory === 'string' ? [directory] : directory
  // Between two attempts nothing is open, and a script would end without a word in the middle of its await.
  const release = holdProcess()
  try {
    return await Mixnet.connect(nodeWorld(nodeProvider), { ...options, ...limit, directories })
  } finally {
    release()
  }
}

/** True for a MixnetError of any copy of this package, and, where `code` is given, only for that code. */
export function isMixnetError(error: unknown, code?: MixnetErrorCode): error is MixnetError {
  return isError(error, code)
}
