/**
 * What anonymous credentials need of BLS12-381: two groups and the question whether a product of pairings is one. Additive
 * notation, as in the papers. GT never leaves a provider: no format of the network holds an element of it, and comparing two
 * products is asking whether their quotient is one. Points are opaque; those of one provider mean nothing to another.
 * Byte lengths are checked at the border by decoders. No function changes its arguments, none draws randomness. @module
 */
import type { Scalar } from './blsScalar.ts'

/** A point of the subgroup of prime order r of E(Fp), 48 bytes compressed. */
export interface G1 {
  readonly '~group': 'G1'
}

/** A point of the subgroup of prime order r of the twist E'(Fp²), 96 bytes compressed. */
export interface G2 {
  readonly '~group': 'G2'
}

export type Term<P> = readonly [scalar: Scalar, point: P]

export interface Group<P> {
  /** Of a compressed point. */
  readonly bytes: number
  readonly generator: P
  readonly zero: P

  add(a: P, b: P): P
  negate(point: P): P
  /** k·P for scalars that are public, or whose use nobody can time. */
  multiply(scalar: Scalar, point: P): P
  /**
   * k·P in a sequence of group operations that does not depend on k: for long-lived keys applied to what others chose. The
   * arithmetic on scalars around it is that of bigint, which promises nothing (SECURITY.md). 1 to 2 times the cost.
   */
  multiplySecret(scalar: Scalar, point: P): P
  /** Σ kᵢ·Pᵢ; zero of no terms. Not for long-lived keys. */
  sum(terms: readonly Term<P>[]): P
  /** P ↦ k·P for a P that comes again and again: providers may make a table of its multiples once it has. */
  table(point: P): Multiples<P>

  isZero(point: P): boolean
  equal(a: P, b: P): boolean

  /** The ZCash form: big-endian x, and compressed, infinity and sign of y in the three highest bits. */
  encode(point: P): Uint8Array
  /** undefined for anything but the one encoding of a point of the subgroup. Zero has an encoding; who minds it must ask. */
  decode(bytes: Uint8Array): P | undefined
}

/** k·P for one P, k in [0, r). Not for long-lived keys applied to what others chose. */
export type Multiples<P> = (scalar: Scalar) => P

export interface Bls {
  readonly name: string
  readonly g1: Group<G1>
  readonly g2: Group<G2>
  /** RFC 9380 hash_to_curve, suite BLS12381G1_XMD:SHA-256_SSWU_RO_ with the given domain separation tag of at most 255 bytes. */
  hashToG1(message: Uint8Array, tag: string): G1
  /** RFC 9380 expand_message_xmd with SHA-256 to 48 bytes, as a big-endian number modulo r. */
  hashToScalar(message: Uint8Array, tag: string): Scalar
  sha256(data: Uint8Array): Uint8Array
  /** Whether Π e(Pᵢ, Qᵢ) = 1; so of no pairs. A pair with a zero counts as one, as bilinearity has it. */
  pairingsCancel(pairs: readonly (readonly [G1, G2])[]): boolean
}
