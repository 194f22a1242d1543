/**
 * The accounts of one node and of all who delegated to it, at a cost that does not grow with them: every epoch only the node's record
 * moves, by the reward T that an imagined delegation of U unym would have had since the bond began; a real one that began at T = s has
 * grown as (U + T) / (U + s). docs/spec/ledger.md, "Accounts"; tokenomics part 4. @module
 */
import { checked, type Decimal, minus, ONE, over, plus, times, truncate, type Unym, whole } from './decimal.ts'
import type { CostParams, RewardSplit, Stake } from './rewards.ts'

/** U. */
export const UNIT_DELEGATION: Decimal = whole(1_000_000_000)

export interface NodeRewarding extends Stake, CostParams {
  /** T. */
  readonly totalUnitReward: Decimal
  /** Absolute. */
  readonly lastRewardedEpoch: number
  readonly uniqueDelegations: number
}

export interface Delegation {
  readonly amount: Unym
  /** T when it began, or when its reward was last taken. */
  readonly cumulativeRewardRatio: Decimal
  /** Unix seconds. */
  readonly since: bigint
}

export function newRewarding(pledge: Unym, costs: CostParams, epoch: number): NodeRewarding {
  return {
    operator: whole(pledge),
    delegates: 0n,
    totalUnitReward: 0n,
    profitMargin: costs.profitMargin,
    intervalOperatingCost: costs.intervalOperatingCost,
    lastRewardedEpoch: epoch,
    uniqueDelegations: 0,
  }
}

/** Tokenomics 4.2. The share is of the delegates before they grow. */
export function distribute(node: NodeRewarding, { operator, delegates }: RewardSplit, epoch: number): NodeRewarding {
  const share = node.delegates === 0n ? 0n : over(plus(UNIT_DELEGATION, node.totalUnitReward), node.delegates)
  return {
    ...node,
    operator: plus(node.operator, operator),
    delegates: plus(node.delegates, delegates),
    totalUnitReward: plus(node.totalUnitReward, times(delegates, share)),
    lastRewardedEpoch: epoch,
  }
}

/**
 * Tokenomics 4.3: the product first. Officially it has to fit 128 bits, which a delegation of ten million NYM no longer does once it
 * has grown by a few percent: it could not be taken out any more. Here only the quotient has to fit, and it is a part of `delegates`.
 */
export function delegatorReward(node: NodeRewarding, delegation: Delegation): Decimal {
  const grown = minus(node.totalUnitReward, delegation.cumulativeRewardRatio)
  const product = (grown * whole(delegation.amount)) / ONE
  return checked((product * ONE) / plus(delegation.cumulativeRewardRatio, UNIT_DELEGATION))
}

/** All rewards since the last withdrawal. */
export const operatorReward = (node: NodeRewarding, pledge: Unym): Decimal => minus(node.operator, whole(pledge))

/** Tokenomics 4.4, 3. A delegation that is there already is taken out and put in again with what it earned. */
export function addDelegation(
  node: NodeRewarding,
  old: Delegation | undefined,
  amount: Unym,
  now: bigint,
): { node: NodeRewarding; delegation: Delegation } {
  const before = old === undefined ? { node, worth: 0n } : removeDelegation(node, old)
  const total = amount + before.worth
  return {
    node: {
      ...before.node,
      delegates: plus(before.node.delegates, whole(total)),
      uniqueDelegations: before.node.uniqueDelegations + 1,
    },
    delegation: { amount: total, cumulativeRewardRatio: node.totalUnitReward, since: now },
  }
}

/**
 * Tokenomics 4.5. `worth` is in whole unym. With the last delegator all dust of rounding goes to the operator, so a sole delegator
 * who adds to its delegation moves dust too.
 */
export function removeDelegation(node: NodeRewarding, delegation: Delegation): { node: NodeRewarding; worth: Unym } {
  const full = plus(delegatorReward(node, delegation), whole(delegation.amount))
  const delegates = minus(node.delegates, full)
  const uniqueDelegations = node.uniqueDelegations - 1
  const last = uniqueDelegations === 0
  return {
    node: {
      ...node,
      operator: last ? plus(node.operator, delegates) : node.operator,
      delegates: last ? 0n : delegates,
      uniqueDelegations,
    },
    worth: truncate(full),
  }
}

/** Tokenomics 4.6. */
export function withdrawReward(
  node: NodeRewarding,
  delegation: Delegation,
): { node: NodeRewarding; delegation: Delegation; paid: Unym } {
  const reward = delegatorReward(node, delegation)
  return {
    node: { ...node, delegates: minus(node.delegates, reward) },
    delegation: { ...delegation, cumulativeRewardRatio: node.totalUnitReward },
    paid: truncate(reward),
  }
}
