/**
 * The replier's side of reply SURBs: what each sender supplied, the fragments waiting for one, and when to ask for more
 * (docs/spec/packet.md, reply controller). One SURB per fragment; a small reserve pays for asking. Bounded in senders and in
 * SURBs per sender. @module
 */
import type { Counter, Meter } from '../foundation/base/observe.ts'
import { type Millis, millis } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'
import type { RandomStream } from '../foundation/platform/random.ts'
import type { ReplySurb } from '../protocol/packet/replySurb.ts'
import { type Lane, LaneQueue } from './laneQueue.ts'
import type { ReplyParams } from './trafficParams.ts'

/** Base58 of the 16-byte tag a peer chose for us: its pseudonym. */
export type SenderTag = string

/** A fragment that waits for a SURB. */
export interface WaitingReply {
  readonly lane: Lane
  /** A SURB is there: queue the packet. */
  send(surb: ReplySurb): void
  /** No SURB came in time: the reply is lost. */
  abandon(): void
}

interface Sender {
  readonly surbs: ReplySurb[]
  readonly waiting: LaneQueue<WaitingReply>
  /** Asked for and not yet received. */
  requested: number
  rerequests: number
  lastReceived: Millis
}

export interface ReplyStockOptions {
  readonly clock: Clock
  readonly random: RandomStream
  readonly params: ReplyParams
  readonly queueCapacity: number
  /** Sends a request for `amount` more to whom the SURB leads. */
  readonly request: (surb: ReplySurb, amount: number) => void
  readonly meter: Meter
}

// How often senders with waiting replies are looked at.
const REVIEW_INTERVAL = millis(5_000)

export class ReplyStock {
  readonly #options: ReplyStockOptions
  /** Least recently used first. */
  readonly #senders = new Map<SenderTag, Sender>()
  readonly #discarded: Counter
  readonly #abandoned: Counter
  #review: Timer | undefined

  constructor(options: ReplyStockOptions) {
    this.#options = options
    this.#discarded = options.meter.counter(
      'client_surbs_discarded_total',
      'Reply SURBs received and not kept: the stock was full',
    )
    this.#abandoned = options.meter.counter(
      'client_replies_abandoned_total',
      'Reply fragments that got no SURB in time',
    )
    options.meter.gauge('client_reply_senders', 'Senders whose reply SURBs are kept', () => this.#senders.size)
  }

  has(tag: SenderTag): boolean {
    return this.#senders.has(tag)
  }

  /** SURBs in stock for a sender. */
  count(tag: SenderTag): number {
    return this.#senders.get(tag)?.surbs.length ?? 0
  }

  /** Fragments of a lane that wait for a SURB of that sender. */
  waiting(tag: SenderTag, lane: Lane): number {
    return this.#senders.get(tag)?.waiting.length(lane) ?? 0
  }

  /** Resolves once the lane's fragments waiting for this sender's SURBs are at most `packets`, or the sender is gone. */
  async whenBelow(tag: SenderTag, lane: Lane, packets: number, signal?: AbortSignal): Promise<void> {
    await this.#senders.get(tag)?.waiting.whenBelow(lane, packets, signal)
  }

  add(tag: SenderTag, surbs: readonly ReplySurb[]): void {
    const sender = this.#touch(tag)
    sender.requested = Math.max(0, sender.requested - surbs.length)
    sender.rerequests = 0
    sender.lastReceived = this.#options.clock.monotonic()
    // The newest are of the current key rotation: they push the oldest out.
    sender.surbs.push(...surbs)
    const excess = sender.surbs.length - 2 * this.#options.params.maxStock
    if (excess > 0) {
      sender.surbs.splice(0, excess)
      this.#discarded.value += excess
    }
    this.#serve(sender)
  }

  /** Queues a fragment until a SURB is free for it. False where the sender never supplied any. */
  enqueue(tag: SenderTag, reply: WaitingReply): boolean {
    if (!this.#senders.has(tag)) return false
    const sender = this.#touch(tag)
    sender.waiting.push(reply.lane, reply)
    this.#serve(sender)
    return true
  }

  /** Drops a connection's fragments that still wait. */
  closeLane(tag: SenderTag, lane: Lane): void {
    this.#senders.get(tag)?.waiting.clear(lane)
  }

  stop(): void {
    this.#review?.cancel()
    this.#senders.clear()
  }

  #touch(tag: SenderTag): Sender {
    const { params, random, queueCapacity, clock } = this.#options
    const known = this.#senders.get(tag)
    this.#senders.delete(tag)
    const sender = known ?? {
      surbs: [],
      waiting: new LaneQueue<WaitingReply>(random, queueCapacity),
      requested: 0,
      rerequests: 0,
      lastReceived: clock.monotonic(),
    }
    this.#senders.set(tag, sender)
    const oldest = this.#senders.entries().next()
    if (this.#senders.size > params.maxSenders && !oldest.done) this.#abandon(oldest.value[0], oldest.value[1])
    return sender
  }

  #serve(sender: Sender): void {
    const { params } = this.#options
    while (sender.surbs.length > params.reserve) {
      const reply = sender.waiting.pop()
      if (reply === undefined) break
      reply.send(sender.surbs.shift() as ReplySurb)
    }
    this.#requestMore(sender)
    if (sender.waiting.total > 0)
      this.#review ??= this.#options.clock.after(REVIEW_INTERVAL, () => this.#reviewSenders())
  }

  #requestMore(sender: Sender): void {
    const { params, request } = this.#options
    const coming = sender.surbs.length + sender.requested
    if (sender.surbs.length === 0 || coming >= params.maxStock || coming >= sender.waiting.total + params.reserve)
      return
    const amount = Math.min(params.maxRequest, Math.max(sender.waiting.total, params.minRequest))
    sender.requested += amount
    request(sender.surbs.shift() as ReplySurb, amount)
  }

  #reviewSenders(): void {
    this.#review = undefined
    const { clock, params } = this.#options
    const now = clock.monotonic()
    for (const [tag, sender] of this.#senders) {
      if (sender.waiting.total === 0) continue
      const silence = now - sender.lastReceived
      if (silence > params.giveUpAfter || sender.rerequests > params.maxRerequests) {
        this.#abandon(tag, sender)
      } else if (silence > params.rerequestAfter * (sender.rerequests + 1)) {
        sender.rerequests++
        sender.requested = 0
        this.#requestMore(sender)
      }
    }
    for (const sender of this.#senders.values()) {
      if (sender.waiting.total > 0) this.#review ??= clock.after(REVIEW_INTERVAL, () => this.#reviewSenders())
    }
  }

  #abandon(tag: SenderTag, sender: Sender): void {
    this.#senders.delete(tag)
    for (let reply = sender.waiting.pop(); reply !== undefined; reply = sender.waiting.pop()) {
      this.#abandoned.value++
      reply.abandon()
    }
  }
}
