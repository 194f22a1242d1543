/**
 * `npm run bench`: what this implementation costs, each figure beside its reference of the same run.
 *
 *     npm run bench -- [--only sphinx|mix|network|simulator] [--quick]
 *
 * @module
 */
import { parseArgs } from 'node:util'
import { formatReport, type Subject } from './figures.ts'
import { mixNode } from './mixNode.ts'
import { network } from './network.ts'
import { simulator } from './simulator.ts'
import { sphinx } from './sphinx.ts'

const SUBJECTS: readonly Subject[] = [sphinx, mixNode, network, simulator]

const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true }, quick: { type: 'boolean', default: false } },
})
const chosen = values.only ?? SUBJECTS.map((subject) => subject.name)
const unknown = chosen.find((name) => !SUBJECTS.some((subject) => subject.name === name))
if (unknown !== undefined) {
  console.error(`There is no benchmark "${unknown}". There are: ${SUBJECTS.map(({ name }) => name).join(', ')}.`)
  process.exit(2)
}

console.log(
  `Node ${process.version}, ${process.platform} ${process.arch}. Medians, in brackets the smallest and the largest.\n` +
    'Another machine, or a busy one, gives other absolute figures; ratios travel better.\n',
)
for (const subject of SUBJECTS) {
  if (!chosen.includes(subject.name)) continue
  const report = await subject.run({
    quick: values.quick,
    say: (line) => {
      if (process.stderr.isTTY) process.stderr.write(`  … ${line}\n`)
    },
  })
  console.log(formatReport(subject, report))
}
