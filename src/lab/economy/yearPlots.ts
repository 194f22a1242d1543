/** What is drawn of a year. @module */
import { decimalToNumber } from '../../protocol/economy/decimal.ts'
import { DELEGATOR_STRATEGIES, type DelegatorStrategy } from './delegators.ts'
import { DRAWS, EXAMPLE_PLEDGE_NYM, type PerformancePoint, type SybilLine } from './experiments.ts'
import { OPERATOR_STRATEGIES } from './operators.ts'
import type { Plot } from './svgPlot.ts'
import type { Year } from './year.ts'
import { inNym } from './yearOptions.ts'

export interface NamedPlot extends Plot {
  /** Of its file, without the ending. */
  readonly name: string
}

export interface YearStudy {
  readonly year: Year
  readonly performance: readonly PerformancePoint[]
  readonly sybil: readonly SybilLine[]
}

const BIN = 10
/** All above is in the last bin. */
const LAST_BIN = 250

export function yearPlots(study: YearStudy): readonly NamedPlot[] {
  const { year, performance, sybil } = study
  return [
    poolPlot(year),
    emissionPlot(year),
    operatorPlot(year),
    saturationPlot(year),
    yieldPlot(year),
    performancePlot(performance),
    giniPlot(year),
    nakamotoPlot(year),
    sybilPlot(sybil),
  ]
}

function poolPlot({ days, intervals }: Year): NamedPlot {
  const points = days.map(({ day, pool }) => [day, inNym(pool) / 1e6] as const)
  const values = [...points.map(([, pool]) => pool), ...intervals.map(({ pool }) => inNym(pool) / 1e6)]
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const room = Math.max((high - low) * 0.08, 0.1)
  return {
    name: 'pool',
    title: 'Reward pool',
    caption: 'Rewards are not minted: they are paid out of this. The axis does not begin at zero.',
    x: { label: 'day of the year' },
    y: { label: 'pool (million NYM)', min: Math.floor(low - room), max: Math.ceil(high + room) },
    series: [{ name: 'pool', kind: 'line', points }],
  }
}

function emissionPlot({ intervals }: Year): NamedPlot {
  const bar = (of: 'budget' | 'paid') =>
    intervals.map((record) => [record.interval - 0.5, inNym(record[of]) / 1e6] as const)
  return {
    name: 'emission',
    title: 'Emission of each interval',
    caption:
      'The budget is a share of the pool. It is paid in full only where every node drawn is full, runs perfectly, and belongs to an operator who pledged all its stake itself; the rest stays in the pool.',
    x: { label: 'interval (30 days each)', min: 0.5, max: Math.max(1, intervals.length) + 0.5 },
    y: { label: 'million NYM an interval' },
    barWidth: 1,
    series: [
      { name: 'budget', kind: 'bars', points: bar('budget') },
      { name: 'paid', kind: 'bars', points: bar('paid') },
    ],
  }
}

function operatorPlot({ nodes, intervals }: Year): NamedPlot {
  const point = inNym(intervals.at(-1)?.saturationPoint ?? 0n) / 1e3
  const highest = nodes.reduce((most, { operatorReward }) => Math.max(most, inNym(operatorReward)), 1)
  const strategies = Object.keys(OPERATOR_STRATEGIES) as readonly (keyof typeof OPERATOR_STRATEGIES)[]
  return {
    name: 'operator-income',
    title: 'Operators: income of the last interval by stake',
    caption: `One dot is a node. Above the saturation point more stake brings nothing: what raises a node then is the operator's own pledge, its margin, and how often it is drawn. ${strategies
      .map((strategy) => `${strategy}: ${OPERATOR_STRATEGIES[strategy]}`)
      .join('; ')}.`,
    x: { label: 'stake of the node, pledge and delegations (thousand NYM)' },
    y: { label: "operator's reward (NYM an interval)" },
    series: [
      ...strategies.flatMap((strategy) => {
        const points = nodes
          .filter((node) => node.strategy === strategy)
          .map((node) => [inNym(node.stake) / 1e3, inNym(node.operatorReward)] as const)
        return points.length === 0 ? [] : [{ name: strategy, kind: 'dots' as const, points }]
      }),
      {
        name: 'saturation point',
        kind: 'line',
        dashed: true,
        points: [
          [point, 0],
          [point, highest * 1.1],
        ],
      },
    ],
  }
}

function saturationPlot({ saturationAtStart, saturationAtEnd }: Year): NamedPlot {
  const bins = (values: readonly bigint[], offset: number) => {
    const counts = new Map<number, number>()
    for (const value of values) {
      const bin = Math.min(LAST_BIN, Math.floor((decimalToNumber(value) * 100) / BIN) * BIN)
      counts.set(bin, (counts.get(bin) ?? 0) + 1)
    }
    return [...counts].sort(([a], [b]) => a - b).map(([bin, count]) => [bin + offset, count] as const)
  }
  return {
    name: 'saturation',
    title: 'How full nodes are',
    caption: `In steps of ${BIN} %; the last bars are of all nodes with more than ${LAST_BIN} %. At 100 % a node is full. What is above earns nothing, so all its delegators earn less.`,
    x: { label: 'stake of the node (% of the saturation point)', min: 0, max: LAST_BIN + BIN },
    y: { label: 'nodes' },
    barWidth: BIN / 2,
    series: [
      { name: 'on the first day', kind: 'bars', points: bins(saturationAtStart, 0) },
      { name: 'on the last', kind: 'bars', points: bins(saturationAtEnd, BIN / 2) },
    ],
  }
}

function yieldPlot({ days }: Year): NamedPlot {
  const strategies = Object.keys(DELEGATOR_STRATEGIES) as readonly DelegatorStrategy[]
  const first = days[0]
  return {
    name: 'delegator-yield',
    title: 'Delegators: what they have gained',
    caption: `Since the first evening, of all they have, coins on their way included. ${strategies
      .map((strategy) => `${strategy}: ${DELEGATOR_STRATEGIES[strategy]}`)
      .join('; ')}.`,
    x: { label: 'day of the year' },
    y: { label: 'gained (% of what they began with)' },
    series: strategies.map((strategy) => ({
      name: strategy,
      kind: 'line' as const,
      points: days.map(({ day, wealth }) => {
        const began = Number(first?.wealth[strategy] ?? 0n)
        return [day, began === 0 ? 0 : (Number(wealth[strategy]) / began - 1) * 100] as const
      }),
    })),
  }
}

function performancePlot(points: readonly PerformancePoint[]): NamedPlot {
  const best = points[0]
  const line = (of: (point: PerformancePoint) => number) =>
    points.map((point) => [point.performance, best === undefined ? 0 : (of(point) / of(best)) * 100] as const)
  return {
    name: 'performance',
    title: 'What performance loss costs',
    caption: `A full node with a pledge of ${EXAMPLE_PLEDGE_NYM.toLocaleString('en')} NYM, compared with itself at 100 %. Paid is in proportion; the weight in the draw falls with the twentieth power. How far the chance follows depends on how many others there are for each place.`,
    x: { label: 'performance p (%)', min: 80, max: 100 },
    y: { label: 'of the same at p = 100 % (%)', min: 0, max: 110 },
    series: [
      { name: 'paid when drawn', kind: 'line', points: line(({ whenActive }) => Number(whenActive)) },
      { name: 'chance to be drawn', kind: 'line', points: line(({ chance }) => chance) },
      { name: 'income', kind: 'line', points: line(({ interval }) => Number(interval)) },
      { name: 'weight, p^20', kind: 'line', dashed: true, points: line(({ weight }) => Number(weight)) },
      {
        name: `chance, ${DRAWS} draws`,
        kind: 'dots',
        points: points.flatMap(({ performance, drawnShare }) =>
          drawnShare === undefined ? [] : [[performance, (drawnShare / (best?.chance ?? 1)) * 100] as const],
        ),
      },
    ],
  }
}

function giniPlot({ intervals }: Year): NamedPlot {
  return {
    name: 'gini',
    title: 'Concentration: Gini coefficient',
    caption: 'Among operators with a bonded node: 0 where all have the same, 1 where one has all.',
    x: { label: 'interval (30 days each)', min: 1, max: Math.max(2, intervals.length) },
    y: { label: 'Gini coefficient', min: 0, max: 1 },
    series: [
      {
        name: 'stake, own and delegated',
        kind: 'line',
        points: intervals.map(({ interval, stakeGini }) => [interval, decimalToNumber(stakeGini)]),
      },
      {
        name: "operators' rewards",
        kind: 'line',
        points: intervals.map(({ interval, incomeGini }) => [interval, decimalToNumber(incomeGini)]),
      },
    ],
  }
}

function nakamotoPlot({ intervals }: Year): NamedPlot {
  return {
    name: 'nakamoto',
    title: 'Concentration: Nakamoto coefficient',
    caption: 'The least number of operators that together have more than a third. The higher, the better.',
    x: { label: 'interval (30 days each)', min: 1, max: Math.max(2, intervals.length) },
    y: { label: 'operators', min: 0 },
    series: [
      { name: 'of all stake', kind: 'line', points: intervals.map((one) => [one.interval, one.stakeNakamoto]) },
      {
        name: 'of all rewards',
        kind: 'line',
        points: intervals.map((one) => [one.interval, one.rewardNakamoto]),
      },
    ],
  }
}

function sybilPlot(lines: readonly SybilLine[]): NamedPlot {
  return {
    name: 'sybil',
    title: 'Sybil: one stake in several nodes',
    caption:
      'An operator that could fill one node by itself. Where delegators fill all its nodes, more nodes earn more margins: α takes up to α/(1+α) of each reward away from those with a small pledge. Without delegators splitting loses at once.',
    x: { label: 'nodes that the stake is split into', min: 1, max: 10 },
    y: { label: 'income less cost (NYM an interval)' },
    series: lines.map(({ sybilResistance, filled, income }) => ({
      name: `α = ${decimalToNumber(sybilResistance)}${filled ? ', filled by delegators' : ', own stake only'}`,
      kind: 'line' as const,
      dashed: !filled,
      points: income.map((amount, index) => [index + 1, inNym(amount)] as const),
    })),
  }
}
