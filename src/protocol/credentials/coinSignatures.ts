/**
 * Signatures on the indices 0 to 49: a payment shows that the index it commits to has one, and that is why a book has fifty tickets.
 * Public; one list an epoch. @module
 */
import { concat } from '../../foundation/base/bytes.ts'
import { modOrder, type Scalar } from '../../foundation/crypto/blsScalar.ts'
import { TICKETS_PER_BOOK, TYPE_INDEX } from './constants.ts'
import { type AuthorityKey, component, encodeVerificationKey, u64LittleEndian, type VerificationKey } from './keys.ts'
import type { SignedList } from './publicSignatures.ts'
import { hashG1, plus, type Scheme } from './scheme.ts'
import type { Signature } from './signature.ts'

/** h_l = hash_g1(master key ‖ l (u64, little-endian)), whoever signs; X_l = (α + TYPE_IDX·(β2_1 + β2_2)) + l·β2_0. */
export function coinList(scheme: Scheme, master: VerificationKey): SignedList {
  const bytes = encodeVerificationKey(scheme, master)
  const indices = Array.from({ length: TICKETS_PER_BOOK }, (_, l) => l)
  const { g2 } = scheme.bls
  return {
    bases: indices.map((l) => hashG1(scheme, concat(bytes, u64LittleEndian(l)))),
    values: indices.map(BigInt),
    keys: (key) => ({
      a: plus(g2, key.alpha, g2.multiply(TYPE_INDEX, g2.add(component(key.beta2, 1), component(key.beta2, 2)))),
      b: component(key.beta2, 0),
    }),
  }
}

/** s = (x + y_0·l + y_1·TYPE_IDX + y_2·TYPE_IDX)·h_l, for every index. */
export function signCoins(scheme: Scheme, key: AuthorityKey, master: VerificationKey): Signature[] {
  const list = coinList(scheme, master)
  const y = (i: number): Scalar => component(key.y, i).expose()
  return list.bases.map((h, l) => {
    const exponent = modOrder(key.x.expose() + y(0) * (list.values[l] as Scalar) + (y(1) + y(2)) * TYPE_INDEX)
    return { h, s: scheme.bls.g1.multiplySecret(exponent, h) }
  })
}
