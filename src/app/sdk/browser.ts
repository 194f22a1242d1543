/**
 * The entrance to the package in browsers: `import { connect } from 'starling-mixnet'`. No Node, no WebAssembly: the curve comes
 * from WebCrypto, the rest is JavaScript, and works under a policy without `unsafe-eval`. @module
 */
import { WebMixnet, type WebMixnetOptions } from '../../client/web/webMixnet.ts'
import {
  type ErrorCode,
  isMixnetError as isError,
  type MixnetError as MixnetFailure,
} from '../../foundation/base/errors.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import { scriptProvider } from '../../foundation/crypto/scriptProvider.ts'
import { loadWebCurve } from '../../foundation/crypto/webCurve.ts'
import { webWorld } from '../../foundation/platform/web/webWorld.ts'

export type MixnetError = MixnetFailure
export type MixnetErrorCode = ErrorCode
export type MixnetConnection = WebMixnet

export interface ConnectOptions extends Omit<WebMixnetOptions, 'directories' | 'connectTimeout'> {
  /** URL of the network's directory, or several with the same contents: http://127.0.0.1:8080/api. */
  readonly directory: string | readonly string[]
  /** Milliseconds for `connect` to succeed. Default 60,000. */
  readonly connectTimeout?: number | undefined
}

/** As on Node. `folder` names a place in the origin's IndexedDB. */
export async function connect({ directory, connectTimeout, ...options }: ConnectOptions): Promise<MixnetConnection> {
  const limit: { readonly connectTimeout?: Millis } =
    connectTimeout === undefined ? {} : { connectTimeout: millis(connectTimeout) }
  const directories = typeof directory === 'string' ? [directory] : directory
  const world = webWorld(scriptProvider, await loadWebCurve())
  return await WebMixnet.connect(world, { ...options, ...limit, directories })
}

export function isMixnetError(error: unknown, code?: MixnetErrorCode): error is MixnetError {
  return isError(error, code)
}
