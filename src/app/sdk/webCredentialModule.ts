/**
 * The engine of credentials for pages: one file of the package, and a worker's as well as a page's. In a worker of that name it
 * serves; a page that can have no worker imports it and has it on the spot.
 *
 * On noble, which nothing else selects: mcl is some eight times as fast, but 160 KB more to load (204 KB gzipped against 42), more
 * than the page's whole client, and WebAssembly, which a policy without `wasm-unsafe-eval` forbids: pages would need noble besides.
 * What it would save is a tenth of a second every 200 MB and a second with a book, which nobody waits for in a worker. @module
 */
import { nobleBls } from '../../foundation/crypto/nobleBls.ts'
import { takingTurns } from '../../foundation/platform/takingTurns.ts'
import type { Thread } from '../../foundation/platform/threadCalls.ts'
import { webClock } from '../../foundation/platform/web/webClock.ts'
import { webRandom } from '../../foundation/platform/web/webRandom.ts'
import { serveWebThread, type WorkerScope } from '../../foundation/platform/web/webThread.ts'
import type { CredentialEngine } from '../../protocol/credentials/engine.ts'
import { LocalEngine } from '../../protocol/credentials/localEngine.ts'
import { createScheme } from '../../protocol/credentials/scheme.ts'
import { PAGE_ENGINE } from './pageEngine.ts'

const engine = (pause?: () => Promise<void>) =>
  new LocalEngine(createScheme(nobleBls), webRandom.stream('credentials'), pause)

/** In this thread, between whatever else it does. A page stands still for up to half a second with each epoch, and a tenth with a ticket. */
export function engineOnTheSpot(): Thread<CredentialEngine> {
  const pause = () => new Promise<void>((resolve) => webClock.soon(resolve))
  return takingTurns<CredentialEngine>(engine(pause), { ...PAGE_ENGINE, clock: webClock })
}

const scope = globalThis as unknown as WorkerScope & { readonly name?: unknown; readonly document?: unknown }
// A window may have any name.
if (scope.document === undefined && scope.name === PAGE_ENGINE.name) serveWebThread<CredentialEngine>(engine(), scope)
