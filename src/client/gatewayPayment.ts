/**
 * How a session asks its gateway for bandwidth: for nothing, and with tickets where that is refused or the client would rather pay. One
 * claim at a time: a ticket whose answer is missing is never followed by another one in the same session, because the next login says
 * whether it was counted. @module
 */
import { isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import type { Secret } from '../foundation/base/secret.ts'
import type { ControlRequest } from '../protocol/wire/gateway/control.ts'
import { ONLY_CREDENTIALS_TEXT, PAY_INFO_TIMESTAMP_TEXT } from '../protocol/wire/gateway/errorTexts.ts'
import { type GatewayFailure, refused } from './gatewayRefusals.ts'
import type { TicketSource } from './ticketSource.ts'

export interface GatewayPaymentOptions {
  readonly tickets: TicketSource | undefined
  readonly gateway: Uint8Array
  readonly send: (request: ControlRequest) => void
  /** No claim will be answered well any more. */
  readonly failed: (failure: GatewayFailure) => void
}

/** A ticket may meet a gateway that knows it, after a crash; three in a row mean that it takes none of ours. */
const MAX_TICKETS_REFUSED = 3

export class GatewayPayment {
  readonly #options: GatewayPaymentOptions
  #paying: boolean
  #refusals = 0
  #awaiting = false
  #ended = false
  /** Why the last claim came to nothing. */
  failure: GatewayFailure | undefined

  constructor(options: GatewayPaymentOptions) {
    this.#options = options
    this.#paying = options.tickets?.always ?? false
  }

  get paying(): boolean {
    return this.#paying
  }

  /** A ticket is on its way there, or its answer here. */
  get awaitsTicket(): boolean {
    return this.#awaiting
  }

  claim(key: Secret): void {
    const { tickets, gateway, send } = this.#options
    if (tickets === undefined || !this.#paying) return send({ type: 'claimFreeTestnetBandwidth' })
    this.#awaiting = true
    tickets.claim(gateway, key).then(
      (request) => {
        if (!this.#ended) send(request)
      },
      (error: unknown) => this.#fail(failureOf(error)),
    )
  }

  granted(): void {
    this.#awaiting = false
    this.#refusals = 0
  }

  /** An error came, of a ticket known before or of these words. True: it was about the claim, and something was done. */
  refused(message: string, key: Secret): boolean {
    const { tickets } = this.#options
    if (!this.#awaiting) {
      if (tickets === undefined || this.#paying || !message.includes(ONLY_CREDENTIALS_TEXT)) return false
      this.#paying = true
      this.claim(key)
      return true
    }
    this.#awaiting = false
    // The next ticket would be as late.
    if (message.includes(PAY_INFO_TIMESTAMP_TEXT))
      this.#fail(refused('its clock and ours are too far apart for tickets'))
    else if (++this.#refusals >= MAX_TICKETS_REFUSED) this.#fail(refused('it refuses our tickets'))
    else this.claim(key)
    return true
  }

  stop(): void {
    this.#ended = true
  }

  #fail(failure: GatewayFailure): void {
    this.#awaiting = false
    this.failure = failure
    if (!this.#ended) this.#options.failed(failure)
  }
}

function failureOf(error: unknown): GatewayFailure {
  if (!isMixnetError(error)) return { error: new MixnetError('INTERNAL', {}, { cause: error }), kind: 'passing' }
  // Another gateway may ask for none, or give something for them.
  const elsewhere = error.code === 'NO_TICKETS' || error.code === 'GATEWAY_REFUSED'
  return { error, kind: elsewhere ? 'refused' : 'passing' }
}
