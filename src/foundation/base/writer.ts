/** The twin of Reader: appends fields, big-endian, and hands out one array. @module */

const INITIAL_BYTES = 128

export class Writer {
  #buffer: Uint8Array
  #view: DataView
  #length = 0

  /** `capacity` in bytes: exact where the caller knows it, so that nothing is copied twice. */
  constructor(capacity: number = INITIAL_BYTES) {
    this.#buffer = new Uint8Array(capacity)
    this.#view = new DataView(this.#buffer.buffer)
  }

  u8(value: number): this {
    const at = this.#advance(1)
    this.#view.setUint8(at, value)
    return this
  }

  u16(value: number): this {
    const at = this.#advance(2)
    this.#view.setUint16(at, value)
    return this
  }

  u32(value: number): this {
    const at = this.#advance(4)
    this.#view.setUint32(at, value)
    return this
  }

  i32(value: number): this {
    const at = this.#advance(4)
    this.#view.setInt32(at, value)
    return this
  }

  u64(value: bigint): this {
    const at = this.#advance(8)
    this.#view.setBigUint64(at, value)
    return this
  }

  bytes(value: Uint8Array): this {
    const start = this.#advance(value.length)
    this.#buffer.set(value, start)
    return this
  }

  zeros(count: number): this {
    this.#advance(count)
    return this
  }

  /** The bytes written so far: a view; the writer must not be used afterwards. */
  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  #advance(count: number): number {
    const start = this.#length
    const end = start + count
    if (end > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(end, this.#buffer.length * 2))
      grown.set(this.#buffer.subarray(0, start))
      this.#buffer = grown
      this.#view = new DataView(grown.buffer)
    }
    this.#length = end
    return start
  }
}
