/**
 * A client of the mixnet: sends messages and answers, receives both, keeps cover traffic going. What leaves goes through Outbox,
 * answers to others through Replier, what others need to answer us comes from AnonymousSenders, what arrives is read by
 * Receiver; this file puts them together. @module
 */
import { toBase58 } from '../foundation/base/base58.ts'
import { equalBytes } from '../foundation/base/bytes.ts'
import { MixnetError } from '../foundation/base/errors.ts'
import type { Counter, Log, Meter } from '../foundation/base/observe.ts'
import { millis } from '../foundation/base/units.ts'
import type { Timer } from '../foundation/platform/clock.ts'
import type { ClientWorld } from '../foundation/platform/world.ts'
import type { TopologyProvider } from '../network/topology/topologyProvider.ts'
import type { NymMessage } from '../protocol/packet/message.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import { AnonymousSenders } from './anonymousSenders.ts'
import type { EntryLink } from './entryLink.ts'
import type { ClientKeys } from './keys.ts'
import type { Lane } from './laneQueue.ts'
import { type LoopCounts, LoopWatch } from './loopWatch.ts'
import { Outbox } from './outbox.ts'
import type { PacketEvent } from './packetEvents.ts'
import { Receiver } from './receiver.ts'
import { Replier } from './replier.ts'
import type { Holder } from './replyKeys.ts'
import type { KnownSender, SenderTag } from './replyStock.ts'
import type { FragmentCounts } from './streamVitals.ts'
import type { TrafficParams } from './trafficParams.ts'

export interface ReceivedMessage {
  readonly data: Uint8Array
  /** The pseudonym to answer to, where the sender gave reply SURBs. */
  readonly sender?: SenderTag
  /**
   * An answer through reply SURBs: whom they had been given to, so that it is from there. Who is anonymous towards a recipient
   * must take its answers in no other way: acting on what was sent to our address would show that the pseudonym is ours.
   */
  readonly repliedBy?: Recipient
}

/** Who we are towards one recipient: what `MixnetClient.hold` gave. */
export type Pseudonym = Holder

export type ClientEvent =
  | { readonly type: 'opened'; readonly gateway: Uint8Array }
  /** After `opened`: at another gateway than before. */
  | { readonly type: 'moved'; readonly gateway: Uint8Array }
  | { readonly type: 'lost'; readonly error: MixnetError }

export interface MixnetClientOptions {
  readonly keys: ClientKeys
  readonly topology: TopologyProvider
  readonly link: EntryLink
  readonly traffic: TrafficParams
  readonly meter: Meter
  readonly log: Log
  readonly onEvent?: (event: ClientEvent) => void
  /** For showing people what happens. Absent: nothing is noted. */
  readonly onPacket?: (event: PacketEvent) => void
}

export interface SendOptions {
  readonly to: Recipient
  readonly data: Uint8Array
  readonly lane?: Lane
  /** Gives the recipient a pseudonym and reply SURBs instead of nothing. Default true. */
  readonly anonymous?: boolean
  /** The pseudonym, for who is to be recognised by `to` also after a change of gateway. Default: the present one. */
  readonly as?: Pseudonym | undefined
  /** Gets what becomes of its fragments added. */
  readonly counts?: FragmentCounts | undefined
  /** Reply SURBs for the recipient to get with this message, where the usual ones will not do. At most some hundreds are given. */
  readonly surbs?: number | undefined
  /** Aborted: what was sent and not acknowledged is not sent again. */
  readonly until?: AbortSignal
  readonly signal?: AbortSignal
}

export interface ReplyOptions {
  readonly to: SenderTag
  /** Not empty. */
  readonly data: Uint8Array
  readonly lane?: Lane
  readonly signal?: AbortSignal
}

const GENERAL: Lane = 'general'
const REVIEW_INTERVAL = millis(500)

export class MixnetClient implements AsyncDisposable {
  readonly #options: MixnetClientOptions
  readonly #clock: ClientWorld['clock']
  readonly #outbox: Outbox
  readonly #replier: Replier
  readonly #anonymous: AnonymousSenders
  readonly #receiver: Receiver
  readonly #loops: LoopWatch
  readonly #received: Counter
  readonly #unsubscribe: () => void
  #handler: (message: ReceivedMessage) => void = () => {}
  #review: Timer | undefined
  #moved: () => void = () => {}
  /** What reply SURBs handed out so far lead through. */
  #rotation: number | undefined
  #gateway: Uint8Array | undefined
  #stopped: Promise<void> | undefined

  private constructor(world: ClientWorld, options: MixnetClientOptions) {
    this.#options = options
    const { traffic, meter, keys, topology, link, onPacket } = options
    const { clock, random, crypto, curve } = world
    const address = () => this.address
    this.#clock = clock
    const outbox = new Outbox(world, { keys, address, topology, link, traffic, meter, onPacket })
    this.#outbox = outbox
    this.#replier = new Replier(world, { params: traffic.replies, topology, outbox, address, meter })
    this.#anonymous = new AnonymousSenders({
      clock,
      crypto,
      random,
      params: traffic.replies,
      // Where we can be found is known once a gateway has let us in: before, it may be one that never will. While it is away, SURBs
      // lead there all the same: a question that waits for it must not arrive without any.
      createSurb: () =>
        this.#gateway && equalBytes(this.#gateway, link.gateway) ? outbox.factory.replySurb() : undefined,
      backlog: () => outbox.lanes.length(AnonymousSenders.LANE),
      whenBacklogBelow: (packets, run) => {
        // Stopped: nobody needs more.
        outbox.lanes.whenBelow(AnonymousSenders.LANE, packets).then(run, () => {})
      },
      isQuiet: () => outbox.lanes.total === outbox.lanes.length(AnonymousSenders.LANE),
      send: (recipient, message) => outbox.post(message, recipient, AnonymousSenders.LANE),
    })
    this.#receiver = new Receiver({
      crypto,
      curve,
      clock,
      keys,
      limits: traffic.reassembly,
      meter,
      takeReplyKey: (digest) => this.#anonymous.takeReplyKey(digest),
      takeLoop: (variant) => outbox.factory.loops.take(variant),
      acknowledged: (id) => outbox.acknowledged(id),
      message: (message, holder) => this.#deliver(message, holder),
    })
    this.#loops = new LoopWatch({
      clock,
      counts: () => this.loops,
      ask: () => {
        // The provider counts and logs its failures.
        topology.refresh().catch(() => {})
      },
    })
    this.#received = meter.counter('client_received_total', 'Messages received')
    meter.gauge('client_reply_keys', 'Reply SURBs handed out and not yet used', () => this.#anonymous.outstanding)
    this.#unsubscribe = topology.onChange(() => this.#networkChanged())
  }

  /** Starts cover traffic as soon as the link is open. The topology provider must be running. */
  static start(world: ClientWorld, options: MixnetClientOptions): MixnetClient {
    const client = new MixnetClient(world, options)
    const { link, onEvent } = options
    link.attach({
      pushed: (plaintext) => {
        if (client.#stopped === undefined) client.#receiver.pushed(plaintext)
      },
      opened: () => {
        const { gateway } = link
        const moved = client.#opened(gateway)
        onEvent?.({ type: 'opened', gateway })
        if (moved) onEvent?.({ type: 'moved', gateway })
      },
      lost: (error) => onEvent?.({ type: 'lost', error }),
    })
    client.#networkChanged()
    client.#outbox.start()
    client.#scheduleReview()
    return client
  }

  /** Our loop cover, since ever. */
  get loops(): LoopCounts {
    return { sent: this.#outbox.loopsSent, returned: this.#receiver.loopsReturned }
  }

  /** Whether the gateway takes packets now. */
  get isOpen(): boolean {
    return this.#options.link.isOpen
  }

  /** Where others send to. Its last part is the gateway in use. */
  get address(): Recipient {
    const { keys, link } = this.#options
    return { identity: keys.identity, encryptionKey: keys.encryptionKey, gateway: link.gateway }
  }

  /** Called with every message; at most one handler. What it throws is a bug and ends the process. */
  onMessage(handler: (message: ReceivedMessage) => void): void {
    this.#handler = handler
  }

  /**
   * Resolves when the message is queued; waits while its lane or the whole queue is full. Fragments are sent again until
   * acknowledged. Throws ABORTED, STOPPED.
   */
  async send({
    to,
    data,
    lane = GENERAL,
    anonymous = true,
    as,
    surbs,
    counts,
    until,
    signal,
  }: SendOptions): Promise<void> {
    const { laneCapacity } = this.#options.traffic
    this.#assertRunning()
    const { lanes } = this.#outbox
    while (!lanes.isBelow(lane, laneCapacity)) await lanes.whenBelow(lane, laneCapacity, signal)
    this.#assertRunning()
    const message: NymMessage = anonymous ? this.#anonymous.message(to, data, as, surbs) : { kind: 'plain', data }
    this.#outbox.post(message, to, lane, counts, until)
  }

  /** As `send`, to a pseudonym, using its reply SURBs. Throws NO_REPLY_BLOCKS where it never gave any, or too long ago. */
  async reply({ to, data, lane = GENERAL, signal }: ReplyOptions): Promise<void> {
    const { laneCapacity } = this.#options.traffic
    this.#assertRunning()
    while (!this.#replier.isBelow(to, lane, laneCapacity)) await this.#replier.whenBelow(to, lane, laneCapacity, signal)
    this.#assertRunning()
    this.#replier.reply(to, data, lane)
  }

  /** Fragments of a lane not yet sent, those that wait for a SURB of `tag` included. */
  laneLength(lane: Lane, tag?: SenderTag): number {
    return this.#outbox.lanes.length(lane) + (tag === undefined ? 0 : this.#replier.stock.waiting(tag, lane))
  }

  /** Resolves once at most `packets` fragments of the lane wait for their turn, and as many for a SURB of `tag`. Throws ABORTED, STOPPED. */
  async whenLaneBelow(lane: Lane, packets: number, signal?: AbortSignal, tag?: SenderTag): Promise<void> {
    if (tag) await this.#replier.stock.whenBelow(tag, lane, packets, signal)
    await this.#outbox.lanes.whenBelow(lane, packets, signal)
  }

  /** Drops what a connection still wanted to send. */
  closeLane(lane: Lane, tag?: SenderTag): void {
    for (const outgoing of this.#outbox.lanes.clear(lane)) outgoing.discard()
    if (tag !== undefined) this.#replier.stock.closeLane(tag, lane)
  }

  /** Throws the reply SURBs of a pseudonym away that will not be answered any more, unless it writes again. */
  forget(sender: SenderTag): void {
    this.#replier.stock.forget(sender)
  }

  /** Pseudonyms whose reply SURBs are kept, the longest quiet first. They may be forgotten while they are looked through. */
  get senders(): Iterable<KnownSender> {
    return this.#replier.stock.senders
  }

  /** Keeps that many unused reply SURBs at `recipient` from now on, so that its answers need not wait; 0 ends it. */
  supply(recipient: Recipient, target: number = this.#options.traffic.replies.idleTarget): void {
    if (this.#stopped === undefined) this.#anonymous.keep(recipient, target)
  }

  /** Packets to that recipient are to be expected soon, with reply SURBs or without: where keys are made ahead, they are made now. */
  expect(recipient: Recipient, anonymous: boolean): void {
    if (this.#stopped === undefined) this.#outbox.factory.expect(recipient, anonymous)
  }

  /**
   * Begins a conversation: who we are towards `recipient` from now until it is released. Messages sent as this belong together
   * for the recipient and are answered even where the gateway changes meanwhile; what begins after that gets another one, and so
   * does what has another `isolation` key.
   */
  hold(recipient: Recipient, isolation = ''): Pseudonym {
    return this.#anonymous.hold(recipient, isolation)
  }

  /** Reply SURBs that its recipient has left, by our count. */
  surbsLeft(pseudonym: Pseudonym): number {
    return this.#anonymous.surbsLeft(pseudonym)
  }

  release(pseudonym: Pseudonym): void {
    this.#anonymous.release(pseudonym)
  }

  /** Called when the link has opened at another gateway than before: the address has changed. At most one handler. */
  onMoved(handler: () => void): void {
    this.#moved = handler
  }

  /** What waits is dropped; whoever waits gets STOPPED. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(): Promise<void> {
    this.#unsubscribe()
    this.#review?.cancel()
    this.#replier.stock.stop()
    this.#receiver.stop()
    this.#outbox.stop()
    await this.#options.link.close()
  }

  #assertRunning(): void {
    if (this.#stopped !== undefined) throw new MixnetError('STOPPED')
  }

  #deliver(message: NymMessage, holder: Holder | undefined): void {
    if (message.kind === 'plain') return this.#hand({ data: message.data })
    if (message.kind === 'repliable') {
      const { kind, surbs, data } = message.content
      const sender = toBase58(message.senderTag)
      this.#replier.stock.add(sender, surbs)
      if (kind === 'data') this.#hand({ data, sender })
      return
    }
    const { content } = message
    if (holder === undefined) return
    if (content.kind === 'data') this.#hand({ data: content.data, repliedBy: holder.recipient })
    else this.#anonymous.requested(holder, content.recipient, content.amount)
  }

  #hand(message: ReceivedMessage): void {
    this.#received.value++
    this.#handler(message)
  }

  /** Whether at another one than before. */
  #opened(gateway: Uint8Array): boolean {
    const before = this.#gateway
    this.#gateway = gateway
    const moved = before !== undefined && !equalBytes(before, gateway)
    if (moved) {
      this.#anonymous.moved()
      this.#moved()
    }
    this.#networkChanged()
    return moved
  }

  /** The link opened, or there is a new topology, perhaps of another rotation. */
  #networkChanged(): void {
    const rotation = this.#options.topology.current()?.rotationId
    if (rotation !== undefined) {
      if (this.#rotation !== undefined && this.#rotation !== rotation) {
        this.#anonymous.outdate()
        this.#replier.stock.rotated()
      }
      this.#rotation = rotation
    }
    this.#outbox.wake()
  }

  #scheduleReview(): void {
    this.#review = this.#clock.after(REVIEW_INTERVAL, () => {
      this.#anonymous.review()
      this.#receiver.review()
      this.#loops.review()
      this.#scheduleReview()
    })
  }
}
