/** The part of sodium-native that nodeProvider.ts uses: the package ships no types. Outputs come first. @module */
declare module 'sodium-native' {
  interface Sodium {
    /** Throws where the result would be zero. */
    crypto_scalarmult(output: Uint8Array, scalar: Uint8Array, point: Uint8Array): void
    crypto_scalarmult_base(output: Uint8Array, scalar: Uint8Array): void
    crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void
    crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void
    crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
    crypto_generichash(output: Uint8Array, input: Uint8Array, key: Uint8Array): void
    crypto_stream_chacha20_xor(output: Uint8Array, input: Uint8Array, nonce: Uint8Array, key: Uint8Array): void
    crypto_aead_chacha20poly1305_ietf_encrypt(
      sealed: Uint8Array,
      plaintext: Uint8Array,
      associated: Uint8Array | null,
      secretNonce: null,
      nonce: Uint8Array,
      key: Uint8Array,
    ): number
    /** Throws where the tag does not hold. */
    crypto_aead_chacha20poly1305_ietf_decrypt(
      plaintext: Uint8Array,
      secretNonce: null,
      sealed: Uint8Array,
      associated: Uint8Array | null,
      nonce: Uint8Array,
      key: Uint8Array,
    ): number
  }
  const sodium: Sodium
  export default sodium
}
