/** A cursor over bytes that checks every read. All integers are big-endian. A refusal names the structure and the field. @module */
import { malformed } from './errors.ts'

export interface Bounds {
  readonly min?: number
  readonly max?: number
}

export class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #what: string
  #offset = 0

  /** `what` names the structure being decoded, for refusals. The reader's results are views into `bytes` unless said otherwise. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#what = what
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  get offset(): number {
    return this.#offset
  }

  u8(field: string, bounds?: Bounds): number {
    return this.#bounded(this.#view.getUint8(this.#advance(1, field)), field, bounds)
  }

  u16(field: string, bounds?: Bounds): number {
    return this.#bounded(this.#view.getUint16(this.#advance(2, field)), field, bounds)
  }

  u32(field: string, bounds?: Bounds): number {
    return this.#bounded(this.#view.getUint32(this.#advance(4, field)), field, bounds)
  }

  i32(field: string): number {
    return this.#view.getInt32(this.#advance(4, field))
  }

  u64(field: string): bigint {
    return this.#view.getBigUint64(this.#advance(8, field))
  }

  /** A view of the next `length` bytes. */
  bytes(length: number, field: string): Uint8Array {
    const start = this.#advance(length, field)
    return this.#bytes.subarray(start, start + length)
  }

  /** A view of everything that is left; may be empty. */
  rest(): Uint8Array {
    const start = this.#offset
    this.#offset = this.#bytes.length
    return this.#bytes.subarray(start)
  }

  expectEnd(): void {
    if (this.remaining !== 0) throw malformed(this.#what, `${this.remaining} trailing bytes`)
  }

  refuse(field: string, why: string): never {
    throw malformed(this.#what, `${field}: ${why}`)
  }

  #advance(length: number, field: string): number {
    const start = this.#offset
    if (length < 0 || start + length > this.#bytes.length)
      this.refuse(field, `needs ${length} bytes, ${this.remaining} left`)
    this.#offset = start + length
    return start
  }

  #bounded(value: number, field: string, bounds: Bounds | undefined): number {
    if (bounds?.min !== undefined && value < bounds.min) this.refuse(field, `${value} is below ${bounds.min}`)
    if (bounds?.max !== undefined && value > bounds.max) this.refuse(field, `${value} is above ${bounds.max}`)
    return value
  }
}
