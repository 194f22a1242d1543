/** A year in words, as JSON, and as a page with its drawings. @module */
import { utf8 } from '../../foundation/base/bytes.ts'
import { decimalToNumber, type Unym } from '../../protocol/economy/decimal.ts'
import { DELEGATOR_STRATEGIES, type DelegatorStrategy } from './delegators.ts'
import { OPERATOR_STRATEGIES, type OperatorStrategy } from './operators.ts'
import { escaped, renderPlot } from './svgPlot.ts'
import { EPOCHS_IN_INTERVAL, inNym } from './yearOptions.ts'
import { type YearStudy, yearPlots } from './yearPlots.ts'

export interface OperatorFigures {
  readonly nodes: number
  /** Means over the strategy's nodes in the last interval: NYM, epochs, percent. */
  readonly incomeNym: number
  readonly epochsActive: number
  readonly performance: number
  readonly stakeNym: number
}

/** The figures of a year, in NYM and percent, as they are printed and written as JSON. */
export interface YearFigures {
  readonly seed: string
  readonly epochs: number
  readonly operators: number
  readonly delegators: number
  readonly poolNym: { readonly atStart: number; readonly atEnd: number }
  /** Paid of what could have been, percent. */
  readonly paidOfBudget: number
  readonly nodes: Readonly<Partial<Record<OperatorStrategy, OperatorFigures>>>
  /** Percent gained since the first evening. */
  readonly gainedByDelegators: Readonly<Record<DelegatorStrategy, number>>
  readonly saturationPointNym: number
  readonly overSaturated: number
  readonly stakeGini: { readonly atStart: number; readonly atEnd: number }
  readonly stakeNakamoto: { readonly atStart: number; readonly atEnd: number }
  /** Income at p of 95 and 90 percent, of that at 100: percent. */
  readonly incomeAtPerformance: Readonly<Record<'95' | '90', number>>
  /** What splitting one full stake into five filled nodes earns, of one: percent. */
  readonly sybilOfFive: number
  /** Of all coins, the difference between the beginning and the end: 0. */
  readonly coinsLostUnym: string
}

export function figuresOf({ year, performance, sybil }: YearStudy): YearFigures {
  const { options, days, intervals, nodes } = year
  const [first, last] = [intervals[0], intervals.at(-1)]
  const strategies = Object.keys(OPERATOR_STRATEGIES) as readonly OperatorStrategy[]
  const sum = (of: 'budget' | 'paid') => intervals.reduce((total, record) => total + record[of], 0n)
  const income = (percent: number) => Number(performance.find((point) => point.performance === percent)?.interval ?? 0n)
  const own = sybil.find((line) => line.filled && line.sybilResistance === options.sybilResistance)?.income ?? []
  return {
    seed: options.seed,
    epochs: options.epochs,
    operators: options.operators,
    delegators: options.delegators,
    poolNym: {
      atStart: rounded(inNym((first?.pool ?? 0n) + (first?.paid ?? 0n))),
      atEnd: rounded(inNym(last?.pool ?? 0n)),
    },
    paidOfBudget: percent(sum('paid'), sum('budget')),
    nodes: Object.fromEntries(
      strategies.flatMap((strategy) => {
        const own = nodes.filter((node) => node.strategy === strategy)
        if (own.length === 0) return []
        const mean = (of: (node: (typeof own)[number]) => number) =>
          rounded(own.reduce((total, node) => total + of(node), 0) / own.length)
        const figures: OperatorFigures = {
          nodes: own.length,
          incomeNym: mean(({ operatorReward }) => inNym(operatorReward)),
          epochsActive: mean(({ epochsActive }) => epochsActive),
          performance: mean((node) => node.performance),
          stakeNym: mean(({ stake }) => inNym(stake)),
        }
        return [[strategy, figures]]
      }),
    ),
    gainedByDelegators: Object.fromEntries(
      (Object.keys(DELEGATOR_STRATEGIES) as readonly DelegatorStrategy[]).map((strategy) => {
        const [began, ended] = [days[0]?.wealth[strategy] ?? 0n, days.at(-1)?.wealth[strategy] ?? 0n]
        return [strategy, began === 0n ? 0 : percent(ended - began, began)]
      }),
    ) as Record<DelegatorStrategy, number>,
    saturationPointNym: rounded(inNym(last?.saturationPoint ?? 0n)),
    overSaturated: year.saturationAtEnd.filter((saturation) => decimalToNumber(saturation) > 1).length,
    stakeGini: { atStart: gini(first?.stakeGini), atEnd: gini(last?.stakeGini) },
    stakeNakamoto: { atStart: first?.stakeNakamoto ?? 0, atEnd: last?.stakeNakamoto ?? 0 },
    incomeAtPerformance: {
      95: rounded((income(95) / income(100)) * 100),
      90: rounded((income(90) / income(100)) * 100),
    },
    sybilOfFive: percent(own[4] ?? 0n, own[0] ?? 1n),
    coinsLostUnym: `${year.coinsAtStart - year.coinsAtEnd}`,
  }
}

const gini = (value: bigint | undefined): number => Number(decimalToNumber(value ?? 0n).toFixed(3))
const rounded = (value: number): number => Number(value.toFixed(1))
const percent = (part: Unym, all: Unym): number => (all === 0n ? 0 : rounded((Number(part) / Number(all)) * 100))

/** Label and text of each line. */
export function linesOf(figures: YearFigures): readonly (readonly [string, string])[] {
  const count = (value: number) => value.toLocaleString('en', { maximumFractionDigits: 0 })
  const millions = (value: number) => (value / 1e6).toFixed(1)
  return [
    [
      'pool',
      `${millions(figures.poolNym.atStart)} → ${millions(figures.poolNym.atEnd)} million NYM, ${figures.paidOfBudget} % of the emission was paid`,
    ],
    ...Object.entries(figures.nodes).map(
      ([strategy, { nodes, incomeNym, epochsActive, performance, stakeNym }]) =>
        [
          strategy,
          `${count(incomeNym)} NYM a node in the last interval (${nodes} nodes, p ${performance.toFixed(1)} %, active ${count(epochsActive)} of ${Math.min(figures.epochs, EPOCHS_IN_INTERVAL)} epochs, ${count(stakeNym)} NYM staked)`,
        ] as const,
    ),
    [
      'delegators',
      `gained ${Object.entries(figures.gainedByDelegators)
        .map(([strategy, gained]) => `${strategy} ${gained.toFixed(1)} %`)
        .join(', ')}`,
    ],
    ['full', `a node is full at ${count(figures.saturationPointNym)} NYM; ${figures.overSaturated} nodes have more`],
    [
      'stake',
      `Gini ${figures.stakeGini.atStart} → ${figures.stakeGini.atEnd}, a third of it with ${figures.stakeNakamoto.atStart} → ${figures.stakeNakamoto.atEnd} operators`,
    ],
    [
      'performance',
      `at 95 % a full node's operator has ${figures.incomeAtPerformance[95]} %, at 90 % ${figures.incomeAtPerformance[90]} % of its income at 100 %`,
    ],
    ['sybil', `one full stake in five nodes that delegators fill has ${figures.sybilOfFive} % of the income of one`],
  ]
}

/** Names and contents, the page last: where it is, all it shows is. `command` made it. */
export function yearFiles(study: YearStudy, command: string): readonly (readonly [string, Uint8Array])[] {
  const plots = yearPlots(study)
  const figures = figuresOf(study)
  return [
    ...plots.map((plot) => [`${plot.name}.svg`, utf8(renderPlot(plot))] as const),
    ['figures.json', utf8(`${JSON.stringify(figures, undefined, 2)}\n`)],
    [
      'index.html',
      utf8(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>A year of the mixnet's economy</title>
<style>
body { max-width: 50rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff }
figure { margin: 2.5rem 0 } img { max-width: 100%; height: auto } figcaption { color: #555 }
td, th { padding: 0.1rem 1rem 0.1rem 0; text-align: left; vertical-align: top } code { background: #f3f3f3; padding: 0.1rem 0.3rem }
</style>
<h1>A year of the mixnet's economy</h1>
<p>${figures.epochs.toLocaleString('en')} epochs of an hour, ${figures.operators} operators, ${figures.delegators.toLocaleString('en')} delegators, seed ${escaped(figures.seed)}: the ledger's rules on people whose strategies are simple. Made by <code>${escaped(command)}</code>.</p>
<table>
${linesOf(figures)
  .map(([label, text]) => `<tr><th>${escaped(label)}</th><td>${escaped(text)}</td></tr>`)
  .join('\n')}
</table>
${plots.map(({ name, title, caption }) => `<figure><img src="${name}.svg" alt="${escaped(title)}"><figcaption>${escaped(caption)}</figcaption></figure>`).join('\n')}
</html>
`),
    ],
  ]
}
