/**
 * A node's request that the directory describe it anew: `POST nym-nodes/refresh-described`. Signed over
 * identity (32) ‖ unix seconds, i64 big-endian ‖ a fixed text. Format: docs/spec/directory.md. @module
 */
import { toBase58 } from '../../../foundation/base/base58.ts'
import { utf8 } from '../../../foundation/base/bytes.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import { type JsonObject, parseJson } from './json.ts'
import { KEY_BYTES } from './nodeKeys.ts'

export interface RefreshDescribedRequest {
  readonly identity: Uint8Array
  readonly unixSeconds: number
  readonly signature: Uint8Array
}

/** Official directories refuse an older request, and one from the future. */
export const REFRESH_REQUEST_MAX_AGE_SECONDS = 30
const PURPOSE = utf8('describe-cache-refresh-request')
const SIGNATURE_BYTES = 64
const MAX_REQUEST_CHARACTERS = 4096

export function signRefreshDescribed(
  crypto: CryptoProvider,
  identitySeed: Uint8Array,
  unixSeconds: number,
): RefreshDescribedRequest {
  const identity = crypto.ed25519PublicKey(identitySeed)
  return { identity, unixSeconds, signature: crypto.ed25519Sign(identitySeed, signedBytes(identity, unixSeconds)) }
}

/** The signature only; age and identity are the directory's questions. */
export function verifyRefreshDescribed(crypto: CryptoProvider, request: RefreshDescribedRequest): boolean {
  const { identity, unixSeconds, signature } = request
  return crypto.ed25519Verify(identity, signedBytes(identity, unixSeconds), signature)
}

export function encodeRefreshDescribed({ identity, unixSeconds, signature }: RefreshDescribedRequest): JsonObject {
  return { node_identity: toBase58(identity), request_timestamp: unixSeconds, signature: [...signature] }
}

export function decodeRefreshDescribed(text: string): RefreshDescribedRequest {
  const json = parseJson(text, 'refresh request', MAX_REQUEST_CHARACTERS)
  const signature = json.field('signature')
  const bytes = signature.array(SIGNATURE_BYTES, (byte) => byte.integer({ max: 0xff }))
  if (bytes.length !== SIGNATURE_BYTES) signature.refuse(`not ${SIGNATURE_BYTES} bytes`)
  return {
    identity: json.field('node_identity').base58(KEY_BYTES),
    unixSeconds: json.field('request_timestamp').integer({ min: Number.MIN_SAFE_INTEGER }),
    signature: Uint8Array.from(bytes),
  }
}

function signedBytes(identity: Uint8Array, unixSeconds: number): Uint8Array {
  return new Writer(KEY_BYTES + 8 + PURPOSE.length)
    .bytes(identity)
    .u64(BigInt.asUintN(64, BigInt(unixSeconds)))
    .bytes(PURPOSE)
    .finish()
}
