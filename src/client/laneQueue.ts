/**
 * Packets waiting to be sent, grouped by lane so that one busy connection does not starve the others. The choice of the next
 * lane is random, preferring short lanes and then old ones (docs/spec/packet.md, lanes). Bounded: producers wait. @module
 */
import { MixnetError } from '../foundation/base/errors.ts'
import { below, type RandomStream } from '../foundation/platform/random.ts'

/** A name, never on the wire: 'general', 'surbs', 'retransmission', or one per connection. */
export type Lane = string

const SHORT_LANE = 100
const OLD_LANES = 4

interface Queue<T> {
  readonly items: T[]
  sent: number
}

interface Waiter {
  readonly lane: Lane
  readonly packets: number
  resolve(): void
}

export class LaneQueue<T> {
  readonly #random: RandomStream
  readonly #capacity: number
  readonly #lanes = new Map<Lane, Queue<T>>()
  readonly #waiters = new Set<Waiter>()
  #total = 0

  constructor(random: RandomStream, capacity: number) {
    this.#random = random
    this.#capacity = capacity
  }

  get total(): number {
    return this.#total
  }

  length(lane: Lane): number {
    return this.#lanes.get(lane)?.items.length ?? 0
  }

  push(lane: Lane, item: T): void {
    let queue = this.#lanes.get(lane)
    if (queue === undefined) {
      queue = { items: [], sent: 0 }
      this.#lanes.set(lane, queue)
    }
    queue.items.push(item)
    this.#total++
  }

  /** The next item to send, or undefined where nothing waits. */
  pop(): T | undefined {
    const chosen = this.#choose()
    if (chosen === undefined) return undefined
    const [lane, queue] = chosen
    const item = queue.items.shift() as T
    queue.sent++
    this.#total--
    if (queue.items.length === 0) this.#lanes.delete(lane)
    this.#wake()
    return item
  }

  /** Drops what waits in a lane, and returns it. */
  clear(lane: Lane): readonly T[] {
    const queue = this.#lanes.get(lane)
    if (queue === undefined) return []
    this.#lanes.delete(lane)
    this.#total -= queue.items.length
    this.#wake()
    return queue.items
  }

  /** Resolves once the lane holds at most `packets` and the whole queue has room. Throws ABORTED. */
  async whenBelow(lane: Lane, packets: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) throw new MixnetError('ABORTED')
    if (this.#isBelow(lane, packets)) return
    await new Promise<void>((resolve, reject) => {
      const abort = () => {
        this.#waiters.delete(waiter)
        reject(new MixnetError('ABORTED'))
      }
      const waiter: Waiter = {
        lane,
        packets,
        resolve: () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        },
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#waiters.add(waiter)
    })
  }

  #isBelow(lane: Lane, packets: number): boolean {
    return this.length(lane) <= packets && this.#total < this.#capacity
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (!this.#isBelow(waiter.lane, waiter.packets)) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }

  #choose(): readonly [Lane, Queue<T>] | undefined {
    if (this.#total === 0) return undefined
    const lanes = [...this.#lanes]
    if (lanes.length === 1) return lanes[0]
    const short = lanes.filter(([, queue]) => queue.items.length < SHORT_LANE)
    if (short.length > 0) return short[below(this.#random, short.length)]
    if (this.#random.uniform() < 2 / 3) {
      const old = lanes.sort(([, a], [, b]) => b.sent - a.sent).slice(0, OLD_LANES)
      return old[below(this.#random, old.length)]
    }
    return lanes[below(this.#random, lanes.length)]
  }
}
