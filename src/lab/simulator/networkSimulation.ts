/**
 * A whole network of the shipped roles with the shipped clients in one simulation: loading, a stretch of traffic, and draining
 * until everything has arrived, all in virtual time. Nothing here is a model of anything but wires and people: nodes, gateways,
 * exits, directory and clients are what runs in production, in a World of their own each.
 *
 * Links between nodes are plain TCP, without Noise: what the simulator loses are chunks of a TCP stream, as if they were packets,
 * and a hole in a Noise stream is, rightly, the end of the connection. @module
 */
import { Mixnet } from '../../client/mixnet.ts'
import { Meter } from '../../foundation/base/observe.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import type { LinkCryptoProvider } from '../../foundation/crypto/provider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { Trace } from '../../foundation/platform/simulated/trace.ts'
import type { World } from '../../foundation/platform/world.ts'
import { DEFAULT_LINKS, type LinkParams, linkShapes } from './linkShapes.ts'
import type { Checkpoint, Phase, SimulationReport } from './report.ts'
import { serveSite } from './sites.ts'
import { DEFAULT_WORKLOAD, Workload, type WorkloadParams } from './workload.ts'

export interface SimulatedHost {
  readonly name: string
  readonly ip: string
}

/** What is simulated. The composer of networks (app/testnet) fills it in: the simulator does not know how one is put together. */
export interface NetworkUnderTest {
  readonly directory: SimulatedHost
  readonly nodes: readonly SimulatedHost[]
  /** Resolves when clients can use the network. */
  start(worldOf: (host: SimulatedHost) => World): Promise<RunningNetwork>
}

export interface RunningNetwork {
  readonly directoryUrl: string
  readonly meters: readonly Meter[]
}

/** The real machine's, to measure with: nothing simulated reads it. */
export interface Stopwatch {
  realMs(): number
  cpuMs(): number
}

export interface SimulationParams {
  readonly seed: string
  readonly crypto: LinkCryptoProvider
  /** Virtual, of traffic. */
  readonly seconds: number
  readonly clients: number
  readonly links?: LinkParams
  readonly workload?: WorkloadParams
  /** How long what is under way may take to arrive. Default 30 s; 0 leaves it where it is. */
  readonly drainLimit?: Millis
  readonly stopwatch: Stopwatch
  /** Gets the lines of the trace. */
  readonly onTrace?: (lines: string) => void
  /** After loading, and after each virtual second. */
  readonly onProgress?: (what: string) => void
}

const SITES = ['site-1.example', 'site-2.example', 'site-3.example']
const DRAIN_LIMIT = seconds(30)
const LOAD_LIMIT = seconds(120)

export async function simulateNetwork(network: NetworkUnderTest, params: SimulationParams): Promise<SimulationReport> {
  const { seed, crypto, links = DEFAULT_LINKS, stopwatch, onProgress } = params
  const trace = new Trace(params.onTrace)
  const nodes = new Set(network.nodes.map(({ name }) => name))
  const simulation = new Simulation({ seed, crypto, trace, shape: linkShapes(seed, links, (host) => nodes.has(host)) })
  let meters: readonly Meter[] = []
  const counted = (name: string, of: readonly Meter[]) =>
    of.reduce((sum, meter) => sum + (meter.snapshot()[name] ?? 0), 0)
  const measure = async (work: () => Promise<unknown>): Promise<Phase> => {
    const before = { ...times(simulation, stopwatch), packets: counted('mix_received_total', meters) }
    await work()
    const after = times(simulation, stopwatch)
    return {
      // To the microsecond: what floating point leaves of 60 seconds may be less.
      virtualSeconds: Math.round((after.virtual - before.virtual) * 1000) / 1e6,
      realSeconds: (after.real - before.real) / 1000,
      cpuSeconds: (after.cpu - before.cpu) / 1000,
      packets: counted('mix_received_total', meters) - before.packets,
    }
  }

  const clients: Mixnet[] = []
  const clientMeters = Array.from({ length: params.clients }, () => new Meter())
  const workload = new Workload(simulation, { params: params.workload ?? DEFAULT_WORKLOAD, clients, sites: SITES })
  const load = async () => {
    await Promise.all(SITES.map((name, i) => serveSite(simulation.host(name, { ips: [`198.51.100.${i + 1}`] }))))
    const running = await network.start(({ name, ip }) => simulation.host(name, { ips: [ip] }))
    meters = running.meters
    const connecting = clientMeters.map((meter, i) =>
      Mixnet.connect(simulation.host(`client-${i}`, { ips: [`10.2.${i >> 8}.${i & 0xff}`] }), {
        directories: [running.directoryUrl],
        onMessage: (message) => workload.received(i, message),
        meter,
      }),
    )
    clients.push(...(await Promise.all(connecting)))
  }
  const loading = await measure(() => simulation.complete(load(), LOAD_LIMIT))
  onProgress?.(`loaded in ${loading.virtualSeconds.toFixed(2)} virtual seconds`)

  const checkpoints: Checkpoint[] = []
  const loaded = { events: simulation.eventCount, packets: counted('mix_received_total', meters) }
  const running = await measure(async () => {
    workload.start()
    for (let second = 1; second <= params.seconds; second++) {
      await simulation.runFor(millis(1000))
      checkpoints.push({
        packets: counted('mix_received_total', meters) - loaded.packets,
        events: simulation.eventCount - loaded.events,
        digest: trace.digest(),
      })
      onProgress?.(`${second} s`)
    }
  })
  const draining = await measure(() =>
    simulation.complete(workload.finish(), params.drainLimit ?? DRAIN_LIMIT).catch(() => {}),
  )
  return {
    seed,
    crypto: crypto.name,
    nodes: network.nodes.length,
    clients: clients.length,
    loading,
    running,
    draining,
    messages: workload.count('message'),
    replies: workload.count('reply'),
    requests: workload.count('request'),
    meanLatencyMs: workload.meanLatencyMs,
    events: simulation.eventCount,
    retransmissions: counted('client_retransmitted_total', [...clientMeters, ...meters]),
    missing: workload.missing,
    failures: workload.failures,
    checkpoints,
    digest: trace.digest(),
  }
}

const times = ({ clock }: Simulation, stopwatch: Stopwatch) => ({
  virtual: clock.monotonic(),
  real: stopwatch.realMs(),
  cpu: stopwatch.cpuMs(),
})
