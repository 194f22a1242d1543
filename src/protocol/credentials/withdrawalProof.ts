/** The proof of a withdrawal request as the authority sees it: π of (sk, v, o, o_1, o_2). @module */
import { concat } from '../../foundation/base/bytes.ts'
import type { G1, Term } from '../../foundation/crypto/bls.ts'
import type { Scalar } from '../../foundation/crypto/blsScalar.ts'
import { CodecWriter } from './codec.ts'
import { challenge, plus, type Scheme } from './scheme.ts'

export interface WithdrawalProof {
  readonly challenge: Scalar
  /** z_o */
  readonly opening: Scalar
  /** z_o1, z_o2 */
  readonly openings: readonly Scalar[]
  /** z_sk, z_v */
  readonly attributes: readonly Scalar[]
}

/** What the proof is about. */
export interface WithdrawalInstance {
  readonly com: G1
  readonly h: G1
  readonly commitments: readonly G1[]
  readonly publicKey: G1
}

type Four<T> = readonly [T, T, T, T]

/** c = chal(C(g1) ‖ C(γ1) … C(γ4) ‖ B(com) ‖ B(h) ‖ B([com_1, com_2]) ‖ B(pk) ‖ C(Z) ‖ C(Z_1) ‖ C(Z_2) ‖ C(Z_pk)) */
export function withdrawalChallenge(scheme: Scheme, instance: WithdrawalInstance, nonces: Four<G1>): Scalar {
  const { encode } = scheme.bls.g1
  const encoded = new CodecWriter(scheme)
    .g1(instance.com, instance.h)
    .g1List(instance.commitments)
    .g1(instance.publicKey)
    .finish()
  return challenge(scheme, encode(scheme.g1), concat(...scheme.gamma.map(encode)), encoded, ...nonces.map(encode))
}

/**
 * Recomputes Z from c and the responses and compares challenges:
 *   Z = c·com + z_o·g1 + z_sk·γ1 + z_v·γ2,  Z_j = c·com_j + z_oj·g1 + z_mj·h,  Z_pk = c·pk + z_sk·g1.
 * Exactly two commitments with two and two responses. A verifier that goes by the shorter of two lists signs, where the openings
 * are left out, a com_1 of another secret key than the one behind pk; its double spends then name nobody.
 */
export function withdrawalProofHolds(scheme: Scheme, instance: WithdrawalInstance, proof: WithdrawalProof): boolean {
  const { bls, times } = scheme
  const { g1 } = bls
  const [com1, com2, ...noMoreCommitments] = instance.commitments
  const [zo1, zo2, ...noMoreOpenings] = proof.openings
  const [zsk, zv, ...noMoreAttributes] = proof.attributes
  if (com1 === undefined || com2 === undefined || noMoreCommitments.length > 0) return false
  if (zo1 === undefined || zo2 === undefined || noMoreOpenings.length > 0) return false
  if (zsk === undefined || zv === undefined || noMoreAttributes.length > 0) return false

  const c = proof.challenge
  const { com, h, publicKey } = instance
  const sum = (...terms: Term<G1>[]): G1 => g1.sum(terms)
  const expected = withdrawalChallenge(scheme, instance, [
    plus(g1, g1.multiply(c, com), times.g1(proof.opening), times.gamma1(zsk), times.gamma2(zv)),
    g1.add(sum([c, com1], [zsk, h]), times.g1(zo1)),
    g1.add(sum([c, com2], [zv, h]), times.g1(zo2)),
    g1.add(g1.multiply(c, publicKey), times.g1(zsk)),
  ])
  return expected === c
}
