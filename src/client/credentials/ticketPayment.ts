/**
 * How a session of a client with tickets asks its gateway for bandwidth: for nothing, and with tickets where that is refused or the client
 * would rather pay. One claim at a time: a ticket whose answer is missing is never followed by another one in the same session, because
 * the next login says whether it was counted. @module
 */
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { Secret } from '../../foundation/base/secret.ts'
import { type Millis, seconds } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'
import type { ControlRequest, ControlResponse } from '../../protocol/wire/gateway/control.ts'
import {
  ONLY_CREDENTIALS_TEXT,
  PAY_INFO_TIMESTAMP_TEXT,
  SPEND_DATE_TEXT,
  TICKET_SPENT_TEXT,
  TICKETS_BUSY_TEXT,
  UNKNOWN_EPOCH_TEXT,
} from '../../protocol/wire/gateway/errorTexts.ts'
import { type GatewayFailure, refused, timedOut } from '../gatewayRefusals.ts'
import type { PayingSession, Payment } from '../ticketSource.ts'

export interface TicketPaymentOptions extends PayingSession {
  readonly clock: Clock
  /** Also where the gateway would give something for nothing. */
  readonly always: boolean
  /**
   * A claim with a ticket that nobody has seen, sealed with the key shared with the gateway. The ticket is gone when this resolves, sent or
   * not; none is taken once it is not wanted any more, which is asked after whatever takes long. Rejects with NO_TICKETS, with GATEWAY_REFUSED where the gateway has had more than we got from it, and as buying does.
   */
  readonly ticket: (key: Secret, isWanted: () => boolean) => Promise<ControlRequest>
}

/** A ticket may meet a gateway that knows it, after a crash; three in a row mean that it takes none of ours. */
const MAX_TICKETS_REFUSED = 3
/** Behind others' tickets it may take a while. */
const ANSWER_WITHIN: Millis = seconds(30)
/** Refusals that leave the ticket as good as it was. The next one would fare no better, so the same is given again. */
const UNSPENT_TEXTS = [TICKETS_BUSY_TEXT, UNKNOWN_EPOCH_TEXT]
/** Refusals for the time of day. The next ticket would be as late. */
const CLOCK_TEXTS = [PAY_INFO_TIMESTAMP_TEXT, SPEND_DATE_TEXT]
/** So often, all of it within the half minute for which its pay info is good. */
const GIVEN_AGAIN_AFTER: Millis = seconds(5)
const MAX_GIVEN = 5

export class TicketPayment implements Payment {
  readonly #options: TicketPaymentOptions
  #paying: boolean
  #refusals = 0
  /** The ticket under way, and how often it was given. */
  #given: { readonly request: ControlRequest; times: number } | undefined
  #awaiting = false
  #ended = false
  /** Until its answer is late, or until it is given again. */
  #timer: Timer | undefined

  constructor(options: TicketPaymentOptions) {
    this.#options = options
    this.#paying = options.always
  }

  get awaitsTicket(): boolean {
    return this.#awaiting
  }

  claim(key: Secret): void {
    if (this.#awaiting) return
    const { ticket, send } = this.#options
    if (!this.#paying) return send({ type: 'claimFreeTestnetBandwidth' })
    this.#awaiting = true
    ticket(key, () => !this.#ended).then(
      (request) => {
        if (this.#ended) return
        this.#given = { request, times: 0 }
        this.#give()
      },
      (error: unknown) => this.#fail(failureOf(error)),
    )
  }

  answered(response: ControlResponse, key: Secret): boolean {
    if (response.type === 'bandwidth') this.#settle()
    if (response.type === 'bandwidth' && response.availableTotal > 0) this.#refusals = 0
    const message = refusalOf(response)
    if (message === undefined) return false
    if (!this.#awaiting) {
      if (this.#paying || !message.includes(ONLY_CREDENTIALS_TEXT)) return false
      this.#paying = true
      this.claim(key)
      return true
    }
    const unspent = isOneOf(UNSPENT_TEXTS, message)
    if (unspent && this.#giveAgain()) return true
    this.#settle()
    if (isOneOf(CLOCK_TEXTS, message)) this.#fail(refused('its clock and ours are too far apart for tickets'))
    else if (unspent) this.#fail(refused('it cannot judge our tickets now'))
    else if (++this.#refusals >= MAX_TICKETS_REFUSED) this.#fail(refused('it refuses our tickets'))
    else this.claim(key)
    return true
  }

  stop(): void {
    this.#ended = true
    this.#timer?.cancel()
  }

  #give(): void {
    const { send, clock } = this.#options
    if (this.#given === undefined) return
    this.#given.times++
    send(this.#given.request)
    this.#timer = clock.after(ANSWER_WITHIN, () => this.#fail(timedOut('a ticket')))
  }

  /** False where it was given often enough. */
  #giveAgain(): boolean {
    if (this.#given === undefined || this.#given.times >= MAX_GIVEN) return false
    this.#timer?.cancel()
    this.#timer = this.#options.clock.after(GIVEN_AGAIN_AFTER, () => this.#give())
    return true
  }

  #settle(): void {
    this.#awaiting = false
    this.#given = undefined
    this.#timer?.cancel()
  }

  #fail(failure: GatewayFailure): void {
    this.#settle()
    if (!this.#ended) this.#options.failed(failure)
  }
}

const isOneOf = (texts: readonly string[], message: string): boolean => texts.some((text) => message.includes(text))

function failureOf(error: unknown): GatewayFailure {
  if (!isMixnetError(error)) return { error: new MixnetError('INTERNAL', {}, { cause: error }), kind: 'passing' }
  // Another gateway may ask for none, or give something for them.
  const elsewhere = error.code === 'NO_TICKETS' || error.code === 'GATEWAY_REFUSED'
  return { error, kind: elsewhere ? 'refused' : 'passing' }
}

function refusalOf(response: ControlResponse): string | undefined {
  if (response.type === 'error') return response.message
  return response.type === 'typedError' && response.error.kind === 'ticketReplay' ? TICKET_SPENT_TEXT : undefined
}
