/**
 * Instants as the wire writes them: RFC 3339 text in the directory's JSON, calendar tuples in the exit services' binary
 * requests. Plain arithmetic on the proleptic Gregorian calendar: nothing here reads a clock. @module
 */
import { MixnetError } from '../../foundation/base/errors.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'

/** A UTC instant with the wire's precision; Millis cannot hold nanoseconds of this century. */
export interface Timestamp {
  readonly unixSeconds: number
  /** 0 to 999,999,999. */
  readonly nanoseconds: number
}

export const MIN_YEAR = -9999
export const MAX_YEAR = 9999
const SECONDS_PER_DAY = 86_400
/** Days from 0001-01-01 to 1970-01-01. */
const EPOCH_DAYS = 719_162

export function timestampFromMillis(instant: Millis): Timestamp {
  const unixSeconds = Math.floor(instant / 1000)
  // Microseconds are what a Millis of this century still holds exactly enough.
  const microseconds = Math.min(999_999, Math.round((instant - unixSeconds * 1000) * 1000))
  return { unixSeconds, nanoseconds: microseconds * 1000 }
}

export const timestampToMillis = ({ unixSeconds, nanoseconds }: Timestamp): Millis =>
  millis(unixSeconds * 1000 + nanoseconds / 1e6)

export const isLeapYear = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0

/** Days since 1970-01-01 of a year and its day of the year, from 1. */
export function daysOfDate(year: number, ordinalDay: number): number {
  return daysBeforeYear(year) - EPOCH_DAYS + ordinalDay - 1
}

/** The year and its day of the year, from 1, of a number of days since 1970-01-01. */
export function dateOfDays(days: number): { year: number; ordinalDay: number } {
  const sinceYearOne = days + EPOCH_DAYS
  let year = Math.floor(sinceYearOne / 365.2425) + 1
  // The average length misses by at most a day at either end of a year.
  while (daysBeforeYear(year) > sinceYearOne) year--
  while (daysBeforeYear(year + 1) <= sinceYearOne) year++
  return { year, ordinalDay: sinceYearOne - daysBeforeYear(year) + 1 }
}

/** `2026-11-22T08:01:02.5Z`: UTC, as many decimals as there are, at most six. */
export function formatRfc3339(instant: Millis): string {
  const { unixSeconds, nanoseconds } = timestampFromMillis(instant)
  const days = Math.floor(unixSeconds / SECONDS_PER_DAY)
  const { year, ordinalDay } = dateOfDays(days)
  if (!(year >= 0 && year <= MAX_YEAR))
    throw new MixnetError('BAD_ARGUMENT', { what: 'instant outside years 0 to 9999' })
  const lengths = monthLengths(year)
  let month = 0
  let day = ordinalDay
  while (day > (lengths[month] as number)) day -= lengths[month++] as number
  const time = unixSeconds - days * SECONDS_PER_DAY
  const date = `${padded(year, 4)}-${padded(month + 1)}-${padded(day)}`
  const clock = `${padded(Math.floor(time / 3600))}:${padded(Math.floor(time / 60) % 60)}:${padded(time % 60)}`
  const fraction = nanoseconds === 0 ? '' : `.${padded(nanoseconds, 9).replace(/0+$/, '')}`
  return `${date}T${clock}${fraction}Z`
}

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d{0,9})?(?:[Zz]|([+-])(\d\d):(\d\d))$/
// What official directories emit in some fields: `2026-11-22 08:01:02.5 +00:00:00`.
const SPACED = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))? ([+-])(\d\d):(\d\d)(?::\d\d)?$/

/** Reads RFC 3339, or undefined. */
export const parseRfc3339 = (text: string): Millis | undefined => instantOf(RFC3339.exec(text))

/** Reads RFC 3339 or the spaced form of official directories, or undefined. */
export const parseLooseInstant = (text: string): Millis | undefined =>
  parseRfc3339(text) ?? instantOf(SPACED.exec(text))

function instantOf(match: RegExpExecArray | null): Millis | undefined {
  if (match === null) return undefined
  const part = (index: number): number => Number(match[index] ?? 0)
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)] as const
  const lengths = monthLengths(year)
  const length = lengths[month - 1]
  if (length === undefined || day < 1 || day > length || hour > 23 || minute > 59 || second > 59) return undefined
  const [offsetHours, offsetMinutes] = [part(9), part(10)]
  if (offsetHours > 25 || offsetMinutes > 59) return undefined
  const ordinalDay = lengths.slice(0, month - 1).reduce((sum, one) => sum + one, day)
  const offset = (match[8] === '-' ? -1 : 1) * (offsetHours * 3600 + offsetMinutes * 60)
  const unixSeconds = daysOfDate(year, ordinalDay) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset
  return timestampToMillis({ unixSeconds, nanoseconds: Number((match[7] ?? '').padEnd(9, '0')) })
}

function daysBeforeYear(year: number): number {
  const past = year - 1
  return past * 365 + Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400)
}

const monthLengths = (year: number): readonly number[] => [
  31,
  isLeapYear(year) ? 29 : 28,
  31,
  30,
  31,
  30,
  31,
  31,
  30,
  31,
  30,
  31,
]

const padded = (value: number, width = 2): string => String(value).padStart(width, '0')
