/**
 * A whole network on one machine, in this process, on real loopback sockets: directory, mix nodes, gateways, exits. The same
 * function starts it in simulations. @module
 */
import { utf8 } from '../../foundation/base/bytes.ts'
import { type Log, Meter } from '../../foundation/base/observe.ts'
import { type Millis, seconds } from '../../foundation/base/units.ts'
import { withDeadline } from '../../foundation/platform/clock.ts'
import type { Endpoint, Listener } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import { MemoryBondedNodes } from '../../roles/directory/bondedNodes.ts'
import { Directory } from '../../roles/directory/directory.ts'
import type { EpochParams } from '../../roles/directory/epochs.ts'
import { BUILD_INFORMATION } from '../node/buildInformation.ts'
import { LOCAL_DESCRIBER, localNetworkDetails } from '../node/directoryService.ts'
import { type RunningNode, startNode } from '../node/node.ts'
import type { NodeConfig } from '../node/nodeConfig.ts'
import { listenStepped } from '../node/steppedPort.ts'
import type { NodePlan } from './layout.ts'

export interface TestnetOptions {
  readonly plans: readonly NodePlan[]
  /** Everything is kept below it. */
  readonly folder: string
  /** Where the directory listens; a taken port is stepped over. */
  readonly directory: Endpoint
  /** Encrypted links: only where every node has its own address. */
  readonly noise: boolean
  readonly epochs?: Partial<EpochParams>
  /** The world of one node: its own host in a simulation, the same for all on one machine. */
  readonly worldOf: (plan: NodePlan) => World
  readonly world: World
  readonly logOf: (name: string) => Log
  /** For the network to become usable. */
  readonly readyLimit?: Millis
  readonly onStep?: (what: string, wanted: number, used: number) => void
}

export interface TestnetNode {
  readonly plan: NodePlan
  readonly meter: Meter
  readonly running: RunningNode
}

export interface Testnet {
  readonly directoryUrl: string
  readonly nodes: readonly TestnetNode[]
  /** The node that has this IP and this mix port, for showing routes. */
  nameOf(ip: string, port: number): string | undefined
  stop(): Promise<void>
}

const READY_LIMIT = seconds(30)
// Everything but mail, this machine included: people try things out here. The one refusal shows what a refusal looks like.
const EXIT_POLICY = 'ExitPolicy reject *:25\nExitPolicy accept *:*\n'
const FIRST_PORTS = { mix: 1789, http: 8080, ws: 9000 }

/** Resolves when clients can use it. Whatever fails, nothing stays behind. */
export async function startTestnet(options: TestnetOptions): Promise<Testnet> {
  const { plans, folder, world, worldOf, logOf, noise, onStep } = options
  const bonded = new MemoryBondedNodes()
  const stops: (() => Promise<void>)[] = []
  const stopAll = async () => {
    for (const stop of stops.splice(0).reverse()) await stop()
  }
  try {
    await world.files.write(policyPath(folder), utf8(EXIT_POLICY))
    const directory = await Directory.start(world, {
      folder: `${folder}/directory`,
      bonded,
      network: localNetworkDetails(''),
      build: BUILD_INFORMATION,
      describer: LOCAL_DESCRIBER,
      ...(options.epochs === undefined ? {} : { epochs: options.epochs }),
      log: logOf('directory'),
    })
    stops.push(() => directory.stop())
    const listener: Listener = await listenStepped(
      { wanted: options.directory.port, step: true, onStep: (wanted, used) => onStep?.('directory', wanted, used) },
      (port) =>
        world.net.serveHttp(
          {
            host: options.directory.host,
            port,
            maxConnections: 4096,
            maxBodyBytes: 65_536,
            requestTimeout: seconds(30),
          },
          directory.handler,
        ),
    )
    stops.push(() => listener.close())
    const directoryUrl = `http://${listener.endpoint.host}:${listener.endpoint.port}/api`

    const nodes = await Promise.all(
      plans.map(async (plan): Promise<TestnetNode> => {
        const meter = new Meter()
        const running = await startNode(worldOf(plan), nodeConfig(plan, { folder, directoryUrl, noise }), {
          meter,
          log: logOf(plan.name),
          onStep: (wanted, used) => onStep?.(plan.name, wanted, used),
        })
        stops.push(() => running.stop())
        return { plan, meter, running }
      }),
    )
    bonded.set(
      await Promise.all(
        nodes.map(async ({ plan, running }) => ({
          nodeId: plan.nodeId,
          identity: running.identity,
          host: plan.host,
          httpPort: running.endpoints.http.port,
          layer: plan.layer,
        })),
      ),
    )
    await Promise.all(nodes.map(({ running }) => running.announce()))
    await withDeadline(world.clock, options.readyLimit ?? READY_LIMIT, 'network', directory.ready)
    await withDeadline(
      world.clock,
      options.readyLimit ?? READY_LIMIT,
      'nodes',
      Promise.all(nodes.map(({ running }) => running.ready)),
    )
    // A node that asked early knows a part of the network only.
    await Promise.all(nodes.map(({ running }) => running.refresh()))
    return {
      directoryUrl,
      nodes,
      nameOf: (ip, port) =>
        nodes.find(({ running: { endpoints } }) => endpoints.mix.host === ip && endpoints.mix.port === port)?.plan.name,
      stop: stopAll,
    }
  } catch (error) {
    await stopAll()
    throw error
  }
}

const policyPath = (folder: string): string => `${folder}/exit-policy.txt`

function nodeConfig(
  plan: NodePlan,
  { folder, directoryUrl, noise }: { folder: string; directoryUrl: string; noise: boolean },
): NodeConfig {
  return {
    name: plan.name,
    roles: plan.roles,
    host: plan.host,
    directories: [directoryUrl],
    data: `${folder}/nodes/${plan.name}`,
    ports: FIRST_PORTS,
    noise,
    local: true,
    exit: { openProxy: false, allowLocalAddresses: true, policyFile: policyPath(folder) },
  }
}
