/**
 * Everything the mixnet's contract remembers, as plain values: what parts 2 to 5 of the tokenomics say, beside contracts/Mixnet.sol
 * and written without it. `operations.ts`, `epochMachine.ts` and `governance.ts` change it. A model: for tests, estimates and the
 * economy lab; it takes everybody's word for who they are. @module
 */
import type { Delegation, NodeRewarding } from './accounts.ts'
import type { Decimal, Unym } from './decimal.ts'
import { whole } from './decimal.ts'
import type { Interval } from './interval.ts'
import { Refusal } from './refusal.ts'
import {
  type ChosenParams,
  type CostParams,
  type CostRanges,
  deriveParams,
  type PoolChange,
  type RewardedSetParams,
  type RewardingParams,
} from './rewards.ts'

/** Who owns something: any text, the same for the same person. */
export type Owner = string

export interface OperatorsParams extends CostRanges {
  readonly minimumPledge: Unym
  /** 0: any that is more than nothing. */
  readonly minimumDelegation: Unym
}

export interface Bond {
  readonly owner: Owner
  readonly identityKey: string
  readonly host: string
  readonly httpPort: number
  readonly originalPledge: Unym
  readonly isUnbonding: boolean
  /** Absolute. */
  readonly bondedInEpoch: number
  /** Unix seconds. */
  readonly bondedAt: bigint
  /** A pledge change waits for the end of the epoch. */
  readonly pledgeChanges: boolean
}

/** Applied in order at the end of the epoch, behind its rewards. */
export type EpochEvent =
  | { readonly kind: 'delegate'; readonly owner: Owner; readonly nodeId: number; readonly amount: Unym }
  | { readonly kind: 'undelegate'; readonly owner: Owner; readonly nodeId: number }
  | { readonly kind: 'pledgeMore'; readonly nodeId: number; readonly amount: Unym }
  | { readonly kind: 'decreasePledge'; readonly nodeId: number; readonly amount: Unym }
  | { readonly kind: 'unbond'; readonly nodeId: number }
  | { readonly kind: 'activeSet'; readonly set: ActiveSet }

/** At the end of the interval, behind the epoch events of that moment. */
export type IntervalEvent =
  | { readonly kind: 'costs'; readonly nodeId: number; readonly costs: CostParams }
  | { readonly kind: 'rewardingParams'; readonly params: ParamsUpdate }
  | { readonly kind: 'intervalConfig'; readonly epochsInInterval: number; readonly epochLength: number }

/** Without a pool or a supply, these stay what they are when the change comes into force: they move by themselves. */
export type ParamsUpdate = Omit<ChosenParams, 'rewardPool' | 'stakingSupply'> &
  Partial<Pick<ChosenParams, 'rewardPool' | 'stakingSupply'>>

export type ActiveSet = Omit<RewardedSetParams, 'standby'>

export type EpochState =
  | { readonly kind: 'inProgress' }
  /** Of the set's nodes in ascending order, `next` is the place of the one to be rewarded next. */
  | { readonly kind: 'rewarding'; readonly next: number; readonly nodes: number }
  | { readonly kind: 'reconcilingEvents' }
  | { readonly kind: 'roleAssignment' }

/** As the contract's events, by their names and arguments. */
export interface Happened {
  readonly name: string
  readonly args: Readonly<Record<string, string | number | bigint>>
}

export interface MixnetState {
  interval: Interval
  params: RewardingParams
  operatorsParams: OperatorsParams
  poolChange: PoolChange
  /** Tokens that governance took out of the pool's number and may put back: they are behind no other. */
  unallocated: Decimal
  epoch: EpochState
  /** Of the transition that runs: the interval ends with it, however it is cut into calls. */
  intervalEnds: boolean
  /** Of the transition that runs: at most 1 in the end. */
  cumulativeWork: Decimal
  lastNodeId: number
  readonly bonds: Map<number, Bond>
  readonly nodeIdByOwner: Map<Owner, number>
  readonly nodeIdByKey: Map<string, number>
  /** Outlives the bond while anybody delegates, with nothing of the operator's; and from then on, with dust. */
  readonly rewarding: Map<number, NodeRewarding>
  readonly delegations: Map<number, Map<Owner, Delegation>>
  readonly epochEvents: EpochEvent[]
  readonly intervalEvents: IntervalEvent[]
  /** What waits to be fetched. */
  readonly owed: Map<Owner, Unym>
  readonly signingNonces: Map<Owner, number>
  /** Of the contract: what everybody brought, less what was paid. */
  balance: Unym
  /** What happened since the caller last emptied it. */
  readonly log: Happened[]
}

export interface MixnetConfig {
  /** Absolute. */
  readonly firstEpochId: number
  readonly firstEpochStart: bigint
  readonly epochsInInterval: number
  readonly epochLength: number
  readonly params: ChosenParams
  readonly operatorsParams: OperatorsParams
}

/** A new network; its reward pool is in the contract already. */
export function newMixnet(config: MixnetConfig): MixnetState {
  const { firstEpochId, firstEpochStart, epochsInInterval, epochLength, params, operatorsParams } = config
  return {
    interval: {
      id: 0,
      epochsInInterval,
      currentEpochId: 0,
      totalElapsedEpochs: firstEpochId,
      epochLength,
      currentEpochStart: firstEpochStart,
    },
    params: deriveParams(params, epochsInInterval),
    operatorsParams,
    poolChange: { removed: 0n, added: 0n },
    unallocated: 0n,
    epoch: { kind: 'inProgress' },
    intervalEnds: false,
    cumulativeWork: 0n,
    lastNodeId: 0,
    bonds: new Map(),
    nodeIdByOwner: new Map(),
    nodeIdByKey: new Map(),
    rewarding: new Map(),
    delegations: new Map(),
    epochEvents: [],
    intervalEvents: [],
    owed: new Map(),
    signingNonces: new Map(),
    balance: 0n,
    log: [],
  }
}

/** Official operations but bonding, settings of a host and withdrawals are refused while an epoch ends. */
export function epochInProgress(state: MixnetState): void {
  if (state.epoch.kind !== 'inProgress') throw new Refusal('EpochAdvancementInProgress')
}

export interface Bonded {
  readonly nodeId: number
  readonly bond: Bond
}

/** Of that owner, and staying. */
export function stayingBondOf(state: MixnetState, owner: Owner): Bonded {
  const nodeId = state.nodeIdByOwner.get(owner)
  if (nodeId === undefined) throw new Refusal('NotBonded')
  return { nodeId, bond: stayingBond(state, nodeId) }
}

export function stayingBond(state: MixnetState, nodeId: number): Bond {
  const bond = state.bonds.get(nodeId)
  if (bond === undefined) throw new Refusal('NotBonded')
  if (bond.isUnbonding) throw new Refusal('Unbonding')
  return bond
}

export function delegationOf(state: MixnetState, nodeId: number, owner: Owner): Delegation | undefined {
  return state.delegations.get(nodeId)?.get(owner)
}

export function rewardingOf(state: MixnetState, nodeId: number): NodeRewarding {
  const found = state.rewarding.get(nodeId)
  if (found === undefined) throw new Error(`node ${nodeId} is bonded and has no accounts`)
  return found
}

export function tell(state: MixnetState, name: string, args: Happened['args']): void {
  state.log.push({ name, args })
}

export function owe(state: MixnetState, owner: Owner, amount: Unym): void {
  if (amount > 0n) state.owed.set(owner, (state.owed.get(owner) ?? 0n) + amount)
}

/** The whole amount in unym that the accounts say is somebody's or the pool's: never above the balance. */
export function claims(state: MixnetState): Decimal {
  let sum = state.unallocated + state.params.rewardPool + state.poolChange.added - state.poolChange.removed
  for (const node of state.rewarding.values()) sum += node.operator + node.delegates
  for (const amount of state.owed.values()) sum += whole(amount)
  for (const event of state.epochEvents) {
    if (event.kind === 'delegate' || event.kind === 'pledgeMore') sum += whole(event.amount)
  }
  return sum
}
