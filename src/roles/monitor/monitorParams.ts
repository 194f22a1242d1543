/** Numbers of the monitor, each with its unit and its reason. @module */
import { hours, type Millis, millis, seconds } from '../../foundation/base/units.ts'

export interface MonitorParams {
  /** After which a test packet counts as lost, as of the official monitor. In short epochs a ninth of the epoch, if that is less. */
  readonly packetDeadline: Millis
  /**
   * Sessions held at a time, one a gateway: all of a rewarded set of 240, at some 5 kB a second each. With more gateways than that, each
   * epoch has its turn; and where monitors take turns apart from each other, too few of them speak of a gateway for a median.
   */
  readonly maxSessions: number
  /** Test packets noted in an epoch: evidence of a megabyte or so. What is sent beyond is a client's cover and nothing else. */
  readonly maxTests: number
  /** Test packets waited for. */
  readonly maxOutstanding: number
  /** How long a session may take to open before its gateway is held to account, and after it was lost. */
  readonly loginGrace: Millis
  /**
   * After so long on average a session is replaced by one of another client, at the change of an epoch, or its gateway would come to know
   * it. Each pays anew, and leaves what its last ticket was still worth: at 5 kB a second a ticket is eleven hours.
   */
  readonly sessionLife: Millis
  /** Whole epochs kept on disk. Two days of hours. */
  readonly keepEpochs: number
  /** Between two looks at the ledger; in short epochs a hundredth of the epoch, if that is less. */
  readonly lookInterval: Millis
}

export const DEFAULT_MONITOR_PARAMS: MonitorParams = {
  packetDeadline: seconds(20),
  maxSessions: 240,
  maxTests: 40_000,
  maxOutstanding: 16_384,
  loginGrace: seconds(15),
  sessionLife: hours(24),
  keepEpochs: 48,
  lookInterval: seconds(10),
}

export interface EpochTimes {
  readonly startsAt: Millis
  readonly revealFrom: Millis
  readonly endsAt: Millis
}

export interface MeasuringTimes {
  /** Tests that leave from then on count: clients and nodes have the new set by then. */
  readonly from: Millis
  /** To `until`. What left before is waited for until `sealAt`. */
  readonly until: Millis
  readonly sealAt: Millis
  readonly deadline: Millis
}

/** Epochs of a minute are for trying things out, and must have room for all of it. */
export function measuringTimes({ startsAt, revealFrom, endsAt }: EpochTimes, params: MonitorParams): MeasuringTimes {
  const length = endsAt - startsAt
  const deadline = millis(Math.min(params.packetDeadline, length / 9))
  const settling = Math.min(60_000, length / 30)
  // For the ledger to take the commitment: it may be slow to include it, or its clock ahead of ours.
  const margin = Math.min(180_000, length / 15)
  const sealAt = millis(revealFrom - margin)
  return { from: millis(startsAt + settling), until: millis(sealAt - deadline), sealAt, deadline }
}

export const lookIntervalOf = ({ startsAt, endsAt }: EpochTimes, { lookInterval }: MonitorParams): Millis =>
  millis(Math.min(lookInterval, (endsAt - startsAt) / 100))
