/** Random scalars as an argument. Each is asked for by its name in the equations, so that recorded runs can be repeated. @module */
import { littleEndian, type Scalar, wideScalar } from '../../foundation/crypto/blsScalar.ts'

/** A fresh uniform scalar at every call; `name` is only for whoever replays a recorded run. */
export type Draw = (name: string) => Scalar

/** What is needed of a RandomStream. */
export interface RandomBytes {
  bytes(length: number): Uint8Array
}

const WIDE_BYTES = 64
const WEIGHT_BYTES = 16

export const drawFrom =
  (random: RandomBytes): Draw =>
  () =>
    wideScalar(random.bytes(WIDE_BYTES))

/**
 * Weights ρ with which many equations are checked as one: a sum in which one of them is wrong comes out right for one ρ in 2¹²⁸.
 * They must be drawn after what is checked is fixed, and be unknown to who made it.
 */
export const weightsFrom =
  (random: RandomBytes): (() => Scalar) =>
  () =>
    littleEndian(random.bytes(WEIGHT_BYTES)) + 1n
