/**
 * What clients of a gateway may still send: in memory while somebody uses it, on disk in the same transaction as the ticket that paid for it,
 * so that a crash leaves both or neither. @module
 */
import { toHex } from '../../foundation/base/bytes.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import type { Statement } from '../../foundation/platform/database.ts'
import { Account } from './account.ts'
import type { Bandwidth } from './bandwidth.ts'
import type { GatewayStatement } from './gatewaySchema.ts'
import type { TicketOpinion } from './issuerClient.ts'
import type { Settlement, SpentTicket, TicketLedger, WaitingTicket } from './ticketLedger.ts'

/** `failed`: the disk, or the client is gone; the ticket is not spent. */
export type GrantOutcome = 'granted' | 'replay' | 'failed'

export interface AccountsParts {
  readonly tickets: TicketLedger
  /** A bad ticket costs so many times its bytes. */
  readonly penaltyFactor: number
  readonly statement: (name: GatewayStatement) => Statement
  /** Of the next transaction. */
  readonly change: (write: () => void, done?: (durable: boolean) => void) => void
  /** In whole milliseconds. */
  readonly now: () => Millis
}

export class StoredAccounts {
  readonly #parts: AccountsParts
  /** In use. */
  readonly #accounts = new Map<string, Account>()

  constructor(parts: AccountsParts) {
    this.#parts = parts
  }

  /** What a client may still send. To be given back. */
  open(identity: Uint8Array): Account {
    const key = toHex(identity)
    let account = this.#accounts.get(key)
    if (account === undefined) {
      const row = this.#parts.statement('client').get(identity)
      account = new Account({
        bytes: Number(row?.balance_bytes ?? 0),
        expiresOn: millis(Number(row?.balance_expires_on_ms ?? 0)),
      })
      this.#accounts.set(key, account)
    }
    account.holders++
    return account
  }

  close(identity: Uint8Array, account: Account): void {
    account.holders--
    const key = toHex(identity)
    if (account.holders === 0 && this.#accounts.get(key) === account) this.#accounts.delete(key)
  }

  /** Writes down what a client may still send. */
  save(identity: Uint8Array): void {
    const account = this.open(identity)
    this.#parts.change(
      () => this.#writeBalance(identity, account),
      () => this.close(identity, account),
    )
  }

  /** Spends a ticket and credits its bandwidth to the client, both or neither; `done` follows the commit. */
  grant(
    identity: Uint8Array,
    ticket: SpentTicket,
    bandwidth: Bandwidth,
    done: (outcome: GrantOutcome, account: Account) => void,
  ): void {
    const account = this.open(identity)
    let outcome: GrantOutcome = 'failed'
    this.#parts.change(
      () => {
        // A client that asked to be forgotten meanwhile has nothing the ticket could be credited to: it is not spent either.
        if (this.#parts.statement('inboxBytes').get(identity) === undefined) return
        outcome = 'replay'
        if (!this.#parts.tickets.spend(ticket, identity, bandwidth.bytes, this.#parts.now())) return
        outcome = 'granted'
        account.arrives(bandwidth)
        this.#writeBalance(identity, account)
      },
      (durable) => {
        account.arrived(bandwidth, durable, this.#parts.now())
        done(durable ? outcome : 'failed', account)
        this.close(identity, account)
      },
    )
  }

  /** The issuers have judged a ticket: opinions, state and, of a bad one, the penalty, all or nothing. */
  settleTicket(
    ticket: WaitingTicket,
    opinions: ReadonlyMap<number, TicketOpinion>,
    settlement: Settlement,
    done: (durable: boolean) => void,
  ): void {
    const { client } = ticket
    const owner = client && { client, account: this.open(client) }
    const penalty: Bandwidth = { bytes: -ticket.bytes * this.#parts.penaltyFactor, expiresOn: millis(0) }
    this.#parts.change(
      () => {
        this.#parts.tickets.addOpinions(ticket.id, opinions)
        if (!this.#parts.tickets.settle(ticket, settlement) || settlement !== 'rejected') return
        owner?.account.arrives(penalty)
        if (owner !== undefined) this.#writeBalance(owner.client, owner.account)
      },
      (durable) => {
        owner?.account.arrived(penalty, durable, this.#parts.now())
        if (owner !== undefined) this.close(owner.client, owner.account)
        done(durable)
      },
    )
  }

  /** Inside a transaction: as the balance is now, with what this transaction brings. */
  #writeBalance(identity: Uint8Array, account: Account): void {
    const { bytes, expiresOn } = account.stored(this.#parts.now())
    this.#parts.statement('balance').run(bytes, expiresOn, this.#parts.now(), identity)
  }
}
