/** One direction of a simulated connection: ordered, with a window that a slow reader closes. @module */
import { Fifo } from './fifo.ts'
import type { Link } from './link.ts'

/** What may be on its way or unread at the other end: stands for both kernels' socket buffers. */
const WINDOW_BYTES = 1_048_576
/** What may wait beyond the window before `send` says to stop. */
const HIGH_WATER_BYTES = 65_536

interface Parcel<T> {
  readonly value: T
  readonly bytes: number
}

export class Flow<T> {
  readonly #link: Link
  readonly #deliver: (value: T) => void
  readonly #drained: () => void
  readonly #waiting: Fifo<Parcel<T>> = new Fifo()
  #waitingBytes = 0
  #outstandingBytes = 0
  #lastArrival = 0
  #toldToStop = false

  /** `deliver` is called at the other end; `drained` here, from inside the other end's `consumed`. */
  constructor(link: Link, deliver: (value: T) => void, drained: () => void) {
    this.#link = link
    this.#deliver = deliver
    this.#drained = drained
  }

  get link(): Link {
    return this.#link
  }

  get bufferedBytes(): number {
    return this.#waitingBytes
  }

  /** Nothing sent from now on arrives before `time`. */
  holdUntil(time: number): void {
    this.#lastArrival = Math.max(this.#lastArrival, time)
  }

  /** False once more than the high-water mark waits. */
  send(value: T, bytes: number): boolean {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#transmit(value, bytes)
      return true
    }
    this.#waiting.push({ value, bytes })
    this.#waitingBytes += bytes
    if (this.#waitingBytes <= HIGH_WATER_BYTES) return true
    this.#toldToStop = true
    return false
  }

  /** Sends ahead of what waits and whatever the window says, behind what is on its way. */
  sendUrgently(value: T, bytes: number): void {
    this.#transmit(value, bytes)
  }

  /** The other end's reader has taken this much. */
  consumed(bytes: number): void {
    this.#outstandingBytes -= bytes
    for (let parcel = this.#waiting.peek(); parcel && this.#fits(parcel.bytes); parcel = this.#waiting.peek()) {
      this.#waiting.shift()
      this.#waitingBytes -= parcel.bytes
      this.#transmit(parcel.value, parcel.bytes)
    }
    if (this.#waiting.length > 0 || !this.#toldToStop) return
    this.#toldToStop = false
    this.#drained()
  }

  /** Forgets what has not left yet. */
  clear(): void {
    this.#waiting.clear()
    this.#waitingBytes = 0
    this.#toldToStop = false
  }

  /** Something longer than the whole window goes alone. */
  #fits(bytes: number): boolean {
    return this.#outstandingBytes === 0 || this.#outstandingBytes + bytes <= WINDOW_BYTES
  }

  #transmit(value: T, bytes: number): void {
    this.#outstandingBytes += bytes
    this.#lastArrival = this.#link.transmit(bytes, this.#lastArrival, () => this.#deliver(value))
  }
}
