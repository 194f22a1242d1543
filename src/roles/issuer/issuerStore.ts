/**
 * What an issuer keeps on disk. Each method that changes something is one transaction, durable when it returns: nothing an issuer says
 * may be forgotten by it. @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import type { Meter } from '../../foundation/base/observe.ts'
import type { Database, Row, Statement } from '../../foundation/platform/database.ts'
import type { World } from '../../foundation/platform/world.ts'
import { DAY_SECONDS, midnightOf } from '../../protocol/wire/issuer/calendarDate.ts'
import { type IssuedTicketbook, issuedLeaf } from '../../protocol/wire/issuer/issuedTicketbooks.ts'
import type { IssuerParams } from './issuerParams.ts'
import { ISSUER_STATEMENTS, type IssuerStatement, openIssuerSchema } from './issuerSchema.ts'

export interface StoredTicket {
  readonly serialNumber: Uint8Array
  readonly payment: Uint8Array
  readonly payInfo: Uint8Array
  /** Of the pay info: whose ticket it is. */
  readonly provider: Uint8Array
  /** Who asked about it first. */
  readonly gateway: string
}

export interface StoredBatch {
  readonly epochId: number
  readonly count: number
  readonly signature: Uint8Array
}

export interface IssuedLeaf {
  readonly depositId: number
  readonly merkleIndex: number
  readonly hash: Uint8Array
}

export interface DayCount {
  /** Midnight, unix seconds. */
  readonly day: number
  readonly count: number
}

/** Rows deleted at once, some milliseconds. */
const PURGE_ROWS = 2000
/** Auditors may look at a book for two days after it expired. */
const AUDIT_SECONDS: number = 2 * DAY_SECONDS

export class IssuerStore {
  readonly #world: Pick<World, 'clock' | 'crypto'>
  readonly #params: IssuerParams
  readonly #database: Database
  readonly #statements = new Map<IssuerStatement, Statement>()
  #tickets: number
  #doubleSpenders: number

  /** Throws CONFIG_INVALID of a database of a newer program. */
  constructor(world: World, { folder, params, meter }: { folder: string; params: IssuerParams; meter: Meter }) {
    this.#world = world
    this.#params = params
    this.#database = world.databases.open(`${folder}/issuer.sqlite`)
    openIssuerSchema(this.#database)
    this.#tickets = this.#number('tickets')
    this.#doubleSpenders = this.#number('doubleSpenders')
    meter.gauge('issuer_tickets', 'Tickets remembered', () => this.#tickets)
    meter.gauge('issuer_double_spenders', 'Keys that spent a ticket twice', () => this.#doubleSpenders)
  }

  deposit(depositId: number): { readonly identity: Uint8Array; readonly requestHash: Uint8Array } | undefined {
    const row = this.#statement('deposit').get(depositId)
    return row && { identity: row.identity as Uint8Array, requestHash: row.request_hash as Uint8Array }
  }

  /** Of the latest epoch in which it was signed; undefined once it is too old. */
  issued(depositId: number): IssuedTicketbook | undefined {
    const row = this.#statement('issued').get(depositId)
    return row && bookOf(row)
  }

  /**
   * Binds a deposit to one request for ever and keeps what is answered to it. False, and nothing happens, where the deposit belongs to
   * another request already: then nothing may be answered either.
   */
  keepIssued(identity: Uint8Array, requestHash: Uint8Array, book: IssuedTicketbook): boolean {
    return this.#database.transaction(() => {
      this.#statement('bind').run(book.depositId, identity, requestHash)
      const bound = this.#statement('deposit').get(book.depositId)
      if (bound === undefined || !equalBytes(bound.request_hash as Uint8Array, requestHash)) return false
      this.#statement('issue').run(
        book.depositId,
        book.epochId,
        book.expiration,
        midnightOf(this.#now()),
        book.ticketType,
        book.signature,
        book.commitments,
        issuedLeaf(this.#world.crypto, book),
        Number(this.#statement('nextLeaf').get(book.expiration)?.value ?? 0),
      )
      return true
    })
  }

  /** By index, from that one on, so many at most. */
  leaves(expiration: number, from: number, limit: number): readonly IssuedLeaf[] {
    return this.#statement('leaves')
      .all(expiration, from, limit)
      .map((row) => ({
        depositId: Number(row.deposit_id),
        merkleIndex: Number(row.merkle_index),
        hash: row.leaf as Uint8Array,
      }))
  }

  issuedFor(expiration: number, depositId: number): IssuedTicketbook | undefined {
    const row = this.#statement('sample').get(expiration, depositId)
    return row && bookOf(row)
  }

  /** Books by another day than the one given: of issuance for those that expire then, of expiration for those issued then. */
  counts(by: 'countsFor' | 'countsOn', day: number): readonly DayCount[] {
    return this.#statement(by).all(day).map(countOf)
  }

  /** How many books of each kind of day there are, a page of them. */
  countsByDays(page: number, perPage: number): readonly { issuance: number; expiration: number; count: number }[] {
    return this.#statement('counts')
      .all(perPage, page * perPage)
      .map((row) => ({
        issuance: Number(row.issuance),
        expiration: Number(row.expiration),
        count: Number(row.count),
      }))
  }

  get hasRoomForTickets(): boolean {
    return this.#tickets < this.#params.maxTickets
  }

  ticket(serialNumber: Uint8Array): StoredTicket | undefined {
    const row = this.#statement('ticket').get(serialNumber)
    return (
      row && {
        serialNumber: row.serial as Uint8Array,
        payment: row.payment as Uint8Array,
        payInfo: row.pay_info as Uint8Array,
        provider: row.provider as Uint8Array,
        gateway: row.gateway as string,
      }
    )
  }

  /** In the order of the tickets, whether each is new; those with a serial number that is known are not kept. */
  keepTickets(tickets: readonly StoredTicket[]): readonly boolean[] {
    const now = this.#now()
    const added = this.#database.transaction(() =>
      tickets.map(
        ({ serialNumber, payment, payInfo, provider, gateway }) =>
          this.#statement('addTicket').run(serialNumber, payment, payInfo, provider, gateway, now).changes > 0,
      ),
    )
    this.#tickets += added.filter(Boolean).length
    return added
  }

  isDoubleSpender(publicKey: Uint8Array): boolean {
    return this.#statement('doubleSpender').get(publicKey) !== undefined
  }

  keepDoubleSpender(publicKey: Uint8Array): void {
    this.#database.transaction(() => {
      if (this.#statement('addDoubleSpender').run(publicKey, this.#now()).changes === 0) return
      this.#doubleSpenders++
      if (this.#doubleSpenders <= this.#params.maxDoubleSpenders) return
      this.#doubleSpenders -= this.#statement('forgetDoubleSpenders').run(1).changes
    })
  }

  batch(gateway: Uint8Array, digest: Uint8Array): StoredBatch | undefined {
    const row = this.#statement('batch').get(gateway, digest)
    return row && { epochId: Number(row.epoch_id), count: Number(row.count), signature: row.signature as Uint8Array }
  }

  /** Marks all tickets of a batch as redeemed and keeps the vote; false, and nothing happens, where one of them may not be. */
  redeem(gateway: Uint8Array, digest: Uint8Array, serialNumbers: readonly Uint8Array[], vote: StoredBatch): boolean {
    const refused = Symbol('refused')
    try {
      this.#database.transaction(() => {
        // A serial number that is there twice changes nothing the second time, and is refused like one that is not the gateway's.
        for (const serial of serialNumbers) {
          if (this.#statement('redeem').run(digest, serial, gateway).changes !== 1) throw refused
        }
        this.#statement('addBatch').run(gateway, digest, vote.epochId, vote.count, vote.signature, this.#now())
      })
      return true
    } catch (error) {
      if (error === refused) return false
      throw error
    }
  }

  /** An aggregated list; `expiration` 0 of coins. Undefined of another master key: an epoch may have begun anew. */
  list(epochId: number, expiration: number, masterKey: Uint8Array): Uint8Array | undefined {
    const row = this.#statement('list').get(epochId, expiration)
    if (row === undefined || !equalBytes(row.master_key as Uint8Array, masterKey)) return undefined
    return row.signatures as Uint8Array
  }

  keepList(epochId: number, expiration: number, masterKey: Uint8Array, signatures: Uint8Array): void {
    this.#database.transaction(() => {
      this.#statement('addList').run(epochId, expiration, masterKey, signatures)
    })
  }

  /** Deletes some of what is too old. True where there may be more. */
  purge(): boolean {
    const now = this.#now()
    const { ticketMemory, batchMemory } = this.#params
    return this.#database.transaction(() => {
      const tickets = this.#statement('forgetTickets').run(now - ticketMemory / 1000, PURGE_ROWS).changes
      this.#tickets -= tickets
      const issued = this.#statement('forgetIssued').run(midnightOf(now) - AUDIT_SECONDS, PURGE_ROWS).changes
      const batches = this.#statement('forgetBatches').run(now - batchMemory / 1000, PURGE_ROWS).changes
      this.#statement('forgetLists').run(midnightOf(now))
      return Math.max(tickets, issued, batches) === PURGE_ROWS
    })
  }

  close(): void {
    this.#database.close()
  }

  #number(name: IssuerStatement): number {
    return Number(this.#statement(name).get()?.value ?? 0)
  }

  /** Unix seconds. */
  #now(): number {
    return Math.floor(this.#world.clock.now() / 1000)
  }

  #statement(name: IssuerStatement): Statement {
    let statement = this.#statements.get(name)
    if (statement === undefined) {
      statement = this.#database.prepare(ISSUER_STATEMENTS[name])
      this.#statements.set(name, statement)
    }
    return statement
  }
}

const bookOf = (row: Row): IssuedTicketbook => ({
  depositId: Number(row.deposit_id),
  epochId: Number(row.epoch_id),
  signature: row.signature as Uint8Array,
  commitments: row.commitments as Uint8Array,
  expiration: Number(row.expiration_s),
  ticketType: Number(row.ticket_type),
})

const countOf = (row: Row): DayCount => ({ day: Number(row.day), count: Number(row.count) })
