/**
 * The time by which a gateway keeps and forgets. It follows the wall clock and never jumps with it: a clock set wrong for a minute
 * would otherwise purge every inbox, acknowledged messages and all, and end everybody's bandwidth. It goes on from where the last
 * process was, and runs at twice the speed of the monotonic clock while the wall clock is ahead of it, at half while that is
 * behind. So nothing is forgotten before a gateway has run for half of its time, which is kind to clients after a long outage too,
 * and a lasting error of the clock is followed in the end. Logins and tickets are about the real time and ask the wall clock. @module
 */
import { type Millis, millis } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'

const FASTEST = 2
const SLOWEST = 1 / 2

export class GatewayTime {
  readonly #clock: Pick<Clock, 'now' | 'monotonic'>
  #time: number
  #readAt: number

  /** `last`: where the last process was; undefined where there was none. */
  constructor(clock: Pick<Clock, 'now' | 'monotonic'>, last: Millis | undefined) {
    this.#clock = clock
    this.#time = last ?? clock.now()
    this.#readAt = clock.monotonic()
  }

  /** Never goes back. */
  now(): Millis {
    const monotonic = this.#clock.monotonic()
    const passed = monotonic - this.#readAt
    this.#readAt = monotonic
    this.#time += Math.min(Math.max(this.#clock.now() - this.#time, passed * SLOWEST), passed * FASTEST)
    return millis(this.#time)
  }
}
