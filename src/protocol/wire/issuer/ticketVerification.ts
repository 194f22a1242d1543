/**
 * What a gateway says to an issuer about the tickets it took: POST /v1/ecash/verify-ecash-ticket and
 * /v1/ecash/batch-redeem-ecash-tickets, requests written and answers read. A payment goes from its binary form to its JSON form
 * by re-framing alone: the same bytes in hexadecimal, no curve is needed. Format: docs/spec/issuer.md. @module
 */
import { toBase58 } from '../../../foundation/base/base58.ts'
import { concat, toHex, utf8 } from '../../../foundation/base/bytes.ts'
import { Reader } from '../../../foundation/base/reader.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import { parseJson } from '../directory/json.ts'
import { dateOfDays } from '../timestamp.ts'

export interface SpentPayment {
  /** Of one ticket, as it came. */
  readonly payment: Uint8Array
  /** 72 bytes. */
  readonly payInfo: Uint8Array
  /** Since 1970-01-01, UTC. */
  readonly unixDay: number
  readonly epochId: number
}

/** `too-old`: no opinion at all, for the day is one that this issuer judges no more. */
export type TicketOpinion = 'accepted' | 'replayed' | 'double-spend' | 'invalid' | 'too-old'

export interface RedemptionRequest {
  /** 48 bytes each, in the order in which they are hashed. */
  readonly serialNumbers: readonly Uint8Array[]
  /** SHA-256 over all of them, 32 bytes. */
  readonly digest: Uint8Array
  readonly proposalId: number
  /** Ed25519, 32 bytes. */
  readonly gateway: Uint8Array
  /** By that key, over `redemptionMessage`. */
  readonly signature: Uint8Array
}

const G1 = 48
const G2 = 96
const SCALAR = 32
const MAX_ANSWER_CHARACTERS = 4096
const REDEMPTION_DOMAIN = utf8('starling/redeem-tickets/1')

/** Throws MALFORMED for what is no payment of one ticket. */
export function encodeVerifyTicket({ payment, payInfo, unixDay, epochId }: SpentPayment, gateway: Uint8Array): string {
  const { year, ordinalDay } = dateOfDays(unixDay)
  return JSON.stringify({
    credential: {
      payment: paymentJson(payment),
      pay_info: [...payInfo],
      // What the official node writes; official issuers take it as well as YYYY-MM-DD.
      spend_date: [year, ordinalDay],
      epoch_id: epochId,
    },
    gateway_cosmos_addr: toBase58(gateway),
  })
}

/** Throws MALFORMED. */
export function decodeVerifyTicketAnswer(text: string): TicketOpinion {
  const verified = parseJson(text, 'answer about a ticket', MAX_ANSWER_CHARACTERS).field('verified')
  const [[name] = []] = verified.entries(1, () => undefined)
  if (name === 'Ok') return 'accepted'
  const fault = verified.field('Err')
  if (!fault.isString) {
    fault.field('InvalidSpentDate').entries(8, () => undefined)
    return 'too-old'
  }
  switch (fault.oneOf(['ReplayedTicket', 'DoubleSpend', 'InvalidTicket', 'MultipleTickets'])) {
    case 'ReplayedTicket':
      return 'replayed'
    case 'DoubleSpend':
      return 'double-spend'
    default:
      return 'invalid'
  }
}

/** What a gateway signs: official requests carry no signature, so anybody could redeem in a gateway's name. */
export function redemptionMessage(digest: Uint8Array, tickets: number): Uint8Array {
  return concat(REDEMPTION_DOMAIN, digest, new Writer(4).u32(tickets).finish())
}

export function encodeRedeemTickets(request: RedemptionRequest): string {
  return JSON.stringify({
    digest: toBase58(request.digest),
    included_serial_numbers: request.serialNumbers.map(toBase58),
    proposal_id: request.proposalId,
    gateway_cosmos_addr: toBase58(request.gateway),
    signature: toBase58(request.signature),
  })
}

/** Whether the issuer votes for it. Throws MALFORMED. */
export function decodeRedeemTicketsAnswer(text: string): boolean {
  return parseJson(text, 'answer about a redemption', MAX_ANSWER_CHARACTERS).field('proposal_accepted').boolean()
}

function paymentJson(payment: Uint8Array): object {
  const reader = new Reader(payment, 'payment')
  const hex = (length: number, field: string): string => {
    reader.u8(field, { min: length, max: length })
    return toHex(reader.bytes(length, field))
  }
  const signature = (field: string): object => ({ h: hex(G1, field), s: hex(G1, field) })
  const one = <T>(field: string, read: (field: string) => T): T[] => {
    reader.u8(field, { min: 1, max: 1 })
    return [read(field)]
  }
  const scalar = (field: string): string => hex(SCALAR, field)
  const some = (most: number, field: string): string[] =>
    Array.from({ length: reader.u8(field, { max: most }) }, () => scalar(field))
  const json = {
    kappa: hex(G2, 'kappa'),
    kappa_e: hex(G2, 'kappa_e'),
    sig: signature('sig'),
    sig_exp: signature('sig_exp'),
    kappa_k: one('kappa_k', (field) => hex(G2, field)),
    omega: one('omega', signature),
    ss: one('ss', (field) => hex(G1, field)),
    tt: one('tt', (field) => hex(G1, field)),
    aa: one('aa', (field) => hex(G1, field)),
    spend_value: reader.u8('spend_value', { min: 1, max: 1 }),
    cc: hex(G1, 'cc'),
    t_type: reader.u8('t_type'),
    zk_proof: {
      challenge: scalar('challenge'),
      response_r: scalar('response_r'),
      response_r_e: scalar('response_r_e'),
      responses_r_k: some(1, 'responses_r_k'),
      responses_l: one('responses_l', scalar),
      responses_o_a: one('responses_o_a', scalar),
      response_o_c: scalar('response_o_c'),
      responses_mu: one('responses_mu', scalar),
      responses_o_mu: one('responses_o_mu', scalar),
      responses_attributes: some(3, 'responses_attributes'),
    },
  }
  reader.expectEnd()
  return json
}
