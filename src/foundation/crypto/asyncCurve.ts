/** X25519 that answers with promises: for what can be computed ahead of need, or can wait. `CryptoProvider` has the curve for the rest. @module */

export interface AsyncCurve {
  /** 32 bytes, read before it returns: the work that depends on the scalar only is done once, for all that is asked of it. */
  scalar(bytes: Uint8Array): AsyncScalar
  /** RFC 5869. An empty salt is 32 zero bytes. What the curve gives goes through it. */
  hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Promise<Uint8Array>
}

export interface AsyncScalar {
  /** RFC 7748 X25519(scalar, point); 32 zero bytes for a point of low order. What is made of `point` is kept as long as the array lives. */
  times(point: Uint8Array): Promise<Uint8Array>
  /** X25519(scalar, 9). */
  base(): Promise<Uint8Array>
}
