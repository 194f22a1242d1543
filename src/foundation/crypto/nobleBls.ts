/**
 * BLS12-381 from `@noble/curves`: audited, plain JavaScript, and ten times slower than mclBls.ts. The reference that everything
 * else is compared with, and what pages have, where WebAssembly may be forbidden. @module
 */
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { equalBytes } from '../base/bytes.ts'
import type { Bls, G1, G2, Group } from './bls.ts'
import { encodedZero, flagsFit, hashToScalar, sha256 } from './blsHashes.ts'
import type { Scalar } from './blsScalar.ts'

/** What this file uses of noble's points, of either group. */
interface NoblePoint<P> {
  add(other: P): P
  negate(): P
  multiply(scalar: bigint): P
  multiplyUnsafe(scalar: bigint): P
  is0(): boolean
  equals(other: P): boolean
  toBytes(compressed: boolean): Uint8Array
  assertValidity(): void
  isTorsionFree(): boolean
}

interface NobleCurve<P> {
  readonly BASE: P
  readonly ZERO: P
  fromBytes(bytes: Uint8Array): P
}

const curveG1 = bls12_381.G1.Point
const curveG2 = bls12_381.G2.Point
type PointG1 = InstanceType<typeof curveG1>
type PointG2 = InstanceType<typeof curveG2>

const outG1 = (point: PointG1): G1 => point as unknown as G1
const inG1 = (point: G1): PointG1 => point as unknown as PointG1
const outG2 = (point: PointG2): G2 => point as unknown as G2
const inG2 = (point: G2): PointG2 => point as unknown as PointG2

export const nobleBls: Bls = {
  name: 'noble',
  g1: group<G1, PointG1>(curveG1, 48, outG1, inG1),
  g2: group<G2, PointG2>(curveG2, 96, outG2, inG2),
  hashToG1: (message, tag) => outG1(curveG1.fromAffine(bls12_381.G1.hashToCurve(message, { DST: tag }).toAffine())),
  hashToScalar,
  sha256,

  pairingsCancel(pairs) {
    // noble refuses points at infinity; their pairings are one.
    const finite = pairs.map(([p, q]) => ({ g1: inG1(p), g2: inG2(q) })).filter(({ g1, g2 }) => !g1.is0() && !g2.is0())
    const { Fp12 } = bls12_381.fields
    return Fp12.eql(bls12_381.pairingBatch(finite), Fp12.ONE)
  },
}

function group<P, N extends NoblePoint<N>>(
  curve: NobleCurve<N>,
  bytes: number,
  out: (point: N) => P,
  into: (point: P) => N,
): Group<P> {
  const multiply = (scalar: Scalar, point: P): P => out(into(point).multiplyUnsafe(scalar))
  return {
    bytes,
    generator: out(curve.BASE),
    zero: out(curve.ZERO),
    add: (a, b) => out(into(a).add(into(b))),
    negate: (point) => out(into(point).negate()),
    multiply,
    // Its regular ladder refuses a zero scalar; only a zero key has one, and that is no secret.
    multiplySecret: (scalar, point) => (scalar === 0n ? out(curve.ZERO) : out(into(point).multiply(scalar))),
    sum: (terms) =>
      out(terms.reduce((sum, [scalar, point]) => sum.add(into(point).multiplyUnsafe(scalar)), curve.ZERO)),
    table: (point) => (scalar) => multiply(scalar, point),
    isZero: (point) => into(point).is0(),
    equal: (a, b) => into(a).equals(into(b)),
    // noble neither writes nor reads zero.
    encode: (point) => (into(point).is0() ? encodedZero(bytes) : into(point).toBytes(true)),
    decode(encoded) {
      if (encoded.length !== bytes || !flagsFit(encoded)) return undefined
      if (equalBytes(encoded, encodedZero(bytes))) return out(curve.ZERO)
      try {
        const point = curve.fromBytes(encoded)
        point.assertValidity()
        return point.isTorsionFree() ? out(point) : undefined
      } catch {
        return undefined
      }
    },
  }
}
