/** Random scalars as an argument. Each is asked for by its name in the equations, so that recorded runs can be repeated. @module */
import { littleEndian, type Scalar, wideScalar } from '../../foundation/crypto/blsScalar.ts'

/** A fresh uniform scalar at every call; `name` is only for whoever replays a recorded run. */
export type Draw = (name: string) => Scalar

/** What is needed of a RandomStream. */
export interface RandomBytes {
  bytes(length: number): Uint8Array
}

const WIDE_BYTES = 64
const HALF_WEIGHT_BYTES = 8
/** z², z being the parameter of the curve: z² − 1 is an eigenvalue of its endomorphism. */
const Z_SQUARED = 0xd201000000010000n ** 2n

export const drawFrom =
  (random: RandomBytes): Draw =>
  () =>
    wideScalar(random.bytes(WIDE_BYTES))

/**
 * Weights ρ with which many equations are checked as one: a sum in which one of them is wrong comes out right for one ρ in 2¹²⁸.
 * They must be drawn after what is checked is fixed, and be unknown to who made it. One of the equations may go without, as 1.
 *
 * ρ = a + b·z² with a and b of 64 bits: 2¹²⁸ values as any, all different and below r, but such that a multiplication by one takes
 * half the doublings, on providers that use the endomorphism of G1.
 */
export const weightsFrom =
  (random: RandomBytes): (() => Scalar) =>
  () => {
    const bytes = random.bytes(2 * HALF_WEIGHT_BYTES)
    const [a, b] = [bytes.subarray(0, HALF_WEIGHT_BYTES), bytes.subarray(HALF_WEIGHT_BYTES)]
    return littleEndian(a) + littleEndian(b) * Z_SQUARED + 1n
  }
