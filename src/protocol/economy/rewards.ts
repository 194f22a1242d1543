/**
 * What one node earns in one epoch, and what an epoch and an interval have to give: pure functions of the parameters, in the official
 * order of operations. docs/spec/ledger.md, "Rewards". @module
 */
import { type Decimal, least, minus, ONE, over, type Percent, plus, ratio, times, type Unym, whole } from './decimal.ts'

/** How many nodes of each kind an epoch rewards. */
export interface RewardedSetParams {
  readonly entryGateways: number
  readonly exitGateways: number
  readonly mixnodes: number
  readonly standby: number
}

/** What governance sets. The pool and the supply move at the end of every interval. */
export interface ChosenParams {
  readonly rewardPool: Decimal
  readonly stakingSupply: Decimal
  /** How much of what is paid out counts as new stake. */
  readonly stakingSupplyScaleFactor: Percent
  /** α: what a pledge of the operator's own adds, at most, to a node's reward. */
  readonly sybilResistance: Percent
  /** f: how much more an active node's work weighs than that of one on standby. */
  readonly activeSetWorkFactor: Decimal
  /** Share of the pool that one interval gives away at most. */
  readonly intervalPoolEmission: Percent
  readonly rewardedSet: RewardedSetParams
}

export interface RewardingParams extends ChosenParams {
  readonly epochRewardBudget: Decimal
  readonly stakeSaturationPoint: Decimal
}

export interface CostParams {
  readonly profitMargin: Percent
  /** Of a whole interval. */
  readonly intervalOperatingCost: Unym
}

export const activeSize = (set: RewardedSetParams): number => set.entryGateways + set.exitGateways + set.mixnodes
export const rewardedSize = (set: RewardedSetParams): number => activeSize(set) + set.standby

/** Mixes are dealt to three layers evenly. */
export const isValidSet = ({ entryGateways, exitGateways, mixnodes }: RewardedSetParams): boolean =>
  entryGateways >= 1 && exitGateways >= 1 && mixnodes >= 1 && mixnodes % 3 === 0

/** Tokenomics 5.2. `epochsInInterval` and the size of the set are at least 1. */
export function deriveParams(chosen: ChosenParams, epochsInInterval: number): RewardingParams {
  return {
    ...chosen,
    epochRewardBudget: times(over(chosen.rewardPool, whole(epochsInInterval)), chosen.intervalPoolEmission),
    stakeSaturationPoint: over(chosen.stakingSupply, whole(rewardedSize(chosen.rewardedSet))),
  }
}

/** Of the interval that runs, until its end. */
export interface PoolChange {
  /** Paid out to nodes. */
  readonly removed: Decimal
  /** Given by anybody. */
  readonly added: Decimal
}

/** The end of an interval. What was not paid out simply stays in the pool. */
export function endInterval(params: RewardingParams, change: PoolChange, epochsInInterval: number): RewardingParams {
  const rewardPool = plus(minus(params.rewardPool, change.removed), change.added)
  const stakingSupply = plus(params.stakingSupply, times(params.stakingSupplyScaleFactor, change.removed))
  return deriveParams({ ...params, rewardPool, stakingSupply }, epochsInInterval)
}

export interface WorkFactors {
  readonly active: Decimal
  readonly standby: Decimal
}

/**
 * ω of a node, by whether it was active: over a whole set they add up to at most 1. `set` is the one on hand: where it has more nodes
 * than the parameters say, because they changed within the epoch, shares become smaller. Tokenomics 6.4. Where a set keeps its size
 * and swaps active places for standby the official sum would pass 1, and its driver gives up; here the set on hand counts whole.
 */
export function workFactors(
  params: Pick<ChosenParams, 'activeSetWorkFactor' | 'rewardedSet'>,
  set: { readonly active: number; readonly standby: number } = { active: 0, standby: 0 },
): WorkFactors {
  const f = params.activeSetWorkFactor
  const standbyNodes = Math.max(params.rewardedSet.standby, set.standby)
  const nodes = Math.max(rewardedSize(params.rewardedSet), set.active + set.standby, set.active + standbyNodes)
  const k = whole(nodes)
  const onStandby = whole(standbyNodes)
  const standby = over(ONE, minus(times(f, k), times(minus(f, ONE), onStandby)))
  return { active: times(f, standby), standby }
}

export interface Stake {
  /** The operator's: its pledge and all rewards it left in. */
  readonly operator: Decimal
  readonly delegates: Decimal
}

/** λ of the pledge and σ of the whole bond, each at most 1. */
export function saturations(stake: Stake, saturationPoint: Decimal): { pledge: Percent; bond: Percent } {
  const of = (amount: Decimal): Percent => (amount > saturationPoint ? ONE : over(amount, saturationPoint))
  return { pledge: of(stake.operator), bond: of(plus(stake.operator, stake.delegates)) }
}

/** Tokenomics 6.2. `p`: performance; `work`: ω. */
export function nodeReward(params: RewardingParams, stake: Stake, p: Percent, work: Decimal): Decimal {
  const { pledge, bond } = saturations(stake, params.stakeSaturationPoint)
  const alpha = params.sybilResistance
  const k = whole(rewardedSize(params.rewardedSet))
  const base = times(times(params.epochRewardBudget, p), bond)
  return over(times(base, plus(work, over(times(alpha, pledge), k))), plus(ONE, alpha))
}

export interface RewardSplit {
  readonly operator: Decimal
  readonly delegates: Decimal
}

/** Tokenomics 6.3: first the operator's cost of an epoch, then its margin, then all stake alike. */
export function splitReward(
  reward: Decimal,
  stake: Stake,
  costs: CostParams,
  p: Percent,
  epochsInInterval: number,
): RewardSplit {
  const cost = times(ratio(costs.intervalOperatingCost, epochsInInterval), p)
  if (reward <= cost) return { operator: reward, delegates: 0n }
  const profit = minus(reward, cost)
  const margin = costs.profitMargin
  const share = over(stake.operator, plus(stake.operator, stake.delegates))
  const operator = times(profit, plus(margin, times(minus(ONE, margin), share)))
  return { operator: plus(operator, cost), delegates: minus(profit, operator) }
}

/** Inclusive. */
export interface CostRanges {
  readonly minimumProfitMargin: Percent
  readonly maximumProfitMargin: Percent
  readonly minimumOperatingCost: Unym
  readonly maximumOperatingCost: Unym
}

/** For ranges that moved after a node had chosen. */
export const clampCosts = (costs: CostParams, range: CostRanges): CostParams => ({
  profitMargin: clamp(costs.profitMargin, range.minimumProfitMargin, range.maximumProfitMargin),
  intervalOperatingCost: clamp(costs.intervalOperatingCost, range.minimumOperatingCost, range.maximumOperatingCost),
})

const clamp = (value: bigint, low: bigint, high: bigint): bigint => (value < low ? low : least(value, high))
