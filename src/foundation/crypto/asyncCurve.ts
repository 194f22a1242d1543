/** X25519 that answers with promises: for what can be computed ahead of need. `CryptoProvider` has the curve for the rest. @module */

export interface AsyncCurve {
  /** RFC 7748 X25519(scalar, point); 32 zero bytes for a point of low order. What is made of `point` is kept as long as the array lives. */
  x25519(scalar: Uint8Array, point: Uint8Array): Promise<Uint8Array>
  /** X25519(scalar, 9). */
  x25519Base(scalar: Uint8Array): Promise<Uint8Array>
}
