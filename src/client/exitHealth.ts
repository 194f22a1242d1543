/**
 * Whether the exit still answers. Streams that it leaves unanswered are a suspicion and no more: it says nothing before it has connected,
 * and whoever names a destination that swallows connections, a web page for instance, would lead us from exit to exit until we are at
 * his. So it is asked a question that costs it nothing and that only it can answer; what convicts it is silence to that.
 *
 * Nor do we take our own deafness for its silence. A gateway that drops what comes for us would lead us on in the same way: while our loop
 * cover goes out and none comes back, nothing is concluded. @module
 */
import { type Millis, millis, seconds } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'
import type { LoopCounts } from './loopWatch.ts'

export interface ExitHealthOptions {
  readonly clock: Clock
  /** Mean time that a packet of ours waits for its turn; undefined: none. */
  readonly slot?: Millis | undefined
  /** Our loop cover, since ever. */
  readonly loops: () => LoopCounts
  readonly isOpen: () => boolean
  /** Asks the exit. */
  readonly probe: () => void
  /** It did not answer that either. */
  readonly silent: () => void
}

const IN_A_ROW = 3
// A caller that gave up sooner proves nothing: two ways through the mixnet and a connect may take as long.
const LEAST_WAIT = seconds(5)
// Nothing at all from an exit that is talked to; a stream that waits says so after as long.
const QUIET = seconds(10)
// Where there is no other, the same is not found out and told again and again.
const AGAIN_AFTER = seconds(60)
// Twice what a question lost on its way, and sent again, takes to be answered.
const PROBE_LIMIT = seconds(15)
// The question and a few reply SURBs share slots: of a slow main stream it may be the tenth, and no answer comes before.
const SLOTS = 10

export class ExitHealth {
  readonly #options: ExitHealthOptions
  #unanswered = 0
  #probe: Timer | undefined
  #heardAt: Millis | undefined
  #convictedAt: Millis | undefined

  constructor(options: ExitHealthOptions) {
    this.#options = options
  }

  /** Anything at all came from the exit. */
  heard(): void {
    this.#heardAt = this.#options.clock.monotonic()
    this.#convictedAt = undefined
    this.#unanswered = 0
    this.#probe?.cancel()
    this.#probe = undefined
  }

  /**
   * A stream that waits has heard nothing of it for a while, though it said something: asked now, so that the exit is left before the
   * caller gives up, and the next request works. Where anything else came meanwhile, it lives, and the destination is slow.
   */
  suspicious(): boolean {
    const { clock, isOpen } = this.#options
    if (!isOpen()) return false
    if (this.#probe !== undefined) return true
    if (this.#heardAt !== undefined && clock.monotonic() - this.#heardAt < QUIET) return false
    this.#ask()
    return true
  }

  /** A stream ended, whoever ended it, after the exit had `waited` in silence to it. */
  unanswered(waited: Millis): void {
    if (waited < LEAST_WAIT || this.#probe !== undefined || !this.#options.isOpen()) return
    if (++this.#unanswered >= IN_A_ROW) this.#ask()
  }

  /** Our gateway went away, or the exit was changed: what was counted says nothing. */
  forget(): void {
    this.heard()
    this.#heardAt = undefined
  }

  #ask(): void {
    const { clock, slot = 0, loops, isOpen, probe, silent } = this.#options
    if (this.#convictedAt !== undefined && clock.monotonic() - this.#convictedAt < AGAIN_AFTER) return
    const before = loops()
    this.#probe = clock.after(millis(PROBE_LIMIT + SLOTS * slot), () => {
      this.#probe = undefined
      this.#unanswered = 0
      const { sent, returned } = loops()
      // Of a slow stream they are few. Whoever could only drop those few would else lead us on after all.
      const deaf = sent > before.sent && returned === before.returned
      if (!isOpen() || deaf) return
      this.#convictedAt = clock.monotonic()
      silent()
    })
    probe()
  }
}
