/** The whole default year of the economy, twice: some two minutes. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { performanceLoss, sybilGain } from '../../src/lab/economy/experiments.ts'
import { simulateYear, type Year } from '../../src/lab/economy/year.ts'
import { DEFAULT_YEAR } from '../../src/lab/economy/yearOptions.ts'
import { figuresOf, linesOf, yearFiles } from '../../src/lab/economy/yearReport.ts'
import { codeBlocks } from '../support/guides.ts'

function whole(): Year {
  const running = simulateYear(DEFAULT_YEAR)
  let step = running.next()
  while (step.done !== true) step = running.next()
  return step.value
}

const studyOf = (year: Year) => ({
  year,
  performance: performanceLoss(year.options, year.lastMarket),
  sybil: sybilGain(year.options, year.lastMarket),
})

describe('the default year', () => {
  const study = studyOf(whole())

  it('loses no coin, and pays every interval less than its budget', () => {
    const { year } = study
    assert.equal(year.coinsAtEnd, year.coinsAtStart)
    assert.equal(year.intervals.length, 12)
    for (const { paid, budget } of year.intervals) assert.ok(paid > 0n && paid < budget)
    assert.ok(year.dust >= 0n && year.dust < 1_000_000n * 10n ** 18n)
  })

  it('is the one of docs/guides/operator-income.md', async () => {
    const told = (await codeBlocks('operator-income.md')).find(({ info }) => info === 'text year')
    const lines = linesOf(figuresOf(study)).map(([label, text]) => `  ${label.padEnd(12)}${text}\n`)
    assert.equal(told?.text, lines.join(''))
  })

  it('is the same byte for byte', () => {
    assert.deepEqual(yearFiles(studyOf(whole()), 'starling'), yearFiles(study, 'starling'))
  })

  it('pays who works, and those who look', () => {
    const { nodes, gainedByDelegators, incomeAtPerformance } = figuresOf(study)
    assert.ok((nodes.lazy?.incomeNym ?? 0) < (nodes.steady?.incomeNym ?? 0))
    assert.ok(gainedByDelegators.chaser > gainedByDelegators.random)
    assert.ok(incomeAtPerformance[95] < 60)
  })
})
