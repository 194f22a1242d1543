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
import { formatReport, hasFailed, type Subject } from './figures.ts'
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

console.log(
  `Node ${process.version}, ${process.platform} ${process.arch}. Medians, in brackets the smallest and the largest.\n` +
    'Another machine, or a busy one, gives other absolute figures; ratios travel better.\n',
)
for (const subject of SUBJECTS) {
  if (only?.includes(subject.name) === false) continue
  const report = await subject.run({
    quick,
    say: (line) => {
      if (process.stderr.isTTY) process.stderr.write(`  … ${line}\n`)
    },
  })
  console.log(formatReport(subject, report))
  if (hasFailed(report)) process.exitCode = 1
}
