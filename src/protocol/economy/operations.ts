/**
 * What operators and delegators do: tokenomics part 3, each check in its order there. What moves stake only queues an event, for the
 * running epoch is rewarded for the stake it began with. Each throws a Refusal, and then nothing has changed. @module
 */
import { delegatorReward, newRewarding, operatorReward, withdrawReward } from './accounts.ts'
import { ONE, truncate, type Unym, whole } from './decimal.ts'
import {
  delegationOf,
  epochInProgress,
  type MixnetState,
  type OperatorsParams,
  type Owner,
  rewardingOf,
  stayingBond,
  stayingBondOf,
  tell,
} from './mixnetState.ts'
import { Refusal } from './refusal.ts'
import type { CostParams } from './rewards.ts'

const MAX_HOST_BYTES = 255

export interface NewBond {
  readonly owner: Owner
  readonly identityKey: string
  readonly host: string
  readonly httpPort: number
  readonly costs: CostParams
  readonly pledge: Unym
  /** Whether the identity key signed for this owner, with this nonce. */
  readonly signed: boolean
}

/** In any state of the epoch. Returns the node's id. `now`: Unix seconds. */
export function bond(state: MixnetState, now: bigint, wanted: NewBond): number {
  const { owner, identityKey, host, httpPort, costs, pledge } = wanted
  if (byteLength(host) > MAX_HOST_BYTES) throw new Refusal('HostTooLong')
  if (pledge < state.operatorsParams.minimumPledge) throw new Refusal('BelowMinimumPledge')
  checkCosts(state.operatorsParams, costs)
  if (state.nodeIdByOwner.has(owner)) throw new Refusal('AlreadyBonded')
  if (!wanted.signed) throw new Refusal('BadOwnershipSignature')
  if (state.nodeIdByKey.has(identityKey)) throw new Refusal('IdentityTaken')

  state.signingNonces.set(owner, (state.signingNonces.get(owner) ?? 0) + 1)
  state.lastNodeId += 1
  const nodeId = state.lastNodeId
  const epoch = state.interval.totalElapsedEpochs
  state.bonds.set(nodeId, {
    owner,
    identityKey,
    host,
    httpPort,
    originalPledge: pledge,
    isUnbonding: false,
    bondedInEpoch: epoch,
    bondedAt: now,
    pledgeChanges: false,
  })
  state.nodeIdByOwner.set(owner, nodeId)
  state.nodeIdByKey.set(identityKey, nodeId)
  // As if rewarded in this epoch: its first reward is for the next.
  state.rewarding.set(nodeId, newRewarding(pledge, costs, epoch))
  state.balance += pledge
  const { profitMargin, intervalOperatingCost } = costs
  tell(state, 'Bonded', { nodeId, owner, identityKey, host, httpPort, pledge, profitMargin, intervalOperatingCost })
  return nodeId
}

/** In UTF-8; a lone surrogate counts as what replaces it. */
const byteLength = (text: string): number => new TextEncoder().encode(text).length

export function checkCosts(ranges: OperatorsParams, costs: CostParams): void {
  const { profitMargin, intervalOperatingCost } = costs
  if (profitMargin > ONE || profitMargin < ranges.minimumProfitMargin || profitMargin > ranges.maximumProfitMargin)
    throw new Refusal('OutOfRange')
  if (intervalOperatingCost < ranges.minimumOperatingCost || intervalOperatingCost > ranges.maximumOperatingCost)
    throw new Refusal('OutOfRange')
}

/** In any state of the epoch. */
export function updateHost(state: MixnetState, owner: Owner, host: string, httpPort: number): void {
  const { nodeId, bond } = stayingBondOf(state, owner)
  if (byteLength(host) > MAX_HOST_BYTES) throw new Refusal('HostTooLong')
  state.bonds.set(nodeId, { ...bond, host, httpPort })
  tell(state, 'HostUpdated', { nodeId, host, httpPort })
}

export function pledgeMore(state: MixnetState, owner: Owner, amount: Unym): void {
  epochInProgress(state)
  const { nodeId, bond } = stayingBondOf(state, owner)
  if (bond.pledgeChanges) throw new Refusal('PendingPledgeChange')
  if (amount === 0n) throw new Refusal('OutOfRange')
  state.balance += amount
  state.bonds.set(nodeId, { ...bond, pledgeChanges: true })
  state.epochEvents.push({ kind: 'pledgeMore', nodeId, amount })
  tell(state, 'PledgeMoreRequested', { nodeId, amount })
}

export function decreasePledge(state: MixnetState, owner: Owner, amount: Unym): void {
  epochInProgress(state)
  const { nodeId, bond } = stayingBondOf(state, owner)
  if (bond.pledgeChanges) throw new Refusal('PendingPledgeChange')
  if (amount === 0n) throw new Refusal('OutOfRange')
  const left = bond.originalPledge > amount ? bond.originalPledge - amount : 0n
  if (left < state.operatorsParams.minimumPledge) throw new Refusal('BelowMinimumPledge')
  state.bonds.set(nodeId, { ...bond, pledgeChanges: true })
  state.epochEvents.push({ kind: 'decreasePledge', nodeId, amount })
  tell(state, 'PledgeDecreaseRequested', { nodeId, amount })
}

/** At the end of the interval. Several may wait: the last one stays. */
export function updateCostParams(state: MixnetState, owner: Owner, costs: CostParams): void {
  checkCosts(state.operatorsParams, costs)
  epochInProgress(state)
  const { nodeId } = stayingBondOf(state, owner)
  state.intervalEvents.push({ kind: 'costs', nodeId, costs })
  const { profitMargin, intervalOperatingCost } = costs
  tell(state, 'CostParamsRequested', { nodeId, profitMargin, intervalOperatingCost })
}

/** The node is still rewarded for the epoch that runs. */
export function unbond(state: MixnetState, owner: Owner): void {
  epochInProgress(state)
  const { nodeId, bond } = stayingBondOf(state, owner)
  if (bond.pledgeChanges) throw new Refusal('PendingPledgeChange')
  state.bonds.set(nodeId, { ...bond, isUnbonding: true })
  state.epochEvents.push({ kind: 'unbond', nodeId })
  tell(state, 'UnbondRequested', { nodeId })
}

export function delegate(state: MixnetState, owner: Owner, nodeId: number, amount: Unym): void {
  epochInProgress(state)
  if (amount === 0n || amount < state.operatorsParams.minimumDelegation) throw new Refusal('BelowMinimumDelegation')
  stayingBond(state, nodeId)
  state.balance += amount
  state.epochEvents.push({ kind: 'delegate', owner, nodeId, amount })
  tell(state, 'DelegationRequested', { nodeId, owner, amount })
}

/** From a node that is bonded, leaving or gone. Asking twice is no error: the second finds nothing. */
export function undelegate(state: MixnetState, owner: Owner, nodeId: number): void {
  epochInProgress(state)
  if (delegationOf(state, nodeId, owner) === undefined) throw new Refusal('NoDelegation')
  state.epochEvents.push({ kind: 'undelegate', owner, nodeId })
  tell(state, 'UndelegationRequested', { nodeId, owner })
}

/** In any state of the epoch; what is less than a unym stays in the contract for ever. */
export function withdrawOperatorReward(state: MixnetState, owner: Owner): Unym {
  const { nodeId, bond } = stayingBondOf(state, owner)
  const node = rewardingOf(state, nodeId)
  const paid = truncate(operatorReward(node, bond.originalPledge))
  state.rewarding.set(nodeId, { ...node, operator: whole(bond.originalPledge) })
  state.balance -= paid
  tell(state, 'OperatorRewardWithdrawn', { nodeId, owner, paid })
  return paid
}

/** In any state of the epoch. From a node that leaves, only undelegating pays. */
export function withdrawDelegatorReward(state: MixnetState, owner: Owner, nodeId: number): Unym {
  const old = delegationOf(state, nodeId, owner)
  if (old === undefined) throw new Refusal('NoDelegation')
  stayingBond(state, nodeId)
  const { node, delegation, paid } = withdrawReward(rewardingOf(state, nodeId), old)
  state.rewarding.set(nodeId, node)
  state.delegations.get(nodeId)?.set(owner, delegation)
  state.balance -= paid
  tell(state, 'DelegatorRewardWithdrawn', { nodeId, owner, paid })
  return paid
}

export function claim(state: MixnetState, owner: Owner): Unym {
  const paid = state.owed.get(owner) ?? 0n
  if (paid === 0n) throw new Refusal('NothingOwed')
  state.owed.delete(owner)
  state.balance -= paid
  tell(state, 'Claimed', { owner, paid })
  return paid
}

/** Anybody; the pool has it at the end of the interval. */
export function fundPool(state: MixnetState, from: Owner, amount: Unym): void {
  if (amount === 0n) throw new Refusal('OutOfRange')
  state.balance += amount
  state.poolChange = { ...state.poolChange, added: state.poolChange.added + whole(amount) }
  tell(state, 'PoolFunded', { from, amount })
}

/** Decimals: what would be paid now beyond the principal; 0 where there is nothing. */
export function pendingDelegatorReward(state: MixnetState, nodeId: number, owner: Owner): bigint {
  const delegation = delegationOf(state, nodeId, owner)
  return delegation === undefined ? 0n : delegatorReward(rewardingOf(state, nodeId), delegation)
}
