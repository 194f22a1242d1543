/**
 * Simulates a whole network and prints what came of it:
 *
 *   node src/app/testnet/simulate.ts --seed 7 --seconds 60 --crypto null [--clients 50] [--trace FILE] [--json]
 *
 * The same seed gives the same run, packet by packet: this is how a failing one is looked at again. `--crypto node` takes the
 * real cryptography; nothing else changes. `--trace -` writes every transmission to standard output. Exits with 1 where something
 * did not arrive. @module
 */
import { Command, InvalidArgumentError, Option } from 'commander'
import { utf8 } from '../../foundation/base/bytes.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import type { LinkCryptoProvider } from '../../foundation/crypto/provider.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
import { formatReport, isClean } from '../../lab/simulator/report.ts'
import { simulateTestnet } from './simulatedTestnet.ts'

const CRYPTO: ReadonlyMap<string, LinkCryptoProvider> = new Map(
  [nullProvider, nodeProvider].map((one) => [one.name, one]),
)

/** What somebody types to see that run again. */
export const replayCommand = (run: { seed: string; seconds: number; crypto: string }): string =>
  `node src/app/testnet/simulate.ts --seed ${run.seed} --seconds ${run.seconds} --crypto ${run.crypto}`

interface Values {
  readonly seed: string
  readonly seconds: number
  readonly crypto: string
  readonly clients: number
  readonly trace?: string
  readonly json: boolean
}

const command = (): Command =>
  new Command('node src/app/testnet/simulate.ts')
    .description('A whole network in virtual time. The same seed gives the same run.')
    .option('--seed <text>', 'what everything random comes from', '1')
    .option('--seconds <number>', 'virtual ones, after the start', atLeast(0.001), 60)
    .option('--clients <number>', 'all of them busy', atLeast(2), 50)
    .addOption(new Option('--crypto <name>', 'null is fast, node is real').choices([...CRYPTO.keys()]).default('null'))
    .option('--trace <file>', 'write every transmission there; - is standard output')
    .option('--json', 'the report as JSON', false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))

function atLeast(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (Number.isFinite(value) && value >= min) return value
    throw new InvalidArgumentError(`It must be a number from ${min} on.`)
  }
}

async function main(): Promise<void> {
  const values = command().parse().opts<Values>()
  const { seconds, clients } = values
  // Commander has refused what is not among the choices.
  const crypto = CRYPTO.get(values.crypto) as LinkCryptoProvider
  const { files } = nodeWorld(nodeProvider)
  const toFile = values.trace === undefined || values.trace === '-' ? undefined : await files.openAppend(values.trace)
  const onTrace =
    values.trace === '-'
      ? (lines: string) => void process.stdout.write(lines)
      : (lines: string) => toFile?.append(utf8(lines))
  // Written over and over: in a file or a pipe it is a long line of rubbish.
  const live = !values.json && process.stderr.isTTY
  const onProgress = live ? (what: string) => void process.stderr.write(`\r\x1b[K${what}`) : () => {}
  const report = await simulateTestnet({ seed: values.seed, crypto, seconds, clients, onTrace, onProgress })
  await toFile?.close()
  onProgress('')
  process.stdout.write(`${values.json ? JSON.stringify(report) : formatReport(report)}\n`)
  if (!isClean(report)) process.exitCode = 1
}

if (import.meta.main) await main()
