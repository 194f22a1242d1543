/** Days as the issuers' JSON writes them: `YYYY-MM-DD`, and of a payment the year and the day of the year. In between they are midnights, unix seconds. @module */
import { millis } from '../../../foundation/base/units.ts'
import type { Json, JsonValue } from '../directory/json.ts'
import { dateOfDays, daysOfDate, formatRfc3339, isLeapYear, parseRfc3339 } from '../timestamp.ts'

export const DAY_SECONDS = 86_400

const DATE_CHARACTERS = 10
const MAX_U32 = 0xffff_ffff

/** The midnight before or at an instant. */
export const midnightOf = (unixSeconds: number): number => unixSeconds - (unixSeconds % DAY_SECONDS)

/** `midnight`: unix seconds, of a year up to 9999. */
export const formatDate = (midnight: number): string => formatRfc3339(millis(midnight * 1000)).slice(0, DATE_CHARACTERS)

/** Unix seconds of `YYYY-MM-DD`; undefined of anything else, and of days whose midnight is no u32. */
export function parseDate(text: string): number | undefined {
  if (text.length !== DATE_CHARACTERS) return undefined
  const instant = parseRfc3339(`${text}T00:00:00Z`)
  return instant === undefined || instant < 0 || instant / 1000 > MAX_U32 ? undefined : instant / 1000
}

export function readDate(json: Json): number {
  return parseDate(json.string(DATE_CHARACTERS)) ?? json.refuse('not a date')
}

/** `[year, day]`, the day from 1: what official gateways write. */
export function ordinalDate(midnight: number): JsonValue {
  const { year, ordinalDay } = dateOfDays(midnight / DAY_SECONDS)
  return [year, ordinalDay]
}

/** Either form: official issuers read both. */
export function readSpendDate(json: Json): number {
  if (json.isString) return readDate(json)
  const [year, day, ...more] = json.array(2, (item) => item.integer({ max: 9999 }))
  if (year === undefined || day === undefined || more.length > 0) json.refuse('not a year and a day')
  if (day < 1 || day > (isLeapYear(year) ? 366 : 365)) json.refuse('no day of that year')
  const midnight = daysOfDate(year, day) * DAY_SECONDS
  return midnight < 0 || midnight > MAX_U32 ? json.refuse('not a date of our times') : midnight
}
