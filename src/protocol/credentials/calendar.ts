/** Days since 1970-01-01 and their places in the Gregorian year, without a Date. @module */

export interface DayOfYear {
  readonly year: number
  /** 1 to 366. */
  readonly day: number
}

const DAYS_PER_400_YEARS = 146_097
const DAYS_BEFORE_1970 = 719_162

/** Days from 0001-01-01 to the first of January of `year`. */
function daysBefore(year: number): number {
  const before = year - 1
  return before * 365 + Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400)
}

export function dayOfYear(unixDay: number): DayOfYear {
  const days = unixDay + DAYS_BEFORE_1970
  // At most one too many, for the mean year is not longer than any four.
  let year = Math.floor((days * 400) / DAYS_PER_400_YEARS) + 2
  while (daysBefore(year) > days) year--
  return { year, day: days - daysBefore(year) + 1 }
}

/** undefined where the year has no such day. */
export function unixDayOf({ year, day }: DayOfYear): number | undefined {
  const start = daysBefore(year)
  if (day < 1 || start + day > daysBefore(year + 1)) return undefined
  return start + day - 1 - DAYS_BEFORE_1970
}
