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
// Twice what a question lost on its way, and sent again, takes to be answered.
const PROBE_LIMIT = seconds(15)
// The question and a few reply SURBs share slots: of a slow main stream it may be the tenth, and no answer comes before.
const SLOTS = 10

export class ExitHealth {
  readonly #options: ExitHealthOptions
  #unanswered = 0
  #probe: Timer | undefined

  constructor(options: ExitHealthOptions) {
    this.#options = options
  }

  /** Anything at all came from the exit. */
  heard(): void {
    this.#unanswered = 0
    this.#probe?.cancel()
    this.#probe = undefined
  }

  /** A stream ended, whoever ended it, after the exit had `waited` in silence to it. */
  unanswered(waited: Millis): void {
    if (waited < LEAST_WAIT || this.#probe !== undefined || !this.#options.isOpen()) return
    if (++this.#unanswered >= IN_A_ROW) this.#ask()
  }

  /** Our gateway went away, or the exit was changed: what was counted says nothing. */
  forget(): void {
    this.heard()
  }

  #ask(): void {
    const { clock, slot = 0, loops, isOpen, probe, silent } = this.#options
    const before = loops()
    this.#probe = clock.after(millis(PROBE_LIMIT + SLOTS * slot), () => {
      this.#probe = undefined
      this.#unanswered = 0
      const { sent, returned } = loops()
      // Of a slow stream they are few. Whoever could only drop those few would else lead us on after all.
      const deaf = sent > before.sent && returned === before.returned
      if (isOpen() && !deaf) silent()
    })
    probe()
  }
}
