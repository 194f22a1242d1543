/**
 * The tickets a gateway took, on disk. A ticket moves on in one transaction with everything that follows from it: it is spent and
 * credited, rejected and punished, redeemed and counted, or nothing of that happened. The writes here run inside such a transaction;
 * the store (store.ts) stages them. Tables: ticketSchema.ts. @module
 */
import type { Database, Row, Statement } from '../../foundation/platform/database.ts'
import type { TicketOpinion } from './issuerClient.ts'
import type { SignedVote } from './redeemer.ts'
import { TICKET_SCHEMA, TICKET_STATEMENTS, type TicketStatement } from './ticketSchema.ts'

/** What is remembered of a ticket that was found to be good. */
export interface SpentTicket {
  /** 48 bytes. */
  readonly serialNumber: Uint8Array
  readonly epochRow: number
  /** The day it was spent for, since 1970-01-01. */
  readonly unixDay: number
  readonly payment: Uint8Array
  readonly payInfo: Uint8Array
}

export interface WaitingTicket extends Omit<SpentTicket, 'serialNumber'> {
  readonly id: number
  readonly bytes: number
  /** Who pays for it where it is bad; undefined where that client was forgotten. */
  readonly client: Uint8Array | undefined
}

export interface VerifiedTicket {
  readonly id: number
  readonly serialNumber: Uint8Array
  readonly unixDay: number
  readonly bytes: number
}

export interface Redemption {
  readonly id: number
  readonly epochRow: number
  readonly digest: Uint8Array
  readonly tickets: number
}

export interface StoredEpoch {
  readonly row: number
  readonly epochId: number
  readonly masterKey: Uint8Array
  /** As the directory wrote it. */
  readonly document: string
}

/** What became of tickets. Every one is `accepted` first, and at most one of the others and `redeemed` later. */
export type TicketOutcome = 'accepted' | 'verified' | 'rejected' | 'lapsed' | 'redeemed'
export type TicketTotals = ReadonlyMap<TicketOutcome, { readonly tickets: number; readonly bytes: number }>
export type Settlement = 'verified' | 'rejected' | 'lapsed'

const MAX_EPOCHS = 16

export class TicketLedger {
  readonly #database: Database
  readonly #statements = new Map<TicketStatement, Statement>()

  /** undefined since it last changed. */
  #totals: TicketTotals | undefined

  constructor(database: Database) {
    this.#database = database
    database.exec(TICKET_SCHEMA)
  }

  /** As far as it is committed. Of two that come at once, `spend` takes one. */
  isSpent(serialNumber: Uint8Array): boolean {
    return this.#run('spent').get(serialNumber) !== undefined
  }

  /** As far as it is committed; after the end as it was. */
  totals(): TicketTotals {
    if (this.#totals !== undefined) return this.#totals
    const rows = this.#run('totals').all()
    this.#totals = new Map(
      rows.map((row) => [row.outcome as TicketOutcome, { tickets: Number(row.tickets), bytes: Number(row.bytes) }]),
    )
    return this.#totals
  }

  /** Write. False where that serial number is spent. */
  spend(ticket: SpentTicket, client: Uint8Array, bytes: number, now: number): boolean {
    const { serialNumber, epochRow, unixDay, payment, payInfo } = ticket
    const row = [serialNumber, epochRow, unixDay, bytes, client, payment, payInfo, now] as const
    if (this.#run('spend').run(...row).changes === 0) return false
    this.#count('accepted', 1, bytes)
    return true
  }

  due(now: number, limit: number): readonly WaitingTicket[] {
    return this.#run('due').all(now, limit).map(waitingTicket)
  }

  /** Write. Nobody knows any more whose tickets those were. */
  forgetClient(client: Uint8Array): void {
    this.#run('forgetClient').run(client)
  }

  /** When the next is due: of the store's time. */
  nextDue(): number | undefined {
    const value = this.#run('nextDue').get()?.value
    return value === null || value === undefined ? undefined : Number(value)
  }

  /** By the issuer's index. */
  opinions(ticket: number): ReadonlyMap<number, TicketOpinion> {
    const rows = this.#run('votes').all(ticket)
    return new Map(rows.map((row) => [Number(row.issuer), row.opinion as TicketOpinion]))
  }

  /** Write. */
  addOpinions(ticket: number, opinions: ReadonlyMap<number, TicketOpinion>): void {
    for (const [issuer, opinion] of opinions) this.#run('vote').run(ticket, issuer, opinion)
  }

  /** Write. */
  postpone(ticket: number, askAt: number): void {
    this.#run('postpone').run(askAt, ticket)
  }

  /** Write. False where it does not wait any more: what follows from this has happened already. */
  settle(ticket: WaitingTicket, settlement: Settlement): boolean {
    if (this.#run('settle').run(settlement, ticket.id).changes === 0) return false
    this.#count(settlement, 1, ticket.bytes)
    // Those of verified ones say whose votes a redemption can hope for.
    if (settlement !== 'verified') this.#run('forgetVotes').run(ticket.id)
    return true
  }

  /** Verified and in no redemption, the oldest first. */
  verified(epochRow: number, limit: number): readonly VerifiedTicket[] {
    return this.#run('verified').all(epochRow, limit).map(verifiedTicket)
  }

  /** Write. Returns its number. */
  openRedemption(epochRow: number, digest: Uint8Array, tickets: readonly VerifiedTicket[], unixDay: number): number {
    const id = Number(this.#run('openRedemption').get(epochRow, digest, tickets.length, unixDay)?.id)
    for (const ticket of tickets) this.#run('redeemIn').run(id, ticket.id)
    return id
  }

  openRedemptions(): readonly Redemption[] {
    return this.#run('openRedemptions')
      .all()
      .map((row) => ({
        id: Number(row.id),
        epochRow: Number(row.epoch),
        digest: row.digest as Uint8Array,
        tickets: Number(row.tickets),
      }))
  }

  /** In the order of the digest. */
  serialNumbers({ id }: Redemption): readonly Uint8Array[] {
    return this.#run('redeeming')
      .all(id)
      .map((row) => row.serial as Uint8Array)
  }

  /** By the issuer's index. */
  redemptionVotes({ id }: Redemption): ReadonlyMap<number, SignedVote> {
    const rows = this.#run('redemptionVotes').all(id)
    return new Map(
      rows.map((row) => [
        Number(row.issuer),
        { epochId: Number(row.epoch_id), signature: row.signature as Uint8Array },
      ]),
    )
  }

  /** Write. */
  addRedemptionVotes({ id }: Redemption, votes: ReadonlyMap<number, SignedVote>): void {
    for (const [issuer, { epochId, signature }] of votes)
      this.#run('redemptionVote').run(id, issuer, epochId, signature)
  }

  /** Write. False where it was closed before. */
  closeRedemption({ id }: Redemption): boolean {
    if (this.#run('closeRedemption').run(id).changes === 0) return false
    const bytes = this.#run('redeeming')
      .all(id)
      .reduce((sum, row) => sum + Number(row.bytes), 0)
    const { changes } = this.#run('redeem').run(id)
    this.#count('redeemed', changes, bytes)
    this.#run('forgetVotesOfRedemption').run(id)
    this.#run('forgetRedemptionVotes').run(id)
    return true
  }

  /** The one heard last first. */
  epochs(): readonly StoredEpoch[] {
    return this.#run('epochs').all().map(storedEpoch)
  }

  /** Write. */
  saveEpoch({ epochId, masterKey, document }: Omit<StoredEpoch, 'row'>, now: number): void {
    this.#run('saveEpoch').run(epochId, masterKey, document, now)
    this.#run('tooManyEpochs').run(MAX_EPOCHS)
  }

  /** Write. Forgets what is of days before `unixDay`, a batch of it, and epochs not heard of since `before`. */
  forget(unixDay: number, before: number, batch: number): void {
    this.#run('forgetTickets').run(unixDay, batch)
    this.#run('forgetRedemptions').run(unixDay)
    this.#run('forgetEpochs').run(before)
  }

  #count(outcome: TicketOutcome, tickets: number, bytes: number): void {
    this.#run('total').run(outcome, tickets, bytes)
    this.#totals = undefined
  }

  #run(name: TicketStatement): Statement {
    let statement = this.#statements.get(name)
    if (statement === undefined) {
      statement = this.#database.prepare(TICKET_STATEMENTS[name])
      this.#statements.set(name, statement)
    }
    return statement
  }
}

const waitingTicket = (row: Row): WaitingTicket => ({
  id: Number(row.id),
  epochRow: Number(row.epoch),
  unixDay: Number(row.day),
  bytes: Number(row.bytes),
  client: (row.client as Uint8Array | null) ?? undefined,
  payment: row.payment as Uint8Array,
  payInfo: row.pay_info as Uint8Array,
})

const verifiedTicket = (row: Row): VerifiedTicket => ({
  id: Number(row.id),
  serialNumber: row.serial as Uint8Array,
  unixDay: Number(row.day),
  bytes: Number(row.bytes),
})

const storedEpoch = (row: Row): StoredEpoch => ({
  row: Number(row.id),
  epochId: Number(row.epoch_id),
  masterKey: row.master_key as Uint8Array,
  document: row.document as string,
})
