/**
 * The whole network in the simulator with null cryptography and with the real one: the same 26 nodes, 50 clients, packets and
 * instants; only the cryptography differs. In CPU time, one run each in turn. @module
 */
import { simulateTestnet } from '../src/app/testnet/simulatedTestnet.ts'
import { nodeProvider } from '../src/foundation/crypto/nodeProvider.ts'
import { nullProvider } from '../src/foundation/crypto/nullProvider.ts'
import type { LinkCryptoProvider } from '../src/foundation/crypto/provider.ts'
import { isClean, packetsPerCpuSecond, packetsPerSecond } from '../src/lab/simulator/report.ts'
import { type BenchOptions, type Report, ratios, type Subject, spread } from './figures.ts'

const RATIO_GOAL = 5

async function run({ quick, say }: BenchOptions): Promise<Report> {
  const rounds = quick ? 1 : 3
  const rates = { null: [] as number[], node: [] as number[] }
  const failures: string[] = []
  const wall = { null: [] as number[], node: [] as number[] }
  const measure = async (name: 'null' | 'node', crypto: LinkCryptoProvider, seconds: number) => {
    const report = await simulateTestnet({ seed: 'bench', seconds, crypto })
    const { running } = report
    if (!isClean(report))
      failures.push(`${name} cryptography: not everything arrived (--seed bench --seconds ${seconds}).`)
    rates[name].push(packetsPerCpuSecond(running))
    wall[name].push(packetsPerSecond(running))
    say(`${name} cryptography: ${Math.round(packetsPerCpuSecond(running))} packets per second of CPU time`)
  }
  for (let round = 0; round < rounds; round++) {
    await measure('null', nullProvider, quick ? 10 : 60)
    await measure('node', nodeProvider, 3)
  }
  const reference = { name: 'with the real one', value: spread(rates.node) }
  return {
    figures: [
      {
        name: 'packets per second of CPU time, null cryptography',
        unit: '/s',
        measured: spread(rates.null),
        reference,
        ratio: ratios(rates.null, rates.node),
        goal: { of: 'ratio', atLeast: RATIO_GOAL },
      },
      { name: 'packets per second, null cryptography', unit: '/s', measured: spread(wall.null) },
      { name: 'packets per second, real cryptography', unit: '/s', measured: spread(wall.node) },
    ],
    notes: ['A packet counts at every node that unwraps it; making it and all else that clients do is in the time.'],
    failures,
  }
}

export const simulator: Subject = { name: 'simulator', title: 'A whole network, simulated', run }
