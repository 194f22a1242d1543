/**
 * Puts the messages of one direction of a stream back in order: the mixnet reorders by design. Bounded by the distance a message
 * may be ahead and by bytes. Rules: docs/spec/exit.md, ordered streams. @module
 */

export type OrderedResult =
  /** Kept for later, or a duplicate: nothing to deliver. */
  | { readonly kind: 'nothing' }
  /** In order; `closed` where the stream ends after these bytes. */
  | { readonly kind: 'deliver'; readonly data: readonly Uint8Array[]; readonly closed: boolean }
  /** Too far ahead, or more than may be held: the stream cannot go on. */
  | { readonly kind: 'overflow' }

interface Message {
  readonly data: Uint8Array
  readonly closed: boolean
}

const NOTHING: OrderedResult = { kind: 'nothing' }

export class OrderedBuffer {
  readonly #maxAhead: number
  readonly #maxBytes: number
  readonly #ahead = new Map<bigint, Message>()
  #next = 0n
  #bytes = 0
  #closed = false

  /** `maxAhead` in messages (Nym: 1,000), `maxBytes` over all that is held. */
  constructor(limits: { readonly maxAhead: number; readonly maxBytes: number }) {
    this.#maxAhead = limits.maxAhead
    this.#maxBytes = limits.maxBytes
  }

  /** Bytes held out of order. */
  get heldBytes(): number {
    return this.#bytes
  }

  /** Whether something came whose predecessor did not. */
  get hasGap(): boolean {
    return this.#ahead.size > 0
  }

  /** Keeps `data`; the caller must not change it. */
  push(sequence: bigint, data: Uint8Array, closed: boolean): OrderedResult {
    if (this.#closed || sequence < this.#next || this.#ahead.has(sequence)) return NOTHING
    // The message everything waits for is not held, so it fits whatever is.
    if (sequence !== this.#next) {
      const tooFar = sequence > this.#next + BigInt(this.#maxAhead)
      if (tooFar || this.#bytes + data.length > this.#maxBytes) return { kind: 'overflow' }
    }
    this.#ahead.set(sequence, { data, closed })
    this.#bytes += data.length
    if (sequence !== this.#next) return NOTHING
    return this.#deliver()
  }

  #deliver(): OrderedResult {
    const data: Uint8Array[] = []
    for (let message = this.#ahead.get(this.#next); message !== undefined; message = this.#ahead.get(this.#next)) {
      this.#ahead.delete(this.#next)
      this.#next++
      this.#bytes -= message.data.length
      if (message.data.length > 0) data.push(message.data)
      if (message.closed) {
        this.#closed = true
        this.#ahead.clear()
        this.#bytes = 0
        break
      }
    }
    return { kind: 'deliver', data, closed: this.#closed }
  }
}
