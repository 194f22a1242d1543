/**
 * Simulates a whole network and prints what came of it:
 *
 *   node src/app/testnet/simulate.ts --seed 7 --seconds 60 --crypto null [--clients 50] [--trace FILE] [--json]
 *
 * The same seed gives the same run, packet by packet: this is how a failing one is looked at again. `--crypto node` takes the
 * real cryptography; nothing else changes. `--trace -` writes every transmission to standard output. Exits with 1 where something
 * did not arrive. @module
 */
import { parseArgs } from 'node:util'
import { utf8 } from '../../foundation/base/bytes.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
import { formatReport, isClean } from '../../lab/simulator/report.ts'
import { simulateTestnet } from './simulatedTestnet.ts'

const CRYPTO: ReadonlyMap<string, CryptoProvider> = new Map([nullProvider, nodeProvider].map((one) => [one.name, one]))

/** What somebody types to see that run again. */
export const replayCommand = (run: { seed: string; seconds: number; crypto: string }): string =>
  `node src/app/testnet/simulate.ts --seed ${run.seed} --seconds ${run.seconds} --crypto ${run.crypto}`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      seconds: { type: 'string', default: '60' },
      crypto: { type: 'string', default: 'null' },
      clients: { type: 'string', default: '50' },
      trace: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  })
  const crypto = CRYPTO.get(values.crypto)
  const [seconds, clients] = [Number(values.seconds), Number(values.clients)]
  if (crypto === undefined || !(seconds > 0) || !(clients > 1)) {
    process.stderr.write(`--crypto is one of ${[...CRYPTO.keys()].join(', ')}; --seconds and --clients are numbers\n`)
    process.exitCode = 2
    return
  }
  const { files } = nodeWorld(nodeProvider)
  const toFile = values.trace === undefined || values.trace === '-' ? undefined : await files.openAppend(values.trace)
  const onTrace =
    values.trace === '-'
      ? (lines: string) => void process.stdout.write(lines)
      : (lines: string) => toFile?.append(utf8(lines))
  const onProgress = values.json ? () => {} : (what: string) => void process.stderr.write(`\r\x1b[K${what}`)
  const report = await simulateTestnet({ seed: values.seed, crypto, seconds, clients, onTrace, onProgress })
  await toFile?.close()
  onProgress('')
  process.stdout.write(`${values.json ? JSON.stringify(report) : formatReport(report)}\n`)
  if (!isClean(report)) process.exitCode = 1
}

if (import.meta.main) await main()
