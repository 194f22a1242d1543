/**
 * Judging payments, one or many. Strict by default: the proof must bind every index, or a book has no last ticket. In compatible
 * mode a payment may leave that out, as official clients before 1.22 do; everything else is checked all the same. @module
 */
import type { G1, G2 } from '../../foundation/crypto/bls.ts'
import { modOrder, type Scalar } from '../../foundation/crypto/blsScalar.ts'
import { PAY_INFO_BYTES, payInfoScalar } from './payInfo.ts'
import type { Payment } from './payment.ts'
import type { PreparedKey } from './preparedKey.ts'
import { plus, type Scheme } from './scheme.ts'
import { isDegenerate, signatureHolds } from './signature.ts'
import { spendChallenge } from './spendProof.ts'

export type Strictness = 'strict' | 'compatible'

/** In the order in which they are looked for. */
export type PaymentFault =
  | 'shape'
  | 'index-not-bound'
  | 'duplicate-serial-number'
  | 'identity'
  | 'proof'
  | 'wallet-signature'
  | 'date-signature'
  | 'coin-signature'

/** What is judged: the payment, for whom it was made, and the day it claims, in unix seconds. */
export interface ClaimedPayment {
  readonly payment: Payment
  readonly payInfo: Uint8Array
  readonly day: number
}

/** What is wrong with a payment; undefined of a good one. `weight` gives fresh weights (draw.ts). */
export function paymentFault(
  scheme: Scheme,
  master: PreparedKey,
  claimed: ClaimedPayment,
  weight: () => Scalar,
  strictness: Strictness = 'strict',
): PaymentFault | undefined {
  return paymentFaults(scheme, master, [claimed], weight, strictness)[0]
}

/**
 * The same for many payments under one master key, with one product of pairings for all that pass the rest: three and a share of
 * one each, instead of six with three final exponentiations. Where the product is not one, halves are asked, so that a bad payment
 * among 64 costs twice the pairings and not 64 times one's own.
 */
export function paymentFaults(
  scheme: Scheme,
  master: PreparedKey,
  claims: readonly ClaimedPayment[],
  weight: () => Scalar,
  strictness: Strictness = 'strict',
): (PaymentFault | undefined)[] {
  const faults: (PaymentFault | undefined)[] = claims.map(
    (claimed) => shapeFault(scheme, claimed, strictness) ?? proofFault(scheme, master, claimed),
  )
  const search = (indices: readonly number[]): void => {
    const some = indices.map((i) => claims[i] as ClaimedPayment)
    if (signaturesHold(scheme, master, some, weight)) return
    const [first] = indices
    if (first !== undefined && indices.length === 1) {
      faults[first] = signatureFault(scheme, master, claims[first] as ClaimedPayment)
      return
    }
    search(indices.slice(0, indices.length / 2))
    search(indices.slice(indices.length / 2))
  }
  search([...faults.keys()].filter((i) => faults[i] === undefined))
  return faults
}

/**
 * What needs no curve arithmetic. Each list that is longer or shorter than n is an attack on a verifier that goes by the shorter
 * one: a serial number that nothing proves, or one more of them, a ticket type absorbed by a fourth attribute, bytes that may be
 * changed. A zero ω satisfies its equation whatever κ_k is.
 */
export function shapeFault(
  scheme: Scheme,
  { payment, payInfo, day }: ClaimedPayment,
  strictness: Strictness,
): PaymentFault | undefined {
  const { tickets: n, proof } = payment
  const lists = [
    payment.kappaK,
    payment.omega,
    payment.serialNumbers,
    payment.tags,
    payment.commitments,
    proof.l,
    proof.oA,
    proof.mu,
    proof.oMu,
  ]
  if (n < 1 || lists.some((list) => list.length !== n) || proof.attributes.length !== 3) return 'shape'
  if (payInfo.length !== PAY_INFO_BYTES || !Number.isSafeInteger(day) || day < 0) return 'shape'
  if (proof.rK.length !== n) {
    if (proof.rK.length !== 0) return 'shape'
    if (strictness === 'strict') return 'index-not-bound'
  }
  if (repeats(scheme, payment.serialNumbers)) return 'duplicate-serial-number'
  const signatures = [payment.signature, payment.dateSignature, ...payment.omega]
  return signatures.some((one) => isDegenerate(scheme, one)) ? 'identity' : undefined
}

function repeats({ bls }: Scheme, points: readonly G1[]): boolean {
  return points.some((point, i) => points.slice(0, i).some((earlier) => bls.g1.equal(point, earlier)))
}

/** Recomputes the commitments of spendProof.ts from c and the responses, c̄ = 1 − c, and compares challenges. */
function proofFault(scheme: Scheme, master: PreparedKey, { payment, payInfo }: ClaimedPayment): 'proof' | undefined {
  const { times } = scheme
  const { g1, g2 } = scheme.bls
  const { proof } = payment
  const { beta0, beta1, beta2 } = master.times
  const { alpha } = master.key
  const [zsk, zv, ze] = proof.attributes as [Scalar, Scalar, Scalar]
  const c = proof.challenge
  // c·κ + c̄·α, as α + c·(κ − α): one multiplication less, and no table of α.
  const minusAlpha = g2.negate(alpha)
  const bothParts = (kappa: G2): G2 => g2.add(alpha, g2.multiply(c, g2.add(kappa, minusAlpha)))
  const each = <T, P>(items: readonly T[], of: (item: T, k: number) => P): P[] => items.map(of)
  const gamma2 = scheme.gamma[1]
  const cGamma2 = times.gamma2(c)

  const expected = spendChallenge(
    scheme,
    master,
    payment,
    {
      // t_κ = c·κ + c̄·α + z_r·g2 + z_sk·β2_0 + z_v·β2_1 + z_E·β2_2;  t_κe = c·κ_e + c̄·α + z_re·g2 + z_E·β2_0
      kappa: plus(g2, bothParts(payment.kappa), times.g2(proof.r), beta0(zsk), beta1(zv), beta2(ze)),
      kappaE: plus(g2, bothParts(payment.kappaE), times.g2(proof.rE), beta0(ze)),
      // t_C = c·C + z_oc·g1 + z_v·γ2;  t_A = c·A + z_oa·g1 + z_l·γ2;  t_S = c·S + z_μ·δ
      c: plus(g1, g1.multiply(c, payment.c), times.g1(proof.oC), times.gamma2(zv)),
      a: each(payment.commitments, (a, k) =>
        plus(g1, g1.multiply(c, a), times.g1(proof.oA[k] as Scalar), times.gamma2(proof.l[k] as Scalar)),
      ),
      s: each(payment.serialNumbers, (s, k) => g1.add(g1.multiply(c, s), times.delta(proof.mu[k] as Scalar))),
      // t_κk = c·κ_k + c̄·α + z_rk·g2 + z_l·β2_0, where there are z_rk
      kappaK: each(proof.rK, (zrk, k) =>
        plus(g2, bothParts(payment.kappaK[k] as G2), times.g2(zrk), beta0(proof.l[k] as Scalar)),
      ),
      // t_γ = z_μ·(A + C + γ2) + z_oμ·g1 + c·γ2;  t_T = c·T + (z_sk + z_μ·R_k)·g1
      gamma: each(payment.commitments, (a, k) =>
        plus(
          g1,
          g1.multiply(proof.mu[k] as Scalar, plus(g1, a, payment.c, gamma2)),
          times.g1(proof.oMu[k] as Scalar),
          cGamma2,
        ),
      ),
      t: each(payment.tags, (t, k) =>
        g1.add(
          g1.multiply(c, t),
          times.g1(modOrder(zsk + (proof.mu[k] as Scalar) * payInfoScalar(scheme, payInfo, k))),
        ),
      ),
    },
    payInfo,
  )
  return expected === c ? undefined : 'proof'
}

/** X of the wallet's, the date's and each coin's signature: κ + T·β2_3;  κ_e + d·β2_1 + TYPE_EXP·β2_2;  κ_k + TYPE_IDX·(β2_1 + β2_2). */
function signatureKeys(scheme: Scheme, master: PreparedKey, { payment, day }: ClaimedPayment): SignatureKeys {
  const { g2 } = scheme.bls
  return {
    wallet: g2.add(payment.kappa, master.times.beta3(BigInt(payment.ticketType))),
    date: plus(g2, payment.kappaE, master.times.beta1(BigInt(day)), master.expirationKey),
    coins: payment.kappaK.map((kappaK) => g2.add(kappaK, master.indexKey)),
  }
}

interface SignatureKeys {
  readonly wallet: G2
  readonly date: G2
  readonly coins: readonly G2[]
}

/** Π e(ρ·h, X) · e(−Σ ρ·s, g2) = 1 over every signature of every payment, the first ρ being 1. */
function signaturesHold(
  scheme: Scheme,
  master: PreparedKey,
  claims: readonly ClaimedPayment[],
  weight: () => Scalar,
): boolean {
  const { bls, g2 } = scheme
  const { g1 } = bls
  const pairs: [G1, G2][] = []
  const sum: [Scalar, G1][] = []
  for (const claimed of claims) {
    const { payment } = claimed
    const keys = signatureKeys(scheme, master, claimed)
    const signatures = [payment.signature, payment.dateSignature, ...payment.omega]
    const messageKeys = [keys.wallet, keys.date, ...keys.coins]
    for (const [i, { h, s }] of signatures.entries()) {
      const rho = pairs.length === 0 ? 1n : weight()
      pairs.push([g1.multiply(rho, h), messageKeys[i] as G2])
      sum.push([rho, s])
    }
  }
  return pairs.length === 0 || bls.pairingsCancel([...pairs, [g1.negate(g1.sum(sum)), g2]])
}

/** Which signature it is; only who has a proof that holds gets this far. */
function signatureFault(scheme: Scheme, master: PreparedKey, claimed: ClaimedPayment): PaymentFault | undefined {
  const { payment } = claimed
  const keys = signatureKeys(scheme, master, claimed)
  if (!signatureHolds(scheme, payment.signature, keys.wallet)) return 'wallet-signature'
  if (!signatureHolds(scheme, payment.dateSignature, keys.date)) return 'date-signature'
  const coinsHold = payment.omega.every((omega, k) => signatureHolds(scheme, omega, keys.coins[k] as G2))
  return coinsHold ? undefined : 'coin-signature'
}
