/** How long a connection may take to log in: for each message, and for all of them. @module */
import type { Millis } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'

export class AdmissionDeadline {
  readonly #clock: Clock
  readonly #ends: number
  readonly #missed: (which: 'message-timeout' | 'admission-timeout') => void
  #timer: Timer | undefined

  constructor(clock: Clock, limit: Millis, missed: (which: 'message-timeout' | 'admission-timeout') => void) {
    this.#clock = clock
    this.#ends = clock.monotonic() + limit
    this.#missed = missed
  }

  /** The next message has this long, or what is left of the whole. */
  expect(limit: Millis): void {
    this.#timer?.cancel()
    const left = Math.max(0, this.#ends - this.#clock.monotonic())
    const which = left < limit ? 'admission-timeout' : 'message-timeout'
    this.#timer = this.#clock.after(Math.min(left, limit) as Millis, () => this.#missed(which))
  }

  cancel(): void {
    this.#timer?.cancel()
  }
}
