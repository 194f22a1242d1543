/** What a simulated year can be told, and where the defaults come from. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import {
  type Decimal,
  ONE,
  type Percent,
  parseDecimal,
  ratio,
  type Unym,
  whole,
} from '../../protocol/economy/decimal.ts'
import {
  type ChosenParams,
  type clampCosts,
  isValidSet,
  type RewardedSetParams,
} from '../../protocol/economy/rewards.ts'

export interface YearOptions {
  /** What everything random comes from. */
  readonly seed: string
  /** Hours, one epoch each. */
  readonly epochs: number
  readonly operators: number
  readonly delegators: number
  /** NYM that all delegators have together at the beginning. */
  readonly delegatedNym: number
  /** α, 0 to 1. */
  readonly sybilResistance: Percent
  /** Share of the pool that an interval gives at most, 0 to 1. */
  readonly emission: Percent
  readonly rewardedSet: RewardedSetParams
}

/** 30 days of hours. */
export const EPOCHS_IN_INTERVAL = 720
export const EPOCHS_IN_DAY = 24
export const UNYM_IN_NYM = 1_000_000n

/**
 * 12 intervals; the rest are Nym's main network of 2026 (pool, supply, scale, set, α, f, emission: tokenomics, part 8). Delegators have
 * three quarters of the stake that the network aims at, so that with the operators' pledges it begins somewhat below.
 */
export const DEFAULT_YEAR: YearOptions = {
  seed: '1',
  epochs: 12 * EPOCHS_IN_INTERVAL,
  operators: 300,
  delegators: 3_000,
  delegatedNym: 46_000_000,
  sybilResistance: ratio(3, 10),
  emission: ratio(2, 100),
  rewardedSet: { entryGateways: 80, exitGateways: 100, mixnodes: 60, standby: 0 },
}

/** To the unym: coins are whole. */
const POOL: Decimal = whole(166_613_455_567_357n)
const STAKING_SUPPLY: Decimal = parseDecimal('61194672938727.325886595653401629')
const SCALE: Percent = parseDecimal('0.07342892')
const WORK_FACTOR: Decimal = whole(10)

/** What operators may ask for on Nym's main network; the range of costs is as far as they ever went. */
export const COST_RANGE: CostRange = {
  minimumProfitMargin: ratio(20, 100),
  maximumProfitMargin: ratio(50, 100),
  minimumOperatingCost: 0n,
  maximumOperatingCost: 1_000n * UNYM_IN_NYM,
}

type CostRange = Parameters<typeof clampCosts>[1]

export const LIMITS = {
  epochs: 100_000,
  operators: 5_000,
  delegators: 100_000,
  /** Half of all there is. */
  delegatedNym: 500_000_000,
} as const

export function chosenParams(options: YearOptions): ChosenParams {
  return {
    rewardPool: POOL,
    stakingSupply: STAKING_SUPPLY,
    stakingSupplyScaleFactor: SCALE,
    sybilResistance: options.sybilResistance,
    activeSetWorkFactor: WORK_FACTOR,
    intervalPoolEmission: options.emission,
    rewardedSet: options.rewardedSet,
  }
}

/** Throws BAD_ARGUMENT that names the option. */
export function checkOptions(options: YearOptions): void {
  for (const name of ['epochs', 'operators', 'delegators', 'delegatedNym'] as const) {
    const value = options[name]
    if (!Number.isInteger(value) || value < 1 || value > LIMITS[name]) {
      throw bad(name, `a whole number from 1 to ${LIMITS[name]}`)
    }
  }
  for (const name of ['sybilResistance', 'emission'] as const) {
    if (options[name] < 0n || options[name] > ONE) throw bad(name, 'from 0 to 1')
  }
  if (Object.values(options.rewardedSet).some((size) => !Number.isInteger(size) || size < 0)) {
    throw bad('rewardedSet', 'whole numbers')
  }
  if (!isValidSet(options.rewardedSet)) {
    throw bad('rewardedSet', 'at least one of each active role, and as many mix nodes in each of three layers')
  }
}

const bad = (option: string, why: string) =>
  new MixnetError('BAD_ARGUMENT', { option, why }, { nextStep: `Give ${option}: ${why}.` })

export const inNym = (amount: Unym): number => Number(amount) / Number(UNYM_IN_NYM)
