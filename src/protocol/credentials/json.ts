/** The JSON forms: every point and scalar as the lower-case hexadecimal of its bytes. Reading throws MALFORMED. @module */
import { fromHex, toHex } from '../../foundation/base/bytes.ts'
import { malformed } from '../../foundation/base/errors.ts'
import type { G1, G2 } from '../../foundation/crypto/bls.ts'
import { type Scalar, scalarFromBytes, scalarToBytes } from '../../foundation/crypto/blsScalar.ts'
import { type Opener, pointOpener } from './codec.ts'
import { MAX_ATTRIBUTES, MAX_U8, MAX_U32, TICKETS_PER_BOOK } from './constants.ts'
import type { VerificationKey } from './keys.ts'
import type { Payment } from './payment.ts'
import type { Scheme } from './scheme.ts'
import type { Signature } from './signature.ts'
import type { WithdrawalRequest } from './withdrawal.ts'

/** What these readers need of a cursor on untrusted JSON, as protocol/wire has one. */
export interface JsonCursor {
  field(name: string): JsonCursor
  array<T>(max: number, read: (item: JsonCursor) => T): T[]
  string(maxCharacters?: number): string
  integer(bounds?: { readonly min?: number; readonly max?: number }): number
}

export interface SignatureJson {
  readonly h: string
  readonly s: string
}

/** A blinded one names its second half otherwise. */
export interface BlindedSignatureJson {
  readonly h: string
  readonly c: string
}

export interface VerificationKeyJson {
  readonly alpha: string
  readonly beta_g1: readonly string[]
  readonly beta_g2: readonly string[]
}

export interface WithdrawalRequestJson {
  readonly joined_commitment_hash: string
  readonly joined_commitment: string
  readonly private_attributes_commitments: readonly string[]
  readonly zk_proof: {
    readonly challenge: string
    readonly response_opening: string
    readonly response_openings: readonly string[]
    readonly response_attributes: readonly string[]
  }
}

export interface PaymentJson {
  readonly kappa: string
  readonly kappa_e: string
  readonly sig: SignatureJson
  readonly sig_exp: SignatureJson
  readonly kappa_k: readonly string[]
  readonly omega: readonly SignatureJson[]
  readonly ss: readonly string[]
  readonly tt: readonly string[]
  readonly aa: readonly string[]
  readonly spend_value: number
  readonly cc: string
  readonly t_type: number
  readonly zk_proof: {
    readonly challenge: string
    readonly response_r: string
    readonly response_r_e: string
    readonly responses_r_k: readonly string[]
    readonly responses_l: readonly string[]
    readonly responses_o_a: readonly string[]
    readonly response_o_c: string
    readonly responses_mu: readonly string[]
    readonly responses_o_mu: readonly string[]
    readonly responses_attributes: readonly string[]
  }
}

export interface DateSignature {
  readonly signature: Signature
  readonly expiration: number
  readonly day: number
}

export interface CoinSignature {
  readonly signature: Signature
  readonly index: number
}

/** Of a point in G2; the longest here. */
const MAX_HEX = 192
/** As in withdrawal.ts. */
const MAX_LIST = 8

const scalarHex = (scalar: Scalar): string => toHex(scalarToBytes(scalar))

export function signatureToJson({ bls }: Scheme, { h, s }: Signature): SignatureJson {
  return { h: toHex(bls.g1.encode(h)), s: toHex(bls.g1.encode(s)) }
}

export function readSignature(scheme: Scheme, json: JsonCursor): Signature {
  const read = new HexFields(scheme, 'signature')
  return { h: read.g1(json.field('h')), s: read.g1(json.field('s')) }
}

export function blindedSignatureToJson(scheme: Scheme, signature: Signature): BlindedSignatureJson {
  const { h, s } = signatureToJson(scheme, signature)
  return { h, c: s }
}

export function readBlindedSignature(scheme: Scheme, json: JsonCursor): Signature {
  const read = new HexFields(scheme, 'blinded signature')
  return { h: read.g1(json.field('h')), s: read.g1(json.field('c')) }
}

export function verificationKeyToJson({ bls }: Scheme, key: VerificationKey): VerificationKeyJson {
  return {
    alpha: toHex(bls.g2.encode(key.alpha)),
    beta_g1: key.beta1.map((point) => toHex(bls.g1.encode(point))),
    beta_g2: key.beta2.map((point) => toHex(bls.g2.encode(point))),
  }
}

export function readVerificationKey(scheme: Scheme, json: JsonCursor): VerificationKey {
  const read = new HexFields(scheme, 'verification key')
  const alpha = read.g2(json.field('alpha'))
  const beta1 = json.field('beta_g1').array(MAX_ATTRIBUTES, (item) => read.g1(item))
  const beta2 = json.field('beta_g2').array(MAX_ATTRIBUTES, (item) => read.g2(item))
  if (beta1.length !== beta2.length || beta1.length === 0) {
    throw malformed('verification key', 'its lists are empty or of different lengths')
  }
  return { alpha, beta1, beta2 }
}

export function withdrawalRequestToJson({ bls }: Scheme, request: WithdrawalRequest): WithdrawalRequestJson {
  const g1 = (point: G1): string => toHex(bls.g1.encode(point))
  const { challenge, opening, openings, attributes } = request.proof
  return {
    joined_commitment_hash: g1(request.h),
    joined_commitment: g1(request.com),
    private_attributes_commitments: request.commitments.map(g1),
    zk_proof: {
      challenge: scalarHex(challenge),
      response_opening: scalarHex(opening),
      response_openings: openings.map(scalarHex),
      response_attributes: attributes.map(scalarHex),
    },
  }
}

export function readWithdrawalRequest(scheme: Scheme, json: JsonCursor): WithdrawalRequest {
  const read = new HexFields(scheme, 'withdrawal request')
  const proof = json.field('zk_proof')
  return {
    h: read.g1(json.field('joined_commitment_hash')),
    com: read.g1(json.field('joined_commitment')),
    commitments: json.field('private_attributes_commitments').array(MAX_LIST, (item) => read.g1(item)),
    proof: {
      challenge: read.scalar(proof.field('challenge')),
      opening: read.scalar(proof.field('response_opening')),
      openings: proof.field('response_openings').array(MAX_LIST, (item) => read.scalar(item)),
      attributes: proof.field('response_attributes').array(MAX_LIST, (item) => read.scalar(item)),
    },
  }
}

export function paymentToJson(scheme: Scheme, payment: Payment): PaymentJson {
  const { bls } = scheme
  const g1 = (point: G1): string => toHex(bls.g1.encode(point))
  const g2 = (point: G2): string => toHex(bls.g2.encode(point))
  const { proof } = payment
  return {
    kappa: g2(payment.kappa),
    kappa_e: g2(payment.kappaE),
    sig: signatureToJson(scheme, payment.signature),
    sig_exp: signatureToJson(scheme, payment.dateSignature),
    kappa_k: payment.kappaK.map(g2),
    omega: payment.omega.map((one) => signatureToJson(scheme, one)),
    ss: payment.serialNumbers.map(g1),
    tt: payment.tags.map(g1),
    aa: payment.commitments.map(g1),
    spend_value: payment.tickets,
    cc: g1(payment.c),
    t_type: payment.ticketType,
    zk_proof: {
      challenge: scalarHex(proof.challenge),
      response_r: scalarHex(proof.r),
      response_r_e: scalarHex(proof.rE),
      responses_r_k: proof.rK.map(scalarHex),
      responses_l: proof.l.map(scalarHex),
      responses_o_a: proof.oA.map(scalarHex),
      response_o_c: scalarHex(proof.oC),
      responses_mu: proof.mu.map(scalarHex),
      responses_o_mu: proof.oMu.map(scalarHex),
      responses_attributes: proof.attributes.map(scalarHex),
    },
  }
}

/** `maxTickets` as in decodePayment. */
export function readPayment(scheme: Scheme, json: JsonCursor, maxTickets: number = TICKETS_PER_BOOK): Payment {
  const read = new HexFields(scheme, 'payment')
  const most = maxTickets + 3
  const zk = json.field('zk_proof')
  const g1s = (name: string): G1[] => json.field(name).array(most, (item) => read.g1(item))
  const scalars = (name: string): Scalar[] => zk.field(name).array(most, (item) => read.scalar(item))
  return {
    kappa: read.g2(json.field('kappa')),
    kappaE: read.g2(json.field('kappa_e')),
    signature: readSignature(scheme, json.field('sig')),
    dateSignature: readSignature(scheme, json.field('sig_exp')),
    kappaK: json.field('kappa_k').array(most, (item) => read.g2(item)),
    omega: json.field('omega').array(most, (item) => readSignature(scheme, item)),
    serialNumbers: g1s('ss'),
    tags: g1s('tt'),
    commitments: g1s('aa'),
    tickets: json.field('spend_value').integer({ max: most }),
    c: read.g1(json.field('cc')),
    ticketType: json.field('t_type').integer({ max: MAX_U8 }),
    proof: {
      challenge: read.scalar(zk.field('challenge')),
      r: read.scalar(zk.field('response_r')),
      rE: read.scalar(zk.field('response_r_e')),
      rK: scalars('responses_r_k'),
      l: scalars('responses_l'),
      oA: scalars('responses_o_a'),
      oC: read.scalar(zk.field('response_o_c')),
      mu: scalars('responses_mu'),
      oMu: scalars('responses_o_mu'),
      attributes: scalars('responses_attributes'),
    },
  }
}

export function dateSignatureToJson(
  scheme: Scheme,
  { signature, expiration, day }: DateSignature,
): { signature: SignatureJson; expiration_timestamp: number; spending_timestamp: number } {
  return {
    signature: signatureToJson(scheme, signature),
    expiration_timestamp: expiration,
    spending_timestamp: day,
  }
}

export function readDateSignature(scheme: Scheme, json: JsonCursor): DateSignature {
  return {
    signature: readSignature(scheme, json.field('signature')),
    expiration: json.field('expiration_timestamp').integer({ max: MAX_U32 }),
    day: json.field('spending_timestamp').integer({ max: MAX_U32 }),
  }
}

export function coinSignatureToJson(
  scheme: Scheme,
  { signature, index }: CoinSignature,
): { signature: SignatureJson; index: number } {
  return { signature: signatureToJson(scheme, signature), index }
}

export function readCoinSignature(scheme: Scheme, json: JsonCursor): CoinSignature {
  return {
    signature: readSignature(scheme, json.field('signature')),
    index: json.field('index').integer({ max: TICKETS_PER_BOOK - 1 }),
  }
}

class HexFields {
  readonly #what: string
  readonly #open: { g1: Opener<G1>; g2: Opener<G2> }

  constructor(scheme: Scheme, what: string) {
    this.#what = what
    this.#open = pointOpener(scheme, what)
  }

  g1(json: JsonCursor): G1 {
    return this.#open.g1(this.#bytes(json), 'point')
  }

  g2(json: JsonCursor): G2 {
    return this.#open.g2(this.#bytes(json), 'point')
  }

  scalar(json: JsonCursor): Scalar {
    const scalar = scalarFromBytes(this.#bytes(json))
    if (scalar === undefined) throw malformed(this.#what, 'a scalar is not below the group order')
    return scalar
  }

  #bytes(json: JsonCursor): Uint8Array {
    return fromHex(json.string(MAX_HEX), this.#what)
  }
}
