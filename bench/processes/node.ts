/** A node in a process of its own. @module */
import { type RunningNode, startNode } from '../../src/app/node/node.ts'
import type { NodeConfig } from '../../src/app/node/nodeConfig.ts'
import { openPacketEngine } from '../../src/app/node/packetEngine.ts'
import { withNamedHosts } from '../../src/app/testnet/namedHosts.ts'
import { Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import type { Endpoint } from '../../src/foundation/platform/net.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import { answer } from './rpc.ts'

export interface StartNode {
  readonly config: NodeConfig
  /** Names that its exit knows, and where they are. */
  readonly hosts: ReadonlyMap<string, Endpoint>
  /** Carries IP packets, where it is an exit. */
  readonly packets: boolean
}

export interface StartedNode {
  readonly identity: Uint8Array
  readonly endpoints: RunningNode['endpoints']
}

const meter = new Meter()
let node: RunningNode | undefined

answer({
  async start({ config, hosts, packets }: StartNode): Promise<StartedNode> {
    const world = nodeWorld(nodeProvider)
    const wayOut =
      packets && config.roles.includes('exit')
        ? await openPacketEngine(world, { engine: 'passt', allowLocalAddresses: true, log: silentLog })
        : undefined
    const named = { ...world, net: withNamedHosts(world.net, hosts) }
    node = await startNode(named, config, { meter, log: silentLog, ...(wayOut === undefined ? {} : { wayOut }) })
    return { identity: node.identity, endpoints: node.endpoints }
  },
  announce: () => node?.announce(),
  ready: () => node?.ready,
  refresh: () => node?.refresh(),
  counters: () => meter.snapshot(),
  stop: () => node?.stop(),
})
