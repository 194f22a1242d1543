/** The drop-ins in pages and workers. @module */
import type { WebMixnet } from '../../client/web/webMixnet.ts'
import { scriptProvider } from '../../foundation/crypto/scriptProvider.ts'
import { webWorld } from '../../foundation/platform/web/webWorld.ts'
import { folderName, type NymRuntime } from './nymSdkRuntime.ts'
import { connectWeb } from './webConnect.ts'

/** As the official packages, one client without a name has a place of its own, and is found again. */
export const webRuntime: NymRuntime<WebMixnet> = {
  world: webWorld(scriptProvider),
  connect: connectWeb,
  folderOf: (kind, clientId = '') => `${kind}-${folderName(clientId)}`,
}
