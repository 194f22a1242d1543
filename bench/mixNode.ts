/**
 * One mix node process between two sockets, with encrypted links and replay protection, at saturation: how near it comes to what
 * its bare unwrap allows, what a packet costs it, and what a million of them leave in its memory. @module
 */
import { type BenchOptions, exactly, type Figure, type Report, ratios, type Subject, spread } from './figures.ts'
import type { Flow, StartLoad } from './processes/mixLoad.ts'
import { Measured } from './processes/rpc.ts'
import { type ProcessNode, startProcessNetwork } from './processNetwork.ts'
import { timeUnwrap } from './sphinx.ts'

const SIZE = { mixNodes: 3, entries: 0, exits: 1 }
const MEAN_DELAY_NANOS = 15_000_000
const OFFICIAL_CPU_MICROS = 185
const OFFICIAL_RESIDENT_MB = 545
const MEGABYTE = 1024 * 1024

export const mixNode: Subject = {
  name: 'mix',
  title: 'One mix node process, packets of 2,413 bytes over encrypted links, mean delay 15 ms',
  run: measure,
}

async function measure({ quick, say }: BenchOptions): Promise<Report> {
  const rounds = quick ? 3 : 7
  const perRound = quick ? 8_000 : 15_000
  const forMemory = quick ? 60_000 : 1_000_000
  const network = await startProcessNetwork(SIZE, new Map())
  const load = new Measured('./mixLoad.ts')
  try {
    const [node, sender, receiver] = network.nodes as [ProcessNode, ProcessNode, ProcessNode]
    // The receiver takes the place of a node that the directory lists: a mix node sends to nobody else.
    await receiver.process.end()
    await load.ask('start', {
      node: { mix: node.endpoints.mix, http: node.endpoints.http },
      sender: { host: sender.plan.host, folder: sender.folder },
      receiver: { mix: receiver.endpoints.mix, folder: receiver.folder },
      meanDelayNanos: MEAN_DELAY_NANOS,
    } satisfies StartLoad)
    let lost = 0
    const flow = async (count: number): Promise<{ perSecond: number; cpuMicros: number }> => {
      const before = await node.process.usage()
      const { seconds, lost: missing } = await load.ask<Flow>('flow', count)
      const after = await node.process.usage()
      lost += missing
      return { perSecond: (count - missing) / seconds, cpuMicros: (after.cpuMicros - before.cpuMicros) / count }
    }

    say('warming up the mix node')
    await flow(perRound)
    const rates: number[] = []
    const costs: number[] = []
    const bareCosts: number[] = []
    for (let round = 0; round < rounds; round++) {
      say(`mix node, round ${round + 1} of ${rounds}`)
      await load.ask('prepare', perRound)
      const before = timeUnwrap(2_000)
      const { perSecond, cpuMicros } = await flow(perRound)
      const bare = (before + timeUnwrap(2_000)) / 2
      rates.push(perSecond)
      costs.push(cpuMicros)
      bareCosts.push(bare)
    }

    const before = await node.process.usage()
    say(`mix node, ${forMemory.toLocaleString('en')} packets for its memory`)
    await flow(forMemory / 2)
    const middle = await node.process.usage()
    await flow(forMemory / 2)
    const after = await node.process.usage()
    const megabytes = (bytes: number): number => bytes / MEGABYTE
    const figures: Figure[] = [
      {
        name: 'forwarded by the clock',
        unit: 'packets/s',
        measured: spread(rates),
      },
      {
        name: 'forwarded per second of CPU',
        unit: 'packets',
        measured: spread(costs.map((cost) => 1e6 / cost)),
        reference: { name: 'bare unwraps', value: spread(bareCosts.map((cost) => 1e6 / cost)) },
        ratio: ratios(bareCosts, costs),
        goal: { of: 'ratio', atLeast: 0.75 },
      },
      {
        name: 'CPU per packet',
        unit: 'µs',
        measured: spread(costs),
        reference: { name: 'official node', value: exactly(OFFICIAL_CPU_MICROS), recorded: true },
        ratio: spread(costs.map((cost) => OFFICIAL_CPU_MICROS / cost)),
      },
      {
        name: `resident after ${forMemory.toLocaleString('en')} more packets`,
        unit: 'MB',
        measured: exactly(megabytes(after.residentBytes)),
        reference: { name: 'official node', value: exactly(OFFICIAL_RESIDENT_MB), recorded: true },
        goal: { of: 'measured', atMost: 256 },
      },
    ]
    // The node has one thread for packets, so a second of its CPU is a second by the clock where nothing else wants the core.
    const trend = [before, middle, after].map(({ residentBytes }) => megabytes(residentBytes).toFixed(0))
    return {
      figures,
      notes: [
        `Resident before, half way and after: ${trend.join(', ')} MB; the replay filter is part of it.`,
        ...(lost === 0 ? ['No packet was lost.'] : []),
      ],
      failures:
        lost === 0 ? [] : [`${lost.toLocaleString('en')} packets were lost; no figure of a loaded node may lose any.`],
    }
  } finally {
    await load.end()
    await network.stop()
  }
}
