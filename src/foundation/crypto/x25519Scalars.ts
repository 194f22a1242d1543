/**
 * X25519 beyond RFC 7748, for the providers that do the real thing: multiplying clamped scalars, and what a low-order point
 * gives. @module
 */

/** The order of the prime-order group, RFC 7748 4.1. */
const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n
const SCALAR_BYTES = 32

/**
 * A clamped scalar s with x25519(s, P) = x25519(b, x25519(a, P)).
 *
 * X25519 knows only the u-coordinate, so a scalar k may be replaced by any s with s = ±k modulo the group order. Writing
 * s = 8m, we need m = ±(a/8)·b with m in [2²⁵¹, 2²⁵²), which is exactly what clamping (8 | s, bit 254 set, bit 255 clear)
 * leaves alone. The order is 2²⁵² + δ with δ < 2¹²⁵, so one of m and −m lies there unless one of them is at most δ: a chance
 * of 2⁻¹²⁷, not handled because nobody can bring it about without knowing discrete logarithms.
 *
 * It holds for every P on the curve, because factors of 8 wipe out the part of small order. It does not hold for P on the
 * twist: a sender who is given such a key builds a packet nobody can unwrap, as with any other wrong key.
 *
 * BigInt, 3 % of a multiplication on the curve. It is not constant time; see SECURITY.md.
 */
export function multiplyScalars(a: Uint8Array, b: Uint8Array): Uint8Array {
  const m = ((clampedScalar(a) >> 3n) * clampedScalar(b)) % GROUP_ORDER
  const chosen = m >> 251n === 1n ? m : GROUP_ORDER - m
  return encodeScalar(chosen << 3n)
}

/**
 * The answer for a point of low order, given the error with which a library refused it: 32 zero bytes, as RFC 7748's ladder
 * itself would say, which then fails the MAC like any other wrong key. Errors about anything else go on.
 */
export function zeroForLowOrder(error: unknown, scalar: Uint8Array, point: Uint8Array): Uint8Array {
  if (scalar.length !== SCALAR_BYTES || point.length !== SCALAR_BYTES) throw error
  return new Uint8Array(SCALAR_BYTES)
}

function clampedScalar(bytes: Uint8Array): bigint {
  const words = new DataView(bytes.buffer, bytes.byteOffset, SCALAR_BYTES)
  const low = words.getBigUint64(0, true) & ~7n
  const high = (words.getBigUint64(24, true) & 0x7fff_ffff_ffff_ffffn) | 0x4000_0000_0000_0000n
  return low | (words.getBigUint64(8, true) << 64n) | (words.getBigUint64(16, true) << 128n) | (high << 192n)
}

function encodeScalar(scalar: bigint): Uint8Array {
  const bytes = new Uint8Array(SCALAR_BYTES)
  const words = new DataView(bytes.buffer)
  for (let i = 0; i < 4; i++) words.setBigUint64(8 * i, BigInt.asUintN(64, scalar >> BigInt(64 * i)), true)
  return bytes
}
