/**
 * The provider of browsers, and of any runtime without native modules: libsodium compiled to WebAssembly where it pays, noble
 * elsewhere. WebCrypto is not used: it answers with promises, and nothing here may. Ratios are to noble, on Node 26. @module
 */

import sodium from 'libsodium-wrappers'
import { nobleProvider } from './nobleProvider.ts'
import type { LinkCryptoProvider } from './provider.ts'
import { zeroForLowOrder } from './x25519Scalars.ts'

/** Compiles the WebAssembly once; what it resolves to is synchronous. */
export async function loadWebProvider(): Promise<LinkCryptoProvider> {
  await sodium.ready
  return webProvider
}

const TAG_BYTES = 16

const webProvider: LinkCryptoProvider = {
  // What is not replaced below has no counterpart in libsodium's standard build: AES, SHA-256, plain ChaCha20, BLAKE3, BLAKE2s.
  ...nobleProvider,
  name: 'web',

  // 0.1
  x25519(scalar, point) {
    try {
      return sodium.crypto_scalarmult(scalar, point)
    } catch (error) {
      return zeroForLowOrder(error, scalar, point)
    }
  },
  x25519Base: (scalar) => sodium.crypto_scalarmult_base(scalar),

  // Signing 0.17, verifying 0.1.
  ed25519PublicKey: (seed) => sodium.crypto_sign_seed_keypair(seed).publicKey,
  ed25519Sign: (seed, message) =>
    sodium.crypto_sign_detached(message, sodium.crypto_sign_seed_keypair(seed).privateKey),
  ed25519Verify: (publicKey, message, signature) =>
    publicKey.length === 32 &&
    signature.length === 64 &&
    sodium.crypto_sign_verify_detached(signature, message, publicKey),

  // 0.06 for a payload: noble emulates 64-bit words.
  blake2b256Keyed: (key, data) => sodium.crypto_generichash(32, data, key),

  // 0.3
  sealChaChaPoly: (key, nonce, plaintext, associated) =>
    sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, associated, null, nonce, key),
  openChaChaPoly(key, nonce, sealed, associated) {
    if (sealed.length < TAG_BYTES) return undefined
    try {
      return sodium.crypto_aead_chacha20poly1305_ietf_decrypt(null, sealed, associated, nonce, key)
    } catch {
      return undefined
    }
  },
}
