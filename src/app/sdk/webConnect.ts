/** The client of pages and workers in the world they have. @module */
import { WebMixnet, type WebMixnetOptions } from '../../client/web/webMixnet.ts'
import { scriptProvider } from '../../foundation/crypto/scriptProvider.ts'
import { loadWebCurve } from '../../foundation/crypto/webCurve.ts'
import { mustUseTls } from '../../foundation/platform/web/webPage.ts'
import { webWorld } from '../../foundation/platform/web/webWorld.ts'

/** Throws as `openClient`. Where the caller says nothing of `forceTls`, it is what the browser would enforce anyway. */
export async function connectWeb(options: WebMixnetOptions): Promise<WebMixnet> {
  const world = webWorld(scriptProvider, await loadWebCurve())
  return await WebMixnet.connect(world, { ...options, forceTls: options.forceTls ?? mustUseTls() })
}
