/**
 * What the protocol needs from cryptography, as one synchronous interface: unwrapping a packet is arithmetic, so nothing here
 * returns a promise. Node's, the web's, noble's and a null one for simulations pass one shared suite; that of pages all
 * of it but what links need.
 * Byte lengths are checked at the border by the decoders; providers may trust them. No function keeps or changes its
 * arguments unless it says so. @module
 */

export interface CryptoProvider {
  readonly name: string

  /** RFC 7748 X25519(scalar, point), clamping the scalar. A low-order point gives 32 zero bytes, never an exception. */
  x25519(scalar: Uint8Array, point: Uint8Array): Uint8Array
  /** X25519(scalar, 9). */
  x25519Base(scalar: Uint8Array): Uint8Array
  /**
   * A clamped scalar s with x25519(s, P) = x25519(b, x25519(a, P)) for every P of the prime-order group and its twist-free
   * multiples as used by Sphinx: lets a sender pay one multiplication per hop instead of i.
   */
  multiplyScalars(a: Uint8Array, b: Uint8Array): Uint8Array

  ed25519PublicKey(seed: Uint8Array): Uint8Array
  ed25519Sign(seed: Uint8Array, message: Uint8Array): Uint8Array
  /** False for any malformed key or signature. */
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** Whether 32 bytes decode to a point of the curve. */
  isEd25519Point(bytes: Uint8Array): boolean

  sha256(data: Uint8Array): Uint8Array
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array
  /** RFC 5869. An empty salt is 32 zero bytes. */
  hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array
  blake3(data: Uint8Array): Uint8Array
  /** RFC 5869 over HMAC over unkeyed BLAKE3 (64-byte block, 32-byte output), empty info. An empty salt is 32 zero bytes. */
  hkdfBlake3(ikm: Uint8Array, salt: Uint8Array, length: number): Uint8Array
  /** BLAKE2b with a 64-byte key and digest length parameter 32. */
  blake2b256Keyed(key: Uint8Array, data: Uint8Array): Uint8Array

  /** data ^= ChaCha20(key, zero nonce, counter from 0), in place. */
  xorChaCha20(key: Uint8Array, data: Uint8Array): void
  /** AES-128-CTR with a 16-byte initial counter block; a new array. */
  aes128Ctr(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array

  /** AES-256-GCM-SIV (RFC 8452), 12-byte nonce, no associated data; ciphertext then 16-byte tag. */
  sealAesGcmSiv(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): Uint8Array
  openAesGcmSiv(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined
}

/** What encrypted links between nodes need besides: Noise. Clients have no such links, and pages are spared the code. */
export interface LinkCryptoProvider extends CryptoProvider {
  blake2s256(data: Uint8Array): Uint8Array
  hmacBlake2s(key: Uint8Array, data: Uint8Array): Uint8Array
  /** AES-256-GCM, 12-byte nonce; ciphertext then 16-byte tag, behind `headroom` zeros for who frames it: a copy saved. */
  sealAesGcm(
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    associated: Uint8Array,
    headroom?: number,
  ): Uint8Array
  /** undefined where the tag does not hold. */
  openAesGcm(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Uint8Array | undefined
  sealChaChaPoly(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Uint8Array
  openChaChaPoly(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Uint8Array | undefined
}
