/**
 * The ledger of the lab: bonds, delegations and rewards by the rules of src/protocol/economy, without signatures, gas and clocks. What is
 * asked for within an epoch happens at its end, behind the rewards; new costs at the end of the interval; coins are counted to the last
 * unym. An operator may have many nodes here: on the ledger it takes an address for each, and addresses cost nothing. @module
 */
import { MixnetError } from '../../foundation/base/errors.ts'
import {
  addDelegation,
  type Delegation,
  delegatorReward,
  distribute,
  type NodeRewarding,
  newRewarding,
  operatorReward,
  removeDelegation,
  withdrawReward,
} from '../../protocol/economy/accounts.ts'
import { type Decimal, type Percent, plus, truncate, type Unym, whole } from '../../protocol/economy/decimal.ts'
import {
  type CostParams,
  endInterval,
  nodeReward,
  type RewardingParams,
  type RewardSplit,
  splitReward,
  workFactors,
} from '../../protocol/economy/rewards.ts'
import type { DrawnSet } from './lottery.ts'

export interface Capabilities {
  readonly entry: boolean
  readonly exit: boolean
  readonly mix: boolean
}

export interface LabNode {
  /** From 0 on, never twice: its place in `LabLedger.nodes`. */
  readonly id: number
  /** An account. */
  readonly owner: number
  readonly capabilities: Capabilities
  readonly delegations: Map<number, Delegation>
  pledge: Unym
  rewarding: NodeRewarding
  /** Unbonding is still bonded, until the epoch ends. */
  state: 'bonded' | 'unbonding' | 'gone'
}

/** What one node was paid for one epoch. */
export interface Payment extends RewardSplit {
  readonly node: LabNode
  readonly active: boolean
}

export const MINIMUM_PLEDGE: Unym = 100_000_000n

export class LabLedger {
  readonly nodes: LabNode[] = []
  readonly epochsInInterval: number
  /** Coins by account. */
  readonly wallets: Unym[]
  /** Coins that the contract holds: the pool, all stake, and dust. */
  held: Unym
  params: RewardingParams
  /** Absolute, from 0 on. */
  epoch = 0
  set: DrawnSet = { active: [], standby: [] }
  #removed: Decimal = 0n
  #events: (() => void)[] = []
  #intervalEvents: (() => void)[] = []

  constructor(params: RewardingParams, epochsInInterval: number, wallets: readonly Unym[]) {
    this.params = params
    this.epochsInInterval = epochsInInterval
    this.wallets = [...wallets]
    this.held = truncate(params.rewardPool)
  }

  /** The same on every day: nothing is made and nothing lost. */
  get coins(): Unym {
    return this.wallets.reduce((sum, coins) => sum + coins, this.held)
  }

  /** Paid out in this interval so far. */
  get removed(): Decimal {
    return this.#removed
  }

  wallet(account: number): Unym {
    return this.wallets[account] ?? 0n
  }

  bond(owner: number, pledge: Unym, costs: CostParams, capabilities: Capabilities): LabNode {
    if (pledge < MINIMUM_PLEDGE) throw refused('a pledge is at least 100 NYM')
    this.#take(owner, pledge)
    const rewarding = newRewarding(pledge, costs, this.epoch)
    const id = this.nodes.length
    const node: LabNode = { id, owner, capabilities, delegations: new Map(), pledge, rewarding, state: 'bonded' }
    this.nodes.push(node)
    return node
  }

  unbond(node: LabNode): void {
    if (node.state !== 'bonded') throw refused('the node is not bonded')
    node.state = 'unbonding'
    this.#events.push(() => {
      this.#pay(node.owner, truncate(node.rewarding.operator))
      node.rewarding = { ...node.rewarding, operator: 0n }
      node.state = 'gone'
    })
  }

  decreasePledge(node: LabNode, by: Unym): void {
    if (node.state !== 'bonded' || by <= 0n || node.pledge - by < MINIMUM_PLEDGE)
      throw refused('too little would be left')
    this.#events.push(() => {
      node.pledge -= by
      node.rewarding = { ...node.rewarding, operator: node.rewarding.operator - whole(by) }
      this.#pay(node.owner, by)
    })
  }

  changeCosts(node: LabNode, costs: CostParams): void {
    this.#intervalEvents.push(() => {
      if (node.state === 'bonded') node.rewarding = { ...node.rewarding, ...costs }
    })
  }

  delegate(owner: number, node: LabNode, amount: Unym): void {
    if (amount <= 0n || node.state !== 'bonded') throw refused('nothing, or to nobody')
    this.#take(owner, amount)
    this.#events.push(() => {
      if (node.state !== 'bonded') return this.#pay(owner, amount)
      const added = addDelegation(node.rewarding, node.delegations.get(owner), amount, BigInt(this.epoch))
      node.rewarding = added.node
      node.delegations.set(owner, added.delegation)
    })
  }

  undelegate(owner: number, node: LabNode): void {
    this.#events.push(() => {
      const delegation = node.delegations.get(owner)
      if (delegation === undefined) return
      const { node: after, worth } = removeDelegation(node.rewarding, delegation)
      node.rewarding = after
      node.delegations.delete(owner)
      this.#pay(owner, worth)
    })
  }

  withdrawOperatorReward(node: LabNode): void {
    if (node.state !== 'bonded') return
    this.#pay(node.owner, truncate(operatorReward(node.rewarding, node.pledge)))
    node.rewarding = { ...node.rewarding, operator: whole(node.pledge) }
  }

  withdrawDelegatorReward(owner: number, node: LabNode): void {
    const delegation = node.delegations.get(owner)
    if (delegation === undefined || node.state !== 'bonded') return
    const withdrawn = withdrawReward(node.rewarding, delegation)
    node.rewarding = withdrawn.node
    node.delegations.set(owner, withdrawn.delegation)
    this.#pay(owner, withdrawn.paid)
  }

  /** What a delegation is worth now, rewards included. */
  worth(owner: number, node: LabNode): Unym {
    const delegation = node.delegations.get(owner)
    return delegation === undefined ? 0n : delegation.amount + truncate(delegatorReward(node.rewarding, delegation))
  }

  /** The end of an epoch, up to the draw: rewards first, then what was asked for. `performance` is of this epoch. */
  settleEpoch(performance: (node: LabNode) => Percent): readonly Payment[] {
    const work = workFactors(this.params)
    const payments = [
      ...this.set.active.map((id) => this.#reward(id, true, work.active, performance)),
      ...this.set.standby.map((id) => this.#reward(id, false, work.standby, performance)),
    ].filter((payment) => payment !== undefined)
    for (const event of this.#events.splice(0)) event()
    if (this.#isLastOfInterval()) for (const event of this.#intervalEvents.splice(0)) event()
    return payments
  }

  /** With the set that was drawn; at the end of an interval with another pool. */
  advanceEpoch(set: DrawnSet): void {
    this.set = set
    if (this.#isLastOfInterval()) {
      this.params = endInterval(this.params, { removed: this.#removed, added: 0n }, this.epochsInInterval)
      this.#removed = 0n
    }
    this.epoch++
  }

  #isLastOfInterval(): boolean {
    return (this.epoch + 1) % this.epochsInInterval === 0
  }

  #reward(id: number, active: boolean, work: Decimal, performance: (node: LabNode) => Percent): Payment | undefined {
    const node = this.nodes[id]
    // Whoever was bonded in this epoch was not there when its set was drawn.
    if (node === undefined || node.state === 'gone') return undefined
    const p = performance(node)
    if (p === 0n) return undefined
    const reward = nodeReward(this.params, node.rewarding, p, work)
    const split = splitReward(reward, node.rewarding, node.rewarding, p, this.epochsInInterval)
    node.rewarding = distribute(node.rewarding, split, this.epoch)
    this.#removed = plus(this.#removed, reward)
    return { ...split, node, active }
  }

  #take(account: number, amount: Unym): void {
    const before = this.wallet(account)
    if (before < amount) throw refused('the wallet holds less')
    this.wallets[account] = before - amount
    this.held += amount
  }

  #pay(account: number, amount: Unym): void {
    this.wallets[account] = this.wallet(account) + amount
    this.held -= amount
  }
}

/** A strategy that asks for what the ledger refuses is wrong. */
const refused = (why: string) => new MixnetError('INTERNAL', { why })
