/**
 * The binary form of the exit services' queries and packet router messages: bincode 1.3, big-endian, varint integers, no
 * trailing bytes. Numbers up to 250 are one byte; `fb`, `fc`, `fd` announce 2, 4, 8 bytes. Readers accept longer forms than
 * needed, as the original does; writers never emit them. Format: docs/spec/exit.md. @module
 */
import { fromUtf8, utf8 } from '../../../foundation/base/bytes.ts'
import { IPV4_BYTES, IPV6_BYTES } from '../../../foundation/base/ipAddress.ts'
import { type Bounds, Reader } from '../../../foundation/base/reader.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import { dateOfDays, daysOfDate, isLeapYear, MAX_YEAR, MIN_YEAR, type Timestamp } from '../timestamp.ts'

const U16_MARK = 0xfb
const U32_MARK = 0xfc
const U64_MARK = 0xfd
const MAX_ONE_BYTE = 250n
const MAX_U16 = 0xffffn
const MAX_U32 = 0xffff_ffffn

/** Two addresses that the packet router gives a client. */
export interface IpPair {
  readonly ipv4: Uint8Array
  readonly ipv6: Uint8Array
}

export class BincodeReader {
  readonly #reader: Reader
  readonly #what: string

  /** `what` names the structure, for refusals. Byte strings are views into `bytes`. */
  constructor(bytes: Uint8Array, what: string) {
    this.#reader = new Reader(bytes, what)
    this.#what = what
  }

  u8(field: string, bounds?: Bounds): number {
    return this.#reader.u8(field, bounds)
  }

  bool(field: string): boolean {
    return this.#reader.u8(field, { max: 1 }) === 1
  }

  u16(field: string): number {
    return this.#varintUpTo(MAX_U16, field)
  }

  u32(field: string): number {
    return this.#varintUpTo(MAX_U32, field)
  }

  u64(field: string): bigint {
    const first = this.#reader.u8(field)
    if (first <= Number(MAX_ONE_BYTE)) return BigInt(first)
    if (first === U16_MARK) return BigInt(this.#reader.u16(field))
    if (first === U32_MARK) return BigInt(this.#reader.u32(field))
    if (first === U64_MARK) return this.#reader.u64(field)
    this.refuse(field, 'not a varint of at most 64 bits')
  }

  i32(field: string): number {
    const folded = this.#varintUpTo(MAX_U32, field)
    return folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2
  }

  f64(field: string): number {
    const bytes = this.#reader.bytes(8, field)
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0)
  }

  /** The name of an enum's variant, by its index. */
  variant<const T extends string>(field: string, names: readonly T[]): T {
    const name = names[this.u32(field)]
    return name ?? this.refuse(field, `not one of ${names.length} variants`)
  }

  option<T>(field: string, read: () => T): T | undefined {
    return this.bool(field) ? read() : undefined
  }

  /** A count of items of at least `itemBytes` bytes each: never more than the rest can hold. */
  count(field: string, itemBytes: number): number {
    const count = this.u64(field)
    if (count * BigInt(itemBytes) > BigInt(this.#reader.remaining)) this.refuse(field, 'more items than bytes')
    return Number(count)
  }

  byteString(field: string): Uint8Array {
    return this.#reader.bytes(this.count(field, 1), field)
  }

  string(field: string): string {
    return fromUtf8(this.byteString(field), `${this.#what} ${field}`)
  }

  ipPair(field: string): IpPair {
    return { ipv4: this.#reader.bytes(IPV4_BYTES, field), ipv6: this.#reader.bytes(IPV6_BYTES, field) }
  }

  /** Year, day of the year, hour, minute, second, nanosecond, and the offset from UTC in three parts. */
  timestamp(field: string): Timestamp {
    const year = this.i32(field)
    const ordinalDay = this.u16(field)
    if (year < MIN_YEAR || year > MAX_YEAR) this.refuse(field, 'year out of range')
    if (ordinalDay < 1 || ordinalDay > (isLeapYear(year) ? 366 : 365)) this.refuse(field, 'day out of range')
    const hour = this.u8(field, { max: 23 })
    const minute = this.u8(field, { max: 59 })
    const second = this.u8(field, { max: 59 })
    const nanoseconds = this.u32(field)
    if (nanoseconds > 999_999_999) this.refuse(field, 'nanoseconds out of range')
    const offset = this.#i8(field, 25) * 3600 + this.#i8(field, 59) * 60 + this.#i8(field, 59)
    const unixSeconds = daysOfDate(year, ordinalDay) * 86_400 + hour * 3600 + minute * 60 + second - offset
    return { unixSeconds, nanoseconds }
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#reader.offset
  }

  expectEnd(): void {
    this.#reader.expectEnd()
  }

  refuse(field: string, why: string): never {
    return this.#reader.refuse(field, why)
  }

  #i8(field: string, magnitude: number): number {
    const value = (this.#reader.u8(field) << 24) >> 24
    if (Math.abs(value) > magnitude) this.refuse(field, 'offset out of range')
    return value
  }

  #varintUpTo(max: bigint, field: string): number {
    const value = this.u64(field)
    if (value > max) this.refuse(field, `above ${max}`)
    return Number(value)
  }
}

export class BincodeWriter {
  // Pieces, joined once at the end: a bundle is the bulk of its message and is not copied before that.
  readonly #pieces: Uint8Array[] = []

  u8(value: number): this {
    return this.bytes(Uint8Array.of(value))
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0)
  }

  /** Any unsigned integer of at most 64 bits, in its shortest form. */
  varint(value: number | bigint): this {
    const whole = BigInt(value)
    if (whole <= MAX_ONE_BYTE) return this.u8(Number(whole))
    const writer = new Writer(9)
    if (whole <= MAX_U16) writer.u8(U16_MARK).u16(Number(whole))
    else if (whole <= MAX_U32) writer.u8(U32_MARK).u32(Number(whole))
    else writer.u8(U64_MARK).u64(whole)
    return this.bytes(writer.finish())
  }

  i32(value: number): this {
    return this.varint(value >= 0 ? value * 2 : -value * 2 - 1)
  }

  f64(value: number): this {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setFloat64(0, value)
    return this.bytes(bytes)
  }

  variant<const T extends string>(name: T, names: readonly T[]): this {
    return this.varint(names.indexOf(name))
  }

  option<T>(value: T | undefined, write: (value: T) => void): this {
    this.bool(value !== undefined)
    if (value !== undefined) write(value)
    return this
  }

  /** Raw bytes, no length. They must not change before `finish`. */
  bytes(value: Uint8Array): this {
    this.#pieces.push(value)
    return this
  }

  byteString(value: Uint8Array): this {
    return this.varint(value.length).bytes(value)
  }

  string(value: string): this {
    return this.byteString(utf8(value))
  }

  ipPair(pair: IpPair): this {
    return this.bytes(pair.ipv4).bytes(pair.ipv6)
  }

  timestamp({ unixSeconds, nanoseconds }: Timestamp): this {
    const days = Math.floor(unixSeconds / 86_400)
    const time = unixSeconds - days * 86_400
    const { year, ordinalDay } = dateOfDays(days)
    this.i32(year).varint(ordinalDay)
    this.bytes(Uint8Array.of(Math.floor(time / 3600), Math.floor(time / 60) % 60, time % 60))
    return this.varint(nanoseconds).bytes(UTC)
  }

  finish(): Uint8Array {
    const writer = new Writer(this.#pieces.reduce((bytes, piece) => bytes + piece.length, 0))
    for (const piece of this.#pieces) writer.bytes(piece)
    return writer.finish()
  }
}

/** No offset: hours, minutes, seconds. */
const UTC = new Uint8Array(3)
