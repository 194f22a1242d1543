/**
 * The end of an epoch: in progress → rewarding → reconciling events → role assignment → the next epoch. Tokenomics 5.3, with one
 * difference: there is no account that hands in performances. They are known once the epoch is over, so anybody may call each step, in
 * pieces of any size, and all calls come to the same. @module
 */
import { addDelegation, distribute, removeDelegation } from './accounts.ts'
import { minus, type Percent, plus, truncate, whole } from './decimal.ts'
import { apply as applyGovernance } from './governance.ts'
import { isEpochOver, isIntervalOver, nextEpoch } from './interval.ts'
import {
  delegationOf,
  type EpochEvent,
  type IntervalEvent,
  type MixnetState,
  owe,
  rewardingOf,
  tell,
} from './mixnetState.ts'
import { Refusal } from './refusal.ts'
import { clampCosts, endInterval, nodeReward, splitReward, type WorkFactors, workFactors } from './rewards.ts'

export interface RewardedNode {
  readonly nodeId: number
  readonly standby: boolean
}

/** What the epoch's end finds outside: who served, how well, and whether that is settled. */
export interface Served {
  /** Ascending by id. */
  readonly set: readonly RewardedNode[]
  readonly performanceOf: (nodeId: number) => Percent
  readonly settled: boolean
}

const standbyOf = (set: readonly RewardedNode[]): number => set.filter(({ standby }) => standby).length

/** Needs the epoch to be over. Where the set is empty nobody is rewarded, and nothing waits for scores. */
export function beginEpochTransition(state: MixnetState, now: bigint, { set }: Pick<Served, 'set'>): void {
  if (!isEpochOver(state.interval, now)) throw new Refusal('EpochNotOver')
  if (state.epoch.kind !== 'inProgress') throw new Refusal('WrongEpochState')
  const empty = set.length === 0
  state.cumulativeWork = 0n
  state.intervalEnds = isIntervalOver(state.interval, now)
  state.epoch = empty ? { kind: 'reconcilingEvents' } : { kind: 'rewarding', next: 0, nodes: set.length }
  tell(state, 'EpochTransitionBegan', {
    epochId: state.interval.totalElapsedEpochs,
    nodesToReward: set.length,
  })
}

/** The next `limit` nodes. */
export function rewardNodes(state: MixnetState, now: bigint, served: Served, limit: number): void {
  const { epoch } = state
  if (epoch.kind !== 'rewarding') throw new Refusal('WrongEpochState')
  if (!isEpochOver(state.interval, now)) throw new Refusal('EpochNotOver')
  if (limit === 0) throw new Refusal('NothingToDo')
  if (!served.settled) throw new Refusal('ScoresNotSettled')
  const work = epochWork(state, served)
  const end = Math.min(epoch.nodes, epoch.next + limit)
  for (const node of served.set.slice(epoch.next, end)) rewardNode(state, node, work, served)
  state.epoch = end === epoch.nodes ? { kind: 'reconcilingEvents' } : { ...epoch, next: end }
}

export function epochWork(state: MixnetState, { set }: Pick<Served, 'set'>): WorkFactors {
  const standby = standbyOf(set)
  return workFactors(state.params, { active: set.length - standby, standby })
}

const NO_BOND = 0
const ZERO_PERFORMANCE = 1
const ALREADY_REWARDED = 2
const POOL_EXHAUSTED = 3

function rewardNode(state: MixnetState, { nodeId, standby }: RewardedNode, work: WorkFactors, served: Served): void {
  const epochId = state.interval.totalElapsedEpochs
  const node = state.rewarding.get(nodeId)
  const without = (reason: number): void => tell(state, 'NodeNotRewarded', { epochId, nodeId, reason })
  // Officially an operator's stake that is not 0, which is true again once the last delegator's dust came to a node that had left:
  // what such a record earned nobody could fetch. Nobody draws such a node.
  if (node === undefined || !state.bonds.has(nodeId)) return without(NO_BOND)
  // Officially an error, for which the whole epoch would stand still here.
  if (node.lastRewardedEpoch === epochId) return without(ALREADY_REWARDED)
  const performance = served.performanceOf(nodeId)
  const share = standby ? work.standby : work.active
  if (performance === 0n || share === 0n) {
    state.rewarding.set(nodeId, { ...node, lastRewardedEpoch: epochId })
    return without(ZERO_PERFORMANCE)
  }
  const costs = clampCosts(node, state.operatorsParams)
  if (costs.profitMargin !== node.profitMargin || costs.intervalOperatingCost !== node.intervalOperatingCost) {
    tell(state, 'CostParamsChanged', { nodeId, ...costs })
  }
  const reward = nodeReward(state.params, node, performance, share)
  const split = splitReward(reward, node, costs, performance, state.interval.epochsInInterval)
  const removed = plus(state.poolChange.removed, reward)
  if (removed > state.params.rewardPool) {
    // An interval that was made shorter while it ran may promise more than there is. Officially its end would fail, for ever.
    state.rewarding.set(nodeId, { ...node, ...costs, lastRewardedEpoch: epochId })
    return without(POOL_EXHAUSTED)
  }
  state.cumulativeWork = plus(state.cumulativeWork, share)
  state.rewarding.set(nodeId, distribute({ ...node, ...costs }, split, epochId))
  state.poolChange = { ...state.poolChange, removed }
  tell(state, 'NodeRewarded', {
    epochId,
    nodeId,
    performance,
    operatorReward: split.operator,
    delegatesReward: split.delegates,
    priorDelegates: node.delegates,
    priorUnitReward: node.totalUnitReward,
  })
}

/** Up to `limit` events: those of the epoch, then, where the interval is over, its own. */
export function reconcileEpochEvents(state: MixnetState, now: bigint, limit: number): void {
  if (state.epoch.kind !== 'reconcilingEvents') throw new Refusal('WrongEpochState')
  const { intervalEnds } = state
  const waiting = (): number => state.epochEvents.length + (intervalEnds ? state.intervalEvents.length : 0)
  if (limit === 0 && waiting() > 0) throw new Refusal('NothingToDo')
  let left = limit
  for (; left > 0 && state.epochEvents.length > 0; left--) applyEpochEvent(state, now, state.epochEvents.shift()!)
  if (intervalEnds) {
    for (; left > 0 && state.intervalEvents.length > 0; left--) applyIntervalEvent(state, state.intervalEvents.shift()!)
  }
  if (waiting() === 0) state.epoch = { kind: 'roleAssignment' }
}

function applyEpochEvent(state: MixnetState, now: bigint, event: EpochEvent): void {
  switch (event.kind) {
    case 'delegate':
      return applyDelegation(state, now, event)
    case 'undelegate':
      return applyUndelegation(state, event)
    case 'pledgeMore':
      return changePledge(state, event.nodeId, event.amount)
    case 'decreasePledge':
      return changePledge(state, event.nodeId, -event.amount)
    case 'unbond':
      return applyUnbonding(state, event.nodeId)
    case 'activeSet':
      return applyGovernance(state, event)
  }
}

/** To a node that left meanwhile: back to the sender. */
function applyDelegation(state: MixnetState, now: bigint, event: Extract<EpochEvent, { kind: 'delegate' }>): void {
  const { owner, nodeId, amount } = event
  const bond = state.bonds.get(nodeId)
  if (bond === undefined || bond.isUnbonding) {
    owe(state, owner, amount)
    tell(state, 'DelegationRefunded', { nodeId, owner, amount })
    return
  }
  const old = delegationOf(state, nodeId, owner)
  const { node, delegation } = addDelegation(rewardingOf(state, nodeId), old, amount, now)
  state.rewarding.set(nodeId, node)
  const ofNode = state.delegations.get(nodeId) ?? new Map()
  state.delegations.set(nodeId, ofNode.set(owner, delegation))
  tell(state, 'Delegated', {
    nodeId,
    owner,
    amount: delegation.amount,
    cumulativeRewardRatio: delegation.cumulativeRewardRatio,
  })
}

function applyUndelegation(state: MixnetState, { owner, nodeId }: Extract<EpochEvent, { kind: 'undelegate' }>): void {
  const old = delegationOf(state, nodeId, owner)
  if (old === undefined) return
  const { node, worth } = removeDelegation(rewardingOf(state, nodeId), old)
  state.rewarding.set(nodeId, node)
  state.delegations.get(nodeId)?.delete(owner)
  owe(state, owner, worth)
  tell(state, 'Undelegated', { nodeId, owner, paid: worth })
}

function changePledge(state: MixnetState, nodeId: number, by: bigint): void {
  const bond = state.bonds.get(nodeId)
  if (bond === undefined) return
  const node = rewardingOf(state, nodeId)
  const pledge = bond.originalPledge + by
  state.bonds.set(nodeId, { ...bond, originalPledge: pledge, pledgeChanges: false })
  state.rewarding.set(nodeId, {
    ...node,
    operator: by < 0n ? minus(node.operator, whole(-by)) : plus(node.operator, whole(by)),
  })
  if (by < 0n) owe(state, bond.owner, -by)
  tell(state, 'PledgeChanged', { nodeId, pledge })
}

/** Delegators stay until they undelegate. */
function applyUnbonding(state: MixnetState, nodeId: number): void {
  const bond = state.bonds.get(nodeId)
  if (bond === undefined) return
  const node = rewardingOf(state, nodeId)
  const paid = truncate(node.operator)
  if (node.uniqueDelegations === 0) state.rewarding.delete(nodeId)
  else state.rewarding.set(nodeId, { ...node, operator: 0n })
  state.bonds.delete(nodeId)
  state.nodeIdByOwner.delete(bond.owner)
  state.nodeIdByKey.delete(bond.identityKey)
  owe(state, bond.owner, paid)
  tell(state, 'Unbonded', { nodeId, owner: bond.owner, paid })
}

function applyIntervalEvent(state: MixnetState, event: IntervalEvent): void {
  if (event.kind !== 'costs') return applyGovernance(state, event)
  const node = state.rewarding.get(event.nodeId)
  if (node === undefined || !state.bonds.has(event.nodeId)) return
  const { profitMargin, intervalOperatingCost } = event.costs
  state.rewarding.set(event.nodeId, { ...node, profitMargin, intervalOperatingCost })
  tell(state, 'CostParamsChanged', { nodeId: event.nodeId, profitMargin, intervalOperatingCost })
}

/** Once the next set is in force. */
export function advanceEpoch(state: MixnetState): void {
  if (state.epoch.kind !== 'roleAssignment') throw new Refusal('WrongEpochState')
  if (state.intervalEnds) {
    state.params = endInterval(state.params, state.poolChange, state.interval.epochsInInterval)
    state.poolChange = { removed: 0n, added: 0n }
  }
  state.interval = nextEpoch(state.interval)
  state.epoch = { kind: 'inProgress' }
  tell(state, 'EpochAdvanced', {
    epochId: state.interval.totalElapsedEpochs,
    start: state.interval.currentEpochStart,
  })
}
