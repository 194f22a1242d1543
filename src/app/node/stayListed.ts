/**
 * Notices that the network this node sees is one without itself, and asks the directory to look again. It happens to a node that
 * comes back after the directory has dropped it, and would last until the next regular round: ten minutes in which an exit
 * could not answer anybody, since acks lead through its own gateway. @module
 */
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'

export interface StayListedOptions {
  readonly clock: Clock
  /** By the view in use. */
  readonly isListed: () => boolean
  /** Has the directory describe the node, then asks it for the network. Never rejects. */
  readonly ask: () => Promise<void>
  /** Before the first question; doubles with every further one, because the node may simply not be bonded. */
  readonly first: Millis
}

const LONGEST_WAIT = seconds(60)

export class StayListed {
  readonly #options: StayListedOptions
  #wait: Millis
  #timer: Timer | undefined
  #stopped = false

  constructor(options: StayListedOptions) {
    this.#options = options
    this.#wait = options.first
  }

  /** There is a new view. */
  check(): void {
    const { clock, isListed, ask, first } = this.#options
    if (isListed()) this.#wait = first
    else if (this.#timer === undefined && !this.#stopped) {
      this.#timer = clock.after(this.#wait, async () => {
        this.#wait = millis(Math.min(2 * this.#wait, LONGEST_WAIT))
        await ask()
        this.#timer = undefined
        this.check()
      })
    }
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }
}
