/**
 * Groups in which everybody can see the logarithms, for simulations only: a point is its own scalar, and the pairing multiplies. All
 * equations of the credentials hold and fail exactly as on the curve, at a hundredth of the cost; nothing is hidden from anybody.
 * Points are encoded in as many bytes as the real ones. @module
 */
import type { Bls, G1, G2, Group } from './bls.ts'
import { hashToScalar, sha256 } from './blsHashes.ts'
import { modOrder, ORDER, SCALAR_BYTES, type Scalar, scalarFromBytes, scalarToBytes } from './blsScalar.ts'

/** Where real points have their flags: no real point decodes here, and none of these there. */
const MARK = 0x1f

function nullGroup<P>(bytes: number): Group<P> {
  const point = (scalar: Scalar): P => scalar as P
  const scalar = (of: P): Scalar => of as Scalar
  const multiply = (k: Scalar, p: P): P => point(modOrder(k * scalar(p)))
  return {
    bytes,
    generator: point(1n),
    zero: point(0n),
    add: (a, b) => point(modOrder(scalar(a) + scalar(b))),
    negate: (p) => point(modOrder(ORDER - scalar(p))),
    multiply,
    multiplySecret: multiply,
    sum: (terms) => point(modOrder(terms.reduce((sum, [k, p]) => sum + k * scalar(p), 0n))),
    table: (p) => (k) => multiply(k, p),
    isZero: (p) => scalar(p) === 0n,
    equal: (a, b) => scalar(a) === scalar(b),
    encode(p) {
      const encoded = new Uint8Array(bytes)
      encoded[0] = MARK
      encoded.set(scalarToBytes(scalar(p)), bytes - SCALAR_BYTES)
      return encoded
    },
    decode(encoded) {
      if (encoded[0] !== MARK || encoded.subarray(1, bytes - SCALAR_BYTES).some((byte) => byte !== 0)) return undefined
      const value = scalarFromBytes(encoded.subarray(bytes - SCALAR_BYTES))
      return value === undefined ? undefined : point(value)
    },
  }
}

const g1 = nullGroup<G1>(48)
const g2 = nullGroup<G2>(96)

export const nullBls: Bls = {
  name: 'null',
  g1,
  g2,
  hashToG1: (message, tag) => hashToScalar(message, tag) as unknown as G1,
  hashToScalar,
  sha256,
  pairingsCancel: (pairs) =>
    modOrder(pairs.reduce((sum, [p, q]) => sum + (p as unknown as Scalar) * (q as unknown as Scalar), 0n)) === 0n,
}
