/** The delegators of the lab: who they are, what they see, and what each strategy does when it looks. @module */
import { below, pick, type Random, type RandomStream } from '../../foundation/platform/random.ts'
import {
  type Decimal,
  over,
  type Percent,
  plus,
  ratio,
  times,
  truncate,
  type Unym,
  whole,
} from '../../protocol/economy/decimal.ts'
import { expectedIncome } from '../../protocol/economy/estimate.ts'
import type { LabLedger, LabNode } from './labLedger.ts'
import { tailed } from './tailed.ts'
import { EPOCHS_IN_DAY } from './yearOptions.ts'

export const DELEGATOR_STRATEGIES = {
  chaser: 'looks once a week at twenty nodes, moves where a quarter more is to be had',
  loyal: 'stays with the node it began with, until that leaves',
  spread: 'has ten parts with ten nodes, takes rewards out once a month and puts them on one of them',
  random: 'moves once a month, anywhere',
} as const

export type DelegatorStrategy = keyof typeof DELEGATOR_STRATEGIES

const ORDER: readonly DelegatorStrategy[] = ['chaser', 'loyal', 'spread', 'chaser', 'loyal', 'random']
const DAYS_BETWEEN_LOOKS: Readonly<Record<DelegatorStrategy, number>> = { chaser: 7, loyal: 30, spread: 30, random: 30 }
const WEALTH_DOUBLINGS = 6
const NODES_LOOKED_AT = 20
const SPREAD = 10
/** A move costs an epoch without rewards, and effort. */
const WORTH_MOVING: Decimal = ratio(125, 100)
/** Of the saturation point: who has more goes to several nodes. */
const LARGEST_PART = 4n

export interface Delegator {
  readonly account: number
  readonly strategy: DelegatorStrategy
  /** Where it has something. */
  readonly nodes: Set<LabNode>
  /** The day of its first look; then every so many. */
  readonly firstLook: number
}

/** What anybody can read of the ledger: refreshed once a day. */
export interface Market {
  readonly bonded: readonly LabNode[]
  /** Mean of late, by node id. */
  readonly performance: readonly Percent[]
  /** Chance to be active, by node id. */
  readonly chance: readonly Percent[]
}

/** Together `total`. */
export function delegatorWallets(random: Random, count: number, total: Unym): readonly Unym[] {
  const stream = random.stream('wealth')
  const weights = Array.from({ length: count }, () => tailed(stream, 1_000_000n, WEALTH_DOUBLINGS))
  const sum = weights.reduce((all, weight) => all + weight, 0n)
  return weights.map((weight) => (weight * total) / sum)
}

export class Delegators {
  readonly all: readonly Delegator[]
  readonly #stream: RandomStream
  /** Who has coins on the way: undelegated in this epoch, placed in the next. */
  #placing: { readonly who: Delegator; readonly node: LabNode | undefined }[] = []

  /** Accounts `first` to `first + count - 1`, each with its coins in its wallet. */
  constructor(random: Random, first: number, count: number) {
    this.#stream = random.stream('delegators')
    this.all = Array.from({ length: count }, (_, index) => {
      const strategy = ORDER[index % ORDER.length] ?? 'loyal'
      const firstLook = 1 + below(this.#stream, DAYS_BETWEEN_LOOKS[strategy])
      return { account: first + index, strategy, nodes: new Set(), firstLook }
    })
  }

  /** On the first day: all look around, one after the other. */
  begin(ledger: LabLedger, market: Market): void {
    for (const who of this.all) this.#place(who, undefined, ledger, market)
  }

  /** In every epoch: what came out of a node in the last one goes to the next node. */
  arrive(ledger: LabLedger, market: Market): void {
    for (const { who, node } of this.#placing.splice(0)) this.#place(who, node, ledger, market)
  }

  /** Once a day. */
  look(ledger: LabLedger, market: Market): void {
    const day = ledger.epoch / EPOCHS_IN_DAY
    for (const who of this.all) {
      const since = day - who.firstLook
      if (since >= 0 && since % DAYS_BETWEEN_LOOKS[who.strategy] === 0) this.#review(who, ledger, market)
    }
  }

  /** All it has, at its nodes and at home. */
  wealth(who: Delegator, ledger: LabLedger): Unym {
    let sum = ledger.wallet(who.account)
    for (const node of who.nodes) sum += ledger.worth(who.account, node)
    return sum
  }

  #review(who: Delegator, ledger: LabLedger, market: Market): void {
    const gone = [...who.nodes].filter((node) => node.state !== 'bonded')
    for (const node of gone) this.#leave(who, node, undefined, ledger)
    const staying = [...who.nodes]
    if (who.strategy === 'random') {
      for (const node of staying) this.#leave(who, node, undefined, ledger)
    } else if (who.strategy === 'spread') {
      for (const node of staying) ledger.withdrawDelegatorReward(who.account, node)
      const node = pick(this.#stream, staying)
      const coins = ledger.wallet(who.account)
      if (node !== undefined && gone.length === 0 && coins > 0n) ledger.delegate(who.account, node, coins)
    } else if (who.strategy === 'chaser') {
      for (const node of staying) this.#chase(who, node, ledger, market)
    }
  }

  /** Compares as it would be with its own coins there. */
  #chase(who: Delegator, here: LabNode, ledger: LabLedger, market: Market): void {
    const worth = ledger.worth(who.account, here)
    const now = yieldOf(here, 0n, ledger, market)
    const best = this.#best(worth, ledger, market)
    if (best === undefined || best.node === here || best.yield <= times(now, WORTH_MOVING)) return
    if (!who.nodes.has(best.node)) this.#leave(who, here, best.node, ledger)
  }

  #best(coins: Unym, ledger: LabLedger, market: Market): { node: LabNode; yield: Decimal } | undefined {
    let best: { node: LabNode; yield: Decimal } | undefined
    for (let look = 0; look < NODES_LOOKED_AT; look++) {
      const node = pick(this.#stream, market.bonded)
      if (node?.state !== 'bonded') continue
      const expected = yieldOf(node, coins, ledger, market)
      if (best === undefined || expected > best.yield) best = { node, yield: expected }
    }
    return best
  }

  #leave(who: Delegator, node: LabNode, next: LabNode | undefined, ledger: LabLedger): void {
    ledger.undelegate(who.account, node)
    who.nodes.delete(node)
    this.#placing.push({ who, node: next })
  }

  /** All that is in its wallet; in parts where it spreads, or has more than one node should hold. */
  #place(who: Delegator, wanted: LabNode | undefined, ledger: LabLedger, market: Market): void {
    const coins = ledger.wallet(who.account)
    if (coins === 0n) return
    const largest = truncate(ledger.params.stakeSaturationPoint) / LARGEST_PART
    const needed = Number((coins + largest - 1n) / (largest === 0n ? 1n : largest))
    const parts = Math.max(
      wanted === undefined && who.strategy === 'spread' && who.nodes.size === 0 ? SPREAD : 1,
      needed,
    )
    for (let part = 0; part < parts; part++) {
      const rest = ledger.wallet(who.account)
      const amount = part === parts - 1 ? rest : coins / BigInt(parts)
      const node = part === 0 && wanted?.state === 'bonded' ? wanted : this.#choose(who, amount, ledger, market)
      if (node === undefined || amount === 0n) continue
      ledger.delegate(who.account, node, amount)
      who.nodes.add(node)
    }
  }

  #choose(who: Delegator, coins: Unym, ledger: LabLedger, market: Market): LabNode | undefined {
    if (who.strategy === 'chaser') return this.#best(coins, ledger, market)?.node
    const bonded = market.bonded.filter((node) => node.state === 'bonded')
    return pick(this.#stream, bonded)
  }
}

/** What a coin would earn in an epoch, were `coins` added to the node: mean over the chance to be drawn. */
function yieldOf(node: LabNode, coins: Unym, ledger: LabLedger, market: Market): Decimal {
  const { operator, delegates } = node.rewarding
  const all = plus(delegates, whole(coins))
  if (all === 0n) return 0n
  const income = expectedIncome(
    ledger.params,
    { stake: { operator, delegates: all }, costs: node.rewarding, performance: market.performance[node.id] ?? 0n },
    { active: market.chance[node.id] ?? 0n, standby: 0n },
    { epochsInInterval: ledger.epochsInInterval, epochsInDay: EPOCHS_IN_DAY },
  )
  return over(income.epoch.delegates, all)
}
