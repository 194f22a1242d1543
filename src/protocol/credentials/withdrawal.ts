/**
 * What a user asks the authorities for: a signature on (sk, v, E, T) that hides sk and v, with a proof that both are known and that
 * sk is that of the public key. Every authority gets the same request; one of its own for each would give each its own h, and
 * shares that do not combine. @module
 */
import type { G1 } from '../../foundation/crypto/bls.ts'
import { modOrder, type Scalar } from '../../foundation/crypto/blsScalar.ts'
import { CodecReader, CodecWriter, pointOpener } from './codec.ts'
import { MAX_U8, MAX_U32 } from './constants.ts'
import type { Draw } from './draw.ts'
import type { UserKey } from './keys.ts'
import { hashG1, plus, type Scheme } from './scheme.ts'
import { SecretScalar } from './secretScalar.ts'
import { type WithdrawalProof, withdrawalChallenge } from './withdrawalProof.ts'

export interface WithdrawalRequest {
  readonly h: G1
  readonly com: G1
  /** com_1 and com_2, of sk and v. */
  readonly commitments: readonly G1[]
  readonly proof: WithdrawalProof
}

/** What the user keeps until the shares are unblinded. Made and stored before the request is first sent. */
export interface RequestInfo {
  readonly h: G1
  readonly o: SecretScalar
  /** o_1 and o_2. */
  readonly openings: readonly SecretScalar[]
  /** The wallet's secret. */
  readonly v: SecretScalar
  readonly expiration: number
  readonly ticketType: number
}

/** Public attributes of a ticketbook. */
export interface BookAttributes {
  /** E: unix seconds of a midnight, at most 32 bits. */
  readonly expiration: number
  /** T: the code of a ticket type, at most 8 bits. */
  readonly ticketType: number
}

/** `draw` is asked for v, o, o_1, o_2, k_o, k_1, k_2, k_sk, k_v. */
export function requestWithdrawal(
  scheme: Scheme,
  user: UserKey,
  { expiration, ticketType }: BookAttributes,
  draw: Draw,
): { readonly request: WithdrawalRequest; readonly info: RequestInfo } {
  const { bls, times } = scheme
  const { g1 } = bls
  const sk = user.secret.expose()

  // com = o·g1 + sk·γ1 + v·γ2,  h = hash_g1(com + E·γ3 + T·γ4)
  const v = draw('v')
  const o = draw('o')
  const com = plus(g1, times.g1(o), times.gamma1(sk), times.gamma2(v))
  const h = attributeBase(scheme, com, { expiration, ticketType })

  // com_1 = o_1·g1 + sk·h,  com_2 = o_2·g1 + v·h
  const o1 = draw('o_1')
  const o2 = draw('o_2')
  const com1 = g1.add(times.g1(o1), g1.multiply(sk, h))
  const com2 = g1.add(times.g1(o2), g1.multiply(v, h))

  // Z = k_o·g1 + k_sk·γ1 + k_v·γ2,  Z_1 = k_1·g1 + k_sk·h,  Z_2 = k_2·g1 + k_v·h,  Z_pk = k_sk·g1
  const [ko, k1, k2, ksk, kv] = [draw('k_o'), draw('k_1'), draw('k_2'), draw('k_sk'), draw('k_v')]
  const c = withdrawalChallenge(scheme, { com, h, commitments: [com1, com2], publicKey: user.public }, [
    plus(g1, times.g1(ko), times.gamma1(ksk), times.gamma2(kv)),
    g1.add(times.g1(k1), g1.multiply(ksk, h)),
    g1.add(times.g1(k2), g1.multiply(kv, h)),
    times.g1(ksk),
  ])

  // z = k − c·witness
  const response = (k: Scalar, witness: Scalar): Scalar => modOrder(k - c * witness)
  const proof: WithdrawalProof = {
    challenge: c,
    opening: response(ko, o),
    openings: [response(k1, o1), response(k2, o2)],
    attributes: [response(ksk, sk), response(kv, v)],
  }
  const secret = (scalar: Scalar): SecretScalar => new SecretScalar(scalar)
  return {
    request: { h, com, commitments: [com1, com2], proof },
    info: { h, o: secret(o), openings: [secret(o1), secret(o2)], v: secret(v), expiration, ticketType },
  }
}

/** h = hash_g1(C(com + E·γ3 + T·γ4)): both sides compute it, so nobody chooses the base of a signature. */
export function attributeBase(scheme: Scheme, com: G1, { expiration, ticketType }: BookAttributes): G1 {
  const { bls, gamma } = scheme
  const joined = plus(
    bls.g1,
    com,
    bls.g1.multiply(BigInt(expiration), gamma[2]),
    bls.g1.multiply(BigInt(ticketType), gamma[3]),
  )
  return hashG1(scheme, bls.g1.encode(joined))
}

/** More than an honest request has, so that wrong counts are judged by who verifies; few enough to cost little. */
const MAX_LIST = 8
const REQUEST_BYTES = 397

/** 397 bytes. */
export function encodeWithdrawalRequest(scheme: Scheme, request: WithdrawalRequest): Uint8Array {
  const { challenge, opening, openings, attributes } = request.proof
  return new CodecWriter(scheme, REQUEST_BYTES)
    .g1(request.h, request.com)
    .g1List(request.commitments)
    .scalar(challenge, opening)
    .scalarList(openings)
    .scalarList(attributes)
    .finish()
}

export function decodeWithdrawalRequest(scheme: Scheme, bytes: Uint8Array): WithdrawalRequest {
  const what = 'withdrawal request'
  const reader = new CodecReader(bytes, what)
  const h = reader.g1('h')
  const com = reader.g1('com')
  const commitments = reader.list(MAX_LIST, 'commitments', (field) => reader.g1(field))
  const scalars = (field: string): Scalar[] => reader.list(MAX_LIST, field, (one) => reader.scalar(one))
  const proof: WithdrawalProof = {
    challenge: reader.scalar('challenge'),
    opening: reader.scalar('opening'),
    openings: scalars('openings'),
    attributes: scalars('attributes'),
  }
  reader.expectEnd()
  const open = pointOpener(scheme, what)
  return {
    h: open.g1(h, 'h'),
    com: open.g1(com, 'com'),
    commitments: commitments.map((one) => open.g1(one, 'commitments')),
    proof,
  }
}

/** h, o, [o_1, o_2], v, E, T. Secret. */
export function encodeRequestInfo(scheme: Scheme, info: RequestInfo): Uint8Array {
  return new CodecWriter(scheme)
    .g1(info.h)
    .scalar(info.o.expose())
    .scalarList(info.openings.map((one) => one.expose()))
    .scalar(info.v.expose(), BigInt(info.expiration), BigInt(info.ticketType))
    .finish()
}

export function decodeRequestInfo(scheme: Scheme, bytes: Uint8Array): RequestInfo {
  const reader = new CodecReader(bytes, 'request info')
  const secret = (field: string): SecretScalar => new SecretScalar(reader.scalar(field))
  const small = (max: number, field: string): number => {
    const scalar = reader.scalar(field)
    return scalar <= BigInt(max) ? Number(scalar) : reader.refuse(field, `above ${max}`)
  }
  const h = reader.g1('h')
  const o = secret('o')
  const openings = reader.list(2, 'openings', secret)
  if (openings.length !== 2) reader.refuse('openings', `${openings.length} instead of 2`)
  const v = secret('v')
  const expiration = small(MAX_U32, 'expiration')
  const ticketType = small(MAX_U8, 'ticket type')
  reader.expectEnd()
  return { h: pointOpener(scheme, 'request info').g1(h, 'h'), o, openings, v, expiration, ticketType }
}
