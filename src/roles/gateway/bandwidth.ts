/**
 * What a client may still send, and who judges the tickets that pay for it. Rules: docs/spec/gateway.md, "Bandwidth". @module
 */
import { type Millis, millis } from '../../foundation/base/units.ts'
import { TICKET_PROOF_TEXT } from '../../protocol/wire/gateway/errorTexts.ts'
import { FREE_BANDWIDTH_BYTES } from '../../protocol/wire/gateway/protocol.ts'
import type { Ticket } from '../../protocol/wire/gateway/ticket.ts'
import type { SpentTicket } from './ticketLedger.ts'
import { DAY_MS, unixDayOf } from './unixDay.ts'

// Far beyond any use, and exact in a double and in the i64 of the wire whatever is added next.
const MAX_BALANCE_BYTES = 2 ** 52

/** As stored: `expiresOn` is the start of the last UTC day on which the bytes are good. */
export interface Bandwidth {
  readonly bytes: number
  readonly expiresOn: Millis
}

const utcDay = (instant: Millis): Millis => millis(unixDayOf(instant) * DAY_MS)

/** The balance of one session. Expired bytes are gone at the next look. */
export class Balance {
  #bytes: number
  #expiresOn: Millis

  constructor(stored: Bandwidth) {
    this.#bytes = stored.bytes
    this.#expiresOn = stored.expiresOn
  }

  get stored(): Bandwidth {
    return { bytes: this.#bytes, expiresOn: this.#expiresOn }
  }

  available(now: Millis): number {
    if (this.#expiresOn < utcDay(now)) this.#bytes = 0
    return this.#bytes
  }

  /** False where there is less than that; nothing is taken then. */
  charge(bytes: number, now: Millis): boolean {
    if (this.available(now) < bytes) return false
    this.#bytes -= bytes
    return true
  }

  /** Free bandwidth is good until the next UTC midnight; bytes that are good for longer stay so. */
  claimFree(now: Millis): void {
    this.credit(FREE_BANDWIDTH_BYTES, utcDay(now), now)
  }

  /** Of fewer than zero bytes it is a penalty: the balance may end below zero, which later tickets have to make up for. */
  credit(bytes: number, expiresOn: Millis, now: Millis): void {
    const sum = this.available(now) + bytes
    this.#bytes = Math.max(-MAX_BALANCE_BYTES, Math.min(MAX_BALANCE_BYTES, sum))
    this.#expiresOn = millis(Math.max(this.#expiresOn, expiresOn))
  }
}

export type TicketVerdict =
  /** Nothing is spent yet: whoever asked spends and credits it in one transaction, which finds a replay all the same. */
  | { readonly kind: 'good'; readonly ticket: SpentTicket; readonly bandwidth: Bandwidth }
  /** Answered with the typed error that clients understand. */
  | { readonly kind: 'replay' }
  /** `text`: the official sentence; see errorTexts. `last`: the client has given too many bad ones, and its session ends. */
  | { readonly kind: 'refused'; readonly text: string; readonly last?: boolean }

/** Judges payments, and hears what became of those it found to be good. */
export interface TicketVerifier {
  /** Never rejects. */
  verify(ticket: Ticket, client: Uint8Array): Promise<TicketVerdict>
  /** That ticket was spent, or was not: once for each good verdict. */
  settled(ticket: SpentTicket, client: Uint8Array, spent: boolean): void
  stop(): void
}

/** For gateways that take no payments. */
export const refuseTickets: TicketVerifier = {
  verify: () => Promise.resolve({ kind: 'refused', text: TICKET_PROOF_TEXT }),
  settled() {},
  stop() {},
}
