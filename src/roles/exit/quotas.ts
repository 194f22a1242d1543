/** Shares of what an exit has: so much per sender, so much in all. Pseudonyms are free, so the second limit is the real one. @module */

/** `connects` are connections not yet made; `bytes` are clients' bytes not yet taken; `answers` are those outside a connection. */
export type Resource = 'connections' | 'connects' | 'bytes' | 'answers'

export interface QuotaLimit {
  readonly perSender: number
  readonly overall: number
}

export type QuotaLimits = Readonly<Record<Resource, QuotaLimit>>

/** Which limit stood in the way, if one did. */
export type QuotaVerdict = 'granted' | 'sender' | 'overall'

export class Quotas {
  readonly #limits: QuotaLimits
  readonly #bySender: Readonly<Record<Resource, Map<string, number>>>
  readonly #total: Record<Resource, number> = { connections: 0, connects: 0, bytes: 0, answers: 0 }

  constructor(limits: QuotaLimits) {
    this.#limits = limits
    this.#bySender = { connections: new Map(), connects: new Map(), bytes: new Map(), answers: new Map() }
  }

  used(resource: Resource): number {
    return this.#total[resource]
  }

  /** Takes all of `amount` or nothing. */
  take(resource: Resource, sender: string, amount = 1): QuotaVerdict {
    const { perSender, overall } = this.#limits[resource]
    const held = this.#bySender[resource].get(sender) ?? 0
    if (held + amount > perSender) return 'sender'
    if (this.#total[resource] + amount > overall) return 'overall'
    this.#set(resource, sender, held + amount)
    this.#total[resource] += amount
    return 'granted'
  }

  give(resource: Resource, sender: string, amount = 1): void {
    this.#set(resource, sender, (this.#bySender[resource].get(sender) ?? 0) - amount)
    this.#total[resource] -= amount
  }

  #set(resource: Resource, sender: string, held: number): void {
    // A sender that holds nothing leaves nothing behind.
    if (held === 0) this.#bySender[resource].delete(sender)
    else this.#bySender[resource].set(sender, held)
  }
}
