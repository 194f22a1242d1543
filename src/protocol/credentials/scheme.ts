/**
 * The public parameters: generators g1, g2, γ1 … γ4, δ, and the three hashes. Compact e-cash with threshold issuance after Rial
 * and Piotrowska (arXiv 2303.08221), as the network uses it. Made once from a provider of BLS12-381 and handed to everything
 * else here. @module
 */
import { concat, utf8 } from '../../foundation/base/bytes.ts'
import type { Bls, G1, G2, Group, Multiples } from '../../foundation/crypto/bls.ts'
import { littleEndian, ORDER, type Scalar } from '../../foundation/crypto/blsScalar.ts'
import { POINT_TAG, SCALAR_TAG } from './constants.ts'

export interface Scheme {
  readonly bls: Bls
  readonly g1: G1
  readonly g2: G2
  readonly gamma: readonly [γ1: G1, γ2: G1, γ3: G1, γ4: G1]
  readonly delta: G1
  /** What is multiplied in every payment. */
  readonly times: {
    readonly g1: Multiples<G1>
    readonly gamma1: Multiples<G1>
    readonly gamma2: Multiples<G1>
    readonly delta: Multiples<G1>
    readonly g2: Multiples<G2>
  }
}

/** A few milliseconds with mcl; 3 MB and 80 ms more once some payments were made or verified, for tables. */
export function createScheme(bls: Bls): Scheme {
  const named = (name: string): G1 => bls.hashToG1(utf8(name), POINT_TAG)
  const gamma = [named('gamma1'), named('gamma2'), named('gamma3'), named('gamma4')] as const
  const delta = named('delta')
  const g1 = bls.g1.generator
  const g2 = bls.g2.generator
  return {
    bls,
    g1,
    g2,
    gamma,
    delta,
    times: {
      g1: bls.g1.table(g1),
      gamma1: bls.g1.table(gamma[0]),
      gamma2: bls.g1.table(gamma[1]),
      delta: bls.g1.table(delta),
      g2: bls.g2.table(g2),
    },
  }
}

export const hashG1 = ({ bls }: Scheme, message: Uint8Array): G1 => bls.hashToG1(message, POINT_TAG)
export const hashScalar = ({ bls }: Scheme, message: Uint8Array): Scalar => bls.hashToScalar(message, SCALAR_TAG)

const SHIFT = 1n << 256n

/** Fiat–Shamir: SHA-256 of the parts, without framing, read little-endian, times 2²⁵⁶ modulo r (the official code's wide reduction). */
export function challenge({ bls }: Scheme, ...parts: readonly Uint8Array[]): Scalar {
  return (littleEndian(bls.sha256(concat(...parts))) * SHIFT) % ORDER
}

/** P + Q + … */
export function plus<P>(group: Group<P>, first: P, ...others: readonly P[]): P {
  return others.reduce((sum, point) => group.add(sum, point), first)
}
