/** The drop-ins on Node. @module */
import { Mixnet } from '../../client/mixnet.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { holdProcess } from '../../foundation/platform/node/holdProcess.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
import { folderName, type NymRuntime } from './nymSdkRuntime.ts'

const world = nodeWorld(nodeProvider)

/** Nothing is written to a disk unless a `clientId` is given; then below `.starling` in the current folder. */
export const nodeRuntime: NymRuntime<Mixnet> = {
  world,
  async connect(options) {
    const release = holdProcess()
    try {
      return await Mixnet.connect(world, options)
    } finally {
      release()
    }
  },
  folderOf: (kind, clientId) => (clientId === undefined ? undefined : `.starling/${kind}-${folderName(clientId)}`),
}
