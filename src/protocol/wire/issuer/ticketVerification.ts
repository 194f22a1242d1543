/** `POST verify-ecash-ticket`: a gateway asks an issuer what it thinks of a ticket. @module */
import { type JsonObject, parseJson } from '../directory/json.ts'
import { formatDate, ordinalDate, readDate, readSpendDate } from './calendarDate.ts'
import { paymentToJson, readPayment, type WirePayment } from './payment.ts'

/** With each byte of a payment as two letters, and names. */
export const MAX_VERIFY_TICKET_BYTES: number = 16 * 1024
const PAY_INFO_BYTES = 72
const MAX_ADDRESS = 128
const MAX_ANSWER_CHARACTERS = 1024

export interface VerifyTicketRequest {
  readonly payment: WirePayment
  /** 72 bytes. */
  readonly payInfo: Uint8Array
  /** Midnight of the day it was spent, unix seconds. */
  readonly day: number
  readonly epochId: number
  /** Who asks: an address on the ledger, and without one the gateway's Ed25519 key in base58. */
  readonly gateway: string
}

export type TicketVerdict =
  | { readonly kind: 'verified' }
  | { readonly kind: 'ReplayedTicket' | 'DoubleSpend' | 'InvalidTicket' | 'MultipleTickets' }
  /** Midnights. */
  | {
      readonly kind: 'InvalidSpentDate'
      readonly today: number
      readonly yesterday: number
      readonly received: number
    }

/** `payment`: of one ticket. */
export function encodeVerifyTicket(
  request: Omit<VerifyTicketRequest, 'payment'> & { readonly payment: Uint8Array },
): JsonObject {
  return {
    credential: {
      payment: paymentToJson(request.payment),
      pay_info: [...request.payInfo],
      spend_date: ordinalDate(request.day),
      epoch_id: request.epochId,
    },
    gateway_cosmos_addr: request.gateway,
  }
}

/** Throws MALFORMED. */
export function decodeVerifyTicket(text: string): VerifyTicketRequest {
  const json = parseJson(text, 'ticket to verify', MAX_VERIFY_TICKET_BYTES)
  const credential = json.field('credential')
  const payInfo = credential.field('pay_info')
  const bytes = payInfo.array(PAY_INFO_BYTES, (byte) => byte.integer({ max: 0xff }))
  if (bytes.length !== PAY_INFO_BYTES) payInfo.refuse(`not ${PAY_INFO_BYTES} bytes`)
  return {
    payment: readPayment(credential.field('payment')),
    payInfo: Uint8Array.from(bytes),
    day: readSpendDate(credential.field('spend_date')),
    epochId: credential.field('epoch_id').integer(),
    gateway: json.field('gateway_cosmos_addr').string(MAX_ADDRESS),
  }
}

export function encodeTicketVerdict(verdict: TicketVerdict): JsonObject {
  if (verdict.kind === 'verified') return { verified: { Ok: null } }
  if (verdict.kind !== 'InvalidSpentDate') return { verified: { Err: verdict.kind } }
  const { today, yesterday, received } = verdict
  const dates = { today: formatDate(today), yesterday: formatDate(yesterday), received: formatDate(received) }
  return { verified: { Err: { InvalidSpentDate: dates } } }
}

/** Throws MALFORMED. */
export function decodeTicketVerdict(text: string): TicketVerdict {
  const verified = parseJson(text, 'verdict on a ticket', MAX_ANSWER_CHARACTERS).field('verified')
  const [name, value] = verified.entries(1, (item) => item)[0] ?? verified.refuse('empty')
  if (name === 'Ok') return value.present ? verified.refuse('neither Ok nor Err') : { kind: 'verified' }
  if (name !== 'Err') verified.refuse('neither Ok nor Err')
  if (value.isString) {
    return { kind: value.oneOf(['ReplayedTicket', 'DoubleSpend', 'InvalidTicket', 'MultipleTickets']) }
  }
  const dates = value.field('InvalidSpentDate')
  // Like spend dates, these may come in either form.
  const date = (field: string): number =>
    dates.field(field).isString ? readDate(dates.field(field)) : readSpendDate(dates.field(field))
  return { kind: 'InvalidSpentDate', today: date('today'), yesterday: date('yesterday'), received: date('received') }
}
