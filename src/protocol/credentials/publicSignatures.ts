/**
 * Lists of signatures on what everybody knows: one per day of a window, one per index of a coin. A payment shows that its day and
 * its index are signed without showing which. What both kinds have in common; the messages are in dateSignatures.ts and
 * coinSignatures.ts. @module
 */
import type { G1, G2 } from '../../foundation/crypto/bls.ts'
import { modOrder, type Scalar } from '../../foundation/crypto/blsScalar.ts'
import type { VerificationKey } from './keys.ts'
import type { Scheme } from './scheme.ts'
import { isDegenerate, type Signature, signatureHolds } from './signature.ts'
import { interpolate } from './threshold.ts'

/** What one list is about: entry l is signed on h_l under X_l = A + c_l·B. */
export interface SignedList {
  readonly bases: readonly G1[]
  /** c_l */
  readonly values: readonly Scalar[]
  /** A and B under the key of whoever signed. */
  keys(key: VerificationKey): { readonly a: G2; readonly b: G2 }
}

/** What an authority sent. */
export interface ListShare {
  readonly index: number
  readonly key: VerificationKey
  readonly signatures: readonly Signature[]
}

export type Aggregated =
  | { readonly kind: 'aggregated'; readonly signatures: readonly Signature[] }
  /** Empty where every share holds and yet they are too few, or of different keys. */
  | { readonly kind: 'refused'; readonly culprits: readonly number[] }

/**
 * Whether every entry holds: length, order, h_l, no zeros, and e(h_l, X_l) = e(s_l, g2) for all l. Under weights ρ_l that is
 *   e(Σ ρ_l·h_l, A) · e(Σ ρ_l·c_l·h_l, B) · e(−Σ ρ_l·s_l, g2) = 1,
 * three pairings however long the list. Without weights two wrong entries could cancel each other.
 */
export function listHolds(
  scheme: Scheme,
  list: SignedList,
  key: VerificationKey,
  signatures: readonly Signature[],
  weight: () => Scalar,
): boolean {
  const { bls, g2 } = scheme
  if (!listFits(scheme, list, signatures)) return false
  const { a, b } = list.keys(key)
  const rho = signatures.map(weight)
  const weighted = (factor: (l: number) => Scalar, points: readonly G1[]): G1 =>
    bls.g1.sum(points.map((point, l) => [factor(l), point]))
  const h = signatures.map((one) => one.h)
  const s = signatures.map((one) => one.s)
  return bls.pairingsCancel([
    [weighted((l) => rho[l] as Scalar, h), a],
    [weighted((l) => modOrder((rho[l] as Scalar) * (list.values[l] as Scalar)), h), b],
    [bls.g1.negate(weighted((l) => rho[l] as Scalar, s)), g2],
  ])
}

/** s_l = Σ λ_i·s_l,i, verified under the master key; where that fails, each share under its own, to name the guilty. */
export function aggregateLists(
  scheme: Scheme,
  list: SignedList,
  master: VerificationKey,
  shares: readonly ListShare[],
  weight: () => Scalar,
): Aggregated {
  const misfits = shares.filter(({ signatures }) => !listFits(scheme, list, signatures)).map(({ index }) => index)
  if (misfits.length > 0) return { kind: 'refused', culprits: misfits }
  const signatures = list.bases.map((h, l): Signature => {
    const values = shares.map(({ index, signatures: theirs }) => ({ index, value: (theirs[l] as Signature).s }))
    return { h, s: interpolate(scheme.bls.g1, values) }
  })
  if (listHolds(scheme, list, master, signatures, weight)) return { kind: 'aggregated', signatures }
  const culprits = shares
    .filter(({ key, signatures: theirs }) => !listHolds(scheme, list, key, theirs, weight))
    .map(({ index }) => index)
  return { kind: 'refused', culprits }
}

/** Entry l alone: what a client checks of the one it is about to spend with, if it took the list on trust. */
export function entryHolds(
  scheme: Scheme,
  list: SignedList,
  key: VerificationKey,
  l: number,
  signature: Signature,
): boolean {
  const { bls } = scheme
  const [h, value] = [list.bases[l], list.values[l]]
  if (h === undefined || value === undefined || !bls.g1.equal(h, signature.h)) return false
  const { a, b } = list.keys(key)
  return signatureHolds(scheme, signature, bls.g2.add(a, bls.g2.multiply(value, b)))
}

function listFits(scheme: Scheme, list: SignedList, signatures: readonly Signature[]): boolean {
  const { equal } = scheme.bls.g1
  return (
    signatures.length === list.bases.length &&
    signatures.every((one, l) => equal(one.h, list.bases[l] as G1) && !isDegenerate(scheme, one))
  )
}
