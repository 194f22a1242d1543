/**
 * Typed readers of untrusted JSON: a cursor on a parsed document that checks every step, as Reader does for bytes. A refusal
 * names the document and the path, never a value. Official peers ignore unknown fields and write absent options as null or
 * leave them out; so do these. @module
 */
import { fromBase58 } from '../../../foundation/base/base58.ts'
import { malformed } from '../../../foundation/base/errors.ts'
import { formatIp, parseIp } from '../../../foundation/base/ipAddress.ts'
import { type Millis, millis } from '../../../foundation/base/units.ts'
import { parseLooseInstant, parseRfc3339 } from '../timestamp.ts'

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [name: string]: JsonValue
}

/** A listing of ten thousand described nodes is about half of it. */
const MAX_JSON_CHARACTERS = 32 * 1024 * 1024
const MAX_STRING = 1024
const U16_MAX = 0xffff
const U32_MAX = 0xffff_ffff
const DECIMAL = /^[0-9]{1,20}(?:\.[0-9]{1,18})?$/

/** Parses a whole document, `what` naming it in refusals. */
export function parseJson(text: string, what: string, maxCharacters: number = MAX_JSON_CHARACTERS): Json {
  if (text.length > maxCharacters) throw malformed(what, 'too long')
  try {
    return new Json(JSON.parse(text), what, '')
  } catch {
    // The parser's own words quote the input.
    throw malformed(what, 'not JSON')
  }
}

export class Json {
  readonly #value: unknown
  readonly #what: string
  readonly #path: string

  constructor(value: unknown, what: string, path: string) {
    this.#value = value
    this.#what = what
    this.#path = path
  }

  /** Whether there is a value other than null. */
  get present(): boolean {
    return this.#value !== undefined && this.#value !== null
  }

  get isString(): boolean {
    return typeof this.#value === 'string'
  }

  /** The field of that name, or the first of its older names that is there. */
  field(name: string, ...aliases: readonly string[]): Json {
    const value = this.#value
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.refuse('not an object')
    const fields = value as Readonly<Record<string, unknown>>
    const found = [name, ...aliases].find((one) => Object.hasOwn(fields, one))
    return new Json(found === undefined ? undefined : fields[found], this.#what, `${this.#path}.${name}`)
  }

  /** undefined where the value is absent or null. */
  optional<T>(read: (json: Json) => T): T | undefined {
    return this.present ? read(this) : undefined
  }

  array<T>(max: number, read: (item: Json) => T): T[] {
    if (!Array.isArray(this.#value)) this.refuse('not an array')
    const items = this.#value as readonly unknown[]
    if (items.length > max) this.refuse(`more than ${max} items`)
    return items.map((item, i) => read(new Json(item, this.#what, `${this.#path}[${i}]`)))
  }

  /** An object used as a map. */
  entries<T>(max: number, read: (item: Json) => T): [string, T][] {
    const value = this.#value
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.refuse('not an object')
    const entries = Object.entries(value as Readonly<Record<string, unknown>>)
    if (entries.length > max) this.refuse(`more than ${max} entries`)
    return entries.map(([key, item], i) => [key, read(new Json(item, this.#what, `${this.#path}[${i}]`))])
  }

  string(maxCharacters: number = MAX_STRING): string {
    if (typeof this.#value !== 'string') this.refuse('not a string')
    const text = this.#value as string
    if (text.length > maxCharacters) this.refuse(`more than ${maxCharacters} characters`)
    return text
  }

  oneOf<const T extends string>(known: readonly T[]): T {
    const text = this.string()
    return known.find((one) => one === text) ?? this.refuse('not a known value')
  }

  boolean(): boolean {
    if (typeof this.#value !== 'boolean') this.refuse('not a boolean')
    return this.#value as boolean
  }

  integer({ min = 0, max = Number.MAX_SAFE_INTEGER }: { readonly min?: number; readonly max?: number } = {}): number {
    if (!Number.isSafeInteger(this.#value)) this.refuse('not an integer')
    const value = this.#value as number
    if (value < min || value > max) this.refuse(`not in ${min} to ${max}`)
    return value
  }

  u16(): number {
    return this.integer({ max: U16_MAX })
  }

  u32(): number {
    return this.integer({ max: U32_MAX })
  }

  /** A decimal number written as a string, in [0, 1]. */
  fraction(): number {
    const text = this.string()
    const value = Number(text)
    if (!DECIMAL.test(text) || value > 1) this.refuse('not a decimal in 0 to 1')
    return value
  }

  base58(length: number): Uint8Array {
    return fromBase58(this.string(), `${this.#what}${this.#path}`, length)
  }

  /** An IP address, in canonical form. */
  ip(): string {
    const bytes = parseIp(this.string())
    return bytes === undefined ? this.refuse('not an IP address') : formatIp(bytes)
  }

  instant(): Millis {
    return parseRfc3339(this.string()) ?? this.refuse('not RFC 3339')
  }

  /** For the fields where official readers take any text and fall back to 1970. */
  looseInstant(): Millis {
    return parseLooseInstant(this.string()) ?? millis(0)
  }

  /** `{secs, nanos}`. */
  duration(): Millis {
    const nanoseconds = this.field('nanos').integer({ max: 999_999_999 })
    return millis(this.field('secs').integer({ max: U32_MAX }) * 1000 + nanoseconds / 1e6)
  }

  refuse(why: string): never {
    throw malformed(this.#what, `${this.#path === '' ? 'document' : this.#path}: ${why}`)
  }
}

/** The twin of Json.duration. */
export function encodeDuration(duration: Millis): JsonObject {
  const secs = Math.floor(duration / 1000)
  return { secs, nanos: Math.min(999_999_999, Math.round((duration - secs * 1000) * 1e6)) }
}

/** The twin of Json.fraction: decimal text without exponent and with at most 18 decimals, which is what official readers take. */
export function encodeFraction(value: number): string {
  const text = String(value)
  return DECIMAL.test(text) ? text : value.toFixed(18).replace(/\.?0+$/, '')
}
