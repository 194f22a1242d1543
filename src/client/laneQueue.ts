/**
 * Packets waiting to be sent, grouped by lane so that one busy connection does not starve the others. The choice of the next
 * lane is random, preferring short lanes and then old ones (docs/spec/packet.md, "Sending"). Bounded: producers wait. @module
 */
import { MixnetError } from '../foundation/base/errors.ts'
import { below, pick, type RandomStream } from '../foundation/platform/random.ts'

/** A name, never on the wire: 'general', 'surbs', 'retransmission', or one per connection. */
export type Lane = string

const SHORT_LANE = 100
const OLD_LANES = 4

interface Queue<T> {
  readonly lane: Lane
  // `shift` costs 0.05 µs up to some 10,000 items and 10 µs at 65,000: nothing beside making a packet.
  readonly items: T[]
  /** Since it last was empty. */
  sent: number
}

interface Waiter {
  readonly lane: Lane
  readonly packets: number
  resolve(): void
  reject(error: MixnetError): void
}

export class LaneQueue<T> {
  readonly #random: RandomStream
  readonly #capacity: number
  /** Only lanes with items, in no particular order. */
  readonly #queues: Queue<T>[] = []
  readonly #byLane = new Map<Lane, Queue<T>>()
  readonly #waiters = new Set<Waiter>()
  #total = 0
  #closed = false

  constructor(random: RandomStream, capacity: number) {
    this.#random = random
    this.#capacity = capacity
  }

  get total(): number {
    return this.#total
  }

  length(lane: Lane): number {
    return this.#byLane.get(lane)?.items.length ?? 0
  }

  /** Takes the item even above the bounds: who produces asks `isBelow` before. */
  push(lane: Lane, item: T): void {
    if (this.#closed) return
    let queue = this.#byLane.get(lane)
    if (queue === undefined) {
      queue = { lane, items: [], sent: 0 }
      this.#byLane.set(lane, queue)
      this.#queues.push(queue)
    }
    queue.items.push(item)
    this.#total++
  }

  /** The next item to send, or undefined where nothing waits; of lane `first`, where that holds any. */
  pop(first?: Lane): T | undefined {
    const queue = (first !== undefined && this.#byLane.get(first)) || this.#choose()
    if (queue === undefined) return undefined
    const item = queue.items.shift()
    queue.sent++
    if (queue.items.length === 0) this.#remove(queue)
    this.#shrink(queue.lane, 1)
    return item
  }

  /** Drops what waits in a lane, and returns it. */
  clear(lane: Lane): readonly T[] {
    const queue = this.#byLane.get(lane)
    if (queue === undefined) return []
    this.#remove(queue)
    this.#shrink(lane, queue.items.length)
    return queue.items
  }

  /** Drops everything; whoever waits, or comes to wait later, gets STOPPED. */
  close(): void {
    this.#closed = true
    this.#queues.length = 0
    this.#byLane.clear()
    this.#total = 0
    for (const waiter of this.#waiters) waiter.reject(new MixnetError('STOPPED'))
  }

  /** Whether the lane holds at most `packets` and the whole queue has room. */
  isBelow(lane: Lane, packets: number): boolean {
    return this.length(lane) <= packets && this.#total < this.#capacity
  }

  /**
   * Resolves once it was below. All who waited for the same room are woken: look at `isBelow` again before using it. Throws
   * ABORTED, STOPPED.
   */
  async whenBelow(lane: Lane, packets: number, signal?: AbortSignal): Promise<void> {
    if (this.#closed) throw new MixnetError('STOPPED')
    if (signal?.aborted) throw new MixnetError('ABORTED')
    if (this.isBelow(lane, packets)) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter = { lane, packets, resolve, reject }
    const abort = () => reject(new MixnetError('ABORTED'))
    this.#waiters.add(waiter)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      await promise
    } finally {
      this.#waiters.delete(waiter)
      signal?.removeEventListener('abort', abort)
    }
  }

  #remove(queue: Queue<T>): void {
    this.#byLane.delete(queue.lane)
    const last = this.#queues.pop()
    if (last !== undefined && last !== queue) this.#queues[this.#queues.indexOf(queue)] = last
  }

  #shrink(lane: Lane, items: number): void {
    const wasFull = this.#total >= this.#capacity
    this.#total -= items
    for (const waiter of this.#waiters) {
      // The queue of all lanes matters to everybody, a lane to those who wait for it.
      if (waiter.lane !== lane && !wasFull) continue
      if (this.isBelow(waiter.lane, waiter.packets)) waiter.resolve()
    }
  }

  #choose(): Queue<T> | undefined {
    const queues = this.#queues
    if (queues.length <= 1) return queues[0]
    // Once per packet, so it allocates nothing: 0.3 µs with ten lanes, 8 µs with a thousand.
    let short = 0
    for (const { items } of queues) if (items.length < SHORT_LANE) short++
    if (short === 0) return this.#chooseLong()
    let skip = below(this.#random, short)
    return queues.find(({ items }) => items.length < SHORT_LANE && skip-- === 0)
  }

  #chooseLong(): Queue<T> | undefined {
    if (this.#random.uniform() >= 2 / 3) return pick(this.#random, this.#queues)
    const old = this.#queues.toSorted((a, b) => b.sent - a.sent).slice(0, OLD_LANES)
    return pick(this.#random, old)
  }
}
