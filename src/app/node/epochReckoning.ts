/**
 * Which epoch it is, from the directory's last answer, a wall clock that may be wrong, and a monotonic clock that is not. What a
 * node must hold follows the best guess; what it may delete follows the certain bound, since a clock that is days ahead must not
 * cost it a key that others still send to, nor the replay log that goes with the key. @module
 */
import type { Clock } from '../../foundation/platform/clock.ts'
import { type EpochClock, epochAt, keysOf } from '../../roles/mixing/rotationSchedule.ts'
import type { IsOver, WantedKeys } from '../../roles/mixing/sphinxKeys.ts'

export interface Reckoning {
  readonly wanted: WantedKeys
  readonly isOver: IsOver
  /** The guess is ahead of what is certain: the directory is late, or away, or our clock is wrong. */
  readonly isAhead: boolean
}

export class EpochReckoning {
  readonly #clock: Clock
  readonly #heard: EpochClock
  readonly #heardAt: number
  readonly #isRemembered: boolean

  /** `isRemembered`: the answer is of an earlier process, and nobody knows for how long there was none. */
  constructor(clock: Clock, heard: EpochClock, isRemembered: boolean) {
    this.#clock = clock
    this.#heard = heard
    this.#heardAt = clock.monotonic()
    this.#isRemembered = isRemembered
  }

  get heard(): EpochClock {
    return this.#heard
  }

  now(): Reckoning {
    const heard = this.#heard
    const passed = Math.floor((this.#clock.monotonic() - this.#heardAt) / heard.epochLength)
    // Epochs never go back, so neither what was heard nor what this process has lived through since can be undone.
    const least = heard.currentEpoch + passed
    // One more may have begun: the answer does not say how far its epoch had gone, other than by the wall clock.
    const most = this.#isRemembered ? Number.POSITIVE_INFINITY : least + 1
    const epoch = Math.min(Math.max(epochAt(heard, this.#clock.now()), least), most)
    const wanted = keysOf(heard, epoch)
    const certain = keysOf(heard, least)
    const oldest = certain.current - (certain.keepPrevious ? 1 : 0)
    return {
      wanted,
      // Of rotations to come there are keys only where a clock was ahead. Nobody was told of them, unless that clock is right.
      isOver: (id) => id < oldest || (id > wanted.current + 1 && !this.#isRemembered),
      isAhead: epoch > least,
    }
  }
}
