/**
 * How many bad tickets each client gave of late. A proof costs a gateway tens of milliseconds and costs who makes one up nothing, so
 * after a few a client is not listened to for a while, whatever session it comes with; new clients are few an address
 * (registrationBudgets.ts). In memory only: a gateway writes nothing down about who failed. @module
 */
import { toHex } from '../../foundation/base/bytes.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { TicketParams } from './ticketParams.ts'

interface Failures {
  readonly tickets: number
  readonly at: number
}

type FailureLimits = Pick<TicketParams, 'badTickets' | 'badTicketsForgivenIn' | 'maxFailingClients'>

export class FailingClients {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #limits: FailureLimits
  /** The one that failed longest ago first. */
  readonly #failures = new Map<string, Failures>()

  constructor(clock: Pick<Clock, 'monotonic'>, limits: FailureLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  /** Whether this client has failed so often that it is not listened to. */
  isBarred(client: Uint8Array): boolean {
    return this.#of(toHex(client)) > this.#limits.badTickets - 1
  }

  /** True where that was one too many. */
  failed(client: Uint8Array): boolean {
    const key = toHex(client)
    const tickets = this.#of(key) + 1
    this.#failures.delete(key)
    this.#failures.set(key, { tickets, at: this.#clock.monotonic() })
    const [oldest] = this.#failures.keys()
    if (this.#failures.size > this.#limits.maxFailingClients && oldest !== undefined) this.#failures.delete(oldest)
    return this.isBarred(client)
  }

  #of(key: string): number {
    const failures = this.#failures.get(key)
    if (failures === undefined) return 0
    const { badTickets, badTicketsForgivenIn } = this.#limits
    const forgiven = ((this.#clock.monotonic() - failures.at) * badTickets) / badTicketsForgivenIn
    return Math.max(0, failures.tickets - forgiven)
  }
}
