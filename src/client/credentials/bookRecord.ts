/**
 * What is kept of one book. Which of its tickets are here is a set and not a counter: part of a book may have moved to another device, and
 * come back. A ticket is in `left` until the moment before it is spent or moved.
 *
 *     0    8   epoch
 *     8    4   expiration date, unix seconds
 *     12   1   ticket type
 *     13   8   left: bit i for ticket i
 *     21   8   spent here: never to be spent again, wherever it comes from
 *     29   1   bundles taken in, then 16 bytes for each
 *          2   length of the book, 0 once nothing is left; then the book, master key 680, dates 7 × 96, coins 50 × 96
 *              where an export is under way: its tickets, 8 bytes, the length of its bundle, 2, and the bundle
 *
 * @module
 */
import { concat, toHex, utf8 } from '../../foundation/base/bytes.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import { TICKET_TYPES, TICKETS_PER_BOOK } from '../../protocol/credentials/constants.ts'

export interface BookContents {
  /** As `openBook` of an engine gave it. Secret. */
  readonly book: Uint8Array
  /** Of its epoch, 680 bytes. */
  readonly masterKey: Uint8Array
  /** Aggregated, 96 bytes each: seven, and fifty. */
  readonly dateSignatures: Uint8Array
  readonly coinSignatures: Uint8Array
}

/** An export that nobody has said to have arrived. */
export interface Leaving {
  /** Neither left nor spent. */
  readonly tickets: bigint
  /** As it is handed over, however often: under one id, so that it is imported once. */
  readonly bundle: Uint8Array
}

export interface BookRecord {
  readonly epochId: bigint
  /** The last day, unix seconds of its midnight. */
  readonly expiration: number
  readonly ticketType: number
  readonly left: bigint
  readonly spent: bigint
  /** Ids of bundles that were imported, 16 bytes each. */
  readonly taken: readonly Uint8Array[]
  /** undefined once nothing is left: with it, whoever finds the file later could tell at gateways which tickets were ours. */
  readonly contents: BookContents | undefined
  readonly leaving: Leaving | undefined
}

export const ALL_TICKETS: bigint = (1n << BigInt(TICKETS_PER_BOOK)) - 1n
export const BUNDLE_ID_BYTES = 16
export const MASTER_KEY_BYTES = 680
export const DATES_BYTES: number = 7 * 96
export const COINS_BYTES: number = TICKETS_PER_BOOK * 96
export const MAX_BOOK_BYTES = 512
/** A book that comes and goes more often is refused: its list would be another thing that grows. */
export const MAX_TAKEN = 64

export function encodeBookRecord({ contents, taken, leaving, ...record }: BookRecord): Uint8Array {
  const writer = new Writer()
    .u64(record.epochId)
    .u32(record.expiration)
    .u8(record.ticketType)
    .u64(record.left)
    .u64(record.spent)
    .u8(taken.length)
    .bytes(concat(...taken))
  if (contents === undefined) writer.u16(0)
  else writeContents(writer, contents)
  if (leaving !== undefined) writer.u64(leaving.tickets).u16(leaving.bundle.length).bytes(leaving.bundle)
  return writer.finish()
}

export function decodeBookRecord(bytes: Uint8Array): BookRecord {
  const reader = new Reader(bytes, 'stored book')
  const epochId = reader.u64('epoch')
  const expiration = reader.u32('expiration')
  const ticketType = reader.u8('ticket type', { max: TICKET_TYPES.length - 1 })
  const tickets = (field: string): bigint => {
    const set = reader.u64(field)
    return set <= ALL_TICKETS ? set : reader.refuse(field, 'a ticket beyond the last')
  }
  const left = tickets('left')
  const spent = tickets('spent')
  if ((left & spent) !== 0n) reader.refuse('left', 'a ticket that is spent')
  const taken = Array.from({ length: reader.u8('taken', { max: MAX_TAKEN }) }, () =>
    reader.bytes(BUNDLE_ID_BYTES, 'bundle id').slice(),
  )
  const contents = readContents(reader)
  if (contents === undefined && left !== 0n) reader.refuse('left', 'tickets without a book')
  let leaving: Leaving | undefined
  if (reader.remaining > 0) {
    leaving = { tickets: tickets('leaving'), bundle: reader.bytes(reader.u16('bundle length'), 'bundle').slice() }
    if ((leaving.tickets & (left | spent)) !== 0n) reader.refuse('leaving', 'a ticket that is here, or spent')
  }
  reader.expectEnd()
  return { epochId, expiration, ticketType, left, spent, taken, contents, leaving }
}

function writeContents(writer: Writer, contents: BookContents): Writer {
  const { book, masterKey, dateSignatures, coinSignatures } = contents
  return writer.u16(book.length).bytes(book).bytes(masterKey).bytes(dateSignatures).bytes(coinSignatures)
}

/** undefined where the length of the book is 0. */
function readContents(reader: Reader): BookContents | undefined {
  const length = reader.u16('book length', { max: MAX_BOOK_BYTES })
  if (length === 0) return undefined
  return {
    book: reader.bytes(length, 'book').slice(),
    masterKey: reader.bytes(MASTER_KEY_BYTES, 'master key').slice(),
    dateSignatures: reader.bytes(DATES_BYTES, 'date signatures').slice(),
    coinSignatures: reader.bytes(COINS_BYTES, 'coin signatures').slice(),
  }
}

/** h, s and v in form B: what a book is, whoever counts its tickets. */
const IDENTIFYING_BYTES = 2 * 49 + 33

/**
 * The same for the same book, whichever issuers' answers it was made of: that a purchase is finished twice, or a bundle taken in twice, must
 * not bring back what is spent. v is among it, which nobody else knows, so that the name says nothing to issuers.
 */
export const bookIdOf = (crypto: CryptoProvider, book: Uint8Array): string =>
  toHex(crypto.sha256(concat(utf8('starling book'), book.subarray(0, IDENTIFYING_BYTES)))).slice(0, 16)

export const countOf = (tickets: bigint): number => ticketsOf(tickets).length

/** Indices, ascending. */
export function ticketsOf(tickets: bigint): readonly number[] {
  return Array.from({ length: TICKETS_PER_BOOK }, (_, i) => i).filter((i) => ((tickets >> BigInt(i)) & 1n) === 1n)
}

export const setOf = (indices: readonly number[]): bigint => indices.reduce((set, i) => set | (1n << BigInt(i)), 0n)
