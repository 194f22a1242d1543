/**
 * A ticket on its way to a gateway: an anonymous payment, framed, sealed with the shared key. The payment itself is opaque
 * here; protocol/credentials reads it. Format: docs/spec/gateway.md.
 *
 *   0      4   payment length n, u32
 *   4      n   payment
 *   4+n    72  pay info
 *   76+n   4   spend date, i32: Julian day number
 *   80+n   8   epoch of the issuers' keys, u64
 *
 * @module
 */
import { malformed } from '../../../foundation/base/errors.ts'
import { Reader } from '../../../foundation/base/reader.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import type { ControlRequest } from './control.ts'
import { NONCE_BYTES } from './protocol.ts'

export const PAY_INFO_BYTES = 72
/** The Julian day number of 1970-01-01. */
export const JULIAN_DAY_OF_UNIX_EPOCH = 2_440_588

const FIXED_BYTES = 4 + PAY_INFO_BYTES + 4 + 8
// The years −9999 to 9999, which is what the official peers can represent: the rest is refused, not wrapped.
const MIN_JULIAN_DAY = -1_930_999
const MAX_JULIAN_DAY = 5_373_484

export interface Ticket {
  readonly payment: Uint8Array
  readonly payInfo: Uint8Array
  readonly spendDateJulianDay: number
  readonly epochId: bigint
}

/** `unixDay`: whole days since 1970-01-01, UTC. */
export const julianDay = (unixDay: number): number => JULIAN_DAY_OF_UNIX_EPOCH + unixDay

export function encodeTicket(ticket: Ticket): Uint8Array {
  return new Writer(FIXED_BYTES + ticket.payment.length)
    .u32(ticket.payment.length)
    .bytes(ticket.payment)
    .bytes(ticket.payInfo)
    .i32(ticket.spendDateJulianDay)
    .u64(ticket.epochId)
    .finish()
}

export function decodeTicket(bytes: Uint8Array): Ticket {
  const reader = new Reader(bytes, 'ticket')
  const payment = reader.bytes(reader.u32('payment length'), 'payment')
  const payInfo = reader.bytes(PAY_INFO_BYTES, 'pay info')
  const spendDateJulianDay = reader.i32('spend date')
  if (spendDateJulianDay < MIN_JULIAN_DAY || spendDateJulianDay > MAX_JULIAN_DAY) reader.refuse('spend date', 'no date')
  const epochId = reader.u64('epoch')
  reader.expectEnd()
  return { payment, payInfo, spendDateJulianDay, epochId }
}

export function sealTicket(
  crypto: CryptoProvider,
  key: Uint8Array,
  ticket: Ticket,
  nonce: Uint8Array,
): ControlRequest & { readonly type: 'ecashCredential' } {
  return { type: 'ecashCredential', encCredential: crypto.sealAesGcmSiv(key, nonce, encodeTicket(ticket)), nonce }
}

export function openTicket(
  crypto: CryptoProvider,
  key: Uint8Array,
  request: { readonly encCredential: Uint8Array; readonly nonce: Uint8Array },
): Ticket {
  if (request.nonce.length !== NONCE_BYTES) throw malformed('ticket', `nonce of ${request.nonce.length} bytes`)
  const plaintext = crypto.openAesGcmSiv(key, request.nonce, request.encCredential)
  if (plaintext === undefined) throw malformed('ticket', 'does not decrypt')
  return decodeTicket(plaintext)
}
