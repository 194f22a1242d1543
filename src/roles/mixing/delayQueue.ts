/**
 * Packets waiting for the delay their header asks for: a binary heap by release time under one timer. Equal times leave in
 * order of arrival. The queue is ours, not thousands of timers, because it has to be bounded, inspected and drained. @module
 */
import type { Millis } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'

interface Held<T> {
  readonly releaseAt: number
  readonly sequence: number
  readonly item: T
}

export interface DelayQueueLimits {
  readonly capacity: number
  /** No item asks for more. */
  readonly longestDelay: Millis
}

export class DelayQueue<T> {
  readonly #clock: Clock
  readonly #capacity: number
  readonly #longestDelay: Millis
  readonly #release: (item: T) => void
  readonly #heap: Held<T>[] = []
  #sequence = 0
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(clock: Clock, { capacity, longestDelay }: DelayQueueLimits, release: (item: T) => void) {
    this.#clock = clock
    this.#capacity = capacity
    this.#longestDelay = longestDelay
    this.#release = release
  }

  get length(): number {
    return this.#heap.length
  }

  /**
   * False where there is no room for so long a delay: the item was not taken. Above half of the capacity the longest delay taken
   * shrinks, to nothing when full: who asks for many long delays fills the queue for himself, not for honest short ones.
   */
  hold(item: T, delay: Millis): boolean {
    const free = 1 - this.#heap.length / this.#capacity
    if (free <= 0 || (free < 0.5 && delay > 2 * free * this.#longestDelay)) return false
    const releaseAt = this.#clock.monotonic() + delay
    this.#push({ releaseAt, sequence: this.#sequence++, item })
    if (releaseAt < this.#timerAt) this.#arm()
    return true
  }

  /** Empties the queue without releasing; what was held is lost. */
  clear(): void {
    this.#timer?.cancel()
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#heap.length = 0
  }

  #arm(): void {
    this.#timer?.cancel()
    const first = this.#heap[0]
    if (first === undefined) {
      this.#timerAt = Number.POSITIVE_INFINITY
      return
    }
    this.#timerAt = first.releaseAt
    this.#timer = this.#clock.after(Math.max(0, first.releaseAt - this.#clock.monotonic()) as Millis, () => this.#due())
  }

  #due(): void {
    // A timer that rounds may fire up to half a millisecond early. What it was set for is due all the same: waiting for the
    // rest of it would be spinning, since no timer is that short.
    const until = Math.max(this.#clock.monotonic(), this.#timerAt)
    this.#timerAt = Number.POSITIVE_INFINITY
    let first = this.#heap[0]
    while (first !== undefined && first.releaseAt <= until) {
      this.#pop()
      this.#release(first.item)
      first = this.#heap[0]
    }
    this.#arm()
  }

  #push(held: Held<T>): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(held)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent] as Held<T>
      if (!earlier(held, above)) break
      heap[index] = above
      index = parent
    }
    heap[index] = held
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && earlier(heap[child + 1] as Held<T>, heap[child] as Held<T>)) child++
      const below = heap[child] as Held<T>
      if (!earlier(below, last)) break
      heap[index] = below
      index = child
    }
    heap[index] = last
  }
}

function earlier<T>(a: Held<T>, b: Held<T>): boolean {
  return a.releaseAt < b.releaseAt || (a.releaseAt === b.releaseAt && a.sequence < b.sequence)
}
