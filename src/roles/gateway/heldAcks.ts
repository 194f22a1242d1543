/**
 * SURB-acks whose message is safe, waiting for the instant they leave at: the same time after arrival for everybody, so that an
 * ack tells its sender that the message is safe and nothing about the client. @module
 */
import { millis } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'

interface Held {
  readonly timer: Timer
  readonly leave: () => void
}

export class HeldAcks {
  readonly #clock: Clock
  /** As many as messages arrive within the hold. */
  readonly #held = new Set<Held>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Runs `leave` at `due`, or at once where that is past: the message took longer to become safe. */
  at(due: number, leave: () => void): void {
    const wait = due - this.#clock.monotonic()
    if (wait <= 0) return leave()
    const held: Held = {
      leave,
      timer: this.#clock.after(millis(wait), () => {
        this.#held.delete(held)
        leave()
      }),
    }
    this.#held.add(held)
  }

  /** Before the end: what is safe should be known to be. */
  flush(): void {
    for (const { timer, leave } of this.#held) {
      timer.cancel()
      leave()
    }
    this.#held.clear()
  }
}
