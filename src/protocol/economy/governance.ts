/**
 * Parameters: what may be changed, at once or at the end of an epoch or an interval. Tokenomics 5.2. Unlike officially nothing is
 * changed while an epoch ends, not even by force: two nodes of one epoch are paid by one rule. No coin moves here. @module
 */
import { ONE, whole } from './decimal.ts'
import { isEpochOver, isIntervalOver, reconfigured } from './interval.ts'
import {
  type ActiveSet,
  type EpochEvent,
  epochInProgress,
  type IntervalEvent,
  type MixnetState,
  type OperatorsParams,
  type ParamsUpdate,
  tell,
} from './mixnetState.ts'
import { Refusal } from './refusal.ts'
import { activeSize, deriveParams, isValidSet, rewardedSize } from './rewards.ts'

type Change =
  | Extract<EpochEvent, { kind: 'activeSet' }>
  | Extract<IntervalEvent, { kind: 'rewardingParams' | 'intervalConfig' }>

const inRange = (good: boolean): void => {
  if (!good) throw new Refusal('OutOfRange')
}

/** All there is. */
const SUPPLY = 10n ** 15n
const MAX_WORK_FACTOR = whole(10 ** 6)
/** What the last call of a draw can put in force. */
const MAX_SET = 3000
/** unym: a hundredth and a thousandth of all there is. */
const HIGHEST_MINIMUM_PLEDGE = 10n ** 13n
const HIGHEST_MINIMUM_DELEGATION = 10n ** 12n
/** Seconds: commitments and reveals need some blocks each. */
const MINIMUM_EPOCH_LENGTH = 10
const MAXIMUM_EPOCHS_IN_INTERVAL = 100_000
/** Seconds: 366 days. Whoever wants to leave waits for the end of an epoch. */
const MAXIMUM_EPOCH_LENGTH = 31_622_400

/** At once where forced or the interval is over. */
export function updateRewardingParams(state: MixnetState, now: bigint, params: ParamsUpdate, force: boolean): void {
  epochInProgress(state)
  inRange(isValidSet(params.rewardedSet) && rewardedSize(params.rewardedSet) <= MAX_SET)
  inRange(
    params.stakingSupply === undefined || (params.stakingSupply >= SUPPLY && params.stakingSupply <= whole(SUPPLY)),
  )
  inRange(params.activeSetWorkFactor >= ONE && params.activeSetWorkFactor <= MAX_WORK_FACTOR)
  inRange(params.stakingSupplyScaleFactor <= ONE)
  inRange(params.sybilResistance <= ONE)
  inRange(params.intervalPoolEmission <= ONE)
  inRange(isBacked(state, params))
  atOnceOrQueued(state, force || isIntervalOver(state.interval, now), { kind: 'rewardingParams', params })
}

export function updateIntervalConfig(
  state: MixnetState,
  now: bigint,
  { epochsInInterval, epochLength }: { readonly epochsInInterval: number; readonly epochLength: number },
  force: boolean,
): void {
  epochInProgress(state)
  inRange(epochsInInterval > 0 && epochsInInterval <= MAXIMUM_EPOCHS_IN_INTERVAL)
  inRange(epochLength >= MINIMUM_EPOCH_LENGTH && epochLength <= MAXIMUM_EPOCH_LENGTH)
  const atOnce = force || isIntervalOver(state.interval, now)
  atOnceOrQueued(state, atOnce, { kind: 'intervalConfig', epochsInInterval, epochLength })
}

/** At once where forced or the epoch is over. The rewarded set keeps its size. */
export function updateActiveSetDistribution(state: MixnetState, now: bigint, set: ActiveSet, force: boolean): void {
  epochInProgress(state)
  inRange(isValidSet({ ...set, standby: 0 }))
  inRange(activeSize({ ...set, standby: 0 }) <= rewardedSize(state.params.rewardedSet))
  atOnceOrQueued(state, force || isEpochOver(state.interval, now), { kind: 'activeSet', set })
}

function atOnceOrQueued(state: MixnetState, atOnce: boolean, change: Change): void {
  if (atOnce) return apply(state, change)
  if (change.kind === 'activeSet') state.epochEvents.push(change)
  else state.intervalEvents.push(change)
}

/**
 * Derived numbers are always what follows from the others: the official contract recomputes one of them or both, by what was changed,
 * which comes to the same.
 */
export function apply(state: MixnetState, change: Change): void {
  switch (change.kind) {
    case 'activeSet': {
      const size = rewardedSize(state.params.rewardedSet)
      const standby = size - activeSize({ ...change.set, standby: 0 })
      // The set became smaller since this was asked for. An error here would hold the epoch for ever.
      if (standby < 0) return
      state.params = { ...state.params, rewardedSet: { ...change.set, standby } }
      break
    }
    case 'rewardingParams': {
      // The pool may have paid out since this was asked for.
      if (!isBacked(state, change.params)) return
      const { rewardPool, stakingSupply } = state.params
      const chosen = { rewardPool, stakingSupply, ...change.params }
      state.unallocated += rewardPool - chosen.rewardPool
      state.params = deriveParams(chosen, state.interval.epochsInInterval)
      break
    }
    case 'intervalConfig':
      state.interval = reconfigured(state.interval, change.epochsInInterval, change.epochLength)
      state.params = deriveParams(state.params, state.interval.epochsInInterval)
  }
  tell(state, 'ParamsChanged', {})
}

/** There are tokens behind the pool that is asked for, and the running interval has not paid out more than that. */
function isBacked(state: MixnetState, { rewardPool }: ParamsUpdate): boolean {
  if (rewardPool === undefined) return true
  return rewardPool >= state.poolChange.removed && rewardPool <= state.params.rewardPool + state.unallocated
}

/** At once: nodes outside the new ranges are brought inside when they are next rewarded. */
export function updateOperatorsParams(state: MixnetState, params: OperatorsParams): void {
  epochInProgress(state)
  inRange(params.minimumPledge > 0n && params.minimumPledge <= HIGHEST_MINIMUM_PLEDGE)
  inRange(params.minimumDelegation <= HIGHEST_MINIMUM_DELEGATION)
  inRange(params.maximumProfitMargin <= ONE)
  inRange(params.minimumProfitMargin <= params.maximumProfitMargin)
  inRange(params.minimumOperatingCost <= params.maximumOperatingCost && params.maximumOperatingCost <= SUPPLY)
  state.operatorsParams = params
  tell(state, 'ParamsChanged', {})
}
