/**
 * What a node and those who delegate to it will earn, and why it was less than it could have been: the rules of rewards.ts played with
 * other inputs, exact to the last digit. docs/guides/operator-income.md says the same in words. @module
 */
import { type Decimal, minus, ONE, over, type Percent, plus, power, times, type Unym, whole } from './decimal.ts'
import {
  type CostParams,
  nodeReward,
  type RewardingParams,
  type RewardSplit,
  type Stake,
  saturations,
  splitReward,
  workFactors,
} from './rewards.ts'

/** What the rewards of a node depend on, beside the parameters of all. */
export interface NodeSituation {
  readonly stake: Stake
  readonly costs: CostParams
  readonly performance: Percent
}

export type SetRole = 'active' | 'standby' | 'none'

/** Of an epoch, by role: each at most 1, and together. */
export interface RoleChances {
  readonly active: Percent
  readonly standby: Percent
}

export interface ExpectedIncome {
  /** Of an epoch in which it is active. */
  readonly whenActive: RewardSplit
  readonly whenStandby: RewardSplit
  /** Means over chances, of one epoch, of 24 hours and of an interval; stake that grows meanwhile is left out. */
  readonly epoch: RewardSplit
  readonly day: RewardSplit
  readonly interval: RewardSplit
}

export interface EpochLengths {
  readonly epochsInInterval: number
  /** 24 where an epoch is an hour. */
  readonly epochsInDay: number
}

const POWER_OF_PERFORMANCE = 20

/** σ · p^20: what the draw goes by (`drawWeight` in draw.ts is the same, of a candidate). */
export const selectionWeight = (stake: Stake, performance: Percent, saturationPoint: Decimal): Decimal =>
  times(saturations(stake, saturationPoint).bond, power(performance, POWER_OF_PERFORMANCE))

/** What a node is paid for one epoch in a role. */
export function rewardInRole(
  params: RewardingParams,
  { stake, costs, performance }: NodeSituation,
  role: SetRole,
  epochsInInterval: number,
): RewardSplit {
  if (role === 'none') return NOTHING
  const reward = nodeReward(params, stake, performance, workFactors(params)[role])
  return splitReward(reward, stake, costs, performance, epochsInInterval)
}

const NOTHING: RewardSplit = { operator: 0n, delegates: 0n }

export function expectedIncome(
  params: RewardingParams,
  node: NodeSituation,
  chances: RoleChances,
  { epochsInInterval, epochsInDay }: EpochLengths,
): ExpectedIncome {
  const whenActive = rewardInRole(params, node, 'active', epochsInInterval)
  const whenStandby = rewardInRole(params, node, 'standby', epochsInInterval)
  const mean = (of: keyof RewardSplit) =>
    plus(times(whenActive[of], chances.active), times(whenStandby[of], chances.standby))
  const epoch = { operator: mean('operator'), delegates: mean('delegates') }
  return { whenActive, whenStandby, epoch, day: many(epoch, epochsInDay), interval: many(epoch, epochsInInterval) }
}

const many = ({ operator, delegates }: RewardSplit, epochs: number): RewardSplit => ({
  operator: operator * BigInt(epochs),
  delegates: delegates * BigInt(epochs),
})

/** Of what all delegators get, the part of one whose delegation is worth `amount` now. 0 where nobody delegates. */
export const delegatorShare = (delegates: Decimal, stake: Stake, amount: Unym): Decimal =>
  stake.delegates === 0n ? 0n : times(over(whole(amount), stake.delegates), delegates)

export type LossCause =
  /** The pool gives less than in the interval before: it shrinks by what it pays. */
  | 'emission'
  /** Below 1. It also makes being drawn rarer, which no single epoch shows: `weight`. */
  | 'performance'
  /** All stake together is below the saturation point. */
  | 'stake'
  /** The operator's own is, which is worth up to α/(1+α) of a reward. */
  | 'pledge'
  /** On standby, where work counts less. */
  | 'standby'
  /** Not in the rewarded set. */
  | 'not-drawn'

export interface Loss {
  readonly cause: LossCause
  /** Raw Decimal of unym. Below zero where it was a gain: an emission that grew, because somebody gave to the pool. */
  readonly amount: bigint
}

export interface EpochExplanation {
  /** Of a saturated, active node with a saturated pledge and performance 1, at the emission of `before`. */
  readonly best: Decimal
  /** Best, less all losses: the node's whole reward. */
  readonly earned: Decimal
  /** In the order in which they are taken off; one that is nothing is left out. */
  readonly losses: readonly Loss[]
  readonly split: RewardSplit
  /** What the reward falls short of the operator's cost for the epoch: then delegators get nothing. */
  readonly uncoveredCost: Decimal
  /** How much of all stake earns nothing because it is above the saturation point, 0 to 1: delegators earn less by that part. */
  readonly idleStake: Percent
  /** σ · p^20 and what it would be at best, 1: the draw goes by it. */
  readonly weight: Decimal
}

/**
 * Why one epoch paid what it paid. The losses are what each cause costs once those before it are taken off, so they add up to the
 * difference exactly. `before`: the parameters of the interval before, where emission is to be compared; else those of now.
 */
export function explainEpoch(
  params: RewardingParams,
  node: NodeSituation,
  role: SetRole,
  epochsInInterval: number,
  before: RewardingParams = params,
): EpochExplanation {
  const { performance, stake } = node
  const point = params.stakeSaturationPoint
  const work = workFactors(params)
  const { pledge } = saturations(stake, point)
  // Saturated by the pledge alone, by delegators beside an operator that has as much as it has, and as it is.
  const full = { operator: point, delegates: 0n }
  const filled = pledge === ONE ? full : { operator: stake.operator, delegates: minus(point, stake.operator) }
  const best = nodeReward(
    before,
    { operator: before.stakeSaturationPoint, delegates: 0n },
    ONE,
    workFactors(before).active,
  )
  const steps: readonly (readonly [LossCause, Decimal])[] = [
    ['emission', nodeReward(params, full, ONE, work.active)],
    ['performance', nodeReward(params, full, performance, work.active)],
    ['pledge', nodeReward(params, filled, performance, work.active)],
    ['stake', nodeReward(params, stake, performance, work.active)],
    ...(role === 'standby' ? [['standby', nodeReward(params, stake, performance, work.standby)] as const] : []),
    ...(role === 'none' ? [['not-drawn', 0n] as const] : []),
  ]
  const losses: Loss[] = []
  let left = best
  for (const [cause, after] of steps) {
    if (after !== left) losses.push({ cause, amount: left - after })
    left = after
  }
  const split = role === 'none' ? NOTHING : splitReward(left, stake, node.costs, performance, epochsInInterval)
  const cost = times(over(whole(node.costs.intervalOperatingCost), whole(epochsInInterval)), performance)
  const bond = plus(stake.operator, stake.delegates)
  return {
    best,
    earned: left,
    losses,
    split,
    uncoveredCost: role === 'none' || left >= cost ? 0n : minus(cost, left),
    idleStake: bond > point ? over(minus(bond, point), bond) : 0n,
    weight: selectionWeight(stake, performance, point),
  }
}
