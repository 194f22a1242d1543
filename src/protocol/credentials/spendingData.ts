/** What travels to a gateway: a payment with its pay info, day and epoch. @module */
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'
import { DAY_SECONDS, MAX_U32, TICKETS_PER_BOOK } from './constants.ts'
import { PAY_INFO_BYTES } from './payInfo.ts'
import { decodePayment, encodePayment, type Payment } from './payment.ts'
import type { Scheme } from './scheme.ts'

export interface SpendingData {
  readonly payment: Payment
  /** 72 bytes. */
  readonly payInfo: Uint8Array
  /** Midnight, unix seconds. */
  readonly day: number
  readonly epochId: bigint
}

/** Julian day number of 1970-01-01. */
const JULIAN_EPOCH = 2_440_588

/** length (u32) ‖ payment ‖ pay info ‖ Julian day (i32) ‖ epoch (u64): 1278 bytes for a bound ticket, 1245 for one that is not. */
export function encodeSpendingData(scheme: Scheme, data: SpendingData): Uint8Array {
  const payment = encodePayment(scheme, data.payment)
  return new Writer()
    .u32(payment.length)
    .bytes(payment)
    .bytes(data.payInfo)
    .i32(Math.floor(data.day / DAY_SECONDS) + JULIAN_EPOCH)
    .u64(data.epochId)
    .finish()
}

/** `maxTickets` as in decodePayment. The day is one of unix time's first 32 bits of seconds. */
export function decodeSpendingData(
  scheme: Scheme,
  bytes: Uint8Array,
  maxTickets: number = TICKETS_PER_BOOK,
): SpendingData {
  const reader = new Reader(bytes, 'spending data')
  const payment = reader.bytes(reader.u32('length'), 'payment')
  const payInfo = reader.bytes(PAY_INFO_BYTES, 'pay info')
  const day = (reader.i32('day') - JULIAN_EPOCH) * DAY_SECONDS
  if (day < 0 || day > MAX_U32) reader.refuse('day', 'out of range')
  const epochId = reader.u64('epoch')
  reader.expectEnd()
  return { payment: decodePayment(scheme, payment, maxTickets), payInfo, day, epochId }
}
