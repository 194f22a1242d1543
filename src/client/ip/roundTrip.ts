/** How long a TCP here waits for an acknowledgment before it sends again. @module */
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import { isBefore } from '../../protocol/wire/ip/tcpSegment.ts'

/** How long is waited for an acknowledgment. */
export interface TcpTiming {
  /** Before a round trip was measured; always, where none is. */
  readonly first: Millis
  readonly longest: Millis
  readonly tries: number
  /** Where round trips are measured: the least that is waited. */
  readonly measured?: Millis
  /** Once both have said all: for the last end to have been lost, and to come again. */
  readonly linger: Millis
}

/** The other side is a kernel on this machine. */
export const DEVICE_TIMING: TcpTiming = { first: millis(300), longest: seconds(10), tries: 12, linger: seconds(5) }

/** The mixnet lies in between. There a kernel says its end again after some 2, 6 and 14 s, and would take a reset for a failure. */
export const MIXNET_TIMING: TcpTiming = {
  first: seconds(4),
  measured: seconds(2),
  longest: seconds(60),
  tries: 6,
  linger: seconds(20),
}

/** How long an acknowledgment takes, and how long it is worth waiting for (RFC 6298). */
export class RoundTrip {
  readonly #timing: TcpTiming
  #timed: { readonly until: number; readonly at: Millis } | undefined
  #mean: number | undefined
  #deviation = 0
  /** Until one is measured: what went twice is not, and a wait that was too short would be so for ever. */
  #factor = 1

  constructor(timing: TcpTiming) {
    this.#timing = timing
  }

  timeout(tries: number): Millis {
    const { first, longest, measured } = this.#timing
    if (measured === undefined) return millis(Math.min(longest, first * 2 ** tries))
    const usual = this.#mean === undefined ? first : Math.max(measured, this.#mean + 4 * this.#deviation)
    return millis(Math.min(longest, usual * this.#factor))
  }

  /** Bytes that were never sent before; `until`: the number after the last. */
  sent(until: number, at: Millis): void {
    if (this.#timing.measured !== undefined) this.#timed ??= { until, at }
  }

  acknowledged(acknowledgment: number, at: Millis): void {
    if (this.#timed === undefined || isBefore(acknowledgment, this.#timed.until)) return
    const took = at - this.#timed.at
    this.#timed = undefined
    this.#factor = 1
    if (this.#mean === undefined) {
      this.#mean = took
      this.#deviation = took / 2
      return
    }
    this.#deviation += (Math.abs(took - this.#mean) - this.#deviation) / 4
    this.#mean += (took - this.#mean) / 8
  }

  /** Something goes again: nobody will know which of the two was acknowledged (Karn). */
  late(): void {
    this.#timed = undefined
    this.#factor *= 2
  }
}
