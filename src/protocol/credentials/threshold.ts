/** Shares on polynomials of degree t−1, and what t of them make together: Lagrange interpolation at 0. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Group } from '../../foundation/crypto/bls.ts'
import { invert, modOrder, type Scalar } from '../../foundation/crypto/blsScalar.ts'
import type { AuthorityKey, VerificationKey } from './keys.ts'
import type { Scheme } from './scheme.ts'
import { SecretScalar } from './secretScalar.ts'

/** What the authority with that index (≥ 1) contributed. */
export interface Share<T> {
  readonly index: number
  readonly value: T
}

/** λ_i = Π_{j≠i} (0−j)/(i−j) mod r, in the order of `indices`. BAD_ARGUMENT of none, of repeated ones, and of any below 1. */
export function lagrangeAtZero(indices: readonly number[]): Scalar[] {
  if (indices.length === 0) throw new MixnetError('BAD_ARGUMENT', { argument: 'indices', why: 'there are none' })
  return indices.map((i) => {
    if (!Number.isSafeInteger(i) || i < 1) throw new MixnetError('BAD_ARGUMENT', { argument: 'indices', index: i })
    let [above, below] = [1n, 1n]
    for (const j of indices) {
      if (j === i) continue
      above = modOrder(-above * BigInt(j))
      below = modOrder(below * BigInt(i - j))
    }
    if (indices.filter((j) => j === i).length > 1) {
      throw new MixnetError('BAD_ARGUMENT', { argument: 'indices', why: 'one is there twice' })
    }
    return modOrder(above * (invert(below) as Scalar))
  })
}

/** Σ λ_i·P_i */
export function interpolate<P>(group: Group<P>, shares: readonly Share<P>[]): P {
  const lambda = lagrangeAtZero(shares.map(({ index }) => index))
  return group.sum(shares.map(({ value }, i) => [lambda[i] as Scalar, value]))
}

/** f(index) = Σ a_k·index^k, coefficients in ascending order. */
export function evaluate(coefficients: readonly Scalar[], index: number): Scalar {
  return coefficients.reduceRight((sum, coefficient) => modOrder(sum * BigInt(index) + coefficient), 0n)
}

/** What a dealer gives the authority with that index: row 0 is the polynomial of x, row 1+i that of y_i. */
export function dealtKey(rows: readonly (readonly Scalar[])[], index: number): AuthorityKey {
  const [x, ...y] = rows.map((row) => new SecretScalar(evaluate(row, index)))
  if (x === undefined || y.length === 0) throw new MixnetError('BAD_ARGUMENT', { argument: 'rows' })
  return { x, y }
}

/** The master key of t or more shares, component by component. BAD_ARGUMENT where their sizes differ. */
export function aggregateVerificationKeys(scheme: Scheme, shares: readonly Share<VerificationKey>[]): VerificationKey {
  const size = shares[0]?.value.beta1.length ?? 0
  if (shares.some(({ value }) => value.beta1.length !== size || value.beta2.length !== size)) {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'keys', why: 'their sizes differ' })
  }
  const { g1, g2 } = scheme.bls
  const lambda = lagrangeAtZero(shares.map(({ index }) => index))
  const combined = <P>(group: Group<P>, of: (key: VerificationKey) => P): P =>
    group.sum(shares.map(({ value }, i) => [lambda[i] as Scalar, of(value)]))
  const each = <P>(group: Group<P>, of: (key: VerificationKey) => readonly P[]): P[] =>
    Array.from({ length: size }, (_, i) => combined(group, (key) => of(key)[i] as P))
  return {
    alpha: combined(g2, (key) => key.alpha),
    beta1: each(g1, (key) => key.beta1),
    beta2: each(g2, (key) => key.beta2),
  }
}
