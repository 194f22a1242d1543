/** What is left and what more would cost, for people. @module */
import { dayOfYear, unixDayOf } from '../../protocol/credentials/calendar.ts'
import {
  DAY_SECONDS,
  TICKET_BANDWIDTH_BYTES,
  TICKETS_PER_BOOK,
  VALIDITY_DAYS,
} from '../../protocol/credentials/constants.ts'
import type { BookSummary } from './ticketStore.ts'

export interface TicketsDescription {
  readonly text: string
  /** Tickets that are good today. */
  readonly left: number
  /** What they are worth together. */
  readonly bytes: number
  /** The last day of the last book, unix seconds of its midnight (UTC); undefined where nothing is left. */
  readonly until: number | undefined
  /** Of a new book, in millionths of NYM; undefined where nobody says. */
  readonly priceUnym: number | undefined
}

export function describeTickets(books: readonly BookSummary[], priceUnym?: number): TicketsDescription {
  const left = books.reduce((sum, book) => sum + book.left, 0)
  const bytes = books.reduce((sum, book) => sum + book.left * (TICKET_BANDWIDTH_BYTES[book.ticketType] as number), 0)
  const until = books.length === 0 ? undefined : Math.max(...books.map(({ expiration }) => expiration))
  const price = priceUnym === undefined ? '' : `; a new book costs ${nym(priceUnym)} NYM`
  return { text: `${whatIsLeft(books, left, bytes)}${price}`, left, bytes, until, priceUnym }
}

/** Of one book: `37 tickets, 7.4 GB, until 3 December`. */
export function describeBook({ left, ticketType, expiration }: BookSummary): string {
  return `${left} tickets, ${amount(left * (TICKET_BANDWIDTH_BYTES[ticketType] as number))}, until ${dateWords(expiration)}`
}

function whatIsLeft(books: readonly BookSummary[], left: number, bytes: number): string {
  const [first, ...others] = books
  if (first === undefined) {
    return `no tickets left: a book has ${TICKETS_PER_BOOK} and is good for ${VALIDITY_DAYS} days`
  }
  const total = `${left} of ${books.length * TICKETS_PER_BOOK} tickets left, ${amount(bytes)}`
  if (others.length === 0) return `${total}, good until ${dateWords(first.expiration)}`
  const parts = books.map((book) => `${book.left} until ${dateWords(book.expiration)}`)
  return `${total}: ${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}

/** Decimal, as tickets count. */
function amount(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1).replace(/\.0$/, '')} GB`
}

const nym = (unym: number): string => String(Number((unym / 1e6).toFixed(6)))

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]
const FEBRUARY_IN_LEAP_YEARS = 29
const LENGTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** `3 December`, UTC. */
function dateWords(midnight: number): string {
  const { year, day } = dayOfYear(Math.floor(midnight / DAY_SECONDS))
  const leap = unixDayOf({ year, day: 366 }) !== undefined
  let left = day
  for (const [month, length] of LENGTHS.entries()) {
    const days = month === 1 && leap ? FEBRUARY_IN_LEAP_YEARS : length
    if (left <= days) return `${left} ${MONTHS[month]}`
    left -= days
  }
  return `day ${day}`
}
