/** Who spent one coin twice. @module */
import { equalBytes } from '../../foundation/base/bytes.ts'
import type { G1 } from '../../foundation/crypto/bls.ts'
import { invert, modOrder } from '../../foundation/crypto/blsScalar.ts'
import { payInfoScalar } from './payInfo.ts'
import type { Payment } from './payment.ts'
import type { Scheme } from './scheme.ts'

export interface SeenPayment {
  readonly payment: Payment
  readonly payInfo: Uint8Array
}

export type Comparison =
  | { readonly kind: 'unrelated' }
  /** One payment presented again, perhaps by somebody else: it accuses nobody. */
  | { readonly kind: 'replay' }
  | { readonly kind: 'double-spend'; readonly publicKey: G1 }

/**
 * Of two verified payments. With S at position k of the first and j of the second, T = pk + (R·μ)·g1 in both, so
 *   pk = (R1·T2_j − R2·T1_k) / (R1 − R2).
 */
export function identify(scheme: Scheme, first: SeenPayment, second: SeenPayment): Comparison {
  const { g1 } = scheme.bls
  for (const [k, serialNumber] of first.payment.serialNumbers.entries()) {
    const j = second.payment.serialNumbers.findIndex((other) => g1.equal(serialNumber, other))
    const [t1, t2] = [first.payment.tags[k], second.payment.tags[j]]
    if (j < 0 || t1 === undefined || t2 === undefined) continue
    if (equalBytes(first.payInfo, second.payInfo)) return { kind: 'replay' }
    const r1 = payInfoScalar(scheme, first.payInfo, k)
    const r2 = payInfoScalar(scheme, second.payInfo, j)
    const difference = invert(modOrder(r1 - r2))
    if (difference === undefined) return { kind: 'replay' }
    const publicKey = g1.sum([
      [modOrder(r1 * difference), t2],
      [modOrder(-r2 * difference), t1],
    ])
    return { kind: 'double-spend', publicKey }
  }
  return { kind: 'unrelated' }
}
