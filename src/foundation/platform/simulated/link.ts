/** The way from one simulated host to another: how long it takes, how much fits, what gets lost, and whether it is cut. @module */
import { concat } from '../../base/bytes.ts'
import type { Millis } from '../../base/units.ts'
import { below, exponential, type Random, type RandomStream } from '../random.ts'
import type { EventQueue } from './eventQueue.ts'

export interface LinkShape {
  /** One way, before jitter: fixed, or drawn for every transmission. */
  readonly latency: Millis | ((random: RandomStream) => number)
  /** Mean of an exponentially distributed addition to the latency. The order within a connection stays. */
  readonly jitter?: Millis
  /** Shared by everything on the link, first come, first served. Unlimited by default. */
  readonly bytesPerSecond?: number
  /**
   * Probability that a chunk of a TCP `write` vanishes. It stands for a lost packet, which TCP would have repeated: for links
   * whose chunks are whole packets, as between mix nodes without Noise. WebSockets and HTTP lose nothing.
   */
  readonly loss?: number
  /** TCP delivers pieces of a random length up to this, not the writer's chunks: shows who relies on them. */
  readonly segmentBytes?: number
}

/** A transmission as an observer of the wire sees it. */
export interface Transmission {
  /** Milliseconds since the simulation began. */
  readonly time: number
  readonly from: string
  readonly to: string
  readonly bytes: number
}

export class Link {
  readonly from: string
  readonly to: string
  shape: LinkShape
  readonly #events: EventQueue
  readonly #random: Random
  readonly #observe: (transmission: Transmission) => void
  readonly #latency: RandomStream
  #busyUntil = 0
  #cuts = 0
  #givenUp = false
  // What arrived while the link was cut: until it is given up, bounded by the windows of the connections on it.
  #held: (() => void)[] = []

  constructor(
    ends: { readonly from: string; readonly to: string; readonly shape: LinkShape },
    around: { events: EventQueue; random: Random; observe(transmission: Transmission): void },
  ) {
    this.from = ends.from
    this.to = ends.to
    this.shape = ends.shape
    this.#events = around.events
    this.#random = around.random
    this.#observe = around.observe
    this.#latency = around.random.stream('latency')
  }

  /** Runs `arrive` at the other end, not before `notBefore`; returns when that will be if nobody cuts the link. */
  transmit(bytes: number, notBefore: number, arrive: () => void): number {
    const { now } = this.#events
    const { latency, jitter, bytesPerSecond } = this.shape
    this.#observe({ time: now, from: this.from, to: this.to, bytes })
    let leaves = now
    if (bytesPerSecond !== undefined) {
      leaves = Math.max(now, this.#busyUntil) + (bytes / bytesPerSecond) * 1000
      this.#busyUntil = leaves
    }
    const travels = typeof latency === 'number' ? latency : Math.max(0, latency(this.#latency))
    const arrives = Math.max(
      notBefore,
      leaves + travels + (jitter === undefined ? 0 : exponential(this.#latency, jitter)),
    )
    this.#events.schedule(
      arrives - now,
      () => {
        // Behind what is held, nothing overtakes.
        if (this.#givenUp) return
        if (this.#cuts > 0 || this.#held.length > 0) this.#held.push(arrive)
        else arrive()
      },
      undefined,
    )
    return arrives
  }

  loses(): boolean {
    const { loss = 0 } = this.shape
    return loss > 0 && this.#random.stream('loss').uniform() < loss
  }

  /** The bytes of `chunks` in the pieces they arrive in. */
  segment(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
    const { segmentBytes } = this.shape
    if (segmentBytes === undefined) return chunks
    const random = this.#random.stream('segment')
    const bytes = concat(...chunks)
    const pieces: Uint8Array[] = []
    for (let offset = 0; offset < bytes.length; ) {
      const length = 1 + below(random, segmentBytes)
      pieces.push(bytes.subarray(offset, offset + length))
      offset += length
    }
    return pieces
  }

  cut(): void {
    this.#cuts++
  }

  /** Every connection on the link is lost: what arrives before it is mended is lost as well. */
  giveUp(): void {
    this.#givenUp = true
    this.#held = []
  }

  /** Undoes one `cut`. What was held arrives at once, in order. */
  mend(): void {
    this.#cuts--
    if (this.#cuts > 0) return
    this.#givenUp = false
    if (this.#held.length === 0) return
    this.#events.schedule(0, () => this.#release(), undefined)
  }

  #release(): void {
    while (this.#cuts === 0 && this.#held.length > 0) {
      const held = this.#held
      this.#held = []
      for (const arrive of held) arrive()
    }
  }
}
