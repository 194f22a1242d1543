/**
 * The encryption between sender and recipient, inside the Sphinx payload: X25519 to a one-time AES-128 key, or the key of a
 * reply SURB. No MAC: the 16 zero bytes that Sphinx checks at the last hop are all the integrity there is, and the gateway
 * sees them first. Format: docs/spec/packet.md, "End-to-end encryption". @module
 */
import { EMPTY_BYTES } from '../../foundation/base/bytes.ts'
import type { AsyncCurve, AsyncScalar } from '../../foundation/crypto/asyncCurve.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'

export const PAYLOAD_KEY_BYTES = 16

// A key encrypts one packet and is never used again, so a fixed counter block repeats no keystream.
const ZERO_IV: Uint8Array = new Uint8Array(16)

/** One packet's key, and what its recipient finds it by. */
export interface PayloadAgreement {
  /** 32 bytes: the ephemeral public key, in clear in front of the ciphertext. */
  readonly variant: Uint8Array
  readonly key: Uint8Array
}

/** `ephemeralSecret` is 32 fresh random bytes, for one packet. */
export function agreeWith(
  crypto: CryptoProvider,
  ephemeralSecret: Uint8Array,
  publicKey: Uint8Array,
): PayloadAgreement {
  return {
    variant: crypto.x25519Base(ephemeralSecret),
    key: agreePayloadKey(crypto, ephemeralSecret, publicKey),
  }
}

/** The same, on a curve that answers later. */
export async function agreeWithLater(
  crypto: CryptoProvider,
  curve: AsyncCurve,
  ephemeralSecret: Uint8Array,
  publicKey: Uint8Array,
): Promise<PayloadAgreement> {
  const scalar = curve.scalar(ephemeralSecret)
  const [variant, shared] = await Promise.all([scalar.base(), scalar.times(publicKey)])
  return { variant, key: payloadKeyOf(crypto, shared) }
}

/** The key that an ephemeral secret and the recipient's public key give, or the ephemeral public key and the recipient's secret. */
export function agreePayloadKey(crypto: CryptoProvider, secret: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return payloadKeyOf(crypto, crypto.x25519(secret, publicKey))
}

/** The recipient's side, on a curve that answers later. */
export async function agreePayloadKeyLater(
  crypto: CryptoProvider,
  secret: AsyncScalar,
  publicKey: Uint8Array,
): Promise<Uint8Array> {
  return payloadKeyOf(crypto, await secret.times(publicKey))
}

function payloadKeyOf(crypto: CryptoProvider, shared: Uint8Array): Uint8Array {
  return crypto.hkdfBlake3(shared, EMPTY_BYTES, PAYLOAD_KEY_BYTES)
}

/** Encrypts and decrypts: the same keystream both ways. A new array. */
export function applyPayloadKey(crypto: CryptoProvider, key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return crypto.aes128Ctr(key, ZERO_IV, bytes)
}
