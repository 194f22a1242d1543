/** What packets and sessions need but AES, from the audited noble packages, in plain JavaScript. @module */
import { chacha20 } from '@noble/ciphers/chacha.js'
import { ed25519, x25519 } from '@noble/curves/ed25519.js'
import { blake2b } from '@noble/hashes/blake2.js'
import { blake3 } from '@noble/hashes/blake3.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { EMPTY_BYTES } from '../base/bytes.ts'
import type { CryptoProvider } from './provider.ts'
import { multiplyScalars, zeroForLowOrder } from './x25519Scalars.ts'

const ZERO_NONCE = new Uint8Array(12)

export const noblePackets: Omit<CryptoProvider, 'name' | 'aes128Ctr' | 'sealAesGcmSiv' | 'openAesGcmSiv'> = {
  x25519(scalar, point) {
    try {
      return x25519.scalarMult(scalar, point)
    } catch (error) {
      return zeroForLowOrder(error, scalar, point)
    }
  },
  x25519Base: (scalar) => x25519.scalarMultBase(scalar),
  multiplyScalars,

  ed25519PublicKey: (seed) => ed25519.getPublicKey(seed),
  ed25519Sign: (seed, message) => ed25519.sign(message, seed),
  ed25519Verify(publicKey, message, signature) {
    try {
      // RFC 8032 rather than ZIP 215: libsodium refuses public keys of low order and second spellings of a point, and whether
      // a signature holds must not depend on the provider.
      return ed25519.verify(signature, message, publicKey, { zip215: false })
    } catch {
      return false
    }
  },
  isEd25519Point(bytes) {
    try {
      // ZIP 215 decoding is what curve25519-dalek does in the official nodes: second spellings and low order are fine.
      ed25519.Point.fromBytes(bytes, true)
      return true
    } catch {
      return false
    }
  },

  sha256: (data) => sha256(data),
  hmacSha256: (key, data) => hmac(sha256, key, data),
  hkdfSha256: (ikm, salt, info, length) => hkdf(sha256, ikm, salt, info, length),
  blake3: (data) => blake3(data),
  hkdfBlake3: (ikm, salt, length) => hkdf(blake3, ikm, salt, EMPTY_BYTES, length),
  blake2b256Keyed: (key, data) => blake2b(data, { key, dkLen: 32 }),
  xorChaCha20(key, data) {
    data.set(chacha20(key, ZERO_NONCE, data))
  },
}
