/** Which Sphinx keys are wanted when, from the epoch clock the directory publishes. All nodes compute the same. @module */
import { type Millis, millis } from '../../foundation/base/units.ts'
import { rotationId } from '../../protocol/packet/keyRotation.ts'
import type { WantedKeys } from './sphinxKeys.ts'

export interface EpochClock {
  readonly currentEpoch: number
  readonly currentEpochStart: Millis
  readonly epochLength: Millis
  readonly initialEpoch: number
  readonly validityEpochs: number
}

export function wantedKeys(clock: EpochClock, now: Millis): WantedKeys {
  return keysOf(clock, epochAt(clock, now))
}

export function keysOf(clock: EpochClock, epoch: number): WantedKeys {
  const current = rotationId(epoch, clock.initialEpoch, clock.validityEpochs)
  return {
    current,
    announceNext: rotationId(epoch + 1, clock.initialEpoch, clock.validityEpochs) === current + 1,
    keepPrevious: epoch > 0 && rotationId(epoch - 1, clock.initialEpoch, clock.validityEpochs) === current - 1,
  }
}

/** The clock goes on by itself between two answers of the directory. */
export function epochAt(clock: EpochClock, now: Millis): number {
  return clock.currentEpoch + Math.max(0, Math.floor((now - clock.currentEpochStart) / clock.epochLength))
}

/** How long until the answer of `wantedKeys` can next change. */
export function untilNextEpoch(clock: EpochClock, now: Millis): Millis {
  const next = clock.currentEpochStart + (epochAt(clock, now) + 1 - clock.currentEpoch) * clock.epochLength
  return millis(Math.max(0, next - now))
}
