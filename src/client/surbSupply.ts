/**
 * Keeps reply SURBs at the recipients we expect answers from, ahead of need: each answer packet costs one, and a recipient that
 * has to ask first costs a round trip. How many: a small stock while idle; more while SURBs come back used. They travel in the
 * main stream in the place of cover, so a watcher sees no difference. @module
 */
import { type Millis, millis } from '../foundation/base/units.ts'
import type { ReplyParams } from './trafficParams.ts'

// Replies in flow: a SURB came back this recently.
const BUSY_FOR = millis(2_000)
// A message of 7 packets carries 24 SURBs, 3.43 a packet of at most 3.49; making them takes some 10 ms in one go.
const MAX_PACKETS_PER_SHIPMENT = 7

interface Supplied {
  target: number
  lastUsed: Millis
}

export interface SupplyOptions {
  readonly params: ReplyParams
  readonly now: () => Millis
  /** SURBs at the recipient, by our count. */
  readonly unused: (holder: string) => number
  /** Whether earlier shipments still wait for their slots. */
  readonly backlog: () => number
  /** How many SURBs fit in a message of so many packets. */
  readonly capacity: (packets: number) => number
  readonly ship: (holder: string, surbs: number) => void
}

export class SurbSupply {
  readonly #options: SupplyOptions
  readonly #supplied = new Map<string, Supplied>()

  constructor(options: SupplyOptions) {
    this.#options = options
  }

  /** Keeps at least `target` SURBs there from now on; 0 ends it. */
  keep(holder: string, target: number): void {
    if (target === 0) this.#supplied.delete(holder)
    else
      this.#supplied.set(holder, {
        target,
        lastUsed: this.#supplied.get(holder)?.lastUsed ?? millis(Number.NEGATIVE_INFINITY),
      })
    this.replenish()
  }

  used(holder: string): void {
    const supplied = this.#supplied.get(holder)
    if (supplied === undefined) return
    supplied.lastUsed = this.#options.now()
    this.replenish()
  }

  /** Ships what is missing, if nothing shipped earlier still waits. Called whenever something changed, and now and then. */
  replenish(): void {
    const { params, now, unused, backlog, capacity, ship } = this.#options
    for (const [holder, supplied] of this.#supplied) {
      if (backlog() > MAX_PACKETS_PER_SHIPMENT) return
      const busy = now() - supplied.lastUsed < BUSY_FOR
      const missing = (busy ? params.busyTarget : supplied.target) - unused(holder)
      let packets = Math.min(MAX_PACKETS_PER_SHIPMENT, missing)
      while (packets > 0 && capacity(packets) > missing) packets--
      if (packets > 0) ship(holder, capacity(packets))
    }
  }
}
