/** What both providers of BLS12-381 take from noble: plain hashes, and the check of a compressed point's flags. @module */
import { expand_message_xmd } from '@noble/curves/abstract/hash-to-curve.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { littleEndian, ORDER, type Scalar } from './blsScalar.ts'

/** ⌈(255 + 128) / 8⌉: 128 bits more than the order, so that reducing leaves no bias. */
const EXPANDED_BYTES = 48
const COMPRESSED = 0x80
const INFINITY = 0x40
const SIGN = 0x20

export { sha256 }

export function hashToScalar(message: Uint8Array, tag: string): Scalar {
  return littleEndian(expand_message_xmd(message, tag, EXPANDED_BYTES, sha256).reverse()) % ORDER
}

export function encodedZero(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  bytes[0] = COMPRESSED | INFINITY
  return bytes
}

/**
 * Whether the three flags are those of a compressed point, and one at infinity has nothing else in it. Libraries disagree
 * here: mcl takes any bytes behind the infinity flag for zero, which would give one point many encodings.
 */
export function flagsFit(bytes: Uint8Array): boolean {
  const [first = 0, ...rest] = bytes
  if ((first & COMPRESSED) === 0) return false
  if ((first & INFINITY) === 0) return true
  return (first & SIGN) === 0 && first === (COMPRESSED | INFINITY) && rest.every((byte) => byte === 0)
}
