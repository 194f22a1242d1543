/**
 * The signatures that everybody shares: on the seven days of books that expire on a day, and on the fifty indices of tickets. Partial and
 * aggregated lists look the same. A list in between is its signatures of 96 bytes one behind the other, as engines take it. @module
 */
import { concat } from '../../../foundation/base/bytes.ts'
import { type Json, type JsonObject, parseJson } from '../directory/json.ts'
import { DAY_SECONDS, formatDate, readDate } from './calendarDate.ts'
import { readSignature, SIGNATURE_BYTES, signatureToJson } from './hexFields.ts'

export const LISTED_DAYS = 7
export const LISTED_COINS = 50
/** Fifty entries are some 13,000. */
export const MAX_LIST_CHARACTERS: number = 64 * 1024

/** The paths below /v1/ecash. */
export const LIST_PATHS = {
  dates: {
    partial: '/partial-expiration-date-signatures',
    aggregated: '/aggregated-expiration-date-signatures',
  },
  coins: {
    partial: '/partial-coin-indices-signatures',
    aggregated: '/aggregated-coin-indices-signatures',
  },
} as const

export interface DateList {
  readonly epochId: number
  /** Unix seconds of a midnight. */
  readonly expiration: number
  /** Seven times 96 bytes. */
  readonly signatures: Uint8Array
}

export interface CoinList {
  readonly epochId: number
  /** Fifty times 96 bytes. */
  readonly signatures: Uint8Array
}

/** s_l: the day of the entry with that place. */
const spendDay = (expiration: number, place: number): number => expiration - (LISTED_DAYS - 1 - place) * DAY_SECONDS

export function encodeDateList({ epochId, expiration, signatures }: DateList): JsonObject {
  return {
    epoch_id: epochId,
    expiration_date: formatDate(expiration),
    signatures: entries(signatures, LISTED_DAYS, (signature, place) => ({
      signature,
      expiration_timestamp: expiration,
      spending_timestamp: spendDay(expiration, place),
    })),
  }
}

/** Throws MALFORMED, also where the entries are not those of its date in their order. */
export function decodeDateList(text: string): DateList {
  const json = parseJson(text, 'list of days', MAX_LIST_CHARACTERS)
  const expiration = readDate(json.field('expiration_date'))
  const signatures = readEntries(json.field('signatures'), LISTED_DAYS, (entry, place) => {
    if (entry.field('expiration_timestamp').u32() !== expiration) entry.refuse('of another expiration date')
    if (entry.field('spending_timestamp').u32() !== spendDay(expiration, place)) entry.refuse('not its day')
  })
  return { epochId: json.field('epoch_id').integer(), expiration, signatures }
}

export function encodeCoinList({ epochId, signatures }: CoinList): JsonObject {
  return {
    epoch_id: epochId,
    signatures: entries(signatures, LISTED_COINS, (signature, index) => ({ signature, index })),
  }
}

/** Throws MALFORMED, also where the entries are not in their order. */
export function decodeCoinList(text: string): CoinList {
  const json = parseJson(text, 'list of indices', MAX_LIST_CHARACTERS)
  const signatures = readEntries(json.field('signatures'), LISTED_COINS, (entry, index) => {
    if (entry.field('index').integer() !== index) entry.refuse('not its index')
  })
  return { epochId: json.field('epoch_id').integer(), signatures }
}

function entries(
  signatures: Uint8Array,
  count: number,
  entry: (signature: JsonObject, place: number) => JsonObject,
): JsonObject[] {
  return Array.from({ length: count }, (_, place) =>
    entry(signatureToJson(signatures.subarray(place * SIGNATURE_BYTES, (place + 1) * SIGNATURE_BYTES)), place),
  )
}

function readEntries(list: Json, count: number, check: (entry: Json, place: number) => void): Uint8Array {
  let place = 0
  const signatures = list.array(count, (entry) => {
    check(entry, place++)
    return readSignature(entry.field('signature'))
  })
  if (signatures.length !== count) list.refuse(`not ${count}`)
  return concat(...signatures)
}
