/** The clock of epochs and intervals, and of key rotations: tokenomics 5.1 and 7.4. All times are whole Unix seconds. @module */

export interface Interval {
  readonly id: number
  readonly epochsInInterval: number
  /** Within the interval, from 0. */
  readonly currentEpochId: number
  /** The absolute id of the epoch that runs. */
  readonly totalElapsedEpochs: number
  /** Seconds. */
  readonly epochLength: number
  readonly currentEpochStart: bigint
}

export const epochEnd = (i: Interval): bigint => i.currentEpochStart + BigInt(i.epochLength)
export const isEpochOver = (i: Interval, now: bigint): boolean => epochEnd(i) <= now

/** Commitments of monitors until then, reveals from then to the end: the last quarter. */
export const revealFrom = (i: Interval): bigint =>
  i.currentEpochStart + BigInt(i.epochLength - Math.floor(i.epochLength / 4))

/** By the clock, not by the epoch that runs: where epochs are caught up, several in a row see the interval over. */
export function isIntervalOver(i: Interval, now: bigint): boolean {
  const left = BigInt(i.epochsInInterval - i.currentEpochId)
  return i.currentEpochStart + left * BigInt(i.epochLength) <= now
}

/** The next epoch begins where this one ended, however late it is: none is skipped. */
export function nextEpoch(i: Interval): Interval {
  const last = i.currentEpochId === i.epochsInInterval - 1
  return {
    ...i,
    id: last ? i.id + 1 : i.id,
    currentEpochId: last ? 0 : i.currentEpochId + 1,
    currentEpochStart: epochEnd(i),
    totalElapsedEpochs: i.totalElapsedEpochs + 1,
  }
}

/** Tokenomics 5.2: an interval that is longer than the new count already is as many of them as it holds. */
export function reconfigured(i: Interval, epochsInInterval: number, epochLength: number): Interval {
  const fits = i.currentEpochId < epochsInInterval
  return {
    ...i,
    epochsInInterval,
    epochLength,
    id: fits ? i.id : i.id + Math.floor(i.currentEpochId / epochsInInterval),
    currentEpochId: fits ? i.currentEpochId : i.currentEpochId % epochsInInterval,
  }
}

/** Epochs are absolute. */
export interface KeyRotationSchedule {
  readonly validityEpochs: number
  readonly initialEpochId: number
}

export const keyRotationId = (s: KeyRotationSchedule, epoch: number): number =>
  Math.floor(Math.max(0, epoch - s.initialEpochId) / s.validityEpochs)

export const keyRotationStart = (s: KeyRotationSchedule, rotation: number): number =>
  s.initialEpochId + s.validityEpochs * rotation

/** The epoch in which the rotation after that of `epoch` begins; before the first, when the first ends. */
export const nextKeyRotationStart = (s: KeyRotationSchedule, epoch: number): number =>
  keyRotationStart(s, keyRotationId(s, epoch) + 1)
