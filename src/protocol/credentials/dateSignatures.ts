/**
 * Signatures on (E, day of spending): a payment of a book that expires on E shows that one exists for the day it names, so it says
 * that the book is valid that day and not when it expires. Public; one list for every expiration date and epoch. @module
 */
import { concat } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { modOrder, type Scalar, scalarToBytes } from '../../foundation/crypto/blsScalar.ts'
import { DAY_SECONDS, TYPE_EXPIRATION, VALIDITY_DAYS } from './constants.ts'
import { type AuthorityKey, component } from './keys.ts'
import type { SignedList } from './publicSignatures.ts'
import { hashG1, plus, type Scheme } from './scheme.ts'
import type { Signature } from './signature.ts'

/** s_l = E − (6 − l) days, for l = 0 … 6: unix seconds. */
export function spendDays(expiration: number): number[] {
  return Array.from({ length: VALIDITY_DAYS }, (_, l) => expiration - (VALIDITY_DAYS - 1 - l) * DAY_SECONDS)
}

/** l of a day within the window. OUTSIDE_VALIDITY before and after it. */
export function spendDayIndex(expiration: number, day: number): number {
  const l = Math.floor((day - (expiration - (VALIDITY_DAYS - 1) * DAY_SECONDS)) / DAY_SECONDS)
  if (l < 0) throw new MixnetError('OUTSIDE_VALIDITY', { day: 'before the first' })
  if (l >= VALIDITY_DAYS) throw new MixnetError('OUTSIDE_VALIDITY', { day: 'after the last' })
  return l
}

/** h_l = hash_g1(E ‖ s_l), both as scalars; X_l = (α + E·β2_0 + TYPE_EXP·β2_2) + s_l·β2_1. */
export function dateList(scheme: Scheme, expiration: number): SignedList {
  const days = spendDays(expiration).map((day) => modOrder(BigInt(day)))
  const e = BigInt(expiration)
  const { g2 } = scheme.bls
  return {
    bases: days.map((day) => hashG1(scheme, concat(scalarToBytes(e), scalarToBytes(day)))),
    values: days,
    keys: (key) => ({
      a: plus(
        g2,
        key.alpha,
        g2.sum([
          [e, component(key.beta2, 0)],
          [TYPE_EXPIRATION, component(key.beta2, 2)],
        ]),
      ),
      b: component(key.beta2, 1),
    }),
  }
}

/** s = (x + y_0·E + y_1·s_l + y_2·TYPE_EXP)·h_l, for every day. */
export function signDates(scheme: Scheme, key: AuthorityKey, expiration: number): Signature[] {
  const list = dateList(scheme, expiration)
  const y = (i: number): Scalar => component(key.y, i).expose()
  return list.bases.map((h, l) => {
    const day = list.values[l] as Scalar
    const exponent = modOrder(key.x.expose() + y(0) * BigInt(expiration) + y(1) * day + y(2) * TYPE_EXPIRATION)
    return { h, s: scheme.bls.g1.multiplySecret(exponent, h) }
  })
}
