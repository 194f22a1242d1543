/**
 * The provider of servers and of clients on Node: libsodium for curves, ChaCha20 and BLAKE2b, OpenSSL for AES and SHA-256.
 * Where both have a primitive the comment says what was measured (Node 26.10, sodium-native 5.1, one core with AES and SHA
 * instructions; ratios travel better than microseconds). With these choices everything an unwrap does besides its two
 * multiplications costs about 0.6 of one of them. @module
 */

import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createHmac,
  getCipherInfo,
  hash,
  hkdfSync,
} from 'node:crypto'
import sodium from 'sodium-native'
import { nobleProvider } from './nobleProvider.ts'
import type { LinkCryptoProvider } from './provider.ts'
import { multiplyScalars, zeroForLowOrder } from './x25519Scalars.ts'

const ZERO_NONCE = new Uint8Array(8)
const TAG = { authTagLength: 16 } as const
const TAG_BYTES = TAG.authTagLength

// OpenSSL has GCM-SIV since 3.2, but not every runtime that offers node:crypto is built on OpenSSL. Noble takes 9 times longer.
// Its types know GCM only; the two are called alike.
const GCM_SIV = 'aes-256-gcm-siv' as CipherGCMTypes
const hasGcmSiv = getCipherInfo(GCM_SIV) !== undefined

export const nodeProvider: LinkCryptoProvider = {
  name: 'node',

  x25519(scalar, point) {
    const product = new Uint8Array(32)
    try {
      sodium.crypto_scalarmult(product, scalar, point)
      return product
    } catch (error) {
      return zeroForLowOrder(error, scalar, point)
    }
  },
  x25519Base(scalar) {
    // A table of multiples of the base point: 0.37 of crypto_scalarmult.
    const point = new Uint8Array(32)
    sodium.crypto_scalarmult_base(point, scalar)
    return point
  },
  multiplyScalars,

  // Ed25519 from raw keys: libsodium signs in 0.42 (deriving the public key included) and verifies in 0.38 of what OpenSSL
  // takes, which must first be given a key object.
  ed25519PublicKey(seed) {
    const publicKey = new Uint8Array(32)
    sodium.crypto_sign_seed_keypair(publicKey, new Uint8Array(64), seed)
    return publicKey
  },
  ed25519Sign(seed, message) {
    const secretKey = new Uint8Array(64)
    const signature = new Uint8Array(64)
    sodium.crypto_sign_seed_keypair(new Uint8Array(32), secretKey, seed)
    sodium.crypto_sign_detached(signature, message, secretKey)
    return signature
  },
  ed25519Verify: (publicKey, message, signature) =>
    publicKey.length === 32 &&
    signature.length === 64 &&
    sodium.crypto_sign_verify_detached(signature, message, publicKey),
  // libsodium's own check also refuses points of low order, which the official nodes accept.
  isEd25519Point: nobleProvider.isEd25519Point,

  sha256: (data) => plain(hash('sha256', data, 'buffer')),
  // Two one-shot hashes by hand take as long.
  hmacSha256: (key, data) => plain(createHmac('sha256', key).update(data).digest()),
  // For the 288 bytes of a shared secret 0.16 of chaining createHmac by hand, 0.25 of noble; a key object saves nothing.
  hkdfSha256: (ikm, salt, info, length) => new Uint8Array(hkdfSync('sha256', ikm, salt, info, length)),
  blake3: nobleProvider.blake3,
  hkdfBlake3: nobleProvider.hkdfBlake3,
  blake2b256Keyed(key, data) {
    const digest = new Uint8Array(32)
    sodium.crypto_generichash(digest, data, key)
    return digest
  },
  blake2s256: nobleProvider.blake2s256,
  hmacBlake2s: nobleProvider.hmacBlake2s,

  xorChaCha20(key, data) {
    if (data.length > 0) sodium.crypto_stream_chacha20_xor(data, data, ZERO_NONCE, key)
  },
  // No final(): a stream cipher holds nothing back, and the call would double the time.
  aes128Ctr: (key, iv, data) => plain(createCipheriv('aes-128-ctr', key, iv).update(data)),

  sealAesGcm(key, nonce, plaintext, associated, headroom) {
    const cipher = createCipheriv('aes-256-gcm', key, nonce, TAG)
    if (associated.length > 0) cipher.setAAD(associated)
    return sealWith(cipher, plaintext, headroom)
  },
  openAesGcm(key, nonce, sealed, associated) {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, TAG)
    if (associated.length > 0) decipher.setAAD(associated)
    return openWith(decipher, sealed)
  },
  sealAesGcmSiv: hasGcmSiv
    ? (key, nonce, plaintext) => sealWith(createCipheriv(GCM_SIV, key, nonce, TAG), plaintext)
    : nobleProvider.sealAesGcmSiv,
  openAesGcmSiv: hasGcmSiv
    ? (key, nonce, sealed) => openWith(createDecipheriv(GCM_SIV, key, nonce, TAG), sealed)
    : nobleProvider.openAesGcmSiv,
  // 0.45 of OpenSSL's at the size of a packet.
  sealChaChaPoly(key, nonce, plaintext, associated) {
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES)
    sodium.crypto_aead_chacha20poly1305_ietf_encrypt(sealed, plaintext, associated, null, nonce, key)
    return sealed
  },
  openChaChaPoly(key, nonce, sealed, associated) {
    if (sealed.length < TAG_BYTES) return undefined
    const plaintext = new Uint8Array(sealed.length - TAG_BYTES)
    try {
      sodium.crypto_aead_chacha20poly1305_ietf_decrypt(plaintext, null, sealed, associated, nonce, key)
      return plaintext
    } catch {
      return undefined
    }
  },
}

/** The same memory without the Buffer around it, whose `slice` would not copy. */
const plain = (buffer: Uint8Array): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)

interface Sealer {
  update(data: Uint8Array): Uint8Array
  final(): Uint8Array
  getAuthTag(): Uint8Array
}

interface Opener {
  setAuthTag(tag: Uint8Array): unknown
  update(data: Uint8Array): Uint8Array
  final(): Uint8Array
}

function sealWith(cipher: Sealer, plaintext: Uint8Array, headroom = 0): Uint8Array {
  // Every byte is written below: clearing them first would cost more than copying does.
  const sealed = plain(Buffer.allocUnsafeSlow(headroom + plaintext.length + TAG_BYTES))
  for (let i = 0; i < headroom; i++) sealed[i] = 0
  // GCM-SIV reads the plaintext twice, so it must get all of it, even an empty one, in a single update.
  sealed.set(cipher.update(plaintext), headroom)
  cipher.final()
  sealed.set(cipher.getAuthTag(), headroom + plaintext.length)
  return sealed
}

/** The tag comes first: GCM-SIV needs it to decrypt at all. */
function openWith(decipher: Opener, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < TAG_BYTES) return undefined
  const length = sealed.length - TAG_BYTES
  decipher.setAuthTag(sealed.subarray(length))
  try {
    const plaintext = plain(decipher.update(sealed.subarray(0, length)))
    decipher.final()
    return plaintext
  } catch {
    return undefined
  }
}
