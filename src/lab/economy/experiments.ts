/** Questions about one more node in the network of the lab: what bad performance costs, and what splitting a stake brings. @module */
import type { RandomStream } from '../../foundation/platform/random.ts'
import { SimulatedRandom } from '../../foundation/platform/simulated/simulatedRandom.ts'
import { drawChances } from '../../protocol/economy/chance.ts'
import {
  type Decimal,
  minus,
  ONE,
  over,
  type Percent,
  ratio,
  truncate,
  type Unym,
  whole,
} from '../../protocol/economy/decimal.ts'
import { expectedIncome, type NodeSituation, selectionWeight } from '../../protocol/economy/estimate.ts'
import { type CostParams, deriveParams, type RewardingParams, type Stake } from '../../protocol/economy/rewards.ts'
import { type Candidate, drawSet } from './lottery.ts'
import { chosenParams, EPOCHS_IN_DAY, EPOCHS_IN_INTERVAL, UNYM_IN_NYM, type YearOptions } from './yearOptions.ts'

/** What the experiments ask about: as many of the lab's nodes are. */
const EXAMPLE_COSTS: CostParams = { profitMargin: ratio(20, 100), intervalOperatingCost: 600n * UNYM_IN_NYM }
export const EXAMPLE_PLEDGE_NYM = 20_000n
const LENGTHS = { epochsInInterval: EPOCHS_IN_INTERVAL, epochsInDay: EPOCHS_IN_DAY }
/** Of each performance that is drawn: a chance of a half is then known to two percent. */
export const DRAWS = 600
const DRAWN_EVERY = 4
const LEAST_PERFORMANCE = 80
const MOST_NODES = 10

export interface PerformancePoint {
  /** Percent, 80 to 100. */
  readonly performance: number
  /** σ · p^20. */
  readonly weight: Decimal
  /** Of being active in an epoch, by `drawChances`, 0 to 1. */
  readonly chance: number
  /** The same, counted in draws of the lab; not at every performance. */
  readonly drawnShare: number | undefined
  /** The operator's, of an epoch in which the node is active; and of an interval, by its chance. */
  readonly whenActive: Unym
  readonly interval: Unym
}

/** A full node with the example's costs, an entry gateway, in the place of a node of the last epoch. */
export function performanceLoss(options: YearOptions, market: readonly Candidate[]): readonly PerformancePoint[] {
  const params = deriveParams(chosenParams(options), EPOCHS_IN_INTERVAL)
  const random = new SimulatedRandom('performance loss', options.seed).stream('draw')
  const pledge = whole(EXAMPLE_PLEDGE_NYM * UNYM_IN_NYM)
  const stake = filled(pledge, params)
  const others = market.slice(1)
  const points: PerformancePoint[] = []
  for (let percent = 100; percent >= LEAST_PERFORMANCE; percent--) {
    const node: NodeSituation = { stake, costs: EXAMPLE_COSTS, performance: ratio(percent, 100) }
    const weight = selectionWeight(stake, node.performance, params.stakeSaturationPoint)
    const candidates = [{ weight, ...ENTRY }, ...others]
    const chance = activeChances(candidates, options)[0] ?? 0
    const income = expectedIncome(params, node, { active: percentOf(chance), standby: 0n }, LENGTHS)
    points.push({
      performance: percent,
      weight,
      chance,
      drawnShare: percent % DRAWN_EVERY === 0 ? shareDrawn(candidates, options, random) : undefined,
      whenActive: truncate(income.whenActive.operator),
      interval: truncate(income.interval.operator),
    })
  }
  return points
}

function shareDrawn(candidates: readonly Candidate[], { rewardedSet }: YearOptions, random: RandomStream): number {
  let drawn = 0
  for (let draw = 0; draw < DRAWS; draw++) if (drawSet(candidates, rewardedSet, random).active.includes(0)) drawn++
  return drawn / DRAWS
}

export interface SybilLine {
  readonly sybilResistance: Percent
  /** Delegators fill every node to the saturation point, or the operator has nothing but its own. */
  readonly filled: boolean
  /** Of 1, 2, … nodes together: the operator's income of an interval, less what the nodes cost it; below zero where they cost more. */
  readonly income: readonly Unym[]
}

/** An operator that could saturate one node by itself puts its coins into several. */
export function sybilGain(options: YearOptions, market: readonly Candidate[]): readonly SybilLine[] {
  const alphas = [...new Set([0n, options.sybilResistance, ONE])].sort((a, b) => (a < b ? -1 : 1))
  const line = (sybilResistance: Percent, whether: boolean): SybilLine => ({
    sybilResistance,
    filled: whether,
    income: Array.from({ length: MOST_NODES }, (_, index) =>
      splitIncome({ ...options, sybilResistance }, market, index + 1, whether),
    ),
  })
  return [...alphas.map((alpha) => line(alpha, true)), line(options.sybilResistance, false)]
}

function splitIncome(options: YearOptions, market: readonly Candidate[], count: number, fill: boolean): Unym {
  const params = deriveParams(chosenParams(options), EPOCHS_IN_INTERVAL)
  const pledge = over(params.stakeSaturationPoint, whole(count))
  const stake = fill ? filled(pledge, params) : { operator: pledge, delegates: 0n }
  const weight = selectionWeight(stake, ONE, params.stakeSaturationPoint)
  const own = Array.from({ length: count }, () => ({ weight, ...ENTRY }))
  const chance = activeChances([...own, ...market], options)[0] ?? 0
  const node: NodeSituation = { stake, costs: EXAMPLE_COSTS, performance: ONE }
  const income = expectedIncome(params, node, { active: percentOf(chance), standby: 0n }, LENGTHS)
  return BigInt(count) * (truncate(income.interval.operator) - EXAMPLE_COSTS.intervalOperatingCost)
}

const ENTRY = { entry: true, exit: false, mix: false } as const

const filled = (pledge: Decimal, params: RewardingParams): Stake => ({
  operator: pledge,
  delegates: pledge >= params.stakeSaturationPoint ? 0n : minus(params.stakeSaturationPoint, pledge),
})

function activeChances(candidates: readonly Candidate[], options: YearOptions): readonly number[] {
  const weighed = candidates.map((candidate) => ({ ...candidate, weight: Number(candidate.weight) }))
  return drawChances(weighed, options.rewardedSet).map(({ entry, exit, mix }) => Math.min(1, entry + exit + mix))
}

const percentOf = (chance: number): Percent => ratio(Math.round(chance * 1e9), 1e9)
