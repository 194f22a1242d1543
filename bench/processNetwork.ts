/** A whole network with a process for every node, measured from outside. @module */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { hasLoopbackAddresses, type NetworkSize, type NodePlan, planNetwork } from '../src/app/testnet/layout.ts'
import { nodeProvider } from '../src/foundation/crypto/nodeProvider.ts'
import type { Endpoint } from '../src/foundation/platform/net.ts'
import { nodeWorld } from '../src/foundation/platform/node/nodeWorld.ts'
import type { BondedNode } from '../src/roles/directory/bondedNodes.ts'
import type { StartDirectory } from './processes/directory.ts'
import type { StartedNode, StartNode } from './processes/node.ts'
import { Measured } from './processes/rpc.ts'

const FIRST_PORTS = { mix: 1789, http: 8080, ws: 9000 }

export interface ProcessNode extends StartedNode {
  readonly plan: NodePlan
  readonly folder: string
  readonly process: Measured
}

export interface ProcessNetwork {
  readonly directoryUrl: string
  readonly nodes: readonly ProcessNode[]
  /** Directory and nodes. */
  readonly processes: readonly Measured[]
  stop(): Promise<void>
}

export async function startProcessNetwork(
  size: NetworkSize,
  hosts: ReadonlyMap<string, Endpoint>,
  { packets = false }: { readonly packets?: boolean } = {},
): Promise<ProcessNetwork> {
  const folder = await mkdtemp(`${tmpdir()}/starling-bench-`)
  const processes: Measured[] = []
  const launch = (script: string): Measured => {
    const launched = new Measured(script)
    processes.push(launched)
    return launched
  }
  const stop = async (): Promise<void> => {
    await Promise.all(processes.map((process) => process.end()))
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const ownAddresses = await hasLoopbackAddresses(nodeWorld(nodeProvider).net)
    const directory = launch('./directory.ts')
    const directoryUrl = await directory.ask<string>('start', {
      folder: `${folder}/directory`,
    } satisfies StartDirectory)
    const nodes = await Promise.all(
      planNetwork(size, ownAddresses).map(async (plan): Promise<ProcessNode> => {
        const process = launch('./node.ts')
        const data = `${folder}/${plan.name}`
        const started = await process.ask<StartedNode>('start', {
          config: {
            name: plan.name,
            roles: plan.roles,
            host: plan.host,
            directories: [directoryUrl],
            data,
            ports: FIRST_PORTS,
            noise: ownAddresses,
            local: true,
            exit: { openProxy: true, allowLocalAddresses: true },
          },
          hosts,
          packets,
        } satisfies StartNode)
        return { plan, folder: data, process, ...started }
      }),
    )
    const bonded = nodes.map(
      ({ plan, identity, endpoints }): BondedNode => ({
        nodeId: plan.nodeId,
        identity,
        host: plan.host,
        httpPort: endpoints.http.port,
        layer: plan.layer,
      }),
    )
    await directory.ask('bond', bonded)
    await Promise.all(nodes.map(({ process }) => process.ask('announce')))
    await directory.ask('ready')
    await Promise.all(nodes.map(({ process }) => process.ask('ready')))
    // A node that asked early knows a part of the network only.
    await Promise.all(nodes.map(({ process }) => process.ask('refresh')))
    return { directoryUrl, nodes, processes, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** CPU of all of them together, since their starts. */
export async function cpuMicros(processes: readonly Measured[]): Promise<number> {
  const usages = await Promise.all(processes.map((process) => process.usage()))
  return usages.reduce((sum, usage) => sum + usage.cpuMicros, 0)
}
