/** Connections that are over, for a while: their stragglers and repeated connects mean nothing any more. Bounded. @module */
import type { Millis } from '../../foundation/base/units.ts'

/** `lost`: data were given up before a connect came, so a connect would open a stream with a hole. */
export type PastConnection = 'closed' | 'lost'

interface Entry {
  readonly what: PastConnection
  readonly since: Millis
}

export class PastConnections {
  readonly #max: number
  readonly #lifetime: Millis
  /** Oldest first. */
  readonly #entries = new Map<string, Entry>()

  constructor(limits: { readonly max: number; readonly lifetime: Millis }) {
    this.#max = limits.max
    this.#lifetime = limits.lifetime
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): PastConnection | undefined {
    return this.#entries.get(key)?.what
  }

  add(key: string, what: PastConnection, now: Millis): void {
    this.#entries.delete(key)
    this.#entries.set(key, { what, since: now })
    if (this.#entries.size <= this.#max) return
    const oldest = this.#entries.keys().next()
    if (!oldest.done) this.#entries.delete(oldest.value)
  }

  expire(now: Millis): void {
    for (const [key, { since }] of this.#entries) {
      if (now - since < this.#lifetime) break
      this.#entries.delete(key)
    }
  }
}
