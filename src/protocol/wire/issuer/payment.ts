/** A payment, as JSON between gateway and issuers, and as the bytes that engines take. @module */
import { concat, toHex } from '../../../foundation/base/bytes.ts'
import type { Json, JsonObject } from '../directory/json.ts'
import { FramedReader, FramedWriter } from './codecB.ts'
import { G1_BYTES, G2_BYTES, readHex, readSignature, SCALAR_BYTES, signatureToJson } from './hexFields.ts'

/** A ticket has one entry in each list, three in one. A few more, so that whoever judges payments says what is wrong with it. */
const MAX_ITEMS = 4
const WHAT = 'payment'

export type WirePayment =
  | {
      readonly kind: 'one'
      /** 1190 or 1157 where its lists are as they should be. */
      readonly bytes: Uint8Array
      /** As it claims: 48 bytes where there is one. */
      readonly serialNumber: Uint8Array
    }
  /** Of more tickets than one, or none. */
  | { readonly kind: 'several' }

/** Throws MALFORMED. */
export function readPayment(json: Json): WirePayment {
  const tickets = json.field('spend_value').integer({ max: Number.MAX_SAFE_INTEGER })
  if (tickets !== 1) return { kind: 'several' }
  const zk = json.field('zk_proof')
  const list = (of: Json, length: number): (readonly Uint8Array[])[] =>
    of.array(MAX_ITEMS, (item) => [readHex(item, length)])
  const halves = (signature: Uint8Array): readonly Uint8Array[] => [
    signature.subarray(0, G1_BYTES),
    signature.subarray(G1_BYTES),
  ]
  const scalar = (name: string): Uint8Array => readHex(zk.field(name), SCALAR_BYTES)
  const scalars = (name: string): (readonly Uint8Array[])[] => list(zk.field(name), SCALAR_BYTES)
  const serialNumbers = list(json.field('ss'), G1_BYTES)
  const bytes = new FramedWriter(WHAT, MAX_ITEMS)
    .one(readHex(json.field('kappa'), G2_BYTES), readHex(json.field('kappa_e'), G2_BYTES))
    .one(...halves(readSignature(json.field('sig'))), ...halves(readSignature(json.field('sig_exp'))))
    .list(list(json.field('kappa_k'), G2_BYTES))
    .list(json.field('omega').array(MAX_ITEMS, (item) => halves(readSignature(item))))
    .list(serialNumbers)
    .list(list(json.field('tt'), G1_BYTES))
    .list(list(json.field('aa'), G1_BYTES))
    .u8(tickets)
    .one(readHex(json.field('cc'), G1_BYTES))
    .u8(json.field('t_type').integer({ max: 0xff }))
    .one(scalar('challenge'), scalar('response_r'), scalar('response_r_e'))
    .list(scalars('responses_r_k'))
    .list(scalars('responses_l'))
    .list(scalars('responses_o_a'))
    .one(scalar('response_o_c'))
    .list(scalars('responses_mu'))
    .list(scalars('responses_o_mu'))
    .list(scalars('responses_attributes'))
    .finish()
  return { kind: 'one', bytes, serialNumber: concat(...serialNumbers.flat()) }
}

/** Throws MALFORMED of bytes that are no payment of one ticket, and of lists longer than MAX_ITEMS. */
export function paymentToJson(bytes: Uint8Array): JsonObject {
  const reader = new FramedReader(bytes, WHAT, MAX_ITEMS)
  const g1 = (): string => toHex(reader.one(G1_BYTES, 'point'))
  const g2 = (): string => toHex(reader.one(G2_BYTES, 'point'))
  const scalar = (): string => toHex(reader.one(SCALAR_BYTES, 'scalar'))
  const signature = (): JsonObject =>
    signatureToJson(concat(reader.one(G1_BYTES, 'signature'), reader.one(G1_BYTES, 'signature')))
  const json = {
    kappa: g2(),
    kappa_e: g2(),
    sig: signature(),
    sig_exp: signature(),
    kappa_k: reader.list('kappa_k', g2),
    omega: reader.list('omega', signature),
    ss: reader.list('ss', g1),
    tt: reader.list('tt', g1),
    aa: reader.list('aa', g1),
    spend_value: reader.small('spend_value'),
    cc: g1(),
    t_type: reader.u8('t_type'),
    zk_proof: {
      challenge: scalar(),
      response_r: scalar(),
      response_r_e: scalar(),
      responses_r_k: reader.list('responses_r_k', scalar),
      responses_l: reader.list('responses_l', scalar),
      responses_o_a: reader.list('responses_o_a', scalar),
      response_o_c: scalar(),
      responses_mu: reader.list('responses_mu', scalar),
      responses_o_mu: reader.list('responses_o_mu', scalar),
      responses_attributes: reader.list('responses_attributes', scalar),
    },
  }
  reader.expectEnd()
  return json
}
