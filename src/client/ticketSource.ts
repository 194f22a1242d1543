/** What a session needs of whoever keeps tickets. It is all that a page without tickets loads of them. @module */
import type { Secret } from '../foundation/base/secret.ts'
import type { ControlRequest } from '../protocol/wire/gateway/control.ts'

export interface TicketSource {
  /** Tickets are spent at every gateway. False: only where one takes nothing else. */
  readonly always: boolean
  /**
   * A claim for bandwidth with a ticket that nobody has seen, sealed with the key shared with that gateway. The ticket is gone when this
   * resolves, sent or not. Rejects with NO_TICKETS, with GATEWAY_REFUSED where the gateway has had more than we got from it, and as
   * buying does.
   */
  claim(gateway: Uint8Array, sharedKey: Secret): Promise<ControlRequest>
  /** So many bytes went to that gateway. */
  sent(gateway: Uint8Array, bytes: number): void
}
