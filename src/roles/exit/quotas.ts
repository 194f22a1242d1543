/** Shares of what an exit has: so much per sender, so much in all. Pseudonyms are free, so the second limit is the real one. @module */

export interface QuotaLimit {
  readonly perSender: number
  readonly overall: number
}

export type QuotaLimits<Resource extends string> = Readonly<Record<Resource, QuotaLimit>>

/** Which limit stood in the way, if one did. */
export type QuotaVerdict = 'granted' | 'sender' | 'overall'

interface Held {
  total: number
  readonly bySender: Map<string, number>
}

export class Quotas<Resource extends string> {
  readonly #limits: QuotaLimits<Resource>
  readonly #held = new Map<Resource, Held>()

  constructor(limits: QuotaLimits<Resource>) {
    this.#limits = limits
  }

  used(resource: Resource): number {
    return this.#of(resource).total
  }

  held(resource: Resource, sender: string): number {
    return this.#of(resource).bySender.get(sender) ?? 0
  }

  /** Takes all of `amount` or nothing. */
  take(resource: Resource, sender: string, amount = 1): QuotaVerdict {
    const { perSender, overall } = this.#limits[resource]
    const of = this.#of(resource)
    const held = of.bySender.get(sender) ?? 0
    if (held + amount > perSender) return 'sender'
    if (of.total + amount > overall) return 'overall'
    of.bySender.set(sender, held + amount)
    of.total += amount
    return 'granted'
  }

  give(resource: Resource, sender: string, amount = 1): void {
    const of = this.#of(resource)
    const held = (of.bySender.get(sender) ?? 0) - amount
    // A sender that holds nothing leaves nothing behind.
    if (held === 0) of.bySender.delete(sender)
    else of.bySender.set(sender, held)
    of.total -= amount
  }

  #of(resource: Resource): Held {
    const known = this.#held.get(resource)
    if (known !== undefined) return known
    const held: Held = { total: 0, bySender: new Map() }
    this.#held.set(resource, held)
    return held
  }
}
