/**
 * The mixnet's accounts played again: each of its events follows from what was before it by the rules of protocol/economy, down to the
 * last digit. What an event does not follow from (that somebody delegates) is taken; what the contract did with it is not. @module
 */
import {
  advanceEpoch,
  beginEpochTransition,
  reconcileEpochEvents,
  rewardNodes,
  type Served,
} from '../../../protocol/economy/epochMachine.ts'
import type { Happened, MixnetState } from '../../../protocol/economy/mixnetState.ts'
import * as operations from '../../../protocol/economy/operations.ts'
import { Refusal } from '../../../protocol/economy/refusal.ts'
import { Difference } from './difference.ts'
import { LateStake } from './lateStake.ts'
import type { MixnetEvent } from './mixnetEvents.ts'

/** What an event does not say, and its transaction does. */
export interface EventFacts {
  /** Unix seconds, of its block. */
  readonly time: bigint
  /** Of ParamsChanged: what governance decided, where it was at once. */
  readonly decided: GovernanceChange | undefined
}

export type GovernanceChange = (state: MixnetState, now: bigint) => void

const REWARDS = new Set(['EpochTransitionBegan', 'NodeRewarded', 'NodeNotRewarded'])

export class AuditedMixnet {
  readonly state: MixnetState
  /** What the rules say comes next, of a step that is more than one event. */
  #due: Happened[] = []
  readonly #late = new LateStake()

  constructor(state: MixnetState) {
    this.state = state
  }

  get epochId(): number {
    return this.state.interval.totalElapsedEpochs
  }

  /** What the draw at the end of this epoch leaves out of a node's stake, a Decimal: docs/spec/ledger.md, "The draw". */
  lateStakeOf(nodeId: number): bigint {
    return this.#late.of(this.state, nodeId)
  }

  /** `served`: of the set in force. Throws Difference. */
  take(event: MixnetEvent, facts: EventFacts, served: Served): void {
    if (this.#due.length === 0) this.#play(event, facts, served)
    const [due] = this.#due
    if (due === undefined) throw this.#differs(event.event, 'nothing of the kind', describe(event.event, event.args))
    if (
      due.name !== event.event ||
      Object.entries(due.args).some(([key, value]) => said(value) !== said(argument(event, key)))
    )
      throw this.#differs(due.name, describe(due.name, due.args), describe(event.event, event.args))
    this.#due.shift()
  }

  /** What governance decided for later, of which the contract says nothing yet. Throws Difference. */
  decide(change: GovernanceChange, now: bigint): void {
    const { state } = this
    this.#allowed('CallExecuted', 'a call that was executed', () => change(state, now))
    const [untold] = state.log.splice(0)
    if (untold !== undefined)
      throw this.#differs(untold.name, describe(untold.name, untold.args), 'nothing of the kind')
  }

  /** Whatever waits without a trace: what changes nothing leaves none. */
  finishReconciling(now: bigint): void {
    const { state } = this
    while (this.#due.length === 0 && state.epoch.kind === 'reconcilingEvents') {
      applyOne(state, now, this.#late)
      this.#due = state.log.splice(0)
    }
    const [missing] = this.#due
    if (missing !== undefined)
      throw this.#differs(missing.name, describe(missing.name, missing.args), 'nothing of the kind')
    if (state.epoch.kind === 'rewarding')
      throw this.#differs(
        'NodeRewarded',
        `${state.epoch.nodes} nodes are rewarded`,
        `the draw after ${state.epoch.next}`,
      )
  }

  #play(event: MixnetEvent, facts: EventFacts, served: Served): void {
    const { state } = this
    this.#allowed(event.event, describe(event.event, event.args), () =>
      operate(state, event, facts, served, this.#late),
    )
    this.#due = state.log.splice(0)
  }

  #allowed(name: string, found: string, work: () => void): void {
    try {
      work()
    } catch (error) {
      if (error instanceof Refusal || error instanceof RangeError)
        throw this.#differs(name, `it is refused (${error.message})`, found)
      throw error
    }
  }

  #differs(name: string, expected: string, found: string): Difference {
    return new Difference(REWARDS.has(name) ? 'rewards' : 'accounts', this.epochId, expected, found)
  }
}

function operate(
  state: MixnetState,
  event: MixnetEvent,
  { time, decided }: EventFacts,
  served: Served,
  late: LateStake,
): void {
  switch (event.event) {
    case 'Bonded': {
      const { owner, identityKey, host, httpPort, pledge, profitMargin, intervalOperatingCost } = event.args
      operations.bond(state, time, {
        owner: low(owner),
        identityKey: low(identityKey),
        host,
        httpPort,
        costs: { profitMargin, intervalOperatingCost },
        pledge,
        signed: true,
      })
      return
    }
    case 'HostUpdated':
      return operations.updateHost(state, ownerOf(state, event.args.nodeId), event.args.host, event.args.httpPort)
    case 'UnbondRequested':
      return operations.unbond(state, ownerOf(state, event.args.nodeId))
    case 'PledgeMoreRequested': {
      const { nodeId, amount } = event.args
      operations.pledgeMore(state, ownerOf(state, nodeId), amount)
      return late.asked(state, time)
    }
    case 'PledgeDecreaseRequested':
      return operations.decreasePledge(state, ownerOf(state, event.args.nodeId), event.args.amount)
    case 'CostParamsRequested':
      return operations.updateCostParams(state, ownerOf(state, event.args.nodeId), event.args)
    case 'DelegationRequested':
      operations.delegate(state, low(event.args.owner), event.args.nodeId, event.args.amount)
      return late.asked(state, time)
    case 'UndelegationRequested':
      operations.undelegate(state, low(event.args.owner), event.args.nodeId)
      return late.asked(state, time)
    case 'OperatorRewardWithdrawn': {
      const { owner, nodeId } = event.args
      return late.withdrawing(state, nodeId, time, () => operations.withdrawOperatorReward(state, low(owner)))
    }
    case 'DelegatorRewardWithdrawn': {
      const { owner, nodeId } = event.args
      return late.withdrawing(state, nodeId, time, () => operations.withdrawDelegatorReward(state, low(owner), nodeId))
    }
    case 'Claimed':
      operations.claim(state, low(event.args.owner))
      return
    case 'PoolFunded':
      return operations.fundPool(state, low(event.args.from), event.args.amount)
    case 'EpochTransitionBegan':
      return beginEpochTransition(state, time, served)
    case 'NodeRewarded':
    case 'NodeNotRewarded':
      return rewardNodes(state, time, served, 1)
    case 'EpochAdvanced':
      return advanceEpoch(state)
    case 'CostParamsChanged':
    case 'ParamsChanged':
      if (state.epoch.kind === 'rewarding') return rewardNodes(state, time, served, 1)
      if (event.event === 'ParamsChanged' && decided !== undefined) return decided(state, time)
      return reconcile(state, time, late)
    default:
      return reconcile(state, time, late)
  }
}

/** The next event of the queue that leaves a trace. */
function reconcile(state: MixnetState, time: bigint, late: LateStake): void {
  // One that finds an empty queue says that reconciling is over, and then there is no such event.
  for (let left = waiting(state); left > 0 && state.log.length === 0; left--) applyOne(state, time, late)
}

function applyOne(state: MixnetState, time: bigint, late: LateStake): void {
  late.applying(state, state.epochEvents[0], time, () => reconcileEpochEvents(state, time, 1))
}

const waiting = (state: MixnetState): number => state.epochEvents.length + state.intervalEvents.length

function ownerOf(state: MixnetState, nodeId: number): string {
  const owner = state.bonds.get(nodeId)?.owner
  if (owner === undefined) throw new Refusal('NotBonded')
  return owner
}

const argument = (event: MixnetEvent, key: string): unknown => (event.args as Readonly<Record<string, unknown>>)[key]
const low = (text: string): string => text.toLowerCase()
const said = (value: unknown): string => low(String(value))

function describe(name: string, args: unknown): string {
  const parts = Object.entries(args as Readonly<Record<string, unknown>>).map(
    ([key, value]) => `${key} ${String(value)}`,
  )
  return `${name}(${parts.join(', ')})`
}
