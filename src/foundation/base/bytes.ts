/** Byte arrays: joining, comparing, hex. Views are `subarray`, copies are `slice`. @module */
import { hex as hexCoder } from '@scure/base'
import { malformed } from './errors.ts'

export const EMPTY_BYTES: Uint8Array = new Uint8Array(0)

const encoder = new TextEncoder()
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lossyDecoder = new TextDecoder('utf-8', { ignoreBOM: true })

export const utf8 = (text: string): Uint8Array => encoder.encode(text)
export const fromUtf8Lossy = (bytes: Uint8Array): string => lossyDecoder.decode(bytes)

/** Refuses invalid UTF-8 with MALFORMED naming `what`. */
export function fromUtf8(bytes: Uint8Array, what: string): string {
  try {
    return strictDecoder.decode(bytes)
  } catch {
    throw malformed(what, 'not UTF-8')
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/** Equality whose running time depends on the lengths only (as far as JavaScript can promise; see SECURITY.md). */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}

/** target ^= mask, over mask.length bytes starting at `offset`. */
export function xorInto(target: Uint8Array, mask: Uint8Array, offset = 0): void {
  for (let i = 0; i < mask.length; i++) target[offset + i] = (target[offset + i] as number) ^ (mask[i] as number)
}

export const toHex = (bytes: Uint8Array): string => hexCoder.encode(bytes)

export function fromHex(text: string, what = 'hex'): Uint8Array {
  try {
    return hexCoder.decode(text)
  } catch {
    throw malformed(what, 'not hexadecimal')
  }
}

/** Throws MALFORMED unless `bytes` is exactly `length` long; returns it, for use in expressions. */
export function expectLength(bytes: Uint8Array, length: number, what: string): Uint8Array {
  if (bytes.length !== length) throw malformed(what, `${bytes.length} bytes instead of ${length}`)
  return bytes
}
