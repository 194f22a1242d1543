/**
 * The entrance to the package in Bun: the client of pages, which keeps `folder` in files. Bun puts its own in the place of the packages
 * `undici` and `ws`, without what the client for Node needs of them. @module
 */
import { WebMixnet } from '../../client/web/webMixnet.ts'
import {
  type ErrorCode,
  isMixnetError as isError,
  type MixnetError as MixnetFailure,
} from '../../foundation/base/errors.ts'
import { millis } from '../../foundation/base/units.ts'
import { nobleProvider } from '../../foundation/crypto/nobleProvider.ts'
import { loadWebCurve } from '../../foundation/crypto/webCurve.ts'
import { nodeFiles } from '../../foundation/platform/node/nodeFiles.ts'
import { webWorld } from '../../foundation/platform/web/webWorld.ts'
import type { ConnectOptions as BrowserOptions } from './browser.ts'

export type MixnetError = MixnetFailure
export type MixnetErrorCode = ErrorCode
export type MixnetConnection = WebMixnet
export type ConnectOptions = BrowserOptions

/** As on Node. */
export async function connect({ directory, connectTimeout, ...options }: ConnectOptions): Promise<MixnetConnection> {
  const world = { ...webWorld(nobleProvider, await loadWebCurve()), files: nodeFiles }
  return await WebMixnet.connect(world, {
    ...options,
    ...(connectTimeout === undefined ? {} : { connectTimeout: millis(connectTimeout) }),
    directories: typeof directory === 'string' ? [directory] : directory,
  })
}

export function isMixnetError(error: unknown, code?: MixnetErrorCode): error is MixnetError {
  return isError(error, code)
}
