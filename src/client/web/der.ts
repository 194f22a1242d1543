/** Distinguished Encoding Rules (X.690), as far as certificates and signatures need them: short tags, definite lengths. @module */
import { malformed } from '../../foundation/base/errors.ts'

export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const

export interface DerItem {
  readonly tag: number
  readonly content: Uint8Array
  /** With tag and length. */
  readonly whole: Uint8Array
}

/** Items one behind the other. Results are views. Every method throws MALFORMED for what is not there. */
export class DerReader {
  readonly #bytes: Uint8Array
  readonly #what: string
  #at = 0

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes
    this.#what = what
  }

  get isDone(): boolean {
    return this.#at === this.#bytes.length
  }

  next(): DerItem {
    const start = this.#at
    const tag = this.#byte()
    if ((tag & 0x1f) === 0x1f) throw malformed(this.#what, 'long tag')
    const length = this.#length()
    const content = this.#bytes.subarray(this.#at, this.#at + length)
    if (content.length !== length) throw malformed(this.#what, 'cut off')
    this.#at += length
    return { tag, content, whole: this.#bytes.subarray(start, this.#at) }
  }

  take(tag: number, field: string): DerItem {
    const item = this.next()
    if (item.tag !== tag) throw malformed(this.#what, field)
    return item
  }

  /** The next item, where it is of this tag. */
  takeIf(tag: number): DerItem | undefined {
    return this.#bytes[this.#at] === tag ? this.next() : undefined
  }

  inside(tag: number, field: string): DerReader {
    return new DerReader(this.take(tag, field).content, this.#what)
  }

  expectEnd(): void {
    if (!this.isDone) throw malformed(this.#what, 'more than it should hold')
  }

  #length(): number {
    const first = this.#byte()
    if (first < 0x80) return first
    const octets = first & 0x7f
    if (octets === 0 || octets > 3) throw malformed(this.#what, 'length')
    let length = 0
    for (let i = 0; i < octets; i++) length = (length << 8) | this.#byte()
    // Two ways to write one length are two certificates with one meaning.
    if (length < 0x80 || length < 1 << (8 * (octets - 1))) throw malformed(this.#what, 'length')
    return length
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw malformed(this.#what, 'cut off')
    return byte
  }
}

/** Bits without unused ones, as keys and signatures are. Throws MALFORMED. */
export function wholeBits({ content }: DerItem, what: string): Uint8Array {
  if (content[0] !== 0) throw malformed(what, 'bits')
  return content.subarray(1)
}
