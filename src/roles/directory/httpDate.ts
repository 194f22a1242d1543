/** Dates in HTTP headers: `Sun, 22 Nov 2026 08:01:02 GMT` (RFC 9110 5.6.7). @module */
import type { Millis } from '../../foundation/base/units.ts'
import { formatRfc3339 } from '../../protocol/wire/timestamp.ts'

const DAYS = ['Thu', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const MS_PER_DAY = 86_400_000

/** Cut to whole seconds. Instants from 1970 on. */
export function formatHttpDate(instant: Millis): string {
  const [date = '', time = ''] = formatRfc3339(instant).split('T')
  const [year, month, day] = date.split('-')
  // 1970-01-01 was a Thursday.
  const weekday = DAYS[Math.floor(instant / MS_PER_DAY) % DAYS.length]
  return `${weekday}, ${day} ${MONTHS[Number(month) - 1]} ${year} ${time.slice(0, 8)} GMT`
}
