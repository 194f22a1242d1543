/**
 * The number of all rules of rewards: an unsigned fixed point of 18 fractional digits in 128 bits, as the official contracts have it.
 * Every product and every quotient floors, so the order of operations is part of a rule: (a·b)·c and a·(b·c) differ in the last
 * digits. docs/spec/ledger.md, "Numbers". @module
 */
import { malformed } from '../../foundation/base/errors.ts'

/** A value times 10^18: 0 to 2^128 - 1. */
export type Decimal = bigint
/** A Decimal of 0 to 1. */
export type Percent = bigint
/** Millionths of NYM. */
export type Unym = bigint

export const ONE: Decimal = 10n ** 18n
export const FRACTIONAL_DIGITS = 18
const MAX = 2n ** 128n - 1n

/** Why a number cannot be: the contract reverts there with a panic, the official one aborts the transaction. */
export class Overflow extends RangeError {}

/** Only results are bounded: the official intermediates have 256 bits, which two factors of 128 never exceed. */
export function checked(raw: bigint): Decimal {
  if (raw < 0n || raw > MAX) throw new Overflow(raw < 0n ? 'below zero' : 'above 128 bits')
  return raw
}

export const plus = (a: Decimal, b: Decimal): Decimal => checked(a + b)
export const minus = (a: Decimal, b: Decimal): Decimal => checked(a - b)
/** floor(a·b). */
export const times = (a: Decimal, b: Decimal): Decimal => checked((a * b) / ONE)

/** floor(a / b). A zero divisor is an Overflow, as there. */
export function over(a: Decimal, b: Decimal): Decimal {
  if (b === 0n) throw new Overflow('divided by zero')
  return checked((a * ONE) / b)
}

/** Of a whole number. */
export const whole = (n: bigint | number): Decimal => checked(BigInt(n) * ONE)

/** floor(n / d) of whole numbers. */
export const ratio = (n: bigint | number, d: bigint | number): Decimal => over(BigInt(n), BigInt(d))

/** Whole unym; what is cut off is nobody's any more. */
export const truncate = (a: Decimal): Unym => a / ONE

export const least = (a: Decimal, b: Decimal): Decimal => (a < b ? a : b)

/**
 * x^n by squaring, flooring at each product, as cosmwasm-std does it: a different chain of products would end in other digits.
 * `n`: a whole number from 0.
 */
export function power(x: Decimal, n: number): Decimal {
  if (n === 0) return ONE
  let rest = ONE
  let square = x
  while (n > 1) {
    if (n % 2 === 1) rest = times(rest, square)
    square = times(square, square)
    n = Math.floor(n / 2)
  }
  return times(square, rest)
}

/** Decimal digits without exponent or trailing zeroes; no point where it is whole. */
export function formatDecimal(raw: Decimal): string {
  const fraction = (raw % ONE).toString().padStart(FRACTIONAL_DIGITS, '0').replace(/0+$/, '')
  return fraction === '' ? `${raw / ONE}` : `${raw / ONE}.${fraction}`
}

/** Throws MALFORMED for anything but digits with at most 18 behind a point, and for what 128 bits do not hold. */
export function parseDecimal(text: string, field = 'decimal'): Decimal {
  const [, integer, fraction = ''] = /^(\d{1,39})(?:\.(\d{1,18}))?$/.exec(text) ?? []
  if (integer === undefined) throw malformed(field, 'digits, at most 18 of them behind a point')
  const raw = BigInt(integer + fraction.padEnd(FRACTIONAL_DIGITS, '0'))
  if (raw > MAX) throw malformed(field, 'above 128 bits')
  return raw
}

/** Throws MALFORMED above 1 too. */
export function parsePercent(text: string, field = 'percent'): Percent {
  const raw = parseDecimal(text, field)
  if (raw > ONE) throw malformed(field, 'above 1')
  return raw
}

const FLOAT_BITS = 52n

/** A float as the official API makes it a Percent: 52 bits of it, outside 0 to 1 nothing. */
export function percentFromFloat(value: number): Percent {
  if (!(value >= 0 && value <= 1)) return 0n
  if (value === 1) return ONE
  return (BigInt(Math.trunc(value * 2 ** Number(FLOAT_BITS))) * ONE) >> FLOAT_BITS
}

/** As doubles, as the official API has it: for JSON with floats, weights and people. */
export const decimalToNumber = (raw: Decimal): number => Number(raw) / 1e18
