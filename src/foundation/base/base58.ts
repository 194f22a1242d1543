/** Base58 (Bitcoin alphabet, no checksum), the text form of every key in Nym, and base64. @module */
import { base58 as coder, base64 as coder64 } from '@scure/base'
import { expectLength } from './bytes.ts'
import { malformed } from './errors.ts'

// Base58 decoding is quadratic in the length: bound it before trying, the longest official text (a reply SURB) has under 1,700.
const MAX_CHARACTERS = 2048

export const toBase58 = (bytes: Uint8Array): string => coder.encode(bytes)
export const toBase64 = (bytes: Uint8Array): string => coder64.encode(bytes)

/** Throws MALFORMED naming `what`; with `length`, also where the bytes are not exactly that many. */
export function fromBase58(text: string, what: string, length?: number): Uint8Array {
  if (text.length > MAX_CHARACTERS) throw malformed(what, 'too long')
  let bytes: Uint8Array
  try {
    bytes = coder.decode(text)
  } catch {
    throw malformed(what, 'not base58')
  }
  return length === undefined ? bytes : expectLength(bytes, length, what)
}

export function fromBase64(text: string, what: string): Uint8Array {
  try {
    return coder64.decode(text)
  } catch {
    throw malformed(what, 'not base64')
  }
}
