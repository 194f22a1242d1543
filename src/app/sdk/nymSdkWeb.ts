/** The drop-ins in pages and workers. @module */
import { WebMixnet } from '../../client/web/webMixnet.ts'
import { scriptProvider } from '../../foundation/crypto/scriptProvider.ts'
import { loadWebCurve } from '../../foundation/crypto/webCurve.ts'
import { webWorld } from '../../foundation/platform/web/webWorld.ts'
import { folderName, type NymRuntime } from './nymSdkRuntime.ts'

/** As the official packages, one client without a name has a place of its own, and is found again. */
export const webRuntime: NymRuntime<WebMixnet> = {
  world: webWorld(scriptProvider),
  connect: async (options) => await WebMixnet.connect(webWorld(scriptProvider, await loadWebCurve()), options),
  folderOf: (kind, clientId = '') => `${kind}-${folderName(clientId)}`,
}
