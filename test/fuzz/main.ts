/**
 * Fuzzes every decoder for as long as one likes:
 *
 *   npm run fuzz                          ten minutes, from a seed that is printed
 *   npm run fuzz -- --seconds 3600 --seed 7 --only decodeMessage
 *   npm run fuzz -- --record              records the corpus anew from a running network
 *
 * The same seed tries the same inputs. Exits with 1 at the first failure, with the input that did it. @module
 */
import { parseArgs } from 'node:util'
import { CORPUS_FILE } from './corpus.ts'

const RUNS_PER_TURN = 500

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '600' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      only: { type: 'string', default: '' },
      record: { type: 'boolean', default: false },
    },
  })
  if (values.record) {
    const { record } = await import('./record.ts')
    return record(CORPUS_FILE)
  }
  // Not above: the recorder changes the decoders while they are loaded.
  const [{ fuzz }, { decoders }] = await Promise.all([import('./check.ts'), import('./decoders.ts')])
  const [seconds, first] = [Number(values.seconds), Number(values.seed)]
  const chosen = decoders.filter(({ name }) => name.includes(values.only))
  if (!(seconds > 0) || !Number.isSafeInteger(first) || chosen.length === 0) {
    console.error('--seconds and --seed are numbers; --only is a part of the name of a decoder')
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
