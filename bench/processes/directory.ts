/** A directory in a process of its own. @module */

import { BUILD_INFORMATION } from '../../src/app/node/buildInformation.ts'
import { LOCAL_DESCRIBER, localNetworkDetails } from '../../src/app/node/directoryService.ts'
import { Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { seconds } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import { type BondedNode, MemoryBondedNodes } from '../../src/roles/directory/bondedNodes.ts'
import { Directory } from '../../src/roles/directory/directory.ts'
import { answer } from './rpc.ts'

export interface StartDirectory {
  readonly folder: string
}

const world = nodeWorld(nodeProvider)
const bonded = new MemoryBondedNodes()
let directory: Directory | undefined

answer({
  async start({ folder }: StartDirectory): Promise<string> {
    directory = await Directory.start(world, {
      folder,
      bonded,
      network: localNetworkDetails(''),
      build: BUILD_INFORMATION,
      describer: LOCAL_DESCRIBER,
      meter: new Meter(),
      log: silentLog,
    })
    const { endpoint } = await world.net.serveHttp(
      { host: '127.0.0.1', port: 0, maxConnections: 4096, maxBodyBytes: 65_536, requestTimeout: seconds(30) },
      directory.handler,
    )
    return `http://${endpoint.host}:${endpoint.port}/api`
  },
  bond: (nodes: readonly BondedNode[]) => bonded.set(nodes),
  ready: () => directory?.ready,
  stop: () => directory?.stop(),
})
