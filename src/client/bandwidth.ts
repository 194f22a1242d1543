/**
 * The bandwidth a gateway says is left, and when to claim more: below a threshold, and when a packet was
 * refused for want of it. Where there are tickets, ticketSource.ts decides what a claim is, and how long it may take. @module
 */
import { type Millis, millis } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'

export interface BandwidthOptions {
  readonly clock: Clock
  /** Claims follow each other no closer, whatever the gateway says. */
  readonly spacing: Millis
  readonly answerWithin: Millis
  /** Bytes. */
  readonly claimBelow: number
  readonly claim: () => void
  /** Nothing is left and nothing will come: refused, or not answered. */
  readonly failed: (why: 'refused' | 'unanswered') => void
}

export class Bandwidth {
  readonly #options: BandwidthOptions
  #balance: number
  #exhausted = false
  #refused: boolean
  // Either until the next claim may be made, or until its answer is late.
  #timer: Timer | undefined
  #lastClaim: Millis

  /** As a session opens. `claimed`: that was asked just now. `refused`: and answered with no. */
  constructor(
    options: BandwidthOptions,
    start: { readonly balance: number; readonly claimed: boolean; readonly refused: boolean },
  ) {
    this.#options = options
    this.#balance = start.balance
    this.#refused = start.refused
    // Who comes back with next to nothing left must not wait until it is refused.
    this.#lastClaim = start.claimed ? options.clock.monotonic() : millis(Number.NEGATIVE_INFINITY)
  }

  /** Packets sent now would be dropped. */
  get exhausted(): boolean {
    return this.#exhausted
  }

  /** After a packet; `metered` is false while the gateway does not count. */
  remaining(balance: number, metered: boolean): void {
    this.#balance = balance
    if (metered && balance < this.#options.claimBelow) this.#want()
  }

  granted(balance: number): void {
    this.stop()
    this.#balance = balance
    this.#exhausted = balance <= 0
    if (this.#exhausted) this.#want()
  }

  /** A packet was refused for want of bandwidth. */
  ranOut(): void {
    this.#exhausted = true
    this.#want()
  }

  claimRefused(): void {
    this.stop()
    this.#refused = true
    if (this.#exhausted || this.#balance <= 0) this.#options.failed('refused')
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #want(): void {
    const { clock, spacing, failed } = this.#options
    if (this.#refused) {
      if (this.#exhausted) failed('refused')
      return
    }
    if (this.#timer !== undefined) return
    const wait = this.#lastClaim + spacing - clock.monotonic()
    if (wait <= 0) this.#claim()
    else this.#timer = clock.after(wait as Millis, () => this.#claim())
  }

  #claim(): void {
    const { clock, answerWithin, claim, failed } = this.#options
    this.#lastClaim = clock.monotonic()
    this.#timer = clock.after(answerWithin, () => {
      this.#timer = undefined
      if (this.#exhausted) failed('unanswered')
    })
    claim()
  }
}
