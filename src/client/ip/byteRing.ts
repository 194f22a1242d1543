/**
 * Bytes in order of which any part can be read before they are forgotten. They are copied into one block: kept as the pieces in which they came, a
 * byte each cost 200 of memory, and finding a place among them took as long as there were pieces. @module
 */
const LEAST_BYTES = 4096

export class ByteRing {
  #block = new Uint8Array(0)
  #head = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Of memory: at most a quarter more than was ever in it since it was empty, or 4 KiB. */
  get heldBytes(): number {
    return this.#block.length
  }

  push(bytes: Uint8Array): void {
    this.#reserve(this.#length + bytes.length)
    const at = (this.#head + this.#length) % this.#block.length || 0
    const first = bytes.subarray(0, this.#block.length - at)
    this.#block.set(first, at)
    this.#block.set(bytes.subarray(first.length), 0)
    this.#length += bytes.length
  }

  /** A copy of `length` bytes from `start` on; both within what is there. */
  slice(start: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    if (length === 0) return bytes
    const at = (this.#head + start) % this.#block.length
    const first = this.#block.subarray(at, at + length)
    bytes.set(first)
    bytes.set(this.#block.subarray(0, length - first.length), first.length)
    return bytes
  }

  /** The first `count`, of those that are there. */
  forget(count: number): void {
    this.#length -= count
    if (this.#length === 0) return this.clear()
    this.#head = (this.#head + count) % this.#block.length
  }

  clear(): void {
    this.#head = this.#length = 0
    // An idle connection shall not keep what a busy one needed.
    if (this.#block.length > LEAST_BYTES) this.#block = new Uint8Array(0)
  }

  #reserve(length: number): void {
    if (length <= this.#block.length) return
    const grown = new Uint8Array(Math.max(LEAST_BYTES, length, Math.ceil(this.#block.length * 1.25)))
    grown.set(this.slice(0, this.#length))
    this.#block = grown
    this.#head = 0
  }
}
