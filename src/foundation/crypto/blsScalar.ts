/**
 * The field of scalars of BLS12-381, integers modulo the group order r. bigint: arithmetic here is a thousandth of what the
 * groups cost, and formulas read like the paper's. Its running time depends on the values; SECURITY.md says what that means. @module
 */

/** In [0, r). */
export type Scalar = bigint

/** r */
export const ORDER: Scalar = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n
export const SCALAR_BYTES = 32

/** x mod r, also of negative x. */
export function modOrder(x: bigint): Scalar {
  const rest = x % ORDER
  return rest < 0n ? rest + ORDER : rest
}

/** x⁻¹ mod r by Euclid; undefined of 0. */
export function invert(x: Scalar): Scalar | undefined {
  let [a, b] = [modOrder(x), ORDER]
  let [u, v] = [1n, 0n]
  while (a !== 0n) {
    const quotient = b / a
    ;[a, b] = [b - quotient * a, a]
    ;[u, v] = [v - quotient * u, u]
  }
  return b === 1n ? modOrder(v) : undefined
}

/** 32 bytes, little-endian. */
export function scalarToBytes(scalar: Scalar): Uint8Array {
  const bytes = new Uint8Array(SCALAR_BYTES)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < 4; i++) view.setBigUint64(8 * i, BigInt.asUintN(64, scalar >> BigInt(64 * i)), true)
  return bytes
}

/** undefined unless `bytes` are the 32 little-endian bytes of a number below r. */
export function scalarFromBytes(bytes: Uint8Array): Scalar | undefined {
  if (bytes.length !== SCALAR_BYTES) return undefined
  const value = littleEndian(bytes)
  return value < ORDER ? value : undefined
}

/** Uniform, up to 2⁻²⁵⁶, where the 64 bytes are. */
export const wideScalar = (bytes: Uint8Array): Scalar => littleEndian(bytes) % ORDER

export function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number)
  return value
}
