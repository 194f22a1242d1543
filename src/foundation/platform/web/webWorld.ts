/** What a client needs of the world, in pages, workers, Deno and Bun. @module */
import type { AsyncCurve } from '../../crypto/asyncCurve.ts'
import type { CryptoProvider } from '../../crypto/provider.ts'
import type { ClientWorld } from '../world.ts'
import { indexedDbFiles } from './indexedDbFiles.ts'
import { webClock } from './webClock.ts'
import { requestHttp } from './webHttp.ts'
import { webRandom } from './webRandom.ts'
import { connectWebSocket } from './webWebSocket.ts'

export function webWorld(crypto: CryptoProvider, curve?: AsyncCurve): ClientWorld {
  return {
    clock: webClock,
    random: webRandom,
    net: { request: requestHttp, connectWebSocket },
    files: indexedDbFiles,
    crypto,
    curve,
  }
}
