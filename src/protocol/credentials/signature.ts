/** Signatures of Pointcheval and Sanders, as everything in this room is signed: (h, s) with s = (x + Σ y_i·m_i)·h. @module */
import { concat, expectLength } from '../../foundation/base/bytes.ts'
import type { G1, G2 } from '../../foundation/crypto/bls.ts'
import { modOrder, ORDER, type Scalar } from '../../foundation/crypto/blsScalar.ts'
import { pointOpener } from './codec.ts'
import { G1_BYTES } from './constants.ts'
import type { Draw } from './draw.ts'
import type { Scheme } from './scheme.ts'

export interface Signature {
  readonly h: G1
  readonly s: G1
}

/** Whether h or s is zero: (0, 0) satisfies the equation of every message under every key. */
export const isDegenerate = ({ bls }: Scheme, { h, s }: Signature): boolean => bls.g1.isZero(h) || bls.g1.isZero(s)

/** e(h, X) = e(s, g2), X being α + Σ m_i·β2_i, for a signature that is not degenerate. */
export function signatureHolds(scheme: Scheme, signature: Signature, messageKey: G2): boolean {
  const { bls, g2 } = scheme
  if (isDegenerate(scheme, signature)) return false
  return bls.pairingsCancel([
    [signature.h, messageKey],
    [bls.g1.negate(signature.s), g2],
  ])
}

/**
 * A signature on the same message that nobody can tell from a fresh one: h' = r'·h, s' = r'·s + (r·r')·h. It verifies with r·g2 added
 * to X, so that who does not know r learns nothing by trying messages. r' ≠ 0, or nothing would be left of it.
 */
export function rerandomise({ bls }: Scheme, { h, s }: Signature, r: Scalar, rPrime: Scalar): Signature {
  const { g1 } = bls
  const sPrime = g1.sum([
    [rPrime, s],
    [modOrder(r * rPrime), h],
  ])
  return { h: g1.multiply(rPrime, h), s: sPrime }
}

/** Draws until the scalar is not zero. One in 2²⁵⁵ is. */
export function drawNonZero(draw: Draw, name: string): Scalar {
  const scalar = draw(name) % ORDER
  return scalar === 0n ? drawNonZero(draw, name) : scalar
}

/** C(h) ‖ C(s): 96 bytes. Also the form of a blinded signature. */
export function encodeSignature({ bls }: Scheme, { h, s }: Signature): Uint8Array {
  return concat(bls.g1.encode(h), bls.g1.encode(s))
}

export function decodeSignature(scheme: Scheme, bytes: Uint8Array): Signature {
  expectLength(bytes, 2 * G1_BYTES, 'signature')
  const open = pointOpener(scheme, 'signature')
  return { h: open.g1(bytes.subarray(0, G1_BYTES), 'h'), s: open.g1(bytes.subarray(G1_BYTES), 's') }
}
