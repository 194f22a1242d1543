/**
 * A year of the ledger in the lab: in each epoch nodes are scored, people do what their strategy says, the drawn nodes are paid, and the
 * next set is drawn by stake and performance. The same options give the same year. @module
 */
import { SimulatedRandom } from '../../foundation/platform/simulated/simulatedRandom.ts'
import { drawChances } from '../../protocol/economy/chance.ts'
import {
  type Decimal,
  type Percent,
  plus,
  power,
  ratio,
  times,
  truncate,
  type Unym,
  whole,
} from '../../protocol/economy/decimal.ts'
import { deriveParams, saturations } from '../../protocol/economy/rewards.ts'
import { gini, nakamoto } from './concentration.ts'
import { type Delegator, type DelegatorStrategy, Delegators, delegatorWallets, type Market } from './delegators.ts'
import { LabLedger, type LabNode, type Payment } from './labLedger.ts'
import { type Candidate, drawSet } from './lottery.ts'
import {
  bondOperators,
  endOfInterval,
  leaveWhenDue,
  type Operator,
  operatorWallets,
  PerformanceTrace,
  uncappedSaturation,
} from './operators.ts'
import {
  checkOptions,
  chosenParams,
  EPOCHS_IN_DAY,
  EPOCHS_IN_INTERVAL,
  UNYM_IN_NYM,
  type YearOptions,
} from './yearOptions.ts'

/** At the end of a day. Coins in unym. */
export interface DayRecord {
  readonly day: number
  readonly pool: Unym
  /** What all delegators of a strategy have, and began with. */
  readonly wealth: Readonly<Record<DelegatorStrategy, Unym>>
}

/** At the end of an interval, or of the last part of one. */
export interface IntervalRecord {
  readonly interval: number
  readonly pool: Unym
  /** What could have been paid at most, and what was. */
  readonly budget: Unym
  readonly paid: Unym
  readonly saturationPoint: Unym
  readonly bondedNodes: number
  readonly staked: Unym
  /** Of stake by operator, its own and delegated; of operators' income. 10^18 is 1. */
  readonly stakeGini: Decimal
  readonly incomeGini: Decimal
  /** The least number of operators with more than a third of the stake, and of this interval's paid rewards. */
  readonly stakeNakamoto: number
  readonly rewardNakamoto: number
}

/** Of one node, in the last interval that was whole. */
export interface NodeRecord {
  readonly node: number
  readonly strategy: Operator['strategy']
  readonly stake: Unym
  readonly pledge: Unym
  readonly profitMargin: Percent
  readonly operatorReward: Unym
  readonly delegatesReward: Unym
  readonly epochsActive: number
  /** Mean over the epochs of the interval, in percent. */
  readonly performance: number
}

export interface Year {
  readonly options: YearOptions
  readonly days: readonly DayRecord[]
  readonly intervals: readonly IntervalRecord[]
  readonly nodes: readonly NodeRecord[]
  /** Stake over saturation point, as a Decimal without a cap, of each bonded node: when all had chosen, and at the end. */
  readonly saturationAtStart: readonly Decimal[]
  readonly saturationAtEnd: readonly Decimal[]
  /** All coins there are, before and after: equal. */
  readonly coinsAtStart: Unym
  readonly coinsAtEnd: Unym
  /** Coins that the contract holds beyond what it owes: dust of rounding. */
  readonly dust: Decimal
  /** What the draw saw in the last epoch: for questions about one more node. */
  readonly lastMarket: readonly Candidate[]
}

/** Of the mean that everybody sees: a week. */
const SMOOTHING = 7 * EPOCHS_IN_DAY
const POWER_OF_PERFORMANCE = 20
const PERCENTS: readonly Percent[] = Array.from({ length: 101 }, (_, percent) => ratio(percent, 100))
const POWERS: readonly Percent[] = PERCENTS.map((percent) => power(percent, POWER_OF_PERFORMANCE))

/** Yields the epochs that are done once a day, so that somebody can watch, and stop; returns the year. Throws BAD_ARGUMENT. */
export function* simulateYear(options: YearOptions): Generator<number, Year, void> {
  checkOptions(options)
  return yield* new Simulated(options).run()
}

interface NodeTrack {
  readonly trace: PerformanceTrace
  readonly operator: Operator
  /** Of this epoch, in percent. */
  score: number
  /** Mean of late, in percent. */
  mean: number
  operatorReward: Decimal
  delegatesReward: Decimal
  epochsActive: number
  scores: number
  epochs: number
}

class Simulated {
  readonly #options: YearOptions
  readonly #random: SimulatedRandom
  readonly #ledger: LabLedger
  readonly #operators: readonly Operator[]
  readonly #delegators: Delegators
  /** By node id. */
  readonly #tracks: NodeTrack[] = []
  readonly #days: DayRecord[] = []
  readonly #intervals: IntervalRecord[] = []
  #nodes: readonly NodeRecord[] = []
  #market: Market = { bonded: [], performance: [], chance: [] }
  #candidates: readonly Candidate[] = []

  constructor(options: YearOptions) {
    this.#options = options
    this.#random = new SimulatedRandom('economy', options.seed)
    const total = BigInt(options.delegatedNym) * UNYM_IN_NYM
    const wallets = [
      ...operatorWallets(this.#random, options.operators),
      ...delegatorWallets(this.#random, options.delegators, total),
    ]
    this.#ledger = new LabLedger(deriveParams(chosenParams(options), EPOCHS_IN_INTERVAL), EPOCHS_IN_INTERVAL, wallets)
    this.#operators = bondOperators(this.#ledger, this.#random, options.operators, options.epochs)
    for (const operator of this.#operators) for (const node of operator.nodes) this.#track(node, operator)
    this.#delegators = new Delegators(this.#random, options.operators, options.delegators)
  }

  *run(): Generator<number, Year, void> {
    const ledger = this.#ledger
    const coinsAtStart = ledger.coins
    let saturationAtStart: readonly Decimal[] = []
    for (let epoch = 0; epoch < this.#options.epochs; epoch++) {
      this.#beginEpoch(epoch)
      const payments = ledger.settleEpoch((node) => PERCENTS[this.#tracks[node.id]?.score ?? 0] ?? 0n)
      for (const payment of payments) this.#note(payment)
      if ((epoch + 1) % EPOCHS_IN_INTERVAL === 0 || epoch === this.#options.epochs - 1) this.#endInterval()
      this.#drawNext()
      if (epoch === 0) saturationAtStart = this.#saturations()
      if ((epoch + 1) % EPOCHS_IN_DAY === 0) {
        this.#endDay((epoch + 1) / EPOCHS_IN_DAY)
        yield epoch + 1
      }
    }
    return {
      options: this.#options,
      days: this.#days,
      intervals: this.#intervals,
      nodes: this.#nodes,
      saturationAtStart,
      saturationAtEnd: this.#saturations(),
      coinsAtStart,
      coinsAtEnd: ledger.coins,
      dust: this.#dust(),
      lastMarket: this.#candidates,
    }
  }

  #track(node: LabNode, operator: Operator): void {
    const trace = new PerformanceTrace(operator.strategy, this.#random.stream(`performance ${node.id}`))
    const nothing = { operatorReward: 0n, delegatesReward: 0n, epochsActive: 0, scores: 0, epochs: 0 }
    this.#tracks.push({ trace, operator, score: 0, mean: 100, ...nothing })
  }

  /** What people do, and how the nodes run. */
  #beginEpoch(epoch: number): void {
    const ledger = this.#ledger
    if (epoch % EPOCHS_IN_DAY === 0) this.#market = this.#readMarket()
    if (epoch === 0) this.#delegators.begin(ledger, this.#market)
    else this.#delegators.arrive(ledger, this.#market)
    if (epoch > 0 && epoch % EPOCHS_IN_DAY === 0) this.#delegators.look(ledger, this.#market)
    for (const operator of this.#operators) {
      leaveWhenDue(operator, ledger)
      const opened = epoch > 0 && epoch % EPOCHS_IN_INTERVAL === 0 ? endOfInterval(operator, ledger) : undefined
      if (opened !== undefined) this.#track(opened, operator)
    }
    for (const track of this.#tracks) {
      track.score = track.trace.next()
      track.mean += (track.score - track.mean) / SMOOTHING
      track.scores += track.score
      track.epochs++
    }
  }

  #readMarket(): Market {
    const { nodes, params } = this.#ledger
    const bonded = nodes.filter((node) => node.state === 'bonded')
    const performance = this.#tracks.map(({ mean }) => PERCENTS[Math.round(mean)] ?? 0n)
    const weighed = bonded.map((node) => {
      const { bond } = saturations(node.rewarding, params.stakeSaturationPoint)
      const likely = POWERS[Math.round(this.#tracks[node.id]?.mean ?? 0)] ?? 0n
      return { ...node.capabilities, weight: Number(times(bond, likely)) }
    })
    const chance: Percent[] = nodes.map(() => 0n)
    for (const [index, chances] of drawChances(weighed, this.#options.rewardedSet).entries()) {
      const active = Math.min(1, chances.entry + chances.exit + chances.mix)
      chance[bonded[index]?.id ?? 0] = ratio(Math.round(active * 1e9), 1e9)
    }
    return { bonded, performance, chance }
  }

  #note({ node, operator, delegates, active }: Payment): void {
    const track = this.#tracks[node.id]
    if (track === undefined) return
    track.operatorReward = plus(track.operatorReward, operator)
    track.delegatesReward = plus(track.delegatesReward, delegates)
    if (active) track.epochsActive++
  }

  #drawNext(): void {
    const { nodes, params } = this.#ledger
    const bonded = nodes.filter((node) => node.state === 'bonded')
    this.#candidates = bonded.map((node) => {
      const { bond } = saturations(node.rewarding, params.stakeSaturationPoint)
      const weight = times(bond, POWERS[this.#tracks[node.id]?.score ?? 0] ?? 0n)
      return { ...node.capabilities, weight }
    })
    const drawn = drawSet(this.#candidates, this.#options.rewardedSet, this.#random.stream('draw'))
    const ids = (indices: readonly number[]) => indices.map((index) => bonded[index]?.id ?? 0).sort((a, b) => a - b)
    this.#ledger.advanceEpoch({ active: ids(drawn.active), standby: ids(drawn.standby) })
  }

  #endDay(day: number): void {
    const wealth: Record<DelegatorStrategy, Unym> = { chaser: 0n, loyal: 0n, spread: 0n, random: 0n }
    const of = (who: Delegator) => this.#delegators.wealth(who, this.#ledger)
    for (const who of this.#delegators.all) wealth[who.strategy] += of(who)
    const pool = truncate(this.#ledger.params.rewardPool - this.#ledger.removed)
    this.#days.push({ day, pool, wealth })
  }

  #endInterval(): void {
    const { params, removed, nodes, epochsInInterval } = this.#ledger
    const bonded = nodes.filter((node) => node.state === 'bonded')
    const stakeOf = ({ rewarding }: LabNode) => truncate(plus(rewarding.operator, rewarding.delegates))
    const byOperator = (of: (node: LabNode) => Unym) =>
      this.#operators.map((operator) => operator.nodes.reduce((sum, node) => sum + of(node), 0n))
    const stakes = byOperator((node) => (node.state === 'bonded' ? stakeOf(node) : 0n))
    const income = byOperator((node) => truncate(this.#tracks[node.id]?.operatorReward ?? 0n))
    const rewards = byOperator((node) => {
      const track = this.#tracks[node.id]
      return track === undefined ? 0n : truncate(plus(track.operatorReward, track.delegatesReward))
    })
    this.#intervals.push({
      interval: this.#intervals.length + 1,
      pool: truncate(params.rewardPool - removed),
      budget: truncate(params.epochRewardBudget) * BigInt(epochsInInterval),
      paid: truncate(removed),
      saturationPoint: truncate(params.stakeSaturationPoint),
      bondedNodes: bonded.length,
      staked: stakes.reduce((sum, stake) => sum + stake, 0n),
      stakeGini: gini(stakes.filter((stake) => stake > 0n)),
      incomeGini: gini(income.filter((_, index) => (stakes[index] ?? 0n) > 0n)),
      stakeNakamoto: nakamoto(stakes),
      rewardNakamoto: nakamoto(rewards),
    })
    this.#nodes = bonded.map((node) => this.#recordOf(node, stakeOf(node)))
    for (const track of this.#tracks) {
      Object.assign(track, { operatorReward: 0n, delegatesReward: 0n, epochsActive: 0, scores: 0, epochs: 0 })
    }
  }

  #recordOf(node: LabNode, stake: Unym): NodeRecord {
    const track = this.#tracks[node.id] as NodeTrack
    return {
      node: node.id,
      strategy: track.operator.strategy,
      stake,
      pledge: node.pledge,
      profitMargin: node.rewarding.profitMargin,
      operatorReward: truncate(track.operatorReward),
      delegatesReward: truncate(track.delegatesReward),
      epochsActive: track.epochsActive,
      performance: track.epochs === 0 ? 0 : track.scores / track.epochs,
    }
  }

  #saturations(): readonly Decimal[] {
    const { nodes } = this.#ledger
    return nodes.filter((node) => node.state === 'bonded').map((node) => uncappedSaturation(node, this.#ledger))
  }

  /** Held, less the pool and all stake. */
  #dust(): Decimal {
    const { nodes, params, held, removed } = this.#ledger
    const owed = nodes.reduce((sum, { rewarding }) => sum + rewarding.operator + rewarding.delegates, 0n)
    return whole(held) - (params.rewardPool - removed) - owed
  }
}
