/** Bytes in order, put in and taken out in whatever pieces come. @module */
import { concat, EMPTY_BYTES } from '../../foundation/base/bytes.ts'

export class ByteQueue {
  #chunks: Uint8Array[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Keeps `chunk` itself. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  /** The next bytes, at most `max`; a view where one chunk has them all. */
  take(max: number): Uint8Array {
    const taken: Uint8Array[] = []
    let room = max
    while (room > 0) {
      const chunk = this.#chunks[0]
      if (chunk === undefined) break
      const piece = chunk.subarray(0, room)
      if (piece.length === chunk.length) this.#chunks.shift()
      else this.#chunks[0] = chunk.subarray(piece.length)
      taken.push(piece)
      room -= piece.length
    }
    this.#length -= max - room
    return taken.length === 1 ? (taken[0] as Uint8Array) : taken.length === 0 ? EMPTY_BYTES : concat(...taken)
  }

  clear(): void {
    this.#chunks = []
    this.#length = 0
  }
}

/**
 * `view` itself, or a copy where its buffer is much larger: a byte kept from a message full of reply SURBs would otherwise
 * keep a hundred kilobytes, and be counted as one.
 */
export function compact(view: Uint8Array): Uint8Array {
  return view.buffer.byteLength > 2 * view.length + 64 ? view.slice() : view
}
