/**
 * Points and scalars in JSON: hexadecimal of bytes whose number is known. Whether they are points is for those who compute with them;
 * here only lengths are looked at, so that whatever is re-framed has the layout that engines take. @module
 */
import { expectLength, fromHex, toHex } from '../../../foundation/base/bytes.ts'
import type { Json, JsonObject } from '../directory/json.ts'

export const G1_BYTES = 48
export const G2_BYTES = 96
export const SCALAR_BYTES = 32
export const SIGNATURE_BYTES: number = 2 * G1_BYTES

export function readHex(json: Json, length: number): Uint8Array {
  const text = json.string(2 * length)
  return text.length === 2 * length ? expectLength(fromHex(text), length, 'hex') : json.refuse(`not ${length} bytes`)
}

/** `{"h","s"}`, or with the second half under another name, as 96 bytes. */
export function readSignature(json: Json, second: 's' | 'c' = 's'): Uint8Array {
  const signature = new Uint8Array(SIGNATURE_BYTES)
  signature.set(readHex(json.field('h'), G1_BYTES))
  signature.set(readHex(json.field(second), G1_BYTES), G1_BYTES)
  return signature
}

export function signatureToJson(signature: Uint8Array, second: 's' | 'c' = 's'): JsonObject {
  return { h: toHex(signature.subarray(0, G1_BYTES)), [second]: toHex(signature.subarray(G1_BYTES)) }
}
