/**
 * A verifier as careless as the official ones were, check by check: what a forged payment must be shown to get past, before refusing
 * it counts for anything. It walks lists as far as the shortest goes, and shares nothing with verify.ts but the transcript. @module
 */
import type { G1, G2 } from '../../foundation/crypto/bls.ts'
import { modOrder, type Scalar } from '../../foundation/crypto/blsScalar.ts'
import { TYPE_EXPIRATION, TYPE_INDEX } from './constants.ts'
import { payInfoScalar } from './payInfo.ts'
import type { PreparedKey } from './preparedKey.ts'
import type { Scheme } from './scheme.ts'
import type { Signature } from './signature.ts'
import { spendChallenge } from './spendProof.ts'
import type { ClaimedPayment } from './verify.ts'

/** Checks that can be left out. */
export type Check = 'lengths' | 'zero-coins' | 'binding' | 'duplicates' | 'proof' | 'wallet' | 'date' | 'coins'

export function acceptsWithout(
  scheme: Scheme,
  { key, ...master }: PreparedKey,
  { payment, payInfo, day }: ClaimedPayment,
  ...without: readonly Check[]
): boolean {
  const on = (check: Check): boolean => !without.includes(check)
  const { bls, gamma, delta } = scheme
  const { g1, g2 } = bls
  const { proof } = payment
  const n = payment.tickets
  const encoded = payment.serialNumbers.map((one) => g1.encode(one).join())

  if (on('lengths')) {
    const lists = [payment.kappaK, payment.omega, payment.serialNumbers, payment.tags, payment.commitments]
    const responses = [proof.l, proof.oA, proof.mu, proof.oMu]
    if (n < 1 || [...lists, ...responses].some((list) => list.length !== n)) return false
    if (proof.attributes.length !== 3 || ![0, n].includes(proof.rK.length)) return false
  }
  if (on('binding') && proof.rK.length < n) return false
  if (on('duplicates') && new Set(encoded).size < encoded.length) return false
  if (on('zero-coins') && payment.omega.some(({ h, s }) => g1.isZero(h) || g1.isZero(s))) return false

  if (on('proof')) {
    const c = proof.challenge
    const rest = modOrder(1n - c)
    const scalars = Array.from({ length: n }, (_, k) => payInfoScalar(scheme, payInfo, k))
    const [zsk, zv, ze] = proof.attributes
    // Where the crate panics.
    if (zsk === undefined || zv === undefined || ze === undefined) return false
    const beta = (i: number): G2 => key.beta2[i] as G2
    const expected = spendChallenge(
      scheme,
      { key, ...master },
      payment,
      {
        kappa: g2.sum([
          [c, payment.kappa],
          [rest, key.alpha],
          [proof.r, scheme.g2],
          ...zip(proof.attributes, key.beta2).map(([z, b]): [Scalar, G2] => [z, b]),
        ]),
        kappaE: g2.sum([
          [c, payment.kappaE],
          [rest, key.alpha],
          [proof.rE, scheme.g2],
          [ze, beta(0)],
        ]),
        c: g1.sum([
          [c, payment.c],
          [proof.oC, scheme.g1],
          [zv, gamma[1]],
        ]),
        a: zip(payment.commitments, proof.oA, proof.l).map(([a, zoa, zl]) =>
          g1.sum([
            [c, a],
            [zoa, scheme.g1],
            [zl, gamma[1]],
          ]),
        ),
        s: zip(payment.serialNumbers, proof.mu).map(([s, zmu]) =>
          g1.sum([
            [c, s],
            [zmu, delta],
          ]),
        ),
        kappaK: zip(payment.kappaK, proof.rK, proof.l).map(([kappaK, zrk, zl]) =>
          g2.sum([
            [c, kappaK],
            [rest, key.alpha],
            [zrk, scheme.g2],
            [zl, beta(0)],
          ]),
        ),
        gamma: zip(payment.commitments, proof.mu, proof.oMu).map(([a, zmu, zomu]) =>
          g1.sum([
            [zmu, a],
            [zmu, payment.c],
            [modOrder(zmu + c), gamma[1]],
            [zomu, scheme.g1],
          ]),
        ),
        t: zip(payment.tags, scalars, proof.mu).map(([t, bigR, zmu]) =>
          g1.sum([
            [c, t],
            [modOrder(zsk + zmu * bigR), scheme.g1],
          ]),
        ),
      },
      payInfo,
    )
    if (expected !== c) return false
  }

  const holds = ({ h, s }: Signature, x: G2): boolean =>
    bls.pairingsCancel([
      [h, x],
      [g1.negate(s), scheme.g2],
    ])
  const signed = (signature: Signature, x: G2): boolean => !g1.isZero(signature.h) && holds(signature, x)
  const plus = (x: G2, ...terms: readonly [Scalar, number][]): G2 =>
    g2.add(x, g2.sum(terms.map(([scalar, i]) => [scalar, key.beta2[i] as G2])))

  if (on('wallet') && !signed(payment.signature, plus(payment.kappa, [BigInt(payment.ticketType), 3]))) return false
  if (on('date') && !signed(payment.dateSignature, plus(payment.kappaE, [BigInt(day), 1], [TYPE_EXPIRATION, 2]))) {
    return false
  }
  if (!on('coins')) return true
  if (payment.omega.length !== payment.kappaK.length) return false
  const pairs = zip(payment.omega, payment.kappaK).flatMap(([{ h, s }, kappaK]): [G1, G2][] => [
    [h, plus(kappaK, [TYPE_INDEX, 1], [TYPE_INDEX, 2])],
    [g1.negate(s), scheme.g2],
  ])
  return bls.pairingsCancel(pairs)
}

type Zipped<T extends readonly (readonly unknown[])[]> = { [I in keyof T]: T[I][number] }

function zip<const T extends readonly (readonly unknown[])[]>(...lists: T): Zipped<T>[] {
  const length = Math.min(...lists.map((list) => list.length))
  return Array.from({ length }, (_, i) => lists.map((list) => list[i]) as Zipped<T>)
}
