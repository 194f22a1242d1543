/**
 * Whether a ledger went by its rules: every event from the deployment on is played again, and each that follows from those before it is
 * held against what the rules say. Nothing but events and their blocks' times is believed, and what senders asked for.
 * docs/spec/ledger.md, "Checking it". @module
 */
import type { Keccak256 } from '../../../protocol/economy/abiWords.ts'
import { type Decimal, whole } from '../../../protocol/economy/decimal.ts'
import { type MixnetState, newMixnet } from '../../../protocol/economy/mixnetState.ts'
import type { Hex } from '../chain.ts'
import type { Deployment } from '../deployment.ts'
import type { AnyLedgerEvent, LedgerEvent } from '../ledger.ts'
import { AuditedDraw, type DrawnSet } from './auditedDraw.ts'
import { AuditedMixnet, type EventFacts, type GovernanceChange } from './auditedMixnet.ts'
import { AuditedScores, type ParticipationRules, type PerformanceEvent, type SettledEpoch } from './auditedScores.ts'
import { Difference } from './difference.ts'
import { governanceChange, newParticipationRules } from './governanceCalls.ts'
import type { MixnetEvent } from './mixnetEvents.ts'

/** An epoch that ended as it should. */
export interface AuditedEpoch {
  readonly epochId: number
  readonly scores: SettledEpoch | undefined
  readonly rewards: { readonly nodes: number; readonly paid: Decimal; readonly without: number }
  /** Stake that moved at its end. */
  readonly changes: number
  /** Of the set that was drawn at its end. */
  readonly draw: { readonly active: number; readonly standby: number; readonly candidates: number }
  /** Of the pool, with what the interval that runs has paid taken off. */
  readonly pool: Decimal
}

/** What a page of events does not hold. */
export interface PageFacts {
  /** Unix seconds, by block. */
  readonly times: ReadonlyMap<number, number>
  /** To reports, by transaction; of those that are known. */
  readonly commitments: ReadonlyMap<string, Hex>
}

export class Audit {
  readonly #mixnet: AuditedMixnet
  readonly #scores: AuditedScores
  readonly #draw: AuditedDraw
  readonly #mixnetAddress: string
  readonly #performance: string
  /** Calls of governance that the mixnet has told of already. */
  readonly #done = new WeakSet<Executed>()
  #taken = { events: 0, block: 0 }
  #settled: SettledEpoch | undefined
  #rewards = { nodes: 0, paid: 0n, without: 0 }
  #changes = 0

  /** `rules`: what the deployment began with. */
  constructor(
    deployment: Pick<Deployment, 'chainId' | 'params' | 'addresses'>,
    rules: ParticipationRules,
    keccak256: Keccak256,
  ) {
    const { chainId, addresses } = deployment
    this.#mixnetAddress = addresses.mixnet.toLowerCase()
    this.#performance = addresses.performance.toLowerCase()
    this.#mixnet = new AuditedMixnet(newMixnet(configOf(deployment)))
    this.#scores = new AuditedScores({ chainId, contract: addresses.performance }, rules, keccak256)
    this.#draw = new AuditedDraw(keccak256)
  }

  /** How many events, and the block of the last: while `take` is at the end of an epoch, those up to there. */
  get taken(): { readonly events: number; readonly block: number } {
    return this.#taken
  }

  /** After all that was taken. */
  get state(): MixnetState {
    return this.#mixnet.state
  }

  get epochId(): number {
    return this.#mixnet.epochId
  }

  /** In force, or drawn and not yet in force. */
  get set(): DrawnSet {
    return this.#draw.set
  }

  /** Percent as a Decimal, of one of the last epochs: by what a node is paid for it. */
  scoreOf(epochId: number, nodeId: number): Decimal {
    return this.#scores.scoreOf(epochId, nodeId)
  }

  /** Whole blocks, in their order. Yields each epoch that they end. Throws Difference. */
  *take(events: readonly AnyLedgerEvent[], facts: PageFacts): Generator<AuditedEpoch> {
    const calls = callsBehind(events)
    for (const event of events) {
      this.#taken = { events: this.#taken.events + 1, block: event.block }
      const ended = this.#takeOne(event, facts, calls.get(event))
      if (ended !== undefined) yield ended
    }
  }

  #takeOne(
    event: AnyLedgerEvent,
    { times, commitments }: PageFacts,
    call: Executed | undefined,
  ): AuditedEpoch | undefined {
    const seconds = times.get(event.block)
    if (seconds === undefined) throw new RangeError(`no time of block ${event.block}`)
    const time = BigInt(seconds)
    switch (event.contract) {
      case 'performance': {
        const commitment = commitments.get(event.transactionHash)
        this.#settled = this.#scores.take(event as PerformanceEvent, commitment) ?? this.#settled
        return undefined
      }
      case 'announcements': {
        if (event.event === 'Announced') this.#draw.announce(event, this.state.interval, time)
        return undefined
      }
      case 'rewardedSet': {
        if (event.event === 'Taken') {
          this.#draw.taken(event)
          return undefined
        }
        this.#mixnet.finishReconciling(time)
        const lateStakeOf = (nodeId: number) => this.#mixnet.lateStakeOf(nodeId)
        this.#draw.draw(event, { state: this.state, lateStakeOf, time }, this.#scores)
        return undefined
      }
      case 'timelock': {
        if (event.event === 'CallExecuted') this.#execute(event, time)
        return undefined
      }
      case 'mixnet':
        return this.#takeMixnet(event, { time, decided: this.#decided(call) })
      default:
        return undefined
    }
  }

  /**
   * What governance decided at once. In other phases it may decide nothing, and parameters change by what waited: also in a transaction in
   * which it decides something else later on, for who sends it may do all of that.
   */
  #decided(call: Executed | undefined): GovernanceChange | undefined {
    if (call === undefined || this.state.epoch.kind !== 'inProgress') return undefined
    this.#done.add(call)
    return this.#changeOf(call)
  }

  #changeOf({ args }: Executed): GovernanceChange | undefined {
    return args.target.toLowerCase() === this.#mixnetAddress ? governanceChange(args.data) : undefined
  }

  #execute(call: Executed, time: bigint): void {
    // What waits for the end of an interval leaves no trace in the mixnet yet.
    const waiting = this.#done.has(call) ? undefined : this.#changeOf(call)
    if (waiting !== undefined) this.#mixnet.decide(waiting, time)
    if (call.args.target.toLowerCase() !== this.#performance) return
    const rules = newParticipationRules(call.args.data)
    if (rules !== undefined) this.#scores.rules = rules
  }

  #takeMixnet(event: MixnetEvent, facts: EventFacts): AuditedEpoch | undefined {
    const ending = this.epochId
    this.#mixnet.take(event, facts, {
      set: this.#draw.set.rewarded,
      performanceOf: (nodeId) => this.#scores.scoreOf(ending, nodeId),
      settled: this.#scores.isSettled(ending),
    })
    if (event.event === 'NodeRewarded') {
      this.#rewards.nodes++
      this.#rewards.paid += event.args.operatorReward + event.args.delegatesReward
    }
    if (event.event === 'NodeNotRewarded') this.#rewards.without++
    if (CHANGES.has(event.event)) this.#changes++
    return event.event === 'EpochAdvanced' ? this.#endOf(ending) : undefined
  }

  #endOf(epochId: number): AuditedEpoch {
    const { rewarded, candidates } = this.#draw.set
    const standby = rewarded.filter((one) => one.standby).length
    const { params, poolChange } = this.state
    const ended = {
      epochId,
      scores: this.#settled,
      rewards: this.#rewards,
      changes: this.#changes,
      draw: { active: rewarded.length - standby, standby, candidates },
      pool: params.rewardPool - poolChange.removed + poolChange.added,
    }
    this.#settled = undefined
    this.#rewards = { nodes: 0, paid: 0n, without: 0 }
    this.#changes = 0
    return ended
  }
}

const CHANGES = new Set<string>(['Delegated', 'DelegationRefunded', 'Undelegated', 'PledgeChanged', 'Unbonded'])

type Executed = LedgerEvent<'timelock', 'CallExecuted'>

/**
 * By ParamsChanged: the call of the timelock that is told next in its transaction, which led to it if governance did. There may be
 * several: of a batch, or of proposals that somebody executes with a contract, as anybody may.
 */
function callsBehind(events: readonly AnyLedgerEvent[]): ReadonlyMap<AnyLedgerEvent, Executed> {
  const calls = new Map<AnyLedgerEvent, Executed>()
  let next: Executed | undefined
  for (const event of events.toReversed()) {
    if (event.contract === 'timelock' && event.event === 'CallExecuted') next = event
    else if (event.contract === 'mixnet' && event.event === 'ParamsChanged' && next !== undefined) {
      if (next.transactionHash === event.transactionHash) calls.set(event, next)
    }
  }
  return calls
}

function configOf({ params }: Pick<Deployment, 'params'>): Parameters<typeof newMixnet>[0] {
  const { firstEpochId, epochsInInterval, epochSeconds } = params
  const { stakingSupplyScaleFactor, sybilResistance, activeSetWorkFactor, intervalPoolEmission, rewardedSet } = params
  return {
    firstEpochId,
    firstEpochStart: BigInt(params.firstEpochStart),
    epochsInInterval,
    epochLength: epochSeconds,
    params: {
      rewardPool: whole(params.rewardPool),
      stakingSupply: whole(params.stakingSupply),
      stakingSupplyScaleFactor,
      sybilResistance,
      activeSetWorkFactor,
      intervalPoolEmission,
      rewardedSet,
    },
    operatorsParams: params,
  }
}

/** What the contract says it has now, against what it should have. Throws Difference. */
export function compareNow(
  state: MixnetState,
  now: { readonly pool: Decimal; readonly removed: Decimal; readonly added: Decimal; readonly stakingSupply: Decimal },
): void {
  const { params, poolChange, interval } = state
  const text = (values: typeof now) =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')
  const expected = text({
    pool: params.rewardPool,
    removed: poolChange.removed,
    added: poolChange.added,
    stakingSupply: params.stakingSupply,
  })
  const found = text(now)
  if (expected !== found) throw new Difference('pool', interval.totalElapsedEpochs, expected, found)
}
