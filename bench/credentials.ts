/**
 * `npm run bench:credentials`: what paying costs, ours beside the official crate (where there is a Rust toolchain) and beside the
 * reference of our own tests.
 *
 *     npm run bench:credentials -- [--only speed|stall] [--quick]
 *
 * Exits with 1 where an operation failed: a goal that is missed is a result.
 *
 * @module
 */
import { Command, Option } from 'commander'
import { speed } from './credentials/speed.ts'
import { stall } from './credentials/stall.ts'
import { runSubjects, type Subject } from './figures.ts'

const SUBJECTS: readonly Subject[] = [speed, stall]

const { only, quick } = new Command('npm run bench:credentials --')
  .description('What paying costs, ours beside the official crate and beside noble.')
  .addOption(new Option('--only <names...>', 'these only').choices(SUBJECTS.map(({ name }) => name)))
  .option('--quick', 'fewer rounds: for a look, not for a record', false)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse()
  .opts<{ readonly only?: readonly string[]; readonly quick: boolean }>()

await runSubjects(SUBJECTS, { only, quick })
