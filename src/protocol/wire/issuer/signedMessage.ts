/**
 * `{"body":…,"signature":base58}`: what an issuer answers for. Ed25519 over the compact JSON of the body exactly as it is written, so a
 * reader verifies the bytes it received and never writes them again. @module
 */
import { toBase58 } from '../../../foundation/base/base58.ts'
import { utf8 } from '../../../foundation/base/bytes.ts'
import { malformed } from '../../../foundation/base/errors.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import { type Json, type JsonObject, parseJson } from '../directory/json.ts'

export interface SignedText {
  /** The JSON of the body, as it was received. */
  readonly bodyText: string
  readonly body: Json
  readonly signature: Uint8Array
}

const ED25519_SIGNATURE_BYTES = 64
/** The body comes first: what is behind it is a signature of at most 88 letters. */
const START = '{"body":'
const END = /^,"signature":"[1-9A-HJ-NP-Za-km-z]{1,90}"\}$/
const SEPARATOR = ',"signature":"'

export function signBody(crypto: CryptoProvider, seed: Uint8Array, body: JsonObject): JsonObject {
  return { body, signature: toBase58(crypto.ed25519Sign(seed, utf8(JSON.stringify(body)))) }
}

/** Throws MALFORMED, also of messages that are not written compactly with their body first: no signature could be checked. */
export function readSigned(text: string, what: string, maxCharacters: number): SignedText {
  const json = parseJson(text, what, maxCharacters)
  const end = text.lastIndexOf(SEPARATOR)
  if (!text.startsWith(START) || end < 0 || !END.test(text.slice(end))) throw malformed(what, 'not a compact message')
  const bodyText = text.slice(START.length, end)
  // What is signed is what is read, not a second body that a parser prefers.
  const body = parseJson(bodyText, what, maxCharacters)
  return { bodyText, body, signature: json.field('signature').base58(ED25519_SIGNATURE_BYTES) }
}

export function signatureHolds(crypto: CryptoProvider, identity: Uint8Array, signed: SignedText): boolean {
  return crypto.ed25519Verify(identity, utf8(signed.bodyText), signed.signature)
}
