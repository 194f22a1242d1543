/**
 * `npm run bench`: what this implementation costs, each figure beside its reference of the same run.
 *
 *     npm run bench -- [--only sphinx|mix|network|simulator|traffic] [--quick]
 *
 * Exits with 1 where a figure was taken of something that did not work: a goal that is missed is a result, a lost packet is not.
 *
 * @module
 */
import { Command, Option } from 'commander'
import { runSubjects, type Subject } from './figures.ts'
import { mixNode } from './mixNode.ts'
import { network } from './network.ts'
import { simulator } from './simulator.ts'
import { sphinx } from './sphinx.ts'
import { traffic } from './traffic.ts'

const SUBJECTS: readonly Subject[] = [sphinx, mixNode, network, simulator, traffic]

const { only, quick } = new Command('npm run bench --')
  .description('What this implementation costs, each figure beside its reference of the same run.')
  .addOption(new Option('--only <names...>', 'these only').choices(SUBJECTS.map(({ name }) => name)))
  .option('--quick', 'fewer rounds: for a look, not for a record', false)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse()
  .opts<{ readonly only?: readonly string[]; readonly quick: boolean }>()

await runSubjects(SUBJECTS, { only, quick })
