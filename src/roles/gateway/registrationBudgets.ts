/**
 * How many new clients one address may register. What is spent comes back evenly over a day. Kept in memory only: a gateway writes
 * down nowhere who its clients were, and whoever can make it restart has not got a table full by that. @module
 */
import type { Meter } from '../../foundation/base/observe.ts'
import type { Millis } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'

export interface RegistrationLimits {
  /** At once, by one address that has registered nobody for a day. */
  readonly registrationsPerAddress: number
  /** For all of them to come back. */
  readonly registrationsComeBackIn: Millis
  /** Addresses remembered. Of more the one that registered longest ago is forgotten, and has its budget again. */
  readonly maxRegisteringAddresses: number
}

interface Spent {
  readonly registrations: number
  readonly at: number
}

export class RegistrationBudgets {
  readonly #clock: Clock
  readonly #limits: RegistrationLimits
  /** By `addressBlock`; the one that registered longest ago first. */
  readonly #spent = new Map<string, Spent>()

  constructor(clock: Clock, limits: RegistrationLimits, meter: Meter) {
    this.#clock = clock
    this.#limits = limits
    meter.gauge('gateway_registering_addresses', 'Addresses that registered clients of late', () => {
      this.#forgetIdle()
      return this.#spent.size
    })
  }

  /** Whether one more may register from there. */
  allows(block: string): boolean {
    return this.#spentBy(block) + 1 <= this.#limits.registrationsPerAddress
  }

  take(block: string): void {
    const registrations = this.#spentBy(block) + 1
    this.#spent.delete(block)
    this.#spent.set(block, { registrations, at: this.#clock.monotonic() })
    this.#forgetIdle()
    if (this.#spent.size <= this.#limits.maxRegisteringAddresses) return
    const oldest = this.#spent.keys().next()
    if (!oldest.done) this.#spent.delete(oldest.value)
  }

  #spentBy(block: string): number {
    const spent = this.#spent.get(block)
    if (spent === undefined) return 0
    const { registrationsPerAddress, registrationsComeBackIn } = this.#limits
    const back = ((this.#clock.monotonic() - spent.at) * registrationsPerAddress) / registrationsComeBackIn
    return Math.max(0, spent.registrations - back)
  }

  /** From the front, as far as nothing is spent any more. */
  #forgetIdle(): void {
    for (const block of this.#spent.keys()) {
      if (this.#spentBy(block) > 0) return
      this.#spent.delete(block)
    }
  }
}
