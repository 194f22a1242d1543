/**
 * JSON as the official peers read it, which is not as JSON.parse does: a known field given twice is refused, integers may not
 * be written 5.0 or 5e0, escapes must form whole characters, nesting ends at 127. Specified in docs/spec/gateway.md. @module
 */
import { malformed } from '../../../foundation/base/errors.ts'
import type { Bounds } from '../../../foundation/base/reader.ts'

/** A number that is not an integer of 64 bits: legal JSON, but no field of these protocols is one. */
export const OTHER_NUMBER: unique symbol = Symbol('number')

/** A `bigint` is an integer that no double holds exactly; every other one is a `number`. */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | typeof OTHER_NUMBER
  | readonly JsonValue[]
  | JsonFields

const MAX_DEPTH = 127
// So many digits always fit a double exactly, whatever they are.
const SAFE_DIGITS = 15
// More are never of 64 bits, and a number of a million digits costs what its digits cost squared.
const MAX_DIGITS = 20
const U64_MAX = 0xffff_ffff_ffff_ffffn
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y

/** Parses a whole text that must be one object. `what` names the structure in refusals. */
export function parseJsonObject(text: string, what: string): JsonFields {
  const value = new Scanner(text, what).whole()
  if (value instanceof JsonFields) return value
  throw malformed(what, 'not an object')
}

/** Parses a whole text that may be any value. */
export function parseJson(text: string, what: string): JsonValue {
  return new Scanner(text, what).whole()
}

/** `[1,2,255]`: how the official peers write bytes. */
export const jsonBytes = (bytes: Uint8Array): string => `[${bytes.join(',')}]`

/** An object's fields, read by name and type. Fields nobody asks for are ignored, so repeating them harms nobody. */
export class JsonFields {
  readonly #what: string
  readonly #values: ReadonlyMap<string, JsonValue>
  readonly #repeated: ReadonlySet<string>

  constructor(what: string, values: ReadonlyMap<string, JsonValue>, repeated: ReadonlySet<string>) {
    this.#what = what
    this.#values = values
    this.#repeated = repeated
  }

  has(field: string): boolean {
    return this.#values.has(field)
  }

  value(field: string): JsonValue {
    const value = this.#values.get(field)
    if (this.#repeated.has(field)) this.refuse(field, 'given twice')
    if (value === undefined) this.refuse(field, 'missing')
    return value
  }

  text(field: string): string {
    const value = this.value(field)
    return typeof value === 'string' ? value : this.refuse(field, 'not a string')
  }

  /** With `absent`, that is the value of a field that is not there; null is refused either way. */
  boolean(field: string, absent?: boolean): boolean {
    if (absent !== undefined && !this.has(field)) return absent
    const value = this.value(field)
    return typeof value === 'boolean' ? value : this.refuse(field, 'not true or false')
  }

  u8(field: string, absent?: number): number {
    if (absent !== undefined && !this.has(field)) return absent
    return this.integer(field, { min: 0, max: 255 })
  }

  /** Within ±2⁵³: beyond that no balance and no clock of this protocol can be honest. */
  integer(field: string, bounds: Bounds = {}): number {
    const value = this.value(field)
    if (typeof value !== 'number') this.refuse(field, 'not an integer')
    if (bounds.min !== undefined && value < bounds.min) this.refuse(field, `below ${bounds.min}`)
    if (bounds.max !== undefined && value > bounds.max) this.refuse(field, `above ${bounds.max}`)
    return value
  }

  /** Ids of programs, which use all 64 bits. */
  u64(field: string): bigint {
    const value = this.value(field)
    if (typeof value === 'bigint') return value
    return BigInt(this.integer(field, { min: 0 }))
  }

  /** An array of numbers 0–255; with `length`, exactly so many. */
  bytes(field: string, length?: number): Uint8Array {
    const value = this.value(field)
    if (!Array.isArray(value)) this.refuse(field, 'not an array of bytes')
    const items = value as readonly JsonValue[]
    if (length !== undefined && items.length !== length)
      this.refuse(field, `${items.length} bytes instead of ${length}`)
    const bytes = new Uint8Array(items.length)
    for (let i = 0; i < items.length; i++) {
      const item = items[i]
      if (typeof item !== 'number' || item < 0 || item > 255) this.refuse(field, `item ${i} is not a byte`)
      bytes[i] = item
    }
    return bytes
  }

  object(field: string): JsonFields {
    const value = this.value(field)
    return value instanceof JsonFields ? value : this.refuse(field, 'not an object')
  }

  /** The name of the only field: how an externally tagged choice is written. */
  onlyField(): string {
    const [name, ...others] = this.#values.keys()
    if (name === undefined || others.length > 0 || this.#repeated.size > 0)
      throw malformed(this.#what, 'not exactly one choice')
    return name
  }

  refuse(field: string, why: string): never {
    throw malformed(this.#what, `${field}: ${why}`)
  }
}

class Scanner {
  readonly #text: string
  readonly #what: string
  #at = 0

  constructor(text: string, what: string) {
    this.#text = text
    this.#what = what
  }

  whole(): JsonValue {
    const value = this.#value(0)
    this.#skipSpace()
    if (this.#at !== this.#text.length) throw malformed(this.#what, 'trailing characters')
    return value
  }

  #value(depth: number): JsonValue {
    this.#skipSpace()
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(this.#deeper(depth))
      case '[':
        return this.#array(this.#deeper(depth))
      case '"':
        return this.#string()
      case 't':
        return this.#word('true', true)
      case 'f':
        return this.#word('false', false)
      case 'n':
        return this.#word('null', null)
      default:
        return this.#number()
    }
  }

  #deeper(depth: number): number {
    if (depth === MAX_DEPTH) throw malformed(this.#what, 'nested too deeply')
    return depth + 1
  }

  #object(depth: number): JsonFields {
    const values = new Map<string, JsonValue>()
    const repeated = new Set<string>()
    this.#at++
    if (!this.#taken('}')) {
      do {
        this.#skipSpace()
        if (this.#text[this.#at] !== '"') this.#fail()
        const name = this.#string()
        this.#expect(':')
        if (values.has(name)) repeated.add(name)
        values.set(name, this.#value(depth))
      } while (this.#taken(','))
      this.#expect('}')
    }
    return new JsonFields(this.#what, values, repeated)
  }

  #array(depth: number): JsonValue[] {
    const items: JsonValue[] = []
    this.#at++
    if (!this.#taken(']')) {
      do items.push(this.#value(depth))
      while (this.#taken(','))
      this.#expect(']')
    }
    return items
  }

  #string(): string {
    const start = this.#at
    let end = start + 1
    while (this.#text[end] !== '"') {
      if (end >= this.#text.length) this.#fail()
      end += this.#text[end] === '\\' ? 2 : 1
    }
    this.#at = end + 1
    let value: unknown
    try {
      value = JSON.parse(this.#text.slice(start, this.#at))
    } catch {
      this.#fail()
    }
    // Half a surrogate pair is no character: it could not come back as the UTF-8 it was signed or compared in.
    if (typeof value !== 'string' || !value.isWellFormed()) this.#fail()
    return value
  }

  #number(): number | bigint | typeof OTHER_NUMBER {
    NUMBER.lastIndex = this.#at
    const found = NUMBER.exec(this.#text)?.[0]
    if (found === undefined) this.#fail()
    this.#at += found.length
    const value = Number(found)
    if (!Number.isFinite(value)) this.#fail()
    if (found.length <= SAFE_DIGITS && /^[0-9]+$/.test(found)) return value
    // "-0" is a float to the official parser, and so to us.
    if (!/^-?[0-9]+$/.test(found) || found === '-0') return OTHER_NUMBER
    if (Number.isSafeInteger(value)) return value
    if (value < 0 || found.length > MAX_DIGITS) return OTHER_NUMBER
    const large = BigInt(found)
    return large > U64_MAX ? OTHER_NUMBER : large
  }

  #word<T extends JsonValue>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail()
    this.#at += word.length
    return value
  }

  #taken(character: string): boolean {
    this.#skipSpace()
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #expect(character: string): void {
    if (!this.#taken(character)) this.#fail()
  }

  #skipSpace(): void {
    for (;;) {
      const character = this.#text[this.#at]
      if (character !== ' ' && character !== '\n' && character !== '\r' && character !== '\t') return
      this.#at++
    }
  }

  #fail(): never {
    throw malformed(this.#what, this.#at >= this.#text.length ? 'ends too early' : 'not JSON')
  }
}
