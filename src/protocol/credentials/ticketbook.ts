/** A ticketbook as official clients store it: revision 1 of their "issued ticketbook". Secret throughout. @module */
import { malformed } from '../../foundation/base/errors.ts'
import { scalarToBytes } from '../../foundation/crypto/blsScalar.ts'
import { dayOfYear, unixDayOf } from './calendar.ts'
import { CodecReader, CodecWriter, pointOpener } from './codec.ts'
import { DAY_SECONDS, MAX_U32, TICKET_TYPES, TICKETS_PER_BOOK } from './constants.ts'
import { type UserKey, userKey } from './keys.ts'
import type { Scheme } from './scheme.ts'
import { SecretScalar } from './secretScalar.ts'
import type { Wallet } from './wallet.ts'

export interface Ticketbook {
  readonly wallet: Wallet
  readonly user: UserKey
  readonly spent: number
  readonly epochId: bigint
}

/**
 * h, s, v, E (u32), T (u8), tickets spent (u64), epoch (u64), sk, expiration date (year, day of the year), T again as the number of a
 * variant. The last two say what E and T say; a book in which they differ is refused.
 */
export function encodeTicketbook(scheme: Scheme, book: Ticketbook): Uint8Array {
  const { wallet } = book
  const { year, day } = dayOfYear(Math.floor(wallet.expiration / DAY_SECONDS))
  return new CodecWriter(scheme)
    .g1(wallet.signature.h, wallet.signature.s)
    .scalar(wallet.v.expose())
    .u64(wallet.expiration)
    .u8(wallet.ticketType)
    .u64(book.spent)
    .u64(book.epochId)
    .byteString(scalarToBytes(book.user.secret.expose()))
    .i32(year)
    .u64(day)
    .u64(wallet.ticketType)
    .finish()
}

export function decodeTicketbook(scheme: Scheme, bytes: Uint8Array): Ticketbook {
  const what = 'ticketbook'
  const reader = new CodecReader(bytes, what)
  const h = reader.g1('h')
  const s = reader.g1('s')
  const v = new SecretScalar(reader.scalar('v'))
  const expiration = reader.upTo(MAX_U32, 'expiration')
  const ticketType = reader.u8('ticket type', { max: TICKET_TYPES.length - 1 })
  const spent = reader.upTo(TICKETS_PER_BOOK, 'spent')
  const epochId = reader.u64('epoch')
  const sk = reader.scalar('sk')
  const date = unixDayOf({ year: reader.i32('year'), day: reader.upTo(366, 'day of the year') })
  const variant = reader.upTo(TICKET_TYPES.length - 1, 'variant')
  reader.expectEnd()
  if (sk === 0n) throw malformed(what, 'sk: is zero')
  if (date !== Math.floor(expiration / DAY_SECONDS)) throw malformed(what, 'its two expiration dates differ')
  if (variant !== ticketType) throw malformed(what, 'its two types differ')
  const open = pointOpener(scheme, what)
  const signature = { h: open.g1(h, 'h'), s: open.g1(s, 's') }
  return { wallet: { signature, v, expiration, ticketType }, user: userKey(scheme, sk), spent, epochId }
}
