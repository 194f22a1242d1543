/**
 * Bytes that come in pieces, in one array. A list of the pieces costs some hundred bytes a piece, and each keeps the block alive
 * that it was read into: a server that answers one byte at a time could make a bounded body cost a hundred times its bound. @module
 */

const FIRST_CAPACITY = 4096

export class GrowingBytes {
  readonly #limit: number
  #bytes = new Uint8Array(0)
  #length = 0

  /** `limit`: never holds more, nor has room for more. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Bytes of memory: at most twice what was pushed, or the first step. */
  get capacity(): number {
    return this.#bytes.length
  }

  /** Copies `piece`. False, and nothing is taken, where it would pass the limit. */
  push(piece: Uint8Array): boolean {
    const needed = this.#length + piece.length
    if (needed > this.#limit) return false
    if (needed > this.#bytes.length) this.#grow(needed)
    this.#bytes.set(piece, this.#length)
    this.#length = needed
    return true
  }

  /** All of it, in an array of its own size: what is kept of an answer does not keep the spare room. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  #grow(needed: number): void {
    const capacity = Math.min(this.#limit, Math.max(needed, 2 * this.#bytes.length, FIRST_CAPACITY))
    const grown = new Uint8Array(capacity)
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}
