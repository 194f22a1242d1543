/** How a session of a client with tickets asks for bandwidth. One without them loads nothing but these types. @module */
import type { Secret } from '../foundation/base/secret.ts'
import type { ControlRequest, ControlResponse } from '../protocol/wire/gateway/control.ts'
import type { GatewayFailure } from './gatewayRefusals.ts'

export interface TicketSource {
  /** For one session. */
  payment(session: PayingSession): Payment
  /** So many bytes went to that gateway. */
  sent(gateway: Uint8Array, bytes: number): void
}

export interface PayingSession {
  readonly gateway: Uint8Array
  readonly send: (request: ControlRequest) => void
  /** A claim came to nothing. TIMEOUT: nobody knows what became of a ticket, and only another login tells. */
  readonly failed: (failure: GatewayFailure) => void
}

export interface Payment {
  /** A ticket is being made, on its way there, or its answer here. It has a deadline of its own. */
  readonly awaitsTicket: boolean
  /** Nothing happens while one is under way. */
  claim(key: Secret): void
  /** Sees every answer of the gateway. True: it was about a claim, and something was done. */
  answered(response: ControlResponse, key: Secret): boolean
  /** The session is over. */
  stop(): void
}
