/** The shape of vectors/tokenomics.json, for the tests that run it: here, and on the contract. @module */
import { parseDecimal, parsePercent } from './decimal.ts'
import type { ChosenParams, RewardedSetParams, WorkFactors } from './rewards.ts'

interface ParamsJson {
  readonly rewardPool: string
  readonly stakingSupply: string
  readonly stakingSupplyScaleFactor: string
  readonly sybilResistance: string
  readonly activeSetWorkFactor: string
  readonly intervalPoolEmission: string
  readonly rewardedSet: RewardedSetParams
}

export const paramsOf = (json: ParamsJson): ChosenParams => ({
  rewardPool: parseDecimal(json.rewardPool),
  stakingSupply: parseDecimal(json.stakingSupply),
  stakingSupplyScaleFactor: parsePercent(json.stakingSupplyScaleFactor),
  sybilResistance: parsePercent(json.sybilResistance),
  activeSetWorkFactor: parseDecimal(json.activeSetWorkFactor),
  intervalPoolEmission: parsePercent(json.intervalPoolEmission),
  rewardedSet: json.rewardedSet,
})

interface SplitJson {
  readonly operator: string
  readonly delegates: string
}

export interface ExpectStep {
  readonly do: 'expect'
  readonly lastReward?: SplitJson
  readonly operator?: string
  readonly delegates?: string
  readonly totalUnitReward?: string
  readonly rewards?: Readonly<Record<string, string>>
  readonly delegations?: Readonly<Record<string, { readonly amount: string; readonly ratio: string }>>
  /** At the end of the interval. */
  readonly params?: Readonly<
    Record<'rewardPool' | 'stakingSupply' | 'epochRewardBudget' | 'stakeSaturationPoint', string>
  >
}

export type Step =
  | { readonly do: 'delegate'; readonly who: string; readonly amount: string }
  | { readonly do: 'undelegate'; readonly who: string; readonly paid: string }
  | { readonly do: 'withdrawOperator'; readonly paid: string }
  | { readonly do: 'withdrawDelegator'; readonly who: string; readonly paid: string }
  | { readonly do: 'epochs'; readonly count: number; readonly performance: string; readonly role: keyof WorkFactors }
  | ExpectStep

interface NodeJson {
  readonly pledge: string
  readonly profitMargin: string
  readonly intervalOperatingCost: string
}

interface ServingNodeJson extends NodeJson {
  readonly delegated: string
  readonly performance: string
}

interface IntervalJson {
  readonly id: number
  readonly epochsInInterval: number
  readonly currentEpochId: number
  readonly totalElapsedEpochs: number
  readonly epochLength: number
  readonly currentEpochStart: string
}

export interface TokenomicsVectors {
  readonly setup: NodeJson & { readonly epochsInInterval: number; readonly params: ParamsJson }
  readonly histories: readonly { readonly number: string; readonly name: string; readonly steps: readonly Step[] }[]
  readonly table: {
    readonly epochsInInterval: number
    readonly params: ParamsJson
    readonly expect: Readonly<Record<'epochRewardBudget' | 'stakeSaturationPoint' | 'active' | 'standby', string>>
    readonly intervals: number
    readonly nodes: readonly (ServingNodeJson &
      SplitJson & { readonly role: keyof WorkFactors; readonly firstReward: SplitJson & { readonly total: string } })[]
    readonly after: { readonly rewardPool: string; readonly stakingSupply: string }
  }
  readonly derived: readonly {
    readonly number: string
    readonly epochsInInterval: number
    readonly params: ParamsJson
    readonly epochRewardBudget: string
    readonly stakeSaturationPoint: string
    readonly work?: Readonly<Record<keyof WorkFactors, string>>
  }[]
  readonly mainnet: {
    readonly epochsInInterval: number
    readonly params: ParamsJson
    readonly cases: readonly (ServingNodeJson & {
      readonly number: string
      readonly expect: SplitJson & {
        readonly saturationAfter?: string
        readonly reward: string
        readonly totalUnitReward?: string
      }
    })[]
  }
  readonly brackets: {
    readonly epochRewardBudget: string
    readonly stakeSaturationPoint: string
    readonly sybilResistance: string
    readonly rewardedSetSize: number
    readonly cases: readonly { readonly pledge: string; readonly reward: string }[]
  }
  readonly selectionWeights: readonly { readonly performance: string; readonly weight: string }[]
  readonly floats: readonly { readonly float: number; readonly percent: string }[]
  readonly configScores: {
    readonly penalty: number
    readonly scaling: number
    readonly cases: readonly { readonly versionsBehind: number; readonly score: string }[]
  }
  readonly versionsBehind: {
    readonly weights: Readonly<Record<'major' | 'minor' | 'patch' | 'prerelease', number>>
    readonly cases: readonly { readonly chain: readonly string[]; readonly behind: Readonly<Record<string, number>> }[]
  }
  readonly keyRotation: readonly {
    readonly validityEpochs: number
    readonly initialEpochId: number
    readonly cases: readonly { readonly epoch: number; readonly id: number; readonly nextStart?: number }[]
  }[]
  readonly clock: { readonly before: IntervalJson; readonly after: IntervalJson }
  readonly medians: readonly { readonly values: readonly string[]; readonly median: string }[]
  readonly pool: {
    readonly epochsInInterval: number
    readonly params: ParamsJson
    readonly cases: readonly Readonly<Record<'removed' | 'added' | 'poolLess' | 'supplyMore', string>>[]
  }
}
