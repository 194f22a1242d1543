/**
 * What a client may still send, and who judges the tickets that pay for it. Rules: docs/spec/gateway.md, "Bandwidth". @module
 */
import { type Millis, millis } from '../../foundation/base/units.ts'
import { TICKET_PROOF_TEXT } from '../../protocol/wire/gateway/errorTexts.ts'
import { FREE_BANDWIDTH_BYTES } from '../../protocol/wire/gateway/protocol.ts'
import type { Ticket } from '../../protocol/wire/gateway/ticket.ts'

const DAY_MS = 86_400_000
// Far beyond any use, and exact in a double and in the i64 of the wire whatever is added next.
const MAX_BALANCE_BYTES = 2 ** 52

/** As stored: `expiresOn` is the start of the last UTC day on which the bytes are good. */
export interface Bandwidth {
  readonly bytes: number
  readonly expiresOn: Millis
}

export const NO_BANDWIDTH: Bandwidth = { bytes: 0, expiresOn: millis(0) }

const utcDay = (instant: Millis): Millis => millis(Math.floor(instant / DAY_MS) * DAY_MS)

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

  credit(bytes: number, expiresOn: Millis, now: Millis): void {
    this.#bytes = Math.min(MAX_BALANCE_BYTES, this.available(now) + bytes)
    this.#expiresOn = millis(Math.max(this.#expiresOn, expiresOn))
  }
}

export type TicketVerdict =
  | {
      readonly kind: 'accepted'
      readonly bytes: number
      /** Start of the last UTC day on which the bytes are good. */
      readonly expiresOn: Millis
    }
  /** Answered with the typed error that clients understand. */
  | { readonly kind: 'replay' }
  /** `text`: the official sentence; see errorTexts. */
  | { readonly kind: 'refused'; readonly text: string }

/** Judges payments. Declared here, filled in by whoever has the credentials' cryptography. */
export interface TicketVerifier {
  /** Remembers an accepted ticket as spent, durably, before it resolves. Never rejects. */
  verify(ticket: Ticket, client: Uint8Array, now: Millis): Promise<TicketVerdict>
}

/** For gateways that take no payments. */
export const refuseTickets: TicketVerifier = {
  verify: () => Promise.resolve({ kind: 'refused', text: TICKET_PROOF_TEXT }),
}
