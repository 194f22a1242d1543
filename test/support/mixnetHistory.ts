/**
 * One history, played on the contract and on the model at once. After each action: the same result or the same error, the same
 * events. And whatever the two do, what must be true of money: nothing made or lost, nobody's past reward moved by another. @module
 */
import assert from 'node:assert/strict'
import type { Delegation } from '../../src/protocol/economy/accounts.ts'
import { operatorReward } from '../../src/protocol/economy/accounts.ts'
import { ONE, type Percent, whole } from '../../src/protocol/economy/decimal.ts'
import {
  advanceEpoch,
  beginEpochTransition,
  type RewardedNode,
  reconcileEpochEvents,
  rewardNodes,
  type Served,
} from '../../src/protocol/economy/epochMachine.ts'
import {
  updateActiveSetDistribution,
  updateIntervalConfig,
  updateOperatorsParams,
  updateRewardingParams,
} from '../../src/protocol/economy/governance.ts'
import { epochEnd } from '../../src/protocol/economy/interval.ts'
import {
  claims,
  type Happened,
  type MixnetConfig,
  type MixnetState,
  newMixnet,
  type OperatorsParams,
  type ParamsUpdate,
} from '../../src/protocol/economy/mixnetState.ts'
import {
  bond,
  claim,
  decreasePledge,
  delegate,
  fundPool,
  pendingDelegatorReward,
  pledgeMore,
  unbond,
  undelegate,
  updateCostParams,
  updateHost,
  withdrawDelegatorReward,
  withdrawOperatorReward,
} from '../../src/protocol/economy/operations.ts'
import { Refusal } from '../../src/protocol/economy/refusal.ts'
import { type AddressHex, Evm, type Outcome, Reverted } from './evm.ts'
import { GOVERNANCE, type MixnetFixture, NYM } from './mixnet.ts'
import { type Action, PEOPLE } from './mixnetActions.ts'
import { NaiveAccounts } from './naiveAccounts.ts'

/** Of each person, in the beginning. */
const WALLET = 60_000_000n * NYM
const UNCHANGED = 2n ** 128n - 1n

export const HISTORY_CONFIG: Omit<MixnetConfig, 'firstEpochStart'> = {
  firstEpochId: 24,
  epochsInInterval: 4,
  epochLength: 3600,
  params: {
    rewardPool: 250_000_000n * whole(NYM),
    stakingSupply: 100_000_000n * whole(NYM),
    stakingSupplyScaleFactor: ONE / 2n,
    sybilResistance: (ONE * 3n) / 10n,
    activeSetWorkFactor: 10n * ONE,
    intervalPoolEmission: ONE / 50n,
    rewardedSet: { entryGateways: 1, exitGateways: 1, mixnodes: 3, standby: 2 },
  },
  operatorsParams: {
    minimumPledge: 100n * NYM,
    minimumDelegation: 0n,
    minimumProfitMargin: 0n,
    maximumProfitMargin: ONE,
    minimumOperatingCost: 0n,
    maximumOperatingCost: 10n ** 15n,
  },
}

const person = (i: number): AddressHex => Evm.address(100 + i)
const PERSONS = Array.from({ length: PEOPLE }, (_, i) => person(i))

/** From 1 unym to ten million NYM, odd ones too: small ones are frequent, and so are ties. */
function amountOf(n: number): bigint {
  const magnitude = BigInt(n % 14)
  const digits = n % 3 === 0 ? 1n : BigInt(n)
  return n === 0 ? 0n : (digits * 10n ** magnitude) / (n % 3 === 0 ? 1n : 100_000n) + 1n
}

/** The last but one is none. */
const PERCENTS: readonly Percent[] = [
  0n,
  ONE,
  ONE / 10n,
  ONE / 3n,
  1n,
  ONE - 1n,
  979_999_999_999_999_982n,
  ONE / 2n,
  ONE + 1n,
  ONE / 5n,
]
const percentOf = (n: number): Percent => PERCENTS[n % PERCENTS.length] as Percent
const COSTS = [0n, 1n, 40n * NYM, 800n * NYM, 10n ** 12n, 10n ** 15n, 3n, 7_777_777n, 10n ** 15n + 1n, 5n * NYM]
const costOf = (n: number): bigint => COSTS[n % COSTS.length] as bigint

/** Of one call. */
interface Result {
  readonly result: unknown
  readonly error: string | undefined
  readonly log: readonly Happened[]
}

export class MixnetHistory {
  readonly #contract: MixnetFixture
  readonly #state: MixnetState
  readonly #wallets = new Map<AddressHex, bigint>()
  readonly #scores = new Map<number, Percent>()
  readonly #naive = new NaiveAccounts()
  #settled = true
  #set: readonly RewardedNode[] = []
  #dust = 0n
  /** Everything that ever happened, by name: a history that never rewards anybody shows nothing. */
  readonly counts: Map<string, number> = new Map()

  /** `contract`: new, of `HISTORY_CONFIG`, its people in funds: `fundPeople`. */
  constructor(contract: MixnetFixture) {
    this.#contract = contract
    this.#state = newMixnet({ ...HISTORY_CONFIG, firstEpochStart: contract.evm.now })
    this.#state.balance = HISTORY_CONFIG.params.rewardPool / ONE
    for (const who of PERSONS) this.#wallets.set(who, WALLET)
  }

  static async fundPeople(contract: MixnetFixture): Promise<void> {
    for (const who of PERSONS) await contract.fund(who, WALLET)
  }

  async play(history: readonly Action[]): Promise<void> {
    for (const action of history) await this.act(action)
    await this.compareAll()
    await this.#everybodyLeaves()
    await this.compareAll()
    const rounded = this.#naive.widest < 10n ** 10n ? 'less' : 'more'
    this.counts.set(`histories rounded by ${rounded} than 10^-8 unym`, 1)
  }

  async act(action: Action): Promise<void> {
    switch (action.do) {
      case 'time':
        this.#contract.evm.now += BigInt(Math.ceil((this.#state.interval.epochLength * action.percent) / 100))
        return
      case 'score':
        return this.#score(this.#nodeOf(action.node), percentOf(action.score))
      case 'settled':
        this.#settled = action.settled
        await this.#contract.evm.send(this.#contract.scores, 'setSettled', [action.settled])
        return
      case 'step':
        return this.#step(action.limit, action.wrong === 9 ? action.limit % 4 : this.#nextStep(), action.roles)
      case 'epoch':
        return this.#wholeEpoch(Math.max(1, action.limit), action.roles)
      case 'rewardingParams':
      case 'activeSet':
      case 'intervalConfig':
      case 'operatorsParams':
        return this.#govern(action)
      default:
        return this.#operate(action)
    }
  }

  // ---- people

  async #operate(action: Extract<Action, { readonly who: number }>): Promise<void> {
    const who = person(action.who)
    const state = this.#state
    const now = this.#contract.evm.now
    const wallet = this.#wallets.get(who) ?? 0n
    const affordable = (n: number): bigint => (amountOf(n) < wallet ? amountOf(n) : wallet)
    const before = this.#pendingRewards()
    switch (action.do) {
      case 'bond': {
        const identityKey = `0x${(action.key + 1).toString(16).padStart(64, '0')}` as const
        const costs = { profitMargin: percentOf(action.margin), intervalOperatingCost: costOf(action.cost) }
        const pledge = affordable(action.amount) + (action.amount % 4 === 0 ? 0n : 100n * NYM)
        const wanted = {
          owner: who,
          identityKey,
          host: 'n',
          httpPort: action.key,
          costs,
          pledge,
          signed: action.signed,
        }
        if (pledge > wallet) return
        // Asking the mock costs a call; most bonds are in order.
        if (!action.signed) await this.#contract.evm.send(this.#contract.proof, 'setAnswer', [false])
        await this.#both('bond', [identityKey, 'n', action.key, costs, pledge, ZERO, ZERO], who, () =>
          bond(state, now, wanted),
        )
        if (!action.signed) await this.#contract.evm.send(this.#contract.proof, 'setAnswer', [true])
        break
      }
      case 'pledgeMore': {
        const amount = affordable(action.amount)
        await this.#both('pledgeMore', [amount], who, () => pledgeMore(state, who, amount))
        break
      }
      case 'decreasePledge': {
        const amount = amountOf(action.amount)
        await this.#both('decreasePledge', [amount], who, () => decreasePledge(state, who, amount))
        break
      }
      case 'costs': {
        const costs = { profitMargin: percentOf(action.margin), intervalOperatingCost: costOf(action.cost) }
        await this.#both('updateCostParams', [costs], who, () => updateCostParams(state, who, costs))
        break
      }
      case 'host': {
        const host = 'h'.repeat(action.length)
        await this.#both('updateHost', [host, 1], who, () => updateHost(state, who, host, 1))
        break
      }
      case 'unbond':
        await this.#both('unbond', [], who, () => unbond(state, who))
        break
      case 'withdrawOperator':
        await this.#both('withdrawOperatorReward', [], who, () => withdrawOperatorReward(state, who))
        break
      case 'claim':
        await this.#both('claim', [], who, () => claim(state, who))
        break
      case 'delegate': {
        const nodeId = this.#nodeOf(action.node)
        const amount = affordable(action.amount)
        await this.#both('delegate', [nodeId, amount], who, () => delegate(state, who, nodeId, amount))
        break
      }
      case 'undelegate': {
        const nodeId = this.#nodeOf(action.node)
        await this.#both('undelegate', [nodeId], who, () => undelegate(state, who, nodeId))
        break
      }
      case 'withdrawDelegator': {
        const nodeId = this.#nodeOf(action.node)
        await this.#both('withdrawDelegatorReward', [nodeId], who, () => withdrawDelegatorReward(state, who, nodeId))
        break
      }
      case 'fundPool': {
        const amount = affordable(action.amount)
        await this.#both('fundPool', [amount], who, () => fundPool(state, who, amount))
        break
      }
    }
    for (const [whose, reward] of this.#pendingRewards()) {
      if (!whose.endsWith(who)) assert.equal(reward, before.get(whose) ?? 0n, `${whose} after ${action.do} of ${who}`)
    }
  }

  /** Mostly one that is bonded; at times one that is gone, or never was. */
  #nodeOf(n: number): number {
    const bonded = [...this.#state.bonds.keys()]
    const id = n % 4 === 0 ? undefined : bonded[n % bonded.length]
    return id ?? 1 + (n % (this.#state.lastNodeId + 1))
  }

  /** By node and owner, operators apart. */
  #pendingRewards(): Map<string, bigint> {
    const found = new Map<string, bigint>()
    for (const [nodeId, { owner, originalPledge }] of this.#state.bonds) {
      const node = this.#state.rewarding.get(nodeId)
      if (node !== undefined) found.set(`${nodeId} operator ${owner}`, operatorReward(node, originalPledge))
    }
    for (const [nodeId, ofNode] of this.#state.delegations) {
      for (const owner of ofNode.keys()) {
        found.set(`${nodeId} delegator ${owner}`, pendingDelegatorReward(this.#state, nodeId, owner))
      }
    }
    return found
  }

  // ---- epochs

  async #score(nodeId: number, score: Percent): Promise<void> {
    this.#scores.set(nodeId, score)
    await this.#contract.evm.send(this.#contract.scores, 'setScore', [nodeId, score])
  }

  #served(): Served {
    return {
      set: this.#set,
      settled: this.#settled,
      performanceOf: (nodeId) => this.#scores.get(nodeId) ?? ONE,
    }
  }

  #nextStep(): number {
    return ['inProgress', 'rewarding', 'reconcilingEvents', 'roleAssignment'].indexOf(this.#state.epoch.kind)
  }

  async #step(limit: number, which: number, roles: readonly number[]): Promise<void> {
    const { now } = this.#contract.evm
    const state = this.#state
    if (which === 0)
      await this.#both('beginEpochTransition', [], undefined, () => beginEpochTransition(state, now, this.#served()))
    if (which === 1)
      await this.#both('rewardNodes', [limit], undefined, () => rewardNodes(state, now, this.#served(), limit))
    if (which === 2) await this.#reconcile(limit)
    if (which === 3) await this.#advance(roles)
  }

  /** Nobody's reward moves but those of whoever asked for something; an operator may get the dust of its last delegator. */
  async #reconcile(limit: number): Promise<void> {
    const { now } = this.#contract.evm
    const before = this.#pendingRewards()
    const asked = new Set(
      this.#state.epochEvents.slice(0, limit).flatMap((event) => {
        if (event.kind === 'delegate' || event.kind === 'undelegate') return `${event.nodeId} delegator ${event.owner}`
        return []
      }),
    )
    await this.#both('reconcileEpochEvents', [limit], undefined, () => reconcileEpochEvents(this.#state, now, limit))
    for (const [whose, reward] of this.#pendingRewards()) {
      const was = before.get(whose)
      if (asked.has(whose) || was === undefined) continue
      if (whose.includes('operator')) assert.ok(reward >= was && reward - was < ONE, `${whose} at reconciliation`)
      else assert.equal(reward, was, `${whose} at reconciliation`)
    }
  }

  async #advance(roles: readonly number[]): Promise<void> {
    const set: RewardedNode[] = []
    for (let nodeId = 1; nodeId <= this.#state.lastNodeId + 1; nodeId++) {
      const role = roles[(nodeId - 1) % roles.length] ?? 0
      if (role > 0) set.push({ nodeId, standby: role === 1 })
    }
    const advanced = await this.#both('advance', [this.#contract.mixnet], undefined, () => advanceEpoch(this.#state))
    if (advanced.error !== undefined) return
    this.#set = set
    await this.#contract.setNodes(set)
  }

  async #wholeEpoch(limit: number, roles: readonly number[]): Promise<void> {
    const end = epochEnd(this.#state.interval)
    if (this.#contract.evm.now < end) this.#contract.evm.now = end
    if (this.#nextStep() === 0) await this.#step(limit, 0, roles)
    // A wait for scores is another action's.
    while (this.#nextStep() === 1 && this.#settled) await this.#step(limit, 1, roles)
    while (this.#nextStep() === 2) await this.#step(limit, 2, roles)
    if (this.#nextStep() === 3) await this.#step(limit, 3, roles)
  }

  // ---- governance

  async #govern(
    action: Extract<Action, { readonly do: 'rewardingParams' | 'activeSet' | 'intervalConfig' | 'operatorsParams' }>,
  ): Promise<void> {
    const { now } = this.#contract.evm
    const state = this.#state
    switch (action.do) {
      case 'rewardingParams': {
        const [entryGateways = 0, exitGateways = 0, mixnodes = 0, standby = 0] = action.set
        const [scale = 0, alpha = 0, emission = 0] = action.percents
        const rewardedSet = { entryGateways, exitGateways, mixnodes, standby }
        const pool = this.#state.params.rewardPool
        const params: ParamsUpdate = {
          rewardedSet,
          stakingSupplyScaleFactor: percentOf(scale),
          sybilResistance: percentOf(alpha),
          intervalPoolEmission: percentOf(emission),
          activeSetWorkFactor: [ONE, 10n * ONE, (3n * ONE) / 2n, ONE - 1n, 10n ** 24n + 1n][action.factor] as bigint,
          ...(action.pool < 6
            ? {}
            : { rewardPool: [pool - whole(NYM), pool / 2n, pool + 1n, pool + whole(NYM)][action.pool - 6]! }),
          ...(action.supply < 6
            ? {}
            : { stakingSupply: [10n ** 15n, whole(NYM), whole(10n ** 15n), 1n][action.supply - 6]! }),
        }
        const given = {
          ...params,
          rewardPool: params.rewardPool ?? UNCHANGED,
          stakingSupply: params.stakingSupply ?? UNCHANGED,
          epochRewardBudget: 0n,
          stakeSaturationPoint: 0n,
        }
        await this.#both('updateRewardingParams', [given, action.force], GOVERNANCE, () =>
          updateRewardingParams(state, now, params, action.force),
        )
        break
      }
      case 'activeSet': {
        const [entryGateways = 0, exitGateways = 0, mixnodes = 0] = action.set
        const set = { entryGateways, exitGateways, mixnodes }
        await this.#both('updateActiveSetDistribution', [...action.set, action.force], GOVERNANCE, () =>
          updateActiveSetDistribution(state, now, set, action.force),
        )
        break
      }
      case 'intervalConfig': {
        const config = {
          epochsInInterval: action.epochs,
          epochLength: [3600, 60, 0, 7200, 31_622_401][action.length] ?? 3600,
        }
        const args = [config.epochsInInterval, config.epochLength, action.force]
        await this.#both('updateIntervalConfig', args, GOVERNANCE, () =>
          updateIntervalConfig(state, now, config, action.force),
        )
        break
      }
      case 'operatorsParams': {
        const [minimumMargin = 0, maximumMargin = 0] = action.margins
        const [minimumCost = 0, maximumCost = 0] = action.costs
        const [pledge = 0, delegation = 0] = action.minimums
        const params: OperatorsParams = {
          minimumPledge: [100n * NYM, 1n, 0n, 10n ** 15n + 1n][pledge] ?? 100n * NYM,
          minimumDelegation: [0n, 1n, 5n * NYM, 10n ** 15n + 1n][delegation] ?? 0n,
          minimumProfitMargin: minimumMargin < 5 ? 0n : percentOf(minimumMargin),
          maximumProfitMargin: maximumMargin < 5 ? ONE : percentOf(maximumMargin),
          minimumOperatingCost: minimumCost < 5 ? 0n : costOf(minimumCost),
          maximumOperatingCost: maximumCost < 5 ? 10n ** 15n : costOf(maximumCost),
        }
        await this.#both('updateOperatorsParams', [params], GOVERNANCE, () => updateOperatorsParams(state, params))
      }
    }
  }

  // ---- both, and what must be true of them

  async #both(
    fn: string,
    args: readonly unknown[],
    from: AddressHex | undefined,
    model: () => unknown,
  ): Promise<Result> {
    const to = fn === 'advance' ? this.#contract.set : this.#contract.mixnet
    const expected = this.#onModel(model)
    const got = onContract(await this.#contract.evm.send(to, fn, args, from).catch(asReverted))
    assert.deepEqual(got, expected, fn)
    this.counts.set(`${fn} ${got.error ?? 'done'}`, (this.counts.get(`${fn} ${got.error ?? 'done'}`) ?? 0) + 1)
    for (const { name, args: said } of got.log) {
      this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
      this.#moveWallets(name, said)
      this.#naive.happened(name, said, this.#state)
    }
    if (from !== undefined && got.error === undefined && fn === 'pledgeMore') this.#pay(from, args[0] as bigint)
    this.#checkDust(got.log)
    return got
  }

  #onModel(run: () => unknown): Result {
    this.#state.log.length = 0
    try {
      const result = run()
      return { result, error: undefined, log: [...this.#state.log] }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return { result: undefined, error: error.reason, log: [] }
    }
  }

  #pay(who: AddressHex, amount: bigint): void {
    this.#wallets.set(who, (this.#wallets.get(who) ?? 0n) - amount)
  }

  #moveWallets(name: string, args: Happened['args']): void {
    if (name === 'Bonded') this.#pay(args.owner as AddressHex, args.pledge as bigint)
    if (name === 'DelegationRequested') this.#pay(args.owner as AddressHex, args.amount as bigint)
    if (name === 'PoolFunded') this.#pay(args.from as AddressHex, args.amount as bigint)
    if (PAYMENTS.has(name)) this.#pay(args.owner as AddressHex, -(args.paid as bigint))
  }

  /** What the contract holds and no account claims grows by the fraction that each payment cuts off, by nothing else. */
  #checkDust(log: readonly Happened[]): void {
    const dust = whole(this.#state.balance) - claims(this.#state)
    const cuts = log.filter(({ name }) => CUTTING.has(name)).length
    assert.ok(dust >= this.#dust && dust - this.#dust <= whole(cuts), `${dust - this.#dust} lost or made, ${cuts} cuts`)
    this.#dust = dust
  }

  /** All that can be asked of either. */
  async compareAll(): Promise<void> {
    const contract = this.#contract
    const state = this.#state
    this.#naive.compare(state)
    assert.deepEqual(await contract.read('interval'), state.interval)
    assert.deepEqual(await contract.read('rewardingParams'), state.params)
    assert.deepEqual(await contract.read('operatorsParams'), state.operatorsParams)
    assert.deepEqual(await contract.read('poolChange'), [state.poolChange.removed, state.poolChange.added])
    assert.equal(await contract.read('unallocated'), state.unallocated)
    assert.equal(await contract.read('lastNodeId'), state.lastNodeId)
    const waiting = [BigInt(state.epochEvents.length), BigInt(state.intervalEvents.length)]
    assert.deepEqual(await contract.read('pendingEvents'), waiting)
    const [step, next] = await contract.read<readonly [number, number, number]>('epochState')
    assert.equal(step, this.#nextStep())
    if (state.epoch.kind === 'rewarding') assert.equal(next, state.epoch.next)

    let word = 0n
    for (let nodeId = 1; nodeId <= state.lastNodeId; nodeId++) {
      const bonded = state.bonds.get(nodeId)
      if (bonded !== undefined) word |= 1n << BigInt(nodeId)
      const { pledgeChanges: _, ...wanted } = bonded ?? { ...NO_BOND, pledgeChanges: false }
      const bond = lowerCase(await contract.read('bondOf', [nodeId]))
      assert.deepEqual(bond, wanted, `bond ${nodeId}`)
      const node = state.rewarding.get(nodeId)
      assert.deepEqual(await contract.read('rewardingOf', [nodeId]), node ?? NO_REWARDING, `accounts of ${nodeId}`)
      for (const [owner, delegation] of state.delegations.get(nodeId) ?? []) {
        assert.deepEqual(await contract.read<Delegation>('delegationOf', [nodeId, owner]), delegation)
        const reward = await contract.read('pendingDelegatorReward', [nodeId, owner])
        assert.equal(reward, pendingDelegatorReward(state, nodeId, owner))
      }
    }
    assert.equal(await contract.read('bondedWord', [0n]), word)
    let held = await contract.balanceOf(contract.mixnet)
    assert.equal(held, state.balance)
    for (const who of PERSONS) {
      assert.equal(await contract.read('owed', [who]), state.owed.get(who) ?? 0n)
      assert.equal(await contract.read('nodeIdOf', [who]), state.nodeIdByOwner.get(who) ?? 0)
      assert.equal(await contract.read('signingNonce', [who]), state.signingNonces.get(who) ?? 0)
      const wallet = await contract.balanceOf(who)
      assert.equal(wallet, this.#wallets.get(who))
      held += wallet
    }
    assert.equal(held, HISTORY_CONFIG.params.rewardPool / ONE + WALLET * BigInt(PEOPLE), 'all coins there ever were')
  }

  /** Whatever came before, everyone gets what is theirs, and the pool is what is left. */
  async #everybodyLeaves(): Promise<void> {
    if (!this.#settled) await this.act({ do: 'settled', settled: true })
    // The transition that runs, then one for pledge changes that wait.
    await this.#wholeEpoch(7, [0])
    await this.#wholeEpoch(7, [0])
    const { now } = this.#contract.evm
    for (const [nodeId, ofNode] of this.#state.delegations) {
      for (const owner of ofNode.keys())
        await this.#succeeds('undelegate', [nodeId], owner, () => undelegate(this.#state, owner, nodeId))
    }
    for (const { owner, isUnbonding } of this.#state.bonds.values()) {
      if (!isUnbonding) await this.#succeeds('unbond', [], owner as AddressHex, () => unbond(this.#state, owner))
    }
    assert.ok(now <= this.#contract.evm.now)
    await this.#wholeEpoch(7, [0])
    for (const owner of this.#state.owed.keys()) {
      await this.#succeeds('claim', [], owner as AddressHex, () => claim(this.#state, owner))
    }
    const { bonds, delegations, rewarding, params, poolChange, unallocated, balance } = this.#state
    assert.equal(bonds.size, 0)
    assert.ok([...delegations.values()].every((ofNode) => ofNode.size === 0))
    let orphaned = 0n
    for (const { operator, delegates } of rewarding.values()) {
      assert.equal(delegates, 0n)
      orphaned += operator
    }
    const pool = params.rewardPool + poolChange.added - poolChange.removed + unallocated
    assert.equal(whole(balance), pool + orphaned + this.#dust)
    this.counts.set('orphaned dust', (this.counts.get('orphaned dust') ?? 0) + (orphaned > 0n ? 1 : 0))
  }

  async #succeeds(fn: string, args: readonly unknown[], from: string, model: () => unknown): Promise<void> {
    const { error } = await this.#both(fn, args, from as AddressHex, model)
    assert.equal(error, undefined, `${fn} of who leaves`)
  }
}

const ZERO = `0x${'00'.repeat(32)}` as const
const PAYMENTS = new Set(['OperatorRewardWithdrawn', 'DelegatorRewardWithdrawn', 'Claimed'])
/** `Delegated` is a former delegation taken out, at times. */
const CUTTING = new Set(['OperatorRewardWithdrawn', 'DelegatorRewardWithdrawn', 'Undelegated', 'Unbonded', 'Delegated'])
const NO_BOND = {
  owner: `0x${'00'.repeat(20)}`,
  isUnbonding: false,
  bondedInEpoch: 0,
  bondedAt: 0n,
  originalPledge: 0n,
  httpPort: 0,
  identityKey: ZERO,
  host: '',
}
const NO_REWARDING = {
  operator: 0n,
  delegates: 0n,
  totalUnitReward: 0n,
  profitMargin: 0n,
  intervalOperatingCost: 0n,
  lastRewardedEpoch: 0,
  uniqueDelegations: 0,
}

function asReverted(error: unknown): Reverted {
  if (error instanceof Reverted) return error
  throw error
}

/** Tokens' events are seen in the balances. */
function onContract(outcome: Outcome | Reverted): Result {
  if (outcome instanceof Reverted) return { result: undefined, error: outcome.errorName, log: [] }
  const log = outcome.logs
    .filter(({ name }) => name !== 'Transfer' && name !== 'Approval')
    .map(({ name, args }) => ({ name, args: lowerCase(args) }))
  return { result: outcome.result, error: undefined, log }
}

const lowerCase = (args: Readonly<Record<string, unknown>>): Happened['args'] =>
  Object.fromEntries(
    Object.entries(args).map(([key, value]) => [key, typeof value === 'string' ? value.toLowerCase() : value]),
  ) as Happened['args']
