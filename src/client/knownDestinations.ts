/**
 * Destinations that connected a short while ago. A proxy may tell its program "connected" at once for these, and save a round
 * trip; for any other it waits, so that the program gets the right error. In memory only: it is a list of where somebody
 * went. @module
 */
import type { Millis } from '../foundation/base/units.ts'
import type { Clock } from '../foundation/platform/clock.ts'
import type { Destination } from './dialer.ts'

export class KnownDestinations {
  readonly #clock: Clock
  readonly #keepFor: Millis
  readonly #capacity: number
  // Oldest first.
  readonly #connectedAt = new Map<string, Millis>()

  constructor(clock: Clock, limits: { readonly keepFor: Millis; readonly capacity: number }) {
    this.#clock = clock
    this.#keepFor = limits.keepFor
    this.#capacity = limits.capacity
  }

  get size(): number {
    return this.#connectedAt.size
  }

  has(destination: Destination): boolean {
    this.#forgetOld()
    return this.#connectedAt.has(keyOf(destination))
  }

  connected(destination: Destination): void {
    const key = keyOf(destination)
    this.#connectedAt.delete(key)
    this.#connectedAt.set(key, this.#clock.monotonic())
    this.#forgetOld()
  }

  failed(destination: Destination): void {
    this.#connectedAt.delete(keyOf(destination))
  }

  #forgetOld(): void {
    const before = this.#clock.monotonic() - this.#keepFor
    for (const [key, at] of this.#connectedAt) {
      if (at > before && this.#connectedAt.size <= this.#capacity) return
      this.#connectedAt.delete(key)
    }
  }
}

function keyOf({ host, port }: Destination): string {
  return `${host.toLowerCase()} ${port}`
}
