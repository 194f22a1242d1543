/**
 * What everybody can check a dealer by. Pedersen's commitments C_ck = a_ck·g1 + b_ck·h hide the polynomials perfectly: while the
 * set of dealers is being fixed, nobody knows what their sum will be. Feldman's, opened afterwards, are the verification keys
 * K_k of the k-th coefficients: α_k = a_0k·g2, β1_k = a_ck·g1, β2_k = a_ck·g2, and K_0 is the dealer's part of the master key. @module
 */
import { concat, expectLength, utf8 } from '../../foundation/base/bytes.ts'
import type { G1, Group, Term } from '../../foundation/crypto/bls.ts'
import { modOrder, type Scalar } from '../../foundation/crypto/blsScalar.ts'
import { pointOpener } from './codec.ts'
import { ATTRIBUTES, G1_BYTES } from './constants.ts'
import { type DealtShare, DKG_ROWS, type Polynomials } from './dkgPolynomials.ts'
import {
  decodeVerificationKey,
  encodeVerificationKey,
  keyIsConsistent,
  type VerificationKey,
  verificationKeyOf,
} from './keys.ts'
import { hashG1, type Scheme } from './scheme.ts'
import { SecretScalar } from './secretScalar.ts'

/** C_ck: DKG_ROWS rows of t points. */
export type PedersenCommitment = readonly (readonly G1[])[]
/** K_0 … K_{t−1} */
export type FeldmanCommitment = readonly VerificationKey[]

const VERIFICATION_KEY_BYTES = 680
const HIDING_GENERATOR = utf8('STARLING-DKG-V1-PEDERSEN-H')

/** h: nobody knows its logarithm to g1, so no commitment opens in two ways. */
export const hidingGenerator = (scheme: Scheme): G1 => hashG1(scheme, HIDING_GENERATOR)

/** C_ck = a_ck·g1 + b_ck·h */
export function pedersenCommitment(scheme: Scheme, h: G1, { rows, hiding }: Polynomials): PedersenCommitment {
  const { g1 } = scheme.bls
  const at = (c: number, k: number): Scalar => hiding[c]?.[k] ?? 0n
  return rows.map((row, c) =>
    row.map((a, k) => g1.add(g1.multiplySecret(a, scheme.g1), g1.multiplySecret(at(c, k), h))),
  )
}

/** K_k, the verification key of (a_0k; a_1k … a_4k). */
export function feldmanCommitment(scheme: Scheme, { rows }: Pick<Polynomials, 'rows'>): FeldmanCommitment {
  return Array.from({ length: rows[0]?.length ?? 0 }, (_, k) => {
    const [x = 0n, ...y] = rows.map((row) => row[k] ?? 0n)
    return verificationKeyOf(scheme, { x: new SecretScalar(x), y: y.map((one) => new SecretScalar(one)) })
  })
}

/** Whether s_c·g1 + s'_c·h = Σ_k j^k·C_ck for every c, as one equation under weights ρ_c. */
export function pedersenShareHolds(
  scheme: Scheme,
  h: G1,
  commitment: PedersenCommitment,
  index: number,
  { values, hiding }: DealtShare,
  weight: () => Scalar,
): boolean {
  const { g1 } = scheme.bls
  const rho = commitment.map(weight)
  const committed = g1.sum(
    commitment.flatMap((row, c) =>
      terms(row, index)
        .map(([power, point]): Term<G1> => [power * (rho[c] ?? 0n), point])
        .map(reduced),
    ),
  )
  const opened = g1.add(
    g1.multiplySecret(weighted(rho, values), scheme.g1),
    g1.multiplySecret(weighted(rho, hiding), h),
  )
  return g1.equal(committed, opened)
}

/**
 * Whether s_0·g2 = Σ j^k·α_k and s_c·g1 = Σ j^k·β1_ck for every c ≥ 1. That β2 fits β1 is for `feldmanIsConsistent`, which is the
 * same for everybody.
 */
export function feldmanShareHolds(
  scheme: Scheme,
  commitment: FeldmanCommitment,
  index: number,
  { values }: Pick<DealtShare, 'values'>,
  weight: () => Scalar,
): boolean {
  const { g1, g2 } = scheme.bls
  const [x = 0n, ...y] = values
  const alpha = g2.sum(
    terms(
      commitment.map((key) => key.alpha),
      index,
    ),
  )
  if (!g2.equal(alpha, g2.multiplySecret(x, scheme.g2))) return false
  const rho = y.map(weight)
  const beta = g1.sum(
    rho.flatMap((r, c) =>
      terms(
        commitment.map((key) => key.beta1[c] ?? g1.zero),
        index,
      )
        .map(([power, point]): Term<G1> => [power * r, point])
        .map(reduced),
    ),
  )
  return g1.equal(beta, g1.multiplySecret(weighted(rho, y), scheme.g1))
}

/**
 * Whether the halves in G1 and G2 belong together, e(β1_ck, g2) = e(g1, β2_ck), for all coefficients in one product of pairings,
 * and nothing is zero: a dealer's honest zero has a chance of 2⁻²⁵⁰.
 */
export function feldmanIsConsistent(scheme: Scheme, commitment: FeldmanCommitment, weight: () => Scalar): boolean {
  const [first] = commitment
  if (first === undefined || commitment.some(({ alpha }) => scheme.bls.g2.isZero(alpha))) return false
  const all: VerificationKey = {
    alpha: first.alpha,
    beta1: commitment.flatMap((key) => key.beta1),
    beta2: commitment.flatMap((key) => key.beta2),
  }
  return keyIsConsistent(scheme, all, weight)
}

/** Σ_i w_i·K_ik for each k: the commitment to the sum of what was dealt. */
export function combineCommitments(
  scheme: Scheme,
  commitments: readonly FeldmanCommitment[],
  weights: readonly Scalar[],
): FeldmanCommitment {
  const size = Math.max(0, ...commitments.map((one) => one.length))
  return Array.from({ length: size }, (_, k) =>
    sumKeys(
      scheme,
      commitments.map((one) => one[k]),
      weights,
    ),
  )
}

/** Σ_k j^k·K_k: the verification key of who has that index; at 0 the master key. */
export function keyAt(scheme: Scheme, commitment: FeldmanCommitment, index: number): VerificationKey {
  return sumKeys(scheme, commitment, powers(commitment.length, index))
}

/** C_00 … C_0(t−1) ‖ C_10 …: 240·t bytes. */
export function encodePedersen(scheme: Scheme, commitment: PedersenCommitment): Uint8Array {
  return concat(...commitment.flat().map((point) => scheme.bls.g1.encode(point)))
}

export function decodePedersen(scheme: Scheme, bytes: Uint8Array, threshold: number): PedersenCommitment {
  expectLength(bytes, DKG_ROWS * threshold * G1_BYTES, 'commitment')
  const open = pointOpener(scheme, 'commitment')
  return Array.from({ length: DKG_ROWS }, (_, c) =>
    Array.from({ length: threshold }, (_, k) => {
      const at = (c * threshold + k) * G1_BYTES
      return open.g1(bytes.subarray(at, at + G1_BYTES), `C[${c}][${k}]`)
    }),
  )
}

/** K_0 ‖ K_1 …: 680·t bytes. */
export function encodeFeldman(scheme: Scheme, commitment: FeldmanCommitment): Uint8Array {
  return concat(...commitment.map((key) => encodeVerificationKey(scheme, key)))
}

export function decodeFeldman(scheme: Scheme, bytes: Uint8Array, threshold: number): FeldmanCommitment {
  expectLength(bytes, threshold * VERIFICATION_KEY_BYTES, 'commitment')
  return Array.from({ length: threshold }, (_, k) =>
    // Keys of another number of components have another length, so this is one of four.
    decodeVerificationKey(scheme, bytes.subarray(k * VERIFICATION_KEY_BYTES, (k + 1) * VERIFICATION_KEY_BYTES)),
  )
}

function sumKeys(
  scheme: Scheme,
  keys: readonly (VerificationKey | undefined)[],
  weights: readonly Scalar[],
): VerificationKey {
  const { g1, g2 } = scheme.bls
  const combined = <P>(group: Group<P>, of: (key: VerificationKey) => P | undefined): P =>
    group.sum(keys.map((key, i) => [weights[i] ?? 0n, (key && of(key)) ?? group.zero]))
  const each = <P>(make: (c: number) => P): P[] => Array.from({ length: ATTRIBUTES }, (_, c) => make(c))
  return {
    alpha: combined(g2, (key) => key.alpha),
    beta1: each((c) => combined(g1, (key) => key.beta1[c])),
    beta2: each((c) => combined(g2, (key) => key.beta2[c])),
  }
}

/** j^0 … j^(n−1) */
function powers(count: number, index: number): Scalar[] {
  const all: Scalar[] = []
  for (let k = 0, power = 1n; k < count; k++, power = modOrder(power * BigInt(index))) all.push(power)
  return all
}

function terms<P>(points: readonly P[], index: number): Term<P>[] {
  const all = powers(points.length, index)
  return points.map((point, k) => [all[k] ?? 0n, point])
}

const reduced = <P>([scalar, point]: Term<P>): Term<P> => [modOrder(scalar), point]

const weighted = (rho: readonly Scalar[], values: readonly Scalar[]): Scalar =>
  modOrder(values.reduce((sum, value, c) => sum + (rho[c] ?? 0n) * value, 0n))
