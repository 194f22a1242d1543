/** A master key with what every payment under it needs again: an epoch has one. @module */

import { MixnetError } from '../../foundation/base/errors.ts'
import type { G2, Multiples } from '../../foundation/crypto/bls.ts'
import { ATTRIBUTES, TYPE_EXPIRATION, TYPE_INDEX } from './constants.ts'
import { component, encodeVerificationKey, type VerificationKey } from './keys.ts'
import type { Scheme } from './scheme.ts'

export interface PreparedKey {
  readonly key: VerificationKey
  /** As it enters the transcript of every payment. */
  readonly bytes: Uint8Array
  readonly times: {
    readonly beta0: Multiples<G2>
    readonly beta1: Multiples<G2>
    readonly beta2: Multiples<G2>
    readonly beta3: Multiples<G2>
  }
  /** TYPE_EXP·β2_2 */
  readonly expirationKey: G2
  /** TYPE_IDX·(β2_1 + β2_2) */
  readonly indexKey: G2
}

/** A few milliseconds with mcl; 4 MB and 90 ms more once some payments were verified, for tables. BAD_ARGUMENT of a key of fewer than four attributes. */
export function prepareKey(scheme: Scheme, key: VerificationKey): PreparedKey {
  if (key.beta2.length < ATTRIBUTES || key.beta1.length !== key.beta2.length) {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'key', components: key.beta2.length })
  }
  const { g2 } = scheme.bls
  const beta = (i: number): G2 => component(key.beta2, i)
  return {
    key,
    bytes: encodeVerificationKey(scheme, key),
    times: {
      beta0: g2.table(beta(0)),
      beta1: g2.table(beta(1)),
      beta2: g2.table(beta(2)),
      // A type has two bits.
      beta3: (scalar) => g2.multiply(scalar, beta(3)),
    },
    expirationKey: g2.multiply(TYPE_EXPIRATION, beta(2)),
    indexKey: g2.multiply(TYPE_INDEX, g2.add(beta(1), beta(2))),
  }
}
