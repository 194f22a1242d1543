/**
 * The binary form B as far as re-framing needs it: every point and scalar is a byte string with its length in one byte before it, every
 * list has its length before it, which is small. docs/spec/credentials.md, 8.4. @module
 */
import { malformed } from '../../../foundation/base/errors.ts'
import { Reader } from '../../../foundation/base/reader.ts'
import { Writer } from '../../../foundation/base/writer.ts'

export class FramedReader {
  readonly #reader: Reader
  readonly #maxItems: number

  /** No list of more than `maxItems`, which is below 251. */
  constructor(bytes: Uint8Array, what: string, maxItems: number) {
    this.#reader = new Reader(bytes, what)
    this.#maxItems = maxItems
  }

  small(field: string): number {
    return this.#reader.u8(field, { max: this.#maxItems })
  }

  u8(field: string): number {
    return this.#reader.u8(field)
  }

  one(length: number, field: string): Uint8Array {
    this.#reader.u8(field, { min: length, max: length })
    return this.#reader.bytes(length, field)
  }

  list<T>(field: string, read: () => T): T[] {
    return Array.from({ length: this.small(field) }, read)
  }

  expectEnd(): void {
    this.#reader.expectEnd()
  }
}

export class FramedWriter {
  readonly #writer: Writer = new Writer()
  readonly #what: string
  readonly #maxItems: number

  constructor(what: string, maxItems: number) {
    this.#what = what
    this.#maxItems = maxItems
  }

  u8(value: number): this {
    this.#writer.u8(value)
    return this
  }

  one(...parts: readonly Uint8Array[]): this {
    for (const part of parts) this.#writer.u8(part.length).bytes(part)
    return this
  }

  /** Items of one or more parts. */
  list(items: readonly (readonly Uint8Array[])[]): this {
    if (items.length > this.#maxItems) throw malformed(this.#what, `a list of more than ${this.#maxItems}`)
    this.#writer.u8(items.length)
    for (const item of items) this.one(...item)
    return this
  }

  finish(): Uint8Array {
    return this.#writer.finish()
  }
}
