/**
 * What a dealer keeps to itself: f_c(z) = Σ a_ck·z^k for each component c of a key (row 0 is x, row 1+i is y_i), with another
 * polynomial f'_c beside each, which hides the first in Pedersen's commitments. Gennaro, Jarecki, Krawczyk, Rabin: "Secure
 * Distributed Key Generation for Discrete-Log Based Cryptosystems". @module
 */
import { concat, expectLength } from '../../foundation/base/bytes.ts'
import { MixnetError, malformed } from '../../foundation/base/errors.ts'
import {
  invert,
  modOrder,
  SCALAR_BYTES,
  type Scalar,
  scalarFromBytes,
  scalarToBytes,
} from '../../foundation/crypto/blsScalar.ts'
import { ATTRIBUTES } from './constants.ts'
import type { Draw } from './draw.ts'
import type { AuthorityKey } from './keys.ts'
import { evaluate, type Share } from './threshold.ts'

/** x, y_0 … y_3 */
export const DKG_ROWS: number = 1 + ATTRIBUTES
/** s_c, all rows. */
export const PLAIN_SHARE_BYTES: number = DKG_ROWS * SCALAR_BYTES
/** s_c, all rows, then s'_c. */
export const HIDDEN_SHARE_BYTES: number = 2 * PLAIN_SHARE_BYTES

/** Both have DKG_ROWS rows of t coefficients, ascending. */
export interface Polynomials {
  readonly rows: readonly (readonly Scalar[])[]
  readonly hiding: readonly (readonly Scalar[])[]
}

/** f_c(j) and f'_c(j). */
export interface DealtShare {
  readonly values: readonly Scalar[]
  /** Empty in a share of a resharing. */
  readonly hiding: readonly Scalar[]
}

/** Of degree t−1. `constants`: what f_c(0) shall be, where that is not for chance to say. */
export function drawPolynomials(threshold: number, draw: Draw, constants?: AuthorityKey): Polynomials {
  const fixed = constants && [constants.x, ...constants.y].map((one) => one.expose())
  if (fixed !== undefined && fixed.length !== DKG_ROWS) {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'secretKey', components: fixed.length })
  }
  const row = (name: string, constant?: Scalar): Scalar[] =>
    Array.from({ length: threshold }, (_, k) => (k === 0 && constant !== undefined ? constant : draw(`${name}_${k}`)))
  const each = <T>(make: (c: number) => T): T[] => Array.from({ length: DKG_ROWS }, (_, c) => make(c))
  return { rows: each((c) => row(`a_${c}`, fixed?.[c])), hiding: each((c) => row(`b_${c}`)) }
}

export function shareAt({ rows, hiding }: Polynomials, index: number): DealtShare {
  return { values: rows.map((row) => evaluate(row, index)), hiding: hiding.map((row) => evaluate(row, index)) }
}

/** The coefficients, ascending, of the polynomial of degree below the number of points that runs through them. */
export function polynomialThrough(points: readonly Share<Scalar>[]): Scalar[] {
  const sum = points.map(() => 0n)
  for (const { index: i, value } of points) {
    // Π_{j≠i} (z − j) and Π_{j≠i} (i − j)
    let basis: Scalar[] = [1n]
    let below = 1n
    for (const { index: j } of points) {
      if (j === i) continue
      basis = [...basis, 0n].map((_, k) => modOrder((basis[k - 1] ?? 0n) - BigInt(j) * (basis[k] ?? 0n)))
      below = modOrder(below * BigInt(i - j))
    }
    const weight = modOrder(value * (invert(below) ?? 0n))
    for (const [k, coefficient] of basis.entries()) sum[k] = modOrder((sum[k] ?? 0n) + weight * coefficient)
  }
  return sum
}

/** a_00 … a_0(t−1) ‖ a_10 … ‖ b_00 …: 320·t bytes. Secret. */
export function encodePolynomials({ rows, hiding }: Polynomials): Uint8Array {
  return concat(...[...rows, ...hiding].flat().map(scalarToBytes))
}

export function decodePolynomials(bytes: Uint8Array): Polynomials {
  const threshold = bytes.length / HIDDEN_SHARE_BYTES
  if (!Number.isInteger(threshold) || threshold < 1) throw malformed('polynomials', `${bytes.length} bytes`)
  const all = scalars(bytes, 'polynomials')
  const row = (r: number): Scalar[] => all.slice(r * threshold, (r + 1) * threshold)
  const rows = Array.from({ length: 2 * DKG_ROWS }, (_, r) => row(r))
  return { rows: rows.slice(0, DKG_ROWS), hiding: rows.slice(DKG_ROWS) }
}

export function encodeShare({ values, hiding }: DealtShare): Uint8Array {
  return concat(...[...values, ...hiding].map(scalarToBytes))
}

/** 320 bytes where it `hides`, else 160. */
export function decodeShare(bytes: Uint8Array, hides: boolean): DealtShare {
  const all = scalars(expectLength(bytes, hides ? HIDDEN_SHARE_BYTES : PLAIN_SHARE_BYTES, 'share'), 'share')
  return { values: all.slice(0, DKG_ROWS), hiding: all.slice(DKG_ROWS) }
}

function scalars(bytes: Uint8Array, what: string): Scalar[] {
  return Array.from({ length: bytes.length / SCALAR_BYTES }, (_, i) => {
    const value = scalarFromBytes(bytes.subarray(i * SCALAR_BYTES, (i + 1) * SCALAR_BYTES))
    if (value === undefined) throw malformed(what, `[${i}]: not below the group order`)
    return value
  })
}
