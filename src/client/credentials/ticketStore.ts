/**
 * The books of a client, on its disk. A ticket spent twice names its spender to every issuer, so the one rule here is: what may have left
 * stays gone. A ticket is struck off, durably, before anybody gets it, and nothing strikes it on again; a crash in between costs that one.
 *
 * What no file can know is that the folder is an older copy of itself. A backup that is restored, or a folder that is copied to a second
 * machine, has tickets on it that the other one spent. So books move by `exportTickets`, which strikes off what it hands out; `tickets`
 * belongs into no backup; and two processes on one folder are kept apart by the lock of the folder (clientFolder.ts), which whoever opens
 * a store must hold.
 * @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import { TICKET_TYPES, VALIDITY_DAYS } from '../../protocol/credentials/constants.ts'
import { DAY_SECONDS, midnightOf } from '../../protocol/wire/issuer/calendarDate.ts'
import {
  ALL_TICKETS,
  type BookContents,
  type BookRecord,
  bookIdOf,
  countOf,
  decodeBookRecord,
  encodeBookRecord,
  MAX_TAKEN,
  setOf,
  ticketsOf,
} from './bookRecord.ts'
import type { TicketFiles, TicketFilesOptions } from './ticketFiles.ts'

export interface BookSummary {
  readonly id: string
  readonly ticketType: number
  /** Tickets that can be spent here, on a day that is not over. */
  readonly left: number
  /** The last day: unix seconds of its midnight. */
  readonly expiration: number
  readonly epochId: bigint
}

/** Struck off already. */
export interface TakenTicket extends BookContents {
  readonly ticket: number
  readonly epochId: bigint
  /** Today: unix seconds of its midnight. */
  readonly day: number
  /** The last day of its book, the same way. */
  readonly expiration: number
}

/** What a bundle carries. Secret. */
export interface MovedTickets extends BookContents {
  readonly epochId: bigint
  readonly expiration: number
  readonly ticketType: number
  readonly tickets: bigint
}

/** Stores a bundle where it lasts. It may be called again with the same one, in another process. */
export type KeepBundle = (bundle: Uint8Array) => Promise<void>

export interface UnfinishedExport {
  readonly id: string
  /** How many are on their way. */
  readonly tickets: number
}

export interface TicketStoreOptions extends Pick<TicketFilesOptions, 'crypto'> {
  readonly clock: Clock
  readonly files: TicketFiles
}

const KIND = 'book'
/** Of a book, after its last day, so that a clock that was wrong for a moment removes nothing that is good. */
const KEPT_EXPIRED = VALIDITY_DAYS * DAY_SECONDS

export class TicketStore {
  readonly #options: TicketStoreOptions
  readonly #books = new Map<string, BookRecord>()
  // Changes follow each other: each begins from what the last one wrote.
  #last: Promise<unknown> = Promise.resolve()

  private constructor(options: TicketStoreOptions) {
    this.#options = options
  }

  /** The caller holds the lock of the client's folder. Throws FILE_UNUSABLE. */
  static async open(options: TicketStoreOptions): Promise<TicketStore> {
    const store = new TicketStore(options)
    const { files } = options
    for (const id of await files.list(KIND)) {
      const record = await files.read(KIND, id, decodeBookRecord)
      if (record !== undefined) store.#books.set(id, record)
    }
    await store.#change(() => store.#removeExpired())
    return store
  }

  /** Midnight of today, unix seconds. */
  get today(): number {
    return midnightOf(Math.floor(this.#options.clock.now() / 1000))
  }

  /** Books with tickets for today, those that expire first in front. */
  books(): readonly BookSummary[] {
    return [...this.#books]
      .filter(([, record]) => record.left !== 0n && this.#isValid(record))
      .map(([id, record]) => summaryOf(id, record))
      .toSorted((a, b) => a.expiration - b.expiration || (a.id < b.id ? -1 : 1))
  }

  /** A new book with all of its tickets. One that is known keeps what is spent of it. Throws FILE_UNUSABLE. */
  add(book: Omit<MovedTickets, 'tickets'>): Promise<BookSummary> {
    return this.#change(async () => {
      const id = bookIdOf(this.#options.crypto, book.book)
      const known = this.#books.get(id)
      if (known !== undefined) return summaryOf(id, known)
      const record = { ...recordOf(book), left: ALL_TICKETS }
      await this.#write(id, record)
      return summaryOf(id, record)
    })
  }

  /**
   * Strikes a ticket off and hands it out: of that type, of the book that expires first. undefined where none is valid today. Rejects with
   * FILE_UNUSABLE where it could not be struck off; then nobody has it.
   */
  take(ticketType: number): Promise<TakenTicket | undefined> {
    return this.#change(async () => {
      const { today } = this
      const [first] = this.books().filter((book) => book.ticketType === ticketType)
      if (first === undefined) return undefined
      const record = this.#books.get(first.id) as BookRecord
      const contents = record.contents as BookContents
      const ticket = ticketsOf(record.left)[0] as number
      const one = setOf([ticket])
      await this.#write(first.id, { ...record, left: record.left & ~one, spent: record.spent | one })
      return { ...contents, ticket, epochId: record.epochId, day: today, expiration: record.expiration }
    })
  }

  /**
   * Strikes off the last `count` tickets of a book, or all that are left, and hands out what `pack` makes of them. It is made first, so that what
   * cannot be packed stays here. With `keep` nothing is lost on the way either: the write that strikes off puts the bundle into the book's
   * own file, where it stays until `keep` has stored it. Neither order of two files would do: one has tickets that are in both after a
   * crash, the other has them in none. Throws NO_TICKETS where there are not so many, BAD_ARGUMENT where an export of the book is under
   * way, and what `pack` and `keep` throw; after the latter finish it.
   */
  exportTickets(
    id: string,
    count: number | undefined,
    pack: (moved: MovedTickets) => Uint8Array | Promise<Uint8Array>,
    keep: KeepBundle | undefined,
  ): Promise<Uint8Array> {
    return this.#change(async () => {
      const record = this.#books.get(id)
      const left = record === undefined ? [] : ticketsOf(record.left)
      const moving = left.slice(count === undefined ? 0 : Math.max(0, left.length - count))
      if (record?.contents === undefined || moving.length === 0 || moving.length < (count ?? 1)) {
        throw new MixnetError('NO_TICKETS', { book: id, left: left.length })
      }
      if (record.leaving !== undefined) {
        const nextStep = 'Finish it first: its bundle is here (finishExport; starling credential export).'
        throw new MixnetError('BAD_ARGUMENT', { book: id, why: 'an export of it was cut off' }, { nextStep })
      }
      const tickets = setOf(moving)
      const { epochId, expiration, ticketType, contents } = record
      const bundle = await pack({ ...contents, epochId, expiration, ticketType, tickets })
      const leaving = keep === undefined ? undefined : { tickets, bundle }
      await this.#write(id, { ...record, left: record.left & ~tickets, leaving })
      if (keep !== undefined) await this.#finish(id, keep)
      return bundle
    })
  }

  /** Those that were cut off before somebody had stored their bundle, or had said so. */
  unfinishedExports(): readonly UnfinishedExport[] {
    return [...this.#books].flatMap(([id, { leaving }]) =>
      leaving === undefined ? [] : [{ id, tickets: countOf(leaving.tickets) }],
    )
  }

  /** Hands the bundle over that is under way, the same one. Throws NO_TICKETS where there is none, and what `keep` throws. */
  finishExport(id: string, keep: KeepBundle): Promise<void> {
    return this.#change(() => this.#finish(id, keep))
  }

  async #finish(id: string, keep: KeepBundle): Promise<void> {
    const record = this.#books.get(id)
    if (record?.leaving === undefined) throw new MixnetError('NO_TICKETS', { book: id })
    await keep(record.leaving.bundle)
    await this.#write(id, { ...record, leaving: undefined })
  }

  /**
   * Takes in what another device handed out, once. What was spent here before is not brought back. Throws BAD_ARGUMENT for a bundle that
   * was taken in before or brings nothing new, OUTSIDE_VALIDITY for one that has expired.
   */
  importTickets(bundleId: Uint8Array, moved: MovedTickets): Promise<BookSummary> {
    return this.#change(async () => {
      if (!this.#isValid(moved)) throw new MixnetError('OUTSIDE_VALIDITY', { what: 'the imported book' })
      const id = bookIdOf(this.#options.crypto, moved.book)
      const known = this.#books.get(id) ?? { ...recordOf(moved), left: 0n }
      const refuse = (why: string): never => {
        const nextStep =
          'Nothing: import each export once, on one device. A ticket that is spent twice names its owner.'
        throw new MixnetError('BAD_ARGUMENT', { argument: 'bundle', why }, { nextStep })
      }
      if (known.taken.some((one) => equalBytes(one, bundleId))) refuse('it was imported here before')
      if (known.taken.length >= MAX_TAKEN) refuse('this book was imported too often')
      const added = moved.tickets & ~known.spent & ~known.left
      if (added === 0n) refuse('all of its tickets are here or spent')
      const contents = known.contents ?? contentsOf(moved)
      // What comes back from another device had arrived there.
      const arrived = ((known.leaving?.tickets ?? 0n) & moved.tickets) !== 0n
      const leaving = arrived ? undefined : known.leaving
      const record = { ...known, contents, left: known.left | added, taken: [...known.taken, bundleId], leaving }
      await this.#write(id, record)
      return summaryOf(id, record)
    })
  }

  /** What is left of a book, left where it is: to be looked at. */
  look(id: string): MovedTickets | undefined {
    const record = this.#books.get(id)
    if (record?.contents === undefined) return undefined
    const { epochId, expiration, ticketType, contents, left } = record
    return { ...contents, epochId, expiration, ticketType, tickets: left }
  }

  /** Contents of a book of that epoch, for what books have in common. */
  contentsOf(epochId: bigint): readonly (BookContents & { readonly expiration: number })[] {
    return [...this.#books.values()].flatMap(({ epochId: epoch, expiration, contents }) =>
      epoch === epochId && contents !== undefined ? [{ ...contents, expiration }] : [],
    )
  }

  /** What is over goes; at midnights, and when a store is opened. */
  removeExpired(): Promise<void> {
    return this.#change(() => this.#removeExpired())
  }

  async #removeExpired(): Promise<void> {
    for (const [id, { expiration }] of [...this.#books]) {
      if (expiration + KEPT_EXPIRED >= this.today) continue
      await this.#options.files.remove(KIND, id)
      this.#books.delete(id)
    }
  }

  /** A book can be spent on its last day and the six before it. */
  #isValid({ expiration }: { readonly expiration: number }): boolean {
    const { today } = this
    return expiration >= today && expiration - (VALIDITY_DAYS - 1) * DAY_SECONDS <= today
  }

  async #write(id: string, record: BookRecord): Promise<void> {
    const kept = record.left === 0n ? { ...record, contents: undefined } : record
    await this.#options.files.write(KIND, id, encodeBookRecord(kept))
    // Not before: where writing failed nobody gets the ticket, and the file has either state.
    this.#books.set(id, kept)
  }

  #change<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#last.then(change)
    this.#last = done.catch(() => {})
    return done
  }
}

const contentsOf = ({ book, masterKey, dateSignatures, coinSignatures }: BookContents): BookContents => ({
  book,
  masterKey,
  dateSignatures,
  coinSignatures,
})

const recordOf = (book: Omit<MovedTickets, 'tickets'>): BookRecord => ({
  epochId: book.epochId,
  expiration: book.expiration,
  ticketType: book.ticketType,
  left: 0n,
  spent: 0n,
  taken: [],
  contents: contentsOf(book),
  leaving: undefined,
})

const summaryOf = (id: string, { ticketType, left, expiration, epochId }: BookRecord): BookSummary => ({
  id,
  ticketType,
  left: countOf(left),
  expiration,
  epochId,
})

/** The type that a client of the mixnet pays with. */
export const ENTRY_TICKET: number = TICKET_TYPES.indexOf('v1-mixnet-entry')
