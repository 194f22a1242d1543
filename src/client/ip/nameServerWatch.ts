/** Whether the name server that a user chose answers: a program waits for names in silence, and its user does not know for what. @module */
import { type Millis, seconds } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'

/** Some round trips through the mixnet, and as long as a resolver waits before it asks again. */
export const NAME_SERVER_PATIENCE: Millis = seconds(5)

export class NameServerWatch {
  readonly #clock: Clock
  readonly #silent: () => void
  #waiting: Timer | undefined
  #isOver = false

  /** `silent` hears once that a question was asked, and none answered, for that long. */
  constructor(clock: Clock, silent: () => void) {
    this.#clock = clock
    this.#silent = silent
  }

  asked(): void {
    if (this.#isOver) return
    this.#waiting ??= this.#clock.after(NAME_SERVER_PATIENCE, () => {
      this.#isOver = true
      this.#silent()
    })
  }

  /** To whatever question: it is there. */
  answered(): void {
    this.#waiting?.cancel()
    this.#waiting = undefined
  }

  close(): void {
    this.#isOver = true
    this.answered()
  }
}
