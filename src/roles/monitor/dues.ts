/**
 * Whose fault it is that a session is not open: while we have no ticket for its gateway, ours, and nothing is to be held against the gateway.
 * Once a ticket has left, it is the gateway's turn. @module
 */
import type { PayingSession, Payment, TicketSource } from '../../client/ticketSource.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { type Millis, minutes } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import { ONLY_CREDENTIALS_TEXT } from '../../protocol/wire/gateway/errorTexts.ts'

/** What a gateway is to blame for; all else comes of buying. */
const GATEWAYS_FAULT: ReadonlySet<string> = new Set([
  'GATEWAY_REFUSED',
  'GATEWAY_LOST',
  'GATEWAY_UNREACHABLE',
  'TIMEOUT',
])
/** Between two attempts: longer than a connection pauses, so that what ended the last one holds until the next. */
const REMEMBERED = minutes(3)

export class Dues {
  readonly #clock: Clock
  readonly #source: TicketSource
  /** A ticket is being had. */
  #owes = false
  /** An attempt came to nothing for want of one. */
  #failedAt: Millis | undefined

  /** Without `tickets` gateways are asked for something for nothing. */
  constructor(clock: Clock, tickets: TicketSource | undefined) {
    this.#clock = clock
    this.#source = tickets ?? nothingToPayWith
  }

  /** We owe the gateway a ticket, and have none yet. */
  get outstanding(): boolean {
    return this.#owes || (this.#failedAt !== undefined && this.#clock.monotonic() - this.#failedAt < REMEMBERED)
  }

  settled(): void {
    this.#owes = false
    this.#failedAt = undefined
  }

  readonly tickets: TicketSource = {
    payment: (session) => this.#payment(session),
    sent: (gateway, bytes) => this.#source.sent(gateway, bytes),
  }

  #payment(session: PayingSession): Payment {
    const payment = this.#source.payment({
      ...session,
      send: (request) => {
        this.#owes = false
        session.send(request)
      },
      failed: (failure) => {
        this.#owes = false
        this.#failedAt = GATEWAYS_FAULT.has(failure.error.code) ? undefined : this.#clock.monotonic()
        session.failed(failure)
      },
    })
    return {
      get awaitsTicket() {
        return payment.awaitsTicket
      },
      claim: (key) => {
        this.#owes = true
        payment.claim(key)
      },
      answered: (response, key) => {
        const before = this.#owes
        this.#owes = true
        const taken = payment.answered(response, key)
        if (!taken || !payment.awaitsTicket) this.#owes = before
        return taken
      },
      stop: () => {
        this.#owes = false
        payment.stop()
      },
    }
  }
}

const nothingToPayWith: TicketSource = {
  payment: ({ send, failed }) => ({
    awaitsTicket: false,
    claim: () => send({ type: 'claimFreeTestnetBandwidth' }),
    answered(response) {
      const refused = response.type === 'error' && response.message.includes(ONLY_CREDENTIALS_TEXT)
      if (refused) failed({ error: new MixnetError('NO_TICKETS'), kind: 'refused' })
      return refused
    },
    stop() {},
  }),
  sent() {},
}
