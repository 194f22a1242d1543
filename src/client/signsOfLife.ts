/** Notices a peer that is gone without a word: asks it for a sign of life after a silence, and gives it up after a longer one. @module */
import type { Millis } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'

export interface SignsOfLifeOptions {
  readonly clock: Clock
  /** Silence after which to ask where nothing was sent, and where something was. */
  readonly idleProbeAfter: Millis
  readonly busyProbeAfter: Millis
  /** Silence after the question that means death. */
  readonly probeTimeout: Millis
  readonly ask: () => void
  readonly gone: () => void
}

/** One timer; what happens per packet is an assignment. */
export class SignsOfLife {
  readonly #options: SignsOfLifeOptions
  #timer: Timer | undefined
  #heard = false
  // Since anything was heard: what still waits for its answer.
  #sent = false
  #silentFor = 0

  constructor(options: SignsOfLifeOptions) {
    this.#options = options
    this.#listen()
  }

  heard(): void {
    this.#heard = true
    this.#sent = false
  }

  sent(): void {
    this.#sent = true
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #listen(): void {
    const { clock, busyProbeAfter, idleProbeAfter, probeTimeout, ask, gone } = this.#options
    this.#timer = clock.after(busyProbeAfter, () => {
      if (this.#startsAnew()) return
      this.#silentFor += busyProbeAfter
      if (!this.#sent && this.#silentFor < idleProbeAfter) return this.#listen()
      this.#timer = clock.after(probeTimeout, () => {
        if (!this.#startsAnew()) gone()
      })
      ask()
    })
  }

  #startsAnew(): boolean {
    if (!this.#heard) return false
    this.#heard = false
    this.#silentFor = 0
    this.#listen()
    return true
  }
}
