/**
 * A book as official clients export and import it: revision 1 of their "importable ticketbook", with revision 2 of the signatures and of
 * the key in it. Codec B; points and scalars are byte strings with their lengths before them. Whether they are points is for the engine.
 *
 *     "packed" of X:  length of X as varint, X, revision (u8)
 *     bundle:         packed book | 00 or 01 packed dates | 00 or 01 packed coins | 00 or 01 packed key
 *     book:           h, s, v, E (varint), T (u8), tickets spent, epoch, sk, year (zig-zag), day of the year, T
 *     dates:          epoch, "YYYY-MM-DD", count, then each h, s, E, day
 *     coins:          epoch, count, then each h, s, index
 *     key:            epoch, α, count, β1 …, count, β2 …
 *
 * @module
 */
import { fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import { malformed } from '../../foundation/base/errors.ts'
import { Writer } from '../../foundation/base/writer.ts'
import { dayOfYear } from '../../protocol/credentials/calendar.ts'
import { CodecReader } from '../../protocol/credentials/codec.ts'
import {
  ATTRIBUTES,
  DAY_SECONDS,
  G1_BYTES,
  G2_BYTES,
  MAX_U32,
  TICKET_TYPES,
  TICKETS_PER_BOOK,
  VALIDITY_DAYS,
} from '../../protocol/credentials/constants.ts'
import { formatDate } from '../../protocol/wire/issuer/calendarDate.ts'
import { type BookContents, COINS_BYTES, DATES_BYTES, MASTER_KEY_BYTES, MAX_BOOK_BYTES } from './bookRecord.ts'

export interface OfficialBook extends BookContents {
  readonly epochId: bigint
  readonly expiration: number
  readonly ticketType: number
  /** Tickets from this one on are in it. */
  readonly spent: number
}

const WHAT = 'exported ticketbook'
const SCALAR_BYTES = 32
const BOOK_REVISION = 1
const PARTS_REVISION = 2
const MAX_PART_BYTES = 16 * 1024
const DATE_CHARACTERS = 10
const Q_BYTES = 8

/** MALFORMED of a book that is none. `spent` takes the place of the count in `book`. */
export function encodeOfficialBundle(bundle: OfficialBook): Uint8Array {
  const { epochId, expiration, dateSignatures, coinSignatures, masterKey } = bundle
  const key = new BWriter().varint(epochId)
  key.string(masterKey.subarray(0, G2_BYTES))
  const beta1 = G2_BYTES + Q_BYTES
  strings(key, masterKey.subarray(beta1, beta1 + ATTRIBUTES * G1_BYTES), G1_BYTES)
  strings(key, masterKey.subarray(beta1 + ATTRIBUTES * G1_BYTES), G2_BYTES)
  const dates = new BWriter()
    .varint(epochId)
    .string(utf8(formatDate(expiration)))
    .varint(VALIDITY_DAYS)
  for (const [l, [h, s]] of pairs(dateSignatures).entries()) {
    dates.string(h).string(s).varint(expiration).varint(spendDay(expiration, l))
  }
  const coins = new BWriter().varint(epochId).varint(TICKETS_PER_BOOK)
  for (const [l, [h, s]] of pairs(coinSignatures).entries()) coins.string(h).string(s).varint(l)
  return new BWriter()
    .packed(withSpent(bundle.book, bundle.spent), BOOK_REVISION)
    .u8(1)
    .packed(dates.finish(), PARTS_REVISION)
    .u8(1)
    .packed(coins.finish(), PARTS_REVISION)
    .u8(1)
    .packed(key.finish(), PARTS_REVISION)
    .finish()
}

/** Throws MALFORMED, also of a bundle without the public parts: without them the book cannot be spent, and is for who can fetch them. */
export function decodeOfficialBundle(bytes: Uint8Array): OfficialBook {
  const reader = new CodecReader(bytes, WHAT)
  const book = packed(reader, BOOK_REVISION, 'book', MAX_BOOK_BYTES)
  const [dates, coins, key] = ['date signatures', 'coin signatures', 'master key'].map((field) => {
    if (reader.u8(field, { max: 1 }) === 0) reader.refuse(field, 'left out')
    return packed(reader, PARTS_REVISION, field, MAX_PART_BYTES)
  }) as [Uint8Array, Uint8Array, Uint8Array]
  reader.expectEnd()
  const { epochId, expiration, ticketType, spent } = readBookFields(book)
  return {
    ...{ book, epochId, expiration, ticketType, spent },
    dateSignatures: readDates(dates, epochId, expiration),
    coinSignatures: readCoins(coins, epochId),
    masterKey: readKey(key, epochId),
  }
}

export interface BookFields {
  readonly expiration: number
  readonly ticketType: number
  readonly spent: number
  readonly epochId: bigint
}

/** What an engine's book says of itself. Throws MALFORMED. */
export function readBookFields(book: Uint8Array): BookFields {
  const { sk: _, ...fields } = readBook(book)
  return fields
}

function readBook(book: Uint8Array): BookFields & { readonly sk: Uint8Array } {
  const reader = new CodecReader(book, WHAT)
  reader.g1('h')
  reader.g1('s')
  reader.scalar('v')
  const expiration = reader.upTo(MAX_U32, 'expiration')
  const ticketType = reader.u8('ticket type', { max: TICKET_TYPES.length - 1 })
  const spent = reader.upTo(TICKETS_PER_BOOK, 'spent')
  const epochId = reader.u64('epoch')
  const sk = reader.byteString(SCALAR_BYTES, 'sk')
  const { year, day } = dayOfYear(Math.floor(expiration / DAY_SECONDS))
  if (reader.i32('year') !== year || reader.upTo(366, 'day') !== day) throw malformed(WHAT, 'its two dates differ')
  if (expiration % DAY_SECONDS !== 0) throw malformed(WHAT, 'its date is no midnight')
  if (reader.upTo(TICKET_TYPES.length - 1, 'variant') !== ticketType) throw malformed(WHAT, 'its two types differ')
  reader.expectEnd()
  return { expiration, ticketType, spent, epochId, sk }
}

/** The same book with another count. */
export function withSpent(book: Uint8Array, spent: number): Uint8Array {
  const { expiration, ticketType, epochId, sk } = readBook(book)
  const { year, day } = dayOfYear(Math.floor(expiration / DAY_SECONDS))
  return new BWriter()
    .raw(book.subarray(0, 2 * (G1_BYTES + 1) + SCALAR_BYTES + 1))
    .varint(expiration)
    .u8(ticketType)
    .varint(spent)
    .varint(epochId)
    .string(sk)
    .varint(2 * year)
    .varint(day)
    .varint(ticketType)
    .finish()
}

function readDates(bytes: Uint8Array, epochId: bigint, expiration: number): Uint8Array {
  const reader = new CodecReader(bytes, WHAT)
  sameEpoch(reader, epochId)
  const date = fromUtf8(reader.byteString(DATE_CHARACTERS, 'date'), WHAT)
  if (date !== formatDate(expiration)) reader.refuse('date', 'of another book')
  return readPairs(reader, VALIDITY_DAYS, (l) => {
    if (reader.upTo(MAX_U32, 'expiration') !== expiration) reader.refuse('expiration', 'of another book')
    if (reader.upTo(MAX_U32, 'day') !== spendDay(expiration, l)) reader.refuse('day', 'not in its place')
  })
}

function readCoins(bytes: Uint8Array, epochId: bigint): Uint8Array {
  const reader = new CodecReader(bytes, WHAT)
  sameEpoch(reader, epochId)
  return readPairs(reader, TICKETS_PER_BOOK, (l) => {
    if (reader.upTo(TICKETS_PER_BOOK, 'index') !== l) reader.refuse('index', 'not in its place')
  })
}

function readPairs(reader: CodecReader, count: number, check: (l: number) => void): Uint8Array {
  if (reader.upTo(count, 'count') !== count) reader.refuse('count', `not ${count}`)
  const bytes = new Uint8Array(count * 2 * G1_BYTES)
  for (let l = 0; l < count; l++) {
    bytes.set(reader.g1('h'), 2 * l * G1_BYTES)
    bytes.set(reader.g1('s'), (2 * l + 1) * G1_BYTES)
    check(l)
  }
  reader.expectEnd()
  return bytes
}

function readKey(bytes: Uint8Array, epochId: bigint): Uint8Array {
  const reader = new CodecReader(bytes, WHAT)
  sameEpoch(reader, epochId)
  const writer = new Writer(MASTER_KEY_BYTES).bytes(reader.g2('alpha'))
  writer.u8(ATTRIBUTES).zeros(Q_BYTES - 1)
  for (const field of ['beta_g1', 'beta_g2'] as const) {
    if (reader.upTo(ATTRIBUTES, field) !== ATTRIBUTES) reader.refuse(field, `not ${ATTRIBUTES}`)
    for (let i = 0; i < ATTRIBUTES; i++) writer.bytes(field === 'beta_g1' ? reader.g1(field) : reader.g2(field))
  }
  reader.expectEnd()
  return writer.finish()
}

function sameEpoch(reader: CodecReader, epochId: bigint): void {
  if (reader.u64('epoch') !== epochId) reader.refuse('epoch', 'not that of the book')
}

function packed(reader: CodecReader, revision: number, field: string, max: number): Uint8Array {
  const length = reader.upTo(max, `${field} length`)
  const bytes = Uint8Array.from({ length }, () => reader.u8(field))
  reader.u8(`${field} revision`, { min: revision, max: revision })
  return bytes
}

const spendDay = (expiration: number, l: number): number => expiration - (VALIDITY_DAYS - 1 - l) * DAY_SECONDS

function pairs(signatures: Uint8Array): (readonly [Uint8Array, Uint8Array])[] {
  if (signatures.length !== DATES_BYTES && signatures.length !== COINS_BYTES) throw malformed(WHAT, 'its lists')
  return Array.from({ length: signatures.length / (2 * G1_BYTES) }, (_, l) => {
    const at = 2 * l * G1_BYTES
    return [signatures.subarray(at, at + G1_BYTES), signatures.subarray(at + G1_BYTES, at + 2 * G1_BYTES)]
  })
}

function strings(writer: BWriter, bytes: Uint8Array, each: number): void {
  writer.varint(bytes.length / each)
  for (let at = 0; at < bytes.length; at += each) writer.string(bytes.subarray(at, at + each))
}

/** Codec B without points: their bytes. */
class BWriter {
  readonly #writer = new Writer()

  u8(value: number): this {
    this.#writer.u8(value)
    return this
  }

  varint(value: number | bigint): this {
    const n = BigInt(value)
    if (n < 251n) this.#writer.u8(Number(n))
    else if (n <= 0xffffn) this.#writer.u8(251).u16(Number(n))
    else if (n <= BigInt(MAX_U32)) this.#writer.u8(252).u32(Number(n))
    else this.#writer.u8(253).u64(n)
    return this
  }

  raw(bytes: Uint8Array): this {
    this.#writer.bytes(bytes)
    return this
  }

  string(bytes: Uint8Array): this {
    return this.varint(bytes.length).raw(bytes)
  }

  packed(bytes: Uint8Array, revision: number): this {
    return this.string(bytes).u8(revision)
  }

  finish(): Uint8Array {
    return this.#writer.finish()
  }
}
