/**
 * Keeps reply SURBs at the recipients we expect answers from, ahead of need: each answer packet costs one, and a recipient that
 * has to ask first costs a round trip. They travel in the main stream in the place of cover, so a watcher sees no difference.
 *
 * How many: the target while idle; while SURBs come back used, more by twice what came back in about the last second. So the
 * stock doubles each second until slots, not round trips, are the limit (171 SURBs a second against half a second from making
 * a SURB to seeing it used: some 90 under way), while a page of ten packets makes nobody ship hundreds.
 *
 * The most that answers can reach is 1 / mainStreamInterval packets a second × 24/7 SURBs a packet (see MAX_PACKETS) × 1,604
 * bytes a reply fragment: 275 kB/s by default. anonymousDownload.test.ts measures the share reached: 95 %, of which the requests of the
 * replier cost two. @module
 */
import type { Millis } from '../foundation/base/units.ts'
import type { Holder } from './replyKeys.ts'
import type { ReplyParams } from './trafficParams.ts'

// A message of 7 packets carries 24 SURBs, 3.43 a packet of at most 3.49; making them takes some 5 ms in one go.
const MAX_PACKETS = 7
// Of the sum of SURBs that came back used: halves in 0.7 s.
const FLOW_DECAY_MS = 1_000
const GROWTH = 2

interface Supplied {
  target: number
  /** Nobody talks under it yet. */
  isSpare: boolean
  /** Asked for by the holder. */
  owed: number
  /** SURBs seen used, decaying. */
  flow: number
  flowAt: Millis
}

export interface SupplyOptions {
  readonly params: Pick<ReplyParams, 'busyTarget' | 'maxAllowedRequest'>
  readonly now: () => Millis
  /** SURBs at the holder, by our count. */
  readonly unused: (holder: Holder) => number
  /** Packets of earlier shipments that wait for their slots. */
  readonly backlog: () => number
  /** Runs it once when at most so many wait. */
  readonly whenBacklogBelow: (packets: number, run: () => void) => void
  /** Whether nothing but SURBs waits for a slot: what has enough for now must not hold up what is said. */
  readonly isQuiet: () => boolean
  /** How many SURBs fit in a message of so many packets. */
  readonly capacity: (packets: number) => number
  /** Returns how many could be made: none without a topology. */
  readonly ship: (holder: Holder, surbs: number) => number
}

export class SurbSupply {
  readonly #options: SupplyOptions
  /** Served last goes last. */
  readonly #supplied = new Map<Holder, Supplied>()
  #awaitsRoom = false

  constructor(options: SupplyOptions) {
    this.#options = options
  }

  /** Keeps at least `target` SURBs there from now on; 0 ends it. A spare's are shipped while nothing else waits, and half of the others'. */
  keep(holder: Holder, target: number, isSpare = false): void {
    const supplied = this.#of(holder)
    supplied.target = target
    supplied.isSpare = isSpare
    this.replenish()
  }

  target(holder: Holder): number {
    return this.#supplied.get(holder)?.target ?? 0
  }

  /** One came back used. */
  used(holder: Holder): void {
    const supplied = this.#supplied.get(holder)
    if (supplied === undefined) return
    supplied.flow = this.#flow(supplied) + 1
    supplied.flowAt = this.#options.now()
    this.replenish()
  }

  /**
   * The holder ran short. It counts what it asked for as on its way, and asks for no more until that is too little: so each question
   * adds to what is owed, or it would wait for what nobody means to send. What it has not used of what it was sent lately counts against the most it may ask for, so that asking
   * again and again brings no more than that.
   */
  asked(holder: Holder, amount: number): void {
    const supplied = this.#of(holder)
    this.#owe(holder, supplied, supplied.owed + amount)
  }

  /** At least so many are to go there, whatever else is sent; in the same bounds. */
  promise(holder: Holder, amount: number): void {
    const supplied = this.#of(holder)
    this.#owe(holder, supplied, Math.max(supplied.owed, amount))
  }

  #owe(holder: Holder, supplied: Supplied, amount: number): void {
    const allowed = Math.max(0, this.#options.params.maxAllowedRequest - this.#options.unused(holder))
    supplied.owed = Math.max(supplied.owed, Math.min(amount, allowed))
    this.replenish()
  }

  forget(holder: Holder): void {
    this.#supplied.delete(holder)
  }

  /** How many the holder should have now. */
  desired(holder: Holder): number {
    const supplied = this.#supplied.get(holder)
    if (supplied === undefined || supplied.target === 0) return 0
    const wanted = supplied.target + Math.floor(GROWTH * this.#flow(supplied))
    return Math.min(wanted, Math.max(this.#options.params.busyTarget, supplied.target))
  }

  /**
   * Ships what is missing, as far as slots allow, and goes on when there is room. Called whenever something changed, and now and then.
   */
  replenish(): void {
    while (this.#options.backlog() <= MAX_PACKETS && this.#shipNext());
    for (const [holder, { target, owed }] of this.#supplied) {
      if (target === 0 && owed === 0) this.#supplied.delete(holder)
    }
    if (this.#awaitsRoom || this.#options.backlog() <= MAX_PACKETS) return
    this.#awaitsRoom = true
    this.#options.whenBacklogBelow(MAX_PACKETS, () => {
      this.#awaitsRoom = false
      this.replenish()
    })
  }

  /** One shipment, to whom it matters most. False where nobody lacks any, or nothing could be made. */
  #shipNext(): boolean {
    const { unused } = this.#options
    const order = [...this.#supplied].map(([holder, supplied]) => ({
      holder,
      supplied,
      rank: this.#rank(supplied),
      left: unused(holder),
    }))
    // Equals in turn: sorting leaves them as they are.
    order.sort((a, b) => a.rank - b.rank || a.left - b.left)
    return order.some(({ holder, supplied }) => this.#shipOne(holder, supplied))
  }

  /**
   * Who is answered through their SURBs right now comes first, then conversations that rest, then the spare; and of these, who has the
   * fewest. On a slow stream, stocks for ten sites that have said all they had to would otherwise take the slots for half a minute
   * while the eleventh cannot go on.
   */
  #rank(supplied: Supplied): number {
    if (supplied.isSpare) return 2
    return supplied.owed > 0 || this.#flow(supplied) >= 1 ? 0 : 1
  }

  /** False where nothing is missing, or nothing could be made. */
  #shipOne(holder: Holder, supplied: Supplied): boolean {
    const { unused, capacity, ship, isQuiet } = this.#options
    const desired = this.desired(holder)
    const left = unused(holder)
    const canWait = supplied.isSpare || left >= desired / 2
    const missing = Math.max(supplied.owed, canWait && !isQuiet() ? 0 : desired - left)
    let packets = 1
    while (packets < MAX_PACKETS && capacity(packets + 1) <= missing) packets++
    // Less than a packetful is only sent to who asked: padding would be all the rest.
    if (missing <= 0 || (supplied.owed === 0 && capacity(packets) > missing)) return false
    const shipped = ship(holder, Math.min(missing, capacity(packets)))
    supplied.owed = Math.max(0, supplied.owed - shipped)
    this.#supplied.delete(holder)
    this.#supplied.set(holder, supplied)
    return shipped > 0
  }

  #of(holder: Holder): Supplied {
    let supplied = this.#supplied.get(holder)
    if (supplied === undefined) {
      supplied = { target: 0, isSpare: false, owed: 0, flow: 0, flowAt: this.#options.now() }
      this.#supplied.set(holder, supplied)
    }
    return supplied
  }

  #flow({ flow, flowAt }: Supplied): number {
    return flow * Math.exp((flowAt - this.#options.now()) / FLOW_DECAY_MS)
  }
}
