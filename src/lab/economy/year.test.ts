import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { ONE, whole } from '../../protocol/economy/decimal.ts'
import { performanceLoss, sybilGain } from './experiments.ts'
import { simulateYear, type Year } from './year.ts'
import { DEFAULT_YEAR, UNYM_IN_NYM, type YearOptions } from './yearOptions.ts'
import { yearPlots } from './yearPlots.ts'
import { figuresOf, linesOf, yearFiles } from './yearReport.ts'

const toText = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** An interval and some days of a small network: every strategy acts in it. */
const SHORT: YearOptions = {
  ...DEFAULT_YEAR,
  epochs: 900,
  operators: 40,
  delegators: 240,
  // All aim at the same stake: fewer places make each larger.
  delegatedNym: 70_000_000,
  rewardedSet: { entryGateways: 10, exitGateways: 8, mixnodes: 6, standby: 4 },
}

function run(options: YearOptions): { year: Year; progress: readonly number[] } {
  const progress: number[] = []
  const running = simulateYear(options)
  let step = running.next()
  while (step.done !== true) {
    progress.push(step.value)
    step = running.next()
  }
  return { year: step.value, progress }
}

const studyOf = (year: Year) => ({
  year,
  performance: performanceLoss(year.options, year.lastMarket),
  sybil: sybilGain(year.options, year.lastMarket),
})
const short = run(SHORT)
const study = studyOf(short.year)

describe('a year of the economy', () => {
  it('is the same for the same seed, byte for byte, and another one for another', () => {
    const files = (options: YearOptions) =>
      yearFiles(studyOf(run(options).year), 'starling lab economy').map(([name, bytes]) => `${name}\n${toText(bytes)}`)
    const few = { ...SHORT, epochs: 60 }
    assert.deepEqual(files(few), files(few))
    assert.notDeepEqual(files(few), files({ ...few, seed: '2' }))
  })

  it('says once a day how far it is', () => {
    assert.equal(short.progress.length, Math.floor(900 / 24))
    assert.equal(short.progress[0], 24)
  })

  it('neither makes nor loses a coin, and what rounding leaves is dust', () => {
    const { coinsAtStart, coinsAtEnd, dust } = short.year
    assert.equal(coinsAtEnd, coinsAtStart)
    assert.ok(dust >= 0n && dust < whole(UNYM_IN_NYM), `${dust}`)
  })

  it('pays out of the pool what it says it paid, and never above its budget', () => {
    const { intervals } = short.year
    const [first, second] = intervals
    assert.ok(first !== undefined && second !== undefined && intervals.length === 2)
    assert.ok(first.paid > 0n && first.paid < first.budget)
    // Each is cut to whole unym.
    const gone = first.pool - second.pool - second.paid
    assert.ok(gone >= -1n && gone <= 1n)
    assert.ok(second.budget < first.budget)
    assert.ok(second.saturationPoint > first.saturationPoint)
  })

  it('has every strategy at work', () => {
    const { nodes, days, options } = short.year
    const of = (strategy: string) => nodes.filter((node) => node.strategy === strategy)
    assert.ok(of('splitter').length > 4, 'a splitter opened no node')
    assert.ok(of('leaver').length < 4, 'no leaver left')
    assert.ok(nodes.length <= options.operators + 2)
    const mean = (strategy: string, value: (node: (typeof nodes)[number]) => number) =>
      of(strategy).reduce((sum, node) => sum + value(node), 0) / of(strategy).length
    assert.ok(mean('lazy', ({ performance }) => performance) < mean('steady', ({ performance }) => performance))
    assert.ok(mean('lazy', ({ epochsActive }) => epochsActive) < mean('steady', ({ epochsActive }) => epochsActive))
    const [began, ended] = [days[0]?.wealth, days.at(-1)?.wealth]
    for (const strategy of ['chaser', 'loyal', 'spread', 'random'] as const) {
      assert.ok((ended?.[strategy] ?? 0n) > (began?.[strategy] ?? 0n), strategy)
    }
  })

  it('refuses options that make no sense, and names them', () => {
    const wrong: readonly Partial<YearOptions>[] = [
      { epochs: 0 },
      { epochs: 1.5 },
      { operators: 100_000 },
      { delegators: 0 },
      { delegatedNym: 2_000_000_000 },
      { sybilResistance: ONE + 1n },
      { emission: -1n },
      { rewardedSet: { entryGateways: 1, exitGateways: 1, mixnodes: 4, standby: 0 } },
      { rewardedSet: { entryGateways: 1, exitGateways: 1, mixnodes: 3, standby: -1 } },
    ]
    for (const change of wrong) {
      const [name = ''] = Object.keys(change)
      assert.throws(
        () => simulateYear({ ...SHORT, ...change }).next(),
        (error) => isMixnetError(error, 'BAD_ARGUMENT') && error.nextStep.includes(name),
      )
    }
  })

  it('goes on with fewer nodes than places', () => {
    const { year } = run({ ...SHORT, epochs: 30, operators: 1, delegators: 3 })
    assert.equal(year.coinsAtEnd, year.coinsAtStart)
  })
})

describe('questions about one more node', () => {
  it('performance: pay falls in proportion, the weight with the twentieth power, and the draws agree with the chance', () => {
    const [best, ...worse] = study.performance
    assert.ok(best !== undefined && best.performance === 100 && best.weight === ONE)
    for (const [index, point] of worse.entries()) {
      const before = study.performance[index]
      assert.ok(before !== undefined && point.whenActive < before.whenActive && point.chance < before.chance)
      assert.ok(point.interval < before.interval)
    }
    const at90 = study.performance.find(({ performance }) => performance === 90)
    assert.equal(at90?.weight, 121576654590569288n)
    for (const { chance, drawnShare } of study.performance) {
      // Five deviations of 600 draws, and what few nodes cost the approximation.
      if (drawnShare !== undefined) assert.ok(Math.abs(drawnShare - chance) < 0.14, `${drawnShare} of ${chance}`)
    }
  })

  it('Sybil: what splitting brings falls with α, and alone it loses', () => {
    const gains = study.sybil.filter(({ filled }) => filled).map(({ income }) => Number(income[4]) / Number(income[0]))
    assert.ok(
      gains.every((gain, index) => index === 0 || gain < (gains[index - 1] ?? 0)),
      `${gains}`,
    )
    const alone = study.sybil.find(({ filled }) => !filled)?.income ?? []
    assert.ok(alone.every((income, index) => index === 0 || income < (alone[index - 1] ?? 0n)))
  })
})

describe('the report', () => {
  it('has a drawing for each plot, and every drawing is on the page, which comes last', () => {
    const files = new Map(yearFiles(study, 'starling lab economy --seed "<1>"'))
    const page = toText(files.get('index.html') ?? new Uint8Array())
    assert.equal([...files.keys()].at(-1), 'index.html')
    for (const { name, x, y } of yearPlots(study)) {
      assert.ok(page.includes(`src="${name}.svg"`))
      const svg = toText(files.get(`${name}.svg`) ?? new Uint8Array())
      assert.ok(svg.startsWith('<svg ') && svg.endsWith('</svg>\n'))
      assert.ok(!/NaN|Infinity|undefined/.test(svg), name)
      for (const label of [x.label, y.label]) assert.ok(svg.includes(label), label)
    }
    assert.ok(!page.includes('<1>'))
  })

  it('says the same in words and figures', () => {
    const figures = figuresOf(study)
    assert.equal(figures.coinsLostUnym, '0')
    assert.ok(figures.paidOfBudget > 0 && figures.paidOfBudget < 100)
    const labels = linesOf(figures).map(([label]) => label)
    assert.deepEqual(labels.slice(0, 2), ['pool', 'steady'])
    assert.ok(labels.every((label) => label.length < 12))
  })
})
