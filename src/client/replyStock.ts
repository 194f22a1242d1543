/**
 * The replier's side of reply SURBs: what each sender supplied, the fragments waiting for one, and when to ask for more
 * (docs/spec/packet.md, "Sending"). One SURB per fragment; a small reserve pays for asking. Senders are strangers, and making a
 * sender tag costs nothing: so senders, SURBs and waiting fragments are bounded per sender and in all. Beyond the bound of SURBs who
 * has most loses some; beyond the others the sender that was idle longest is forgotten. @module
 */
import type { Counter, Meter } from '../foundation/base/observe.ts'
import { type Millis, millis } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'
import type { RandomStream } from '../foundation/platform/random.ts'
import type { ReplySurb } from '../protocol/packet/replySurb.ts'
import { RETRANSMISSIONS } from './fragmentSender.ts'
import { type Lane, LaneQueue } from './laneQueue.ts'
import { type Present, SurbShelf } from './surbShelf.ts'
import type { ReplyParams } from './trafficParams.ts'

/** Base58 of the 16-byte tag a peer chose for us: its pseudonym. */
export type SenderTag = string

/** A fragment that waits for a SURB. */
export interface WaitingReply {
  readonly lane: Lane
  /** False once it was acknowledged after all: it gets no SURB. */
  isNeeded(): boolean
  /** A SURB is there: queue the packet. */
  send(surb: ReplySurb): void
  /** No SURB came in time: the reply is lost. */
  abandon(): void
}

/** One that gave reply SURBs, or asked without any. */
export interface KnownSender {
  readonly tag: SenderTag
  readonly surbs: { readonly size: number }
  /** Fragments that wait for a SURB. */
  readonly waiting: { readonly total: number }
  /** SURBs came, or a fragment was queued. */
  readonly lastTouched: Millis
}

interface Stock extends KnownSender {
  readonly surbs: SurbShelf
  readonly waiting: LaneQueue<WaitingReply>
  /** Asked for and not yet received. */
  requested: number
  rerequests: number
  /** SURBs came, or a fragment found none and began to wait. */
  silentSince: Millis
  lastTouched: Millis
}

export interface ReplyStockOptions {
  readonly clock: Clock
  readonly random: RandomStream
  readonly params: ReplyParams
  /** undefined while there is no topology. */
  readonly present: () => Present | undefined
  /** Sends a request for `amount` more to whom the SURB leads. */
  readonly request: (tag: SenderTag, surb: ReplySurb, amount: number) => void
  readonly meter: Meter
}

// How often senders with waiting replies are looked at. Nym: the same.
const REVIEW_INTERVAL = millis(5_000)

export class ReplyStock {
  readonly #options: ReplyStockOptions
  /** Least recently used first. */
  readonly #stocks = new Map<SenderTag, Stock>()
  readonly #discarded: Counter
  readonly #abandoned: Counter
  readonly #forgotten: Counter
  #surbs = 0
  #waiting = 0
  #review: Timer | undefined

  constructor(options: ReplyStockOptions) {
    this.#options = options
    const { meter } = options
    this.#discarded = meter.counter('client_surbs_discarded_total', 'Reply SURBs not kept')
    this.#abandoned = meter.counter('client_replies_abandoned_total', 'Reply fragments given up')
    this.#forgotten = meter.counter('client_reply_senders_forgotten_total', 'Senders forgotten')
    meter.gauge('client_reply_senders', 'Senders of reply SURBs', () => this.#stocks.size)
    meter.gauge('client_reply_surbs', 'Reply SURBs in stock', () => this.#surbs)
    meter.gauge('client_replies_waiting', 'Reply fragments waiting for a SURB', () => this.#waiting)
  }

  /** The longest quiet first: for who knows better than the bounds whom to forget. */
  get senders(): Iterable<KnownSender> {
    return this.#stocks.values()
  }

  has(tag: SenderTag): boolean {
    return this.#stocks.has(tag)
  }

  /** Fragments of a lane that wait for a SURB of that sender. */
  waiting(tag: SenderTag, lane: Lane): number {
    return this.#stocks.get(tag)?.waiting.length(lane) ?? 0
  }

  isBelow(tag: SenderTag, lane: Lane, packets: number): boolean {
    return this.#stocks.get(tag)?.waiting.isBelow(lane, packets) ?? true
  }

  /** As LaneQueue: resolves once it was below, or the sender is forgotten. */
  async whenBelow(tag: SenderTag, lane: Lane, packets: number, signal?: AbortSignal): Promise<void> {
    await this.#stocks.get(tag)?.waiting.whenBelow(lane, packets, signal)
  }

  add(tag: SenderTag, surbs: readonly ReplySurb[]): void {
    const stock = this.#touch(tag)
    if (surbs.length === 0) return
    stock.requested = Math.max(0, stock.requested - surbs.length)
    stock.rerequests = 0
    stock.silentSince = this.#options.clock.monotonic()
    this.#counting(stock, () => {
      this.#discarded.value += stock.surbs.add(surbs, this.#options.present(), 2 * this.#options.params.maxStock)
    })
    this.#serve(stock)
    this.#makeRoom(stock)
  }

  /** Queues a fragment until a SURB is free for it. False where the sender is unknown. */
  enqueue(tag: SenderTag, reply: WaitingReply): boolean {
    if (!this.#stocks.has(tag)) return false
    const stock = this.#touch(tag)
    if (stock.waiting.total === 0) stock.silentSince = this.#options.clock.monotonic()
    this.#counting(stock, () => stock.waiting.push(reply.lane, reply))
    this.#serve(stock)
    this.#makeRoom(stock)
    return true
  }

  /** A SURB for asking once more, from the reserve. */
  take(tag: SenderTag): ReplySurb | undefined {
    const stock = this.#stocks.get(tag)
    return stock && this.#counting(stock, () => stock.surbs.take(this.#options.present()))
  }

  /** A request for that many was given up: they do not come, and the next SURB there is may ask again. */
  unanswered(tag: SenderTag, amount: number): void {
    const stock = this.#stocks.get(tag)
    if (stock !== undefined) stock.requested = Math.max(0, stock.requested - amount)
  }

  /** The fragment it was for does not need it any more. */
  giveBack(tag: SenderTag, surb: ReplySurb): void {
    const stock = this.#stocks.get(tag)
    if (stock === undefined) return
    this.#counting(stock, () => stock.surbs.giveBack(surb, this.#options.present()))
    this.#serve(stock)
  }

  /** Drops a connection's fragments that still wait. */
  closeLane(tag: SenderTag, lane: Lane): void {
    const stock = this.#stocks.get(tag)
    if (stock !== undefined) this.#counting(stock, () => stock.waiting.clear(lane))
  }

  /** It will not be answered any more, unless it writes again. */
  forget(tag: SenderTag): void {
    const stock = this.#stocks.get(tag)
    if (stock === undefined) return
    this.#stocks.delete(tag)
    this.#surbs -= stock.surbs.size
    this.#waiting -= stock.waiting.total
    for (let reply = stock.waiting.pop(); reply !== undefined; reply = stock.waiting.pop()) {
      this.#abandoned.value++
      reply.abandon()
    }
  }

  /**
   * Keys rotated: senders in touch lately are asked for fresh SURBs while the old ones can still carry the question. Others
   * bring some with their next message.
   */
  rotated(): void {
    const { params, clock, present } = this.#options
    const now = clock.monotonic()
    for (const stock of this.#stocks.values()) {
      const before = stock.surbs.fresh
      this.#counting(stock, () => stock.surbs.sort(present()))
      const lost = before - stock.surbs.fresh - stock.requested
      if (lost > 0 && now - stock.lastTouched < params.giveUpAfter) this.#ask(stock, lost)
    }
  }

  stop(): void {
    this.#review?.cancel()
    for (const { waiting } of this.#stocks.values()) waiting.close()
    this.#stocks.clear()
    this.#surbs = 0
    this.#waiting = 0
  }

  #touch(tag: SenderTag): Stock {
    const { params, random, clock } = this.#options
    const now = clock.monotonic()
    const stock = this.#stocks.get(tag) ?? {
      tag,
      surbs: new SurbShelf(),
      waiting: new LaneQueue<WaitingReply>(random, params.maxWaitingPerSender),
      requested: 0,
      rerequests: 0,
      silentSince: now,
      lastTouched: now,
    }
    stock.lastTouched = now
    this.#stocks.delete(tag)
    this.#stocks.set(tag, stock)
    return stock
  }

  #serve(stock: Stock): void {
    const { params, present } = this.#options
    this.#counting(stock, () => stock.surbs.sort(present()))
    while (stock.surbs.size > params.reserve) {
      const reply = this.#counting(stock, () => stock.waiting.pop(this.#preferred()))
      if (reply === undefined) break
      if (reply.isNeeded()) reply.send(this.#counting(stock, () => stock.surbs.take(present())) as ReplySurb)
    }
    this.#requestMore(stock)
    if (stock.waiting.total > 0) this.#scheduleReview()
  }

  /**
   * A fragment lost on its way holds up all that came after it, so it should not wait for its turn among ten connections. Not always
   * first, though: where acks are late, not lost, repetitions would take all SURBs there are.
   */
  #preferred(): Lane | undefined {
    return this.#options.random.uniform() < 0.5 ? RETRANSMISSIONS : undefined
  }

  /** True where a request was sent. */
  #requestMore(stock: Stock): boolean {
    const { params } = this.#options
    const coming = stock.surbs.fresh + stock.requested
    if (coming >= params.maxStock || coming >= stock.waiting.total + params.reserve) return false
    return this.#ask(stock, stock.waiting.total)
  }

  #ask(stock: Stock, wanted: number): boolean {
    const { params, request, present } = this.#options
    const surb = this.#counting(stock, () => stock.surbs.take(present()))
    if (surb === undefined) return false
    const amount = Math.min(params.maxRequest, Math.max(wanted, params.minRequest))
    stock.requested += amount
    request(stock.tag, surb, amount)
    return true
  }

  #scheduleReview(): void {
    this.#review ??= this.#options.clock.after(REVIEW_INTERVAL, () => {
      this.#review = undefined
      for (const stock of this.#stocks.values()) if (stock.waiting.total > 0) this.#look(stock)
    })
  }

  #look(stock: Stock): void {
    const { clock, params } = this.#options
    const silence = clock.monotonic() - stock.silentSince
    if (silence > params.giveUpAfter || stock.rerequests > params.maxRerequests) return this.forget(stock.tag)
    if (silence > params.rerequestAfter * (stock.rerequests + 1)) {
      stock.requested = 0
      if (this.#requestMore(stock)) stock.rerequests++
    }
    this.#scheduleReview()
  }

  /** Until all bounds hold. */
  #makeRoom(busy: Stock): void {
    const { maxSenders, maxSurbs, maxWaiting } = this.#options.params
    // Whoever has more than an equal share pays: else a hundred who hoard have all others forgotten, some in the midst of an answer.
    // By default nobody is left with fewer than four for it: one carries an answer, and the reserve asks for more. A tenth is made free, so that
    // SURBs have to come by the thousand before all shelves are gone through again.
    if (this.#surbs > maxSurbs) {
      const share = Math.floor((maxSurbs * 0.9) / this.#stocks.size)
      for (const stock of this.#stocks.values()) {
        this.#counting(stock, () => {
          this.#discarded.value += stock.surbs.add([], this.#options.present(), share)
        })
      }
    }
    // Those idle longest. Not the one at work: it has bounds of its own.
    for (const stock of this.#stocks.values()) {
      const tooMany = this.#stocks.size > maxSenders
      if (!tooMany && this.#waiting <= maxWaiting) return
      if (stock === busy || (!tooMany && stock.waiting.total === 0)) continue
      this.#forgotten.value++
      this.forget(stock.tag)
    }
  }

  /** Keeps the sums over all senders true. */
  #counting<T>({ surbs, waiting }: Stock, change: () => T): T {
    const surbsBefore = surbs.size
    const waitingBefore = waiting.total
    const result = change()
    this.#surbs += surbs.size - surbsBefore
    this.#waiting += waiting.total - waitingBefore
    return result
  }
}
