/**
 * The contract and the model of src/protocol/economy behind one face, for vectors that both have to give: one call an epoch, scores and
 * set by argument. @module
 */
import assert from 'node:assert/strict'
import type { Delegation, NodeRewarding } from '../../src/protocol/economy/accounts.ts'

import {
  advanceEpoch,
  beginEpochTransition,
  epochWork,
  type RewardedNode,
  reconcileEpochEvents,
  rewardNodes,
} from '../../src/protocol/economy/epochMachine.ts'
import { updateIntervalConfig } from '../../src/protocol/economy/governance.ts'
import { epochEnd } from '../../src/protocol/economy/interval.ts'
import { type MixnetState, newMixnet } from '../../src/protocol/economy/mixnetState.ts'
import {
  bond,
  delegate,
  pendingDelegatorReward,
  undelegate,
  withdrawDelegatorReward,
  withdrawOperatorReward,
} from '../../src/protocol/economy/operations.ts'
import type {
  ChosenParams,
  CostParams,
  RewardingParams,
  RewardSplit,
  WorkFactors,
} from '../../src/protocol/economy/rewards.ts'
import { type AddressHex, Evm } from './evm.ts'
import { GOVERNANCE, MixnetFixture, OPERATORS } from './mixnet.ts'

/** Who serves in the epoch that ends, and how well. */
export interface Serving extends RewardedNode {
  readonly performance: bigint
}

export interface PlayedMixnet {
  bond(owner: AddressHex, pledge: bigint, costs: CostParams): Promise<number>
  delegate(owner: AddressHex, nodeId: number, amount: bigint): Promise<void>
  undelegate(owner: AddressHex, nodeId: number): Promise<void>
  withdrawOperatorReward(owner: AddressHex): Promise<bigint>
  withdrawDelegatorReward(owner: AddressHex, nodeId: number): Promise<bigint>
  /** Ends the epoch up to its rewards: by node, what each got. */
  reward(serving: readonly Serving[]): Promise<ReadonlyMap<number, RewardSplit>>
  /** And the rest of it: what was asked for, the next epoch. */
  goOn(): Promise<void>
  epochsInInterval(count: number): Promise<void>
  rewardingOf(nodeId: number): Promise<NodeRewarding>
  delegationOf(nodeId: number, owner: AddressHex): Promise<Delegation>
  pendingReward(nodeId: number, owner: AddressHex): Promise<bigint>
  owed(owner: AddressHex): Promise<bigint>
  params(): Promise<RewardingParams>
  work(serving: readonly RewardedNode[]): Promise<WorkFactors>
}

export interface PlayOptions {
  readonly epochsInInterval: number
  readonly params: ChosenParams
}

const EPOCH_LENGTH = 3600
const ALL = 0xffff_ffff

export class PlayedModel implements PlayedMixnet {
  readonly #state: MixnetState
  #identities = 0

  constructor({ epochsInInterval, params }: PlayOptions) {
    this.#state = newMixnet({
      firstEpochId: 0,
      firstEpochStart: 0n,
      epochsInInterval,
      epochLength: EPOCH_LENGTH,
      params,
      operatorsParams: OPERATORS,
    })
  }

  get #now(): bigint {
    return epochEnd(this.#state.interval)
  }

  async bond(owner: AddressHex, pledge: bigint, costs: CostParams): Promise<number> {
    const identityKey = `${++this.#identities}`
    return bond(this.#state, this.#now, { owner, identityKey, host: 'a', httpPort: 1, costs, pledge, signed: true })
  }

  async delegate(owner: AddressHex, nodeId: number, amount: bigint): Promise<void> {
    delegate(this.#state, owner, nodeId, amount)
  }

  async undelegate(owner: AddressHex, nodeId: number): Promise<void> {
    undelegate(this.#state, owner, nodeId)
  }

  async withdrawOperatorReward(owner: AddressHex): Promise<bigint> {
    return withdrawOperatorReward(this.#state, owner)
  }

  async withdrawDelegatorReward(owner: AddressHex, nodeId: number): Promise<bigint> {
    return withdrawDelegatorReward(this.#state, owner, nodeId)
  }

  async reward(serving: readonly Serving[]): Promise<ReadonlyMap<number, RewardSplit>> {
    const scores = new Map(serving.map(({ nodeId, performance }) => [nodeId, performance]))
    const served = { set: serving, settled: true, performanceOf: (id: number) => scores.get(id) ?? 0n }
    this.#state.log.length = 0
    beginEpochTransition(this.#state, this.#now, served)
    if (serving.length > 0) rewardNodes(this.#state, this.#now, served, ALL)
    return splitsOf(this.#state.log)
  }

  async goOn(): Promise<void> {
    reconcileEpochEvents(this.#state, this.#now, ALL)
    advanceEpoch(this.#state)
  }

  async epochsInInterval(epochsInInterval: number): Promise<void> {
    updateIntervalConfig(this.#state, 0n, { epochsInInterval, epochLength: EPOCH_LENGTH }, true)
  }

  async rewardingOf(nodeId: number): Promise<NodeRewarding> {
    const found = this.#state.rewarding.get(nodeId)
    assert.ok(found)
    return found
  }

  async delegationOf(nodeId: number, owner: AddressHex): Promise<Delegation> {
    const found = this.#state.delegations.get(nodeId)?.get(owner)
    assert.ok(found)
    return found
  }

  async pendingReward(nodeId: number, owner: AddressHex): Promise<bigint> {
    return pendingDelegatorReward(this.#state, nodeId, owner)
  }

  async owed(owner: AddressHex): Promise<bigint> {
    return this.#state.owed.get(owner) ?? 0n
  }

  async params(): Promise<RewardingParams> {
    return this.#state.params
  }

  async work(set: readonly RewardedNode[]): Promise<WorkFactors> {
    return epochWork(this.#state, { set })
  }
}

export class PlayedContract implements PlayedMixnet {
  readonly #fixture: MixnetFixture

  private constructor(fixture: MixnetFixture) {
    this.#fixture = fixture
  }

  static async create({ epochsInInterval, params }: PlayOptions): Promise<PlayedContract> {
    return new PlayedContract(
      await MixnetFixture.create({ epochsInInterval, epochLength: EPOCH_LENGTH, rewarding: params }),
    )
  }

  bond(owner: AddressHex, pledge: bigint, costs: CostParams): Promise<number> {
    return this.#fixture.bond(owner, pledge, costs)
  }

  async delegate(owner: AddressHex, nodeId: number, amount: bigint): Promise<void> {
    await this.#fixture.delegate(nodeId, owner, amount)
  }

  async undelegate(owner: AddressHex, nodeId: number): Promise<void> {
    await this.#fixture.send('undelegate', [nodeId], owner)
  }

  async withdrawOperatorReward(owner: AddressHex): Promise<bigint> {
    return (await this.#fixture.send('withdrawOperatorReward', [], owner)).result as bigint
  }

  async withdrawDelegatorReward(owner: AddressHex, nodeId: number): Promise<bigint> {
    return (await this.#fixture.send('withdrawDelegatorReward', [nodeId], owner)).result as bigint
  }

  async reward(serving: readonly Serving[]): Promise<ReadonlyMap<number, RewardSplit>> {
    await this.#fixture.setNodes(serving)
    for (const { nodeId, performance } of serving) {
      await this.#fixture.evm.send(this.#fixture.scores, 'setScore', [nodeId, performance])
    }
    return splitsOf(await this.#fixture.rewardEpoch())
  }

  async goOn(): Promise<void> {
    await this.#fixture.reconcile()
    await this.#fixture.advance()
  }

  async epochsInInterval(count: number): Promise<void> {
    await this.#fixture.send('updateIntervalConfig', [count, EPOCH_LENGTH, true], GOVERNANCE)
  }

  rewardingOf(nodeId: number): Promise<NodeRewarding> {
    return this.#fixture.rewardingOf(nodeId)
  }

  delegationOf(nodeId: number, owner: AddressHex): Promise<Delegation> {
    return this.#fixture.read('delegationOf', [nodeId, owner])
  }

  pendingReward(nodeId: number, owner: AddressHex): Promise<bigint> {
    return this.#fixture.read('pendingDelegatorReward', [nodeId, owner])
  }

  owed(owner: AddressHex): Promise<bigint> {
    return this.#fixture.read('owed', [owner])
  }

  params(): Promise<RewardingParams> {
    return this.#fixture.read('rewardingParams')
  }

  async work(serving: readonly RewardedNode[]): Promise<WorkFactors> {
    await this.#fixture.setNodes(serving)
    const [active, standby] = await this.#fixture.read<readonly [bigint, bigint]>('epochWorkFactors')
    return { active, standby }
  }
}

function splitsOf(
  log: readonly { readonly name: string; readonly args: Readonly<Record<string, unknown>> }[],
): ReadonlyMap<number, RewardSplit> {
  return new Map(
    log
      .filter(({ name }) => name === 'NodeRewarded')
      .map(({ args }) => [
        args.nodeId as number,
        { operator: args.operatorReward as bigint, delegates: args.delegatesReward as bigint },
      ]),
  )
}

/** Owners of vectors, by name. */
export const ownerOf = (name: string): AddressHex =>
  Evm.address(1000 + [...name].reduce((sum, letter) => sum * 32 + (letter.charCodeAt(0) & 31), 0))
