/** Those who wait for a link to open. @module */
import { MixnetError } from '../foundation/base/errors.ts'
import type { Millis } from '../foundation/base/units.ts'
import type { Clock } from '../foundation/platform/clock.ts'

interface Waiter {
  resolve(): void
  reject(error: MixnetError): void
}

export class OpenWaiters {
  readonly #clock: Clock
  readonly #waiters = new Set<Waiter>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Rejects after `limit` with what `why` gives then, or TIMEOUT. */
  async wait(limit: Millis, why: () => MixnetError | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter = { resolve, reject }
    const timer = this.#clock.after(limit, () => {
      reject(why() ?? new MixnetError('TIMEOUT', { what: 'the gateway', limitMs: Math.round(limit) }))
    })
    this.#waiters.add(waiter)
    try {
      await promise
    } finally {
      timer.cancel()
      this.#waiters.delete(waiter)
    }
  }

  opened(): void {
    for (const waiter of this.#waiters) waiter.resolve()
  }

  failed(error: MixnetError): void {
    for (const waiter of this.#waiters) waiter.reject(error)
  }
}
