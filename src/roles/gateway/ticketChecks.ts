/**
 * What can be said of a ticket without arithmetic on curves: whoever sends nonsense costs no more than this. In the order of
 * docs/spec/gateway.md, "Tickets"; only the proof says who is right. @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import type { Millis } from '../../foundation/base/units.ts'
import { TICKET_BANDWIDTH_BYTES } from '../../protocol/credentials/constants.ts'
import { decodePayInfo } from '../../protocol/credentials/payInfo.ts'
import { PAYMENT_BYTES, UNBOUND_PAYMENT_BYTES } from '../../protocol/credentials/payment.ts'
import type { Strictness } from '../../protocol/credentials/verify.ts'
import {
  MALFORMED_TICKET_TEXT,
  MULTIPLE_TICKETS_TEXT,
  PAY_INFO_KEY_TEXT,
  PAY_INFO_TIMESTAMP_TEXT,
  spendDateText,
  TICKET_PROOF_TEXT,
} from '../../protocol/wire/gateway/errorTexts.ts'
import { JULIAN_DAY_OF_UNIX_EPOCH, type Ticket } from '../../protocol/wire/gateway/ticket.ts'
import { formatRfc3339 } from '../../protocol/wire/timestamp.ts'
import { DAY_MS, unixDayOf } from './unixDay.ts'

/** Where a payment of one ticket has its parts: docs/spec/credentials.md, 8.4. Before each stand how many there are, or how long it is. */
const OFFSETS = { kappaKCount: 390, serialCount: 587, serial: 589, tickets: 737, type: 787 }
const SERIAL_BYTES = 48

/** What the payment's bytes claim. The proof's verdict says the same again, or they are not believed. */
export interface ClaimedTicket {
  readonly ticketType: number
  readonly serialNumber: Uint8Array
  /** False of the shorter form, which official clients before 1.22 send. */
  readonly bindsIndex: boolean
}

/** The claims of a payment of one ticket, or the sentence it is refused with. */
export function readClaims(payment: Uint8Array, strictness: Strictness): ClaimedTicket | string {
  const at = (offset: number): number => payment[offset] as number
  const bindsIndex = payment.length === PAYMENT_BYTES
  if (!bindsIndex && payment.length !== UNBOUND_PAYMENT_BYTES) {
    // The only count whose place does not depend on itself. What lies, and is refused with the wrong sentence, is refused.
    return payment.length > PAYMENT_BYTES && at(OFFSETS.kappaKCount) > 1 ? MULTIPLE_TICKETS_TEXT : MALFORMED_TICKET_TEXT
  }
  const ticketType = at(OFFSETS.type)
  if (TICKET_BANDWIDTH_BYTES[ticketType] === undefined) return MALFORMED_TICKET_TEXT
  if (at(OFFSETS.tickets) !== 1) return MULTIPLE_TICKETS_TEXT
  if (at(OFFSETS.serialCount) !== 1 || at(OFFSETS.serialCount + 1) !== SERIAL_BYTES) return MALFORMED_TICKET_TEXT
  if (!bindsIndex && strictness === 'strict') return TICKET_PROOF_TEXT
  return {
    ticketType,
    serialNumber: payment.slice(OFFSETS.serial, OFFSETS.serial + SERIAL_BYTES),
    bindsIndex,
  }
}

/**
 * undefined where the ticket is spent today. Official gateways stop there. A ticket made in the last second of a day arrives in the next, and
 * would be lost, for a careful client spends none twice: so yesterday's is taken while the pay info, which is no older than its
 * tolerance, is of yesterday too.
 */
export function dayRefusal({ spendDateJulianDay, payInfo }: Ticket, now: Millis): string | undefined {
  const day = spendDateJulianDay - JULIAN_DAY_OF_UNIX_EPOCH
  const today = unixDayOf(now)
  if (day === today) return undefined
  if (day === today - 1) {
    const info = tryDecode(() => decodePayInfo(payInfo))
    if (!isMixnetError(info) && unixDayOf(Number(info.unixSeconds) * 1000) === day) return undefined
  }
  return spendDateText(dateText(day), dateText(today))
}

/** undefined of a pay info for that provider of about now. */
export function payInfoRefusal(
  payInfo: Uint8Array,
  { identity, now, tolerance }: { readonly identity: Uint8Array; readonly now: Millis; readonly tolerance: Millis },
): string | undefined {
  const info = tryDecode(() => decodePayInfo(payInfo))
  if (isMixnetError(info)) return MALFORMED_TICKET_TEXT
  if (!equalBytes(info.provider, identity)) return PAY_INFO_KEY_TEXT
  // Seconds of an i64: as a number they lose their last digits only where they are far from any clock.
  const skew = Math.abs(Number(info.unixSeconds) - Math.floor(now / 1000)) * 1000
  return skew <= tolerance ? undefined : PAY_INFO_TIMESTAMP_TEXT
}

/** Years that RFC 3339 cannot write are none of ours: a number says as much. */
function dateText(day: number): string {
  const text = tryDecode(() => formatRfc3339((day * DAY_MS) as Millis))
  return isMixnetError(text) ? `day ${day}` : text.slice(0, 10)
}
