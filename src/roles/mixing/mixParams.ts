/** Limits of the mixing pipeline. The protocol's numbers are cited; the others are ours to tune. @module */
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'

export interface MixParams {
  /** A header asking for more is held this long instead (spec: 10 s). */
  readonly maxDelay: Millis
  /** Packets held for their delay; more are dropped and counted. 2,000 packets/s at 15 ms need 30. */
  readonly delayQueueCapacity: number
  /** False positives of the replay filter: the fraction of honest packets it costs. */
  readonly replayFalsePositiveRate: number
  /** How long packets waiting for their delay may still leave after stop was asked for. */
  readonly drainLimit: Millis
}

export const DEFAULT_MIX_PARAMS: MixParams = {
  maxDelay: seconds(10),
  delayQueueCapacity: 20_000,
  replayFalsePositiveRate: 1e-5,
  drainLimit: millis(500),
}
