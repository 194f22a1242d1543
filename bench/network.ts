/**
 * A whole network on this machine, a process for every node, at default delays: latency and throughput through the SOCKS proxy,
 * and what a downloaded megabyte costs all processes together. Once as official clients do by default (the exit is told the
 * client's address), once as ours do (it is answered through reply SURBs). @module
 */

import { DEMO_HOST, serveDemoSite } from '../src/app/testnet/demoSite.ts'
import { DEFAULT_SIZE } from '../src/app/testnet/layout.ts'
import { DEFAULT_TRAFFIC } from '../src/client/trafficParams.ts'
import { nodeProvider } from '../src/foundation/crypto/nodeProvider.ts'
import type { Endpoint } from '../src/foundation/platform/net.ts'
import { nodeWorld } from '../src/foundation/platform/node/nodeWorld.ts'
import { fragmentBytes, REGULAR } from '../src/protocol/packet/sizes.ts'
import { type BenchOptions, exactly, type Figure, type Goal, type Report, type Subject, spread } from './figures.ts'
import type { StartClient } from './processes/client.ts'
import { Measured } from './processes/rpc.ts'
import { cpuMicros, type ProcessNetwork, startProcessNetwork } from './processNetwork.ts'
import { SocksConnection } from './socksClient.ts'

interface Mode {
  readonly title: string
  readonly anonymous: boolean
  readonly downloadBytes: number
  readonly official: {
    readonly fresh: number
    readonly kept: number
    readonly kBps: number
    readonly cpuPerMB?: number
  }
  readonly goals: { readonly fresh: number; readonly kept: number; readonly cpuPerMB?: number }
}

/** Of the official Rust network on a two-core machine; middles where a range was measured. */
const MODES: readonly Mode[] = [
  {
    title: 'exit knows the address',
    anonymous: false,
    downloadBytes: 5_000_000,
    official: { fresh: 243, kept: 178, kBps: 436, cpuPerMB: 4.3 },
    goals: { fresh: 200, kept: 150, cpuPerMB: 1.5 },
  },
  {
    title: 'anonymous replies',
    anonymous: true,
    downloadBytes: 5_000_000,
    official: { fresh: 420, kept: 220, kBps: 260 },
    goals: { fresh: 300, kept: 170 },
  },
]
// A process that has just started runs its code unoptimised.
const WARM_UP_BYTES = 3_000_000
const SMALL = '/bytes/100'
const ADDRESSED_KBPS_GOAL = 870
const SUPPLY_GOAL = 0.9

// SURBs travel best seven packets at a time; see SurbSupply.
const SUPPLY_PACKETS = 7
const SUPPLY_SURBS = 24

/** kB/s of answers that the SURBs sent in every slot of the main stream allow. */
function surbBound(): number {
  const packetsPerSecond = 1000 / (DEFAULT_TRAFFIC.mainStreamInterval as number)
  const answersPerSecond = (packetsPerSecond * SUPPLY_SURBS) / SUPPLY_PACKETS
  // What a reply fragment carries beside its own 7-byte header.
  return (answersPerSecond * (fragmentBytes(REGULAR) - 7)) / 1000
}

export const network: Subject = {
  name: 'network',
  title: `${DEFAULT_SIZE.mixNodes} mix nodes, ${DEFAULT_SIZE.entries} entries, ${DEFAULT_SIZE.exits} exit, a process each; default delays; through SOCKS`,
  run: measure,
}

async function measure(options: BenchOptions): Promise<Report> {
  const site = await serveDemoSite(nodeWorld(nodeProvider))
  const figures: Figure[] = []
  const notes: string[] = []
  try {
    options.say('starting the network')
    const running = await startProcessNetwork(DEFAULT_SIZE, new Map([[DEMO_HOST, site.endpoint]]))
    try {
      for (const mode of MODES) figures.push(...(await measureMode(mode, running, options)))
      const resident = await Promise.all(
        running.nodes.map(async ({ process }) => (await process.usage()).residentBytes),
      )
      figures.push({
        name: 'resident, all nodes',
        unit: 'MB',
        measured: spread(resident.map((bytes) => bytes / 1024 / 1024)),
        reference: { name: 'official', value: exactly(545), recorded: true },
        goal: { of: 'measured', atMost: 256 },
      })
    } finally {
      await running.stop()
    }
  } finally {
    await site.close()
  }
  const { mainStreamInterval } = DEFAULT_TRAFFIC
  notes.push(
    `SURB supply: a packet every ${mainStreamInterval} ms × ${SUPPLY_SURBS}/${SUPPLY_PACKETS} SURBs a packet × ` +
      `${fragmentBytes(REGULAR) - 7} bytes an answer = ${surbBound().toFixed(0)} kB/s.`,
  )
  return { figures, notes }
}

async function measureMode(mode: Mode, running: ProcessNetwork, { quick, say }: BenchOptions): Promise<Figure[]> {
  say(`${mode.title}: connecting a client`)
  const client = new Measured('./client.ts')
  try {
    const proxy = await client.ask<Endpoint>('start', {
      directory: running.directoryUrl,
      anonymous: mode.anonymous,
    } satisfies StartClient)
    const processes = [...running.processes, client]
    say(`${mode.title}: warming up`)
    await download(proxy, processes, WARM_UP_BYTES, 1)
    const { fresh, kept } = await latencies(proxy, quick ? 8 : 25)
    say(`${mode.title}: downloads`)
    const downloads = await download(proxy, processes, mode.downloadBytes, quick ? 1 : 3)
    return figuresOf(mode, { fresh, kept, ...downloads })
  } finally {
    await client.end()
  }
}

/** Milliseconds of small requests, on new connections and on one that is kept. */
async function latencies(proxy: Endpoint, count: number): Promise<{ fresh: number[]; kept: number[] }> {
  const fresh: number[] = []
  const kept: number[] = []
  const standing = await SocksConnection.open(proxy, DEMO_HOST)
  await standing.get(SMALL)
  for (let i = 0; i < count; i++) {
    const before = performance.now()
    const connection = await SocksConnection.open(proxy, DEMO_HOST)
    await connection.get(SMALL)
    const between = performance.now()
    connection.close()
    await standing.get(SMALL)
    fresh.push(between - before)
    kept.push(performance.now() - between)
  }
  standing.close()
  return { fresh, kept }
}

async function download(
  proxy: Endpoint,
  processes: readonly Measured[],
  bytes: number,
  times: number,
): Promise<{ kBps: number[]; cpuPerMB: number[] }> {
  const kBps: number[] = []
  const cpuPerMB: number[] = []
  for (let i = 0; i < times; i++) {
    const cpuBefore = await cpuMicros(processes)
    const before = performance.now()
    const connection = await SocksConnection.open(proxy, DEMO_HOST)
    await connection.get(`/bytes/${bytes}`)
    kBps.push(bytes / (performance.now() - before))
    cpuPerMB.push((await cpuMicros(processes)) / bytes - cpuBefore / bytes)
    connection.close()
  }
  return { kBps, cpuPerMB }
}

function figuresOf(
  { title, anonymous, downloadBytes, official, goals }: Mode,
  measured: Record<'fresh' | 'kept' | 'kBps' | 'cpuPerMB', readonly number[]>,
): Figure[] {
  const figure = (
    name: string,
    unit: string,
    values: readonly number[],
    { recorded, smallIsGood, goal }: { recorded?: number | undefined; smallIsGood: boolean; goal?: Goal },
  ): Figure => ({
    name: `${title}: ${name}`,
    unit,
    measured: spread(values),
    ...(recorded === undefined
      ? {}
      : {
          reference: { name: 'official', value: exactly(recorded), recorded: true },
          ratio: spread(values.map((value) => (smallIsGood ? recorded / value : value / recorded))),
        }),
    ...(goal === undefined ? {} : { goal }),
  })
  const megabytes = `${downloadBytes / 1e6} MB`
  const throughput = figure(megabytes, 'kB/s', measured.kBps, {
    recorded: official.kBps,
    smallIsGood: false,
    ...(anonymous ? {} : { goal: { of: 'measured', atLeast: ADDRESSED_KBPS_GOAL } }),
  })
  const supplied: Figure = {
    name: `${title}: ${megabytes}`,
    unit: 'kB/s',
    measured: spread(measured.kBps),
    reference: { name: 'SURB supply', value: exactly(surbBound()) },
    ratio: spread(measured.kBps.map((rate) => rate / surbBound())),
    goal: { of: 'ratio', atLeast: SUPPLY_GOAL },
  }
  const { fresh, kept, cpuPerMB } = goals
  const latency = (name: string, values: readonly number[], recorded: number, atMost: number): Figure =>
    figure(name, 'ms', values, { recorded, smallIsGood: true, goal: { of: 'measured', atMost } })
  return [
    latency('GET, new connection', measured.fresh, official.fresh, fresh),
    latency('GET, kept connection', measured.kept, official.kept, kept),
    throughput,
    ...(anonymous ? [supplied] : []),
    figure('CPU of all processes per MB', 's', measured.cpuPerMB, {
      recorded: official.cpuPerMB,
      smallIsGood: true,
      ...(cpuPerMB === undefined ? {} : { goal: { of: 'measured', atMost: cpuPerMB } }),
    }),
  ]
}
