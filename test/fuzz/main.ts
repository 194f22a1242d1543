/**
 * Fuzzes every decoder for as long as one likes:
 *
 *   npm run fuzz                          ten minutes, from a seed that is printed
 *   npm run fuzz -- --seconds 3600 --seed 7 --only decodeMessage
 *   npm run fuzz -- --record              records the corpus anew from a running network
 *
 * The same seed tries the same inputs. Exits with 1 at the first failure, with the input that did it. @module
 */
import { Command, InvalidArgumentError } from 'commander'
import { CORPUS_FILE } from './corpus.ts'

const RUNS_PER_TURN = 500

interface Values {
  readonly seconds: number
  readonly seed?: number
  readonly only: string
  readonly record: boolean
}

const command = (): Command =>
  new Command('npm run fuzz --')
    .description('Every decoder on hostile bytes. The same seed tries the same inputs.')
    .option('--seconds <number>', 'for how long', positive, 600)
    .option('--seed <number>', 'of the first turn (default: another one every time)', whole)
    .option('--only <part>', 'decoders whose names have this in them', '')
    .option('--record', 'record the corpus anew from a running network', false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))

function positive(text: string): number {
  if (Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('It must be a number above 0.')
}

function whole(text: string): number {
  if (text !== '' && Number.isSafeInteger(Number(text))) return Number(text)
  throw new InvalidArgumentError('It must be a whole number.')
}

async function main(): Promise<void> {
  const values = command().parse().opts<Values>()
  if (values.record) {
    const { record } = await import('./record.ts')
    return record(CORPUS_FILE)
  }
  // Not above: the recorder changes the decoders while they are loaded.
  const [{ fuzz }, { decoders }] = await Promise.all([import('./check.ts'), import('./decoders.ts')])
  const { seconds, seed: first = Math.floor(Math.random() * 2 ** 31) } = values
  const chosen = decoders.filter(({ name }) => name.includes(values.only))
  if (chosen.length === 0) {
    const some = decoders.slice(0, 5).map(({ name }) => name)
    console.error(`error: no decoder has "${values.only}" in its name; there are ${some.join(', ')} and others`)
    process.exitCode = 2
    return
  }
  console.log(`Fuzzing ${chosen.length} decoders for ${seconds} s. Again with: npm run fuzz -- --seed ${first}`)
  const end = performance.now() + seconds * 1000
  for (let turn = 0; performance.now() < end; turn++) {
    for (const decoder of chosen) {
      try {
        fuzz(decoder, { seed: (first + turn) | 0, runs: RUNS_PER_TURN })
      } catch (error) {
        console.error(
          `${decoder.name}, seed ${first}, turn ${turn}\n${error instanceof Error ? error.stack : String(error)}`,
        )
        process.exitCode = 1
        return
      }
      if (performance.now() > end) break
    }
    console.log(`${(turn + 1) * RUNS_PER_TURN} inputs each`)
  }
}

await main()
