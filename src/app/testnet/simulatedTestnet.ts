/**
 * The network of `startTestnet`, the same function, in the simulator: each node on a host of its own. The simulator says what it
 * needs (`NetworkUnderTest`), this fills it in; see docs/adr/0002-simulations-are-composed-in-app.md. @module
 */
import { silentLog } from '../../foundation/base/observe.ts'
import type { LinkCryptoProvider } from '../../foundation/crypto/provider.ts'
import { nodeClock } from '../../foundation/platform/node/nodeClock.ts'
import {
  type NetworkUnderTest,
  type SimulatedHost,
  type SimulationParams,
  simulateNetwork,
} from '../../lab/simulator/networkSimulation.ts'
import type { SimulationReport } from '../../lab/simulator/report.ts'
import { type NetworkSize, type NodePlan, planNetwork } from './layout.ts'
import { startTestnet } from './testnet.ts'

export interface TestnetSimulation extends Omit<SimulationParams, 'clients' | 'stopwatch'> {
  readonly size?: NetworkSize
  readonly clients?: number
  readonly crypto: LinkCryptoProvider
}

const SIZE: NetworkSize = { mixNodes: 20, entries: 4, exits: 2 }
const CLIENTS = 50
const DIRECTORY: SimulatedHost = { name: 'directory', ip: '10.0.0.1' }

export function simulateTestnet({
  size = SIZE,
  clients = CLIENTS,
  ...params
}: TestnetSimulation): Promise<SimulationReport> {
  const stopwatch = { realMs: () => nodeClock.monotonic(), cpuMs }
  return simulateNetwork(networkUnderTest(size), { ...params, clients, stopwatch })
}

function networkUnderTest(size: NetworkSize): NetworkUnderTest {
  const plans = planNetwork(size, true).map((plan): NodePlan => ({ ...plan, host: `10.1.0.${plan.nodeId}` }))
  const hostOf = ({ name, host }: NodePlan): SimulatedHost => ({ name, ip: host })
  return {
    directory: DIRECTORY,
    nodes: plans.map(hostOf),
    async start(worldOf) {
      const network = await startTestnet({
        plans,
        folder: 'testnet',
        directory: { host: DIRECTORY.ip, port: 8080 },
        noise: false,
        world: worldOf(DIRECTORY),
        worldOf: (plan) => worldOf(hostOf(plan)),
        logOf: () => silentLog,
      })
      return { directoryUrl: network.directoryUrl, meters: network.nodes.map(({ meter }) => meter) }
    },
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
