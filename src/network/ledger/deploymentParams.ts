/** With what numbers a network's contracts begin. Where they come from: tokenomics of the official network, 2026. @module */

/** Of a Decimal, the contracts' fixed point. */
const ONE = 10n ** 18n
/** unym a NYM. */
const NYM = 1_000_000n
/** A day to look at a change before it can happen; a local network has nobody to warn. */
const DAY_SECONDS = 86_400

/** Amounts in unym, shares and factors as Decimals (1 is 10¹⁸). */
export interface DeploymentParams {
  readonly epochsInInterval: number
  readonly epochSeconds: number
  /** Of a Sphinx key. */
  readonly validityEpochs: number
  /** Absolute. Local networks begin at `validityEpochs`: packets cannot name key rotation 0. */
  readonly firstEpochId: number
  /** Unix seconds; the past where the first set is to be drawn at once. */
  readonly firstEpochStart: number
  readonly rewardPool: bigint
  readonly stakingSupply: bigint
  readonly stakingSupplyScaleFactor: bigint
  readonly sybilResistance: bigint
  readonly activeSetWorkFactor: bigint
  readonly intervalPoolEmission: bigint
  readonly rewardedSet: {
    readonly entryGateways: number
    readonly exitGateways: number
    readonly mixnodes: number
    readonly standby: number
  }
  readonly minimumPledge: bigint
  /** 0: any that is more than nothing. */
  readonly minimumDelegation: bigint
  readonly minimumProfitMargin: bigint
  readonly maximumProfitMargin: bigint
  /** unym an interval. */
  readonly minimumOperatingCost: bigint
  readonly maximumOperatingCost: bigint
  readonly ticketBookPrice: bigint
  /** Of a hundred, of a ticket's price: what the gateway gets that took it. 0 is the official behaviour. */
  readonly gatewayShare: bigint
  /** What monitors, and issuers that join the seed, put in. */
  readonly participantStake: bigint
  readonly governanceDelaySeconds: number
}

/** As mainnet, but for what gateways earn. `firstEpochStart`: Unix seconds. */
export function mainnetLike(firstEpochStart: number): DeploymentParams {
  return {
    epochsInInterval: 720,
    epochSeconds: 3600,
    validityEpochs: 24,
    firstEpochId: 24,
    firstEpochStart,
    rewardPool: 244_817_525_850_285n,
    stakingSupply: 100_000_000_000_000n,
    stakingSupplyScaleFactor: ONE / 2n,
    sybilResistance: (3n * ONE) / 10n,
    activeSetWorkFactor: 10n * ONE,
    intervalPoolEmission: (2n * ONE) / 100n,
    rewardedSet: { entryGateways: 80, exitGateways: 100, mixnodes: 60, standby: 0 },
    minimumPledge: 100n * NYM,
    minimumDelegation: 0n,
    minimumProfitMargin: (20n * ONE) / 100n,
    maximumProfitMargin: (50n * ONE) / 100n,
    minimumOperatingCost: 0n,
    maximumOperatingCost: 1000n * NYM,
    ticketBookPrice: 75n * NYM,
    gatewayShare: 0n,
    participantStake: 1000n * NYM,
    governanceDelaySeconds: 2 * DAY_SECONDS,
  }
}

/**
 * One machine: epochs of a minute, a small set, and the whole of the official rules. `now`: Unix seconds; the first epoch is over
 * at once, so that the first set is drawn as soon as nodes are bonded.
 */
export function localNetwork(now: number): DeploymentParams {
  const epochSeconds = 60
  const validityEpochs = 24
  return {
    ...mainnetLike(now - epochSeconds),
    epochsInInterval: 60,
    epochSeconds,
    validityEpochs,
    firstEpochId: validityEpochs,
    rewardedSet: { entryGateways: 2, exitGateways: 2, mixnodes: 3, standby: 2 },
    minimumProfitMargin: 0n,
    maximumProfitMargin: ONE,
    gatewayShare: 50n,
    participantStake: 100n * NYM,
    governanceDelaySeconds: 60,
  }
}

/** Rules for who measures, as the contract of scores begins with them. */
export interface Participation {
  /** unym. */
  readonly minimumStake: bigint
  /** Epochs. */
  readonly coolingOff: number
  /** Epochs. */
  readonly exclusion: number
  /** Points of a hundred. */
  readonly tolerance: number
}

/** A day of epochs to leave, and out for a quarter of one: docs/spec/ledger.md, "How programs reach it". */
export function participationOf({
  participantStake: minimumStake,
  epochSeconds,
}: Pick<DeploymentParams, 'participantStake' | 'epochSeconds'>): Participation {
  const coolingOff = Math.max(4, Math.ceil(86_400 / Math.max(epochSeconds, 3600)))
  return { minimumStake, coolingOff, exclusion: Math.ceil(coolingOff / 4), tolerance: 20 }
}
