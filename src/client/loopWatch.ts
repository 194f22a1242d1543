/**
 * Notices that the network loses packets it did not lose before, and asks the directory early who is still there: a client
 * otherwise sends through a dead node until its regular round.
 *
 * It looks at nothing but the loops a client sends to itself, never at acks. Somebody who drops what one conversation sends,
 * to see which client asks the directory soon after, learns nothing: loops belong to no conversation, and who can drop one
 * client's loops sits at its gateway and knows the client. @module
 */
import { type Millis, millis, minutes, seconds } from '../foundation/base/units.ts'
import type { Clock } from '../foundation/platform/clock.ts'

export interface LoopCounts {
  readonly sent: number
  readonly returned: number
}

export interface LoopWatchOptions {
  readonly clock: Clock
  /** Since the client began. */
  readonly counts: () => LoopCounts
  /** Asks the directory; its failures are not ours. */
  readonly ask: () => void
}

const WINDOW = seconds(6)
const LONGEST_WINDOW = minutes(2)
// Fewer prove nothing. The slower of the two streams alone sends some 30.
const MIN_SENT = 15
// One dead node of a layer of three takes 1/3; a link that loses 5 % takes 1/5 of those that pass four.
const MIN_RETURNED = 0.72
// While asking changes nothing, the network is simply like that: less and less often, until the regular round is as quick.
const FIRST_PAUSE = seconds(12)
const LONGEST_PAUSE = minutes(5)

export class LoopWatch {
  readonly #options: LoopWatchOptions
  #windowStart: Millis
  #before: LoopCounts
  #pause: Millis = FIRST_PAUSE
  #notBefore = 0

  constructor(options: LoopWatchOptions) {
    this.#options = options
    this.#windowStart = options.clock.monotonic()
    this.#before = options.counts()
  }

  /** To be called now and then. */
  review(): void {
    const { clock, counts, ask } = this.#options
    const now = clock.monotonic()
    if (now - this.#windowStart < WINDOW) return
    const total = counts()
    const sent = total.sent - this.#before.sent
    const returned = total.returned - this.#before.returned
    // A slow client looks at a longer time.
    if (sent < MIN_SENT && now - this.#windowStart < LONGEST_WINDOW) return
    this.#windowStart = now
    this.#before = total
    if (sent < MIN_SENT) return
    if (returned >= MIN_RETURNED * sent) {
      this.#pause = FIRST_PAUSE
    } else if (now >= this.#notBefore) {
      this.#notBefore = now + this.#pause
      this.#pause = millis(Math.min(2 * this.#pause, LONGEST_PAUSE))
      ask()
    }
  }
}
