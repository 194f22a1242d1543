/**
 * The encryption between sender and recipient, inside the Sphinx payload: X25519 to a one-time AES-128 key, or the key of a
 * reply SURB. No MAC: the 16 zero bytes that Sphinx checks at the last hop are all the integrity there is, and the gateway
 * sees them first. Format: docs/spec/packet.md, "End-to-end encryption". @module
 */
import { EMPTY_BYTES } from '../../foundation/base/bytes.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'

export const PAYLOAD_KEY_BYTES = 16

// A key encrypts one packet and is never used again, so a fixed counter block repeats no keystream.
const ZERO_IV: Uint8Array = new Uint8Array(16)

/** The key that an ephemeral secret and the recipient's public key give, or the ephemeral public key and the recipient's secret. */
export function agreePayloadKey(crypto: CryptoProvider, secret: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return crypto.hkdfBlake3(crypto.x25519(secret, publicKey), EMPTY_BYTES, PAYLOAD_KEY_BYTES)
}

/** Encrypts and decrypts: the same keystream both ways. A new array. */
export function applyPayloadKey(crypto: CryptoProvider, key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return crypto.aes128Ctr(key, ZERO_IV, bytes)
}
