/** What a payment proves, as its challenge: c = chal(public parameters ‖ master key ‖ instance ‖ commitments ‖ P ‖ n). @module */
import { concat } from '../../foundation/base/bytes.ts'
import type { G1, G2 } from '../../foundation/crypto/bls.ts'
import type { Scalar } from '../../foundation/crypto/blsScalar.ts'
import { CodecWriter } from './codec.ts'
import { u64LittleEndian } from './keys.ts'
import type { Payment } from './payment.ts'
import type { PreparedKey } from './preparedKey.ts'
import { challenge, type Scheme } from './scheme.ts'

/**
 * Commitments to the nonces, one for each relation; the lists have one a ticket.
 *   t_κ   κ   = r·g2 + α + sk·β2_0 + v·β2_1 + E·β2_2      the wallet is of sk, v and E
 *   t_κe  κ_e = r_e·g2 + α + E·β2_0                       the date signature is for the same E
 *   t_C   C   = o_c·g1 + v·γ2                             C holds the same v
 *   t_A   A_k = o_a·g1 + l·γ2                             A_k holds the index
 *   t_S   S_k = μ·δ                                       the serial number is of μ
 *   t_κk  κ_k = r_k·g2 + α + l·β2_0                       the coin signature is on the index in A_k
 *   t_γ   γ2  = μ·(A_k + C + γ2) + o_μ·g1                 μ = 1/(v + l + 1)
 *   t_T   T_k = sk·g1 + μ·(R_k·g1)                        the tag is of the same sk and μ
 * Nothing else bounds l: a payment without t_κk may use any number of indices.
 */
export interface SpendCommitments {
  readonly kappa: G2
  readonly kappaE: G2
  readonly c: G1
  readonly a: readonly G1[]
  readonly s: readonly G1[]
  readonly kappaK: readonly G2[]
  readonly gamma: readonly G1[]
  readonly t: readonly G1[]
}

/** The part of a payment that the proof is about: B(κ) ‖ B(C) ‖ B([A]) ‖ B([S]) ‖ B([T]) ‖ B([κ_k]) ‖ B(κ_e). */
export type SpendInstance = Pick<
  Payment,
  'kappa' | 'kappaE' | 'c' | 'commitments' | 'serialNumbers' | 'tags' | 'kappaK' | 'tickets'
>

export function spendChallenge(
  scheme: Scheme,
  master: PreparedKey,
  instance: SpendInstance,
  commitments: SpendCommitments,
  payInfo: Uint8Array,
): Scalar {
  const { bls } = scheme
  const g1 = (points: readonly G1[]): Uint8Array => concat(...points.map(bls.g1.encode))
  const g2 = (points: readonly G2[]): Uint8Array => concat(...points.map(bls.g2.encode))
  const encoded = new CodecWriter(scheme)
    .g2(instance.kappa)
    .g1(instance.c)
    .g1List(instance.commitments)
    .g1List(instance.serialNumbers)
    .g1List(instance.tags)
    .g2List(instance.kappaK)
    .g2(instance.kappaE)
    .finish()
  return challenge(
    scheme,
    g1([scheme.g1]),
    g2([scheme.g2]),
    g1(scheme.gamma),
    master.bytes,
    encoded,
    g2([commitments.kappa, commitments.kappaE]),
    g1([commitments.c, ...commitments.a, ...commitments.s]),
    g2(commitments.kappaK),
    g1([...commitments.gamma, ...commitments.t]),
    payInfo,
    u64LittleEndian(instance.tickets),
  )
}
