/**
 * A client of the mixnet: sends messages and answers, receives both, keeps cover traffic going. What leaves when is decided by
 * Sender, what is missing by PendingAcks, what arrives is read by Receiver; this file puts them together. @module
 */
import { toBase58 } from '../foundation/base/base58.ts'
import { MixnetError } from '../foundation/base/errors.ts'
import type { Counter, Log, Meter } from '../foundation/base/observe.ts'
import { millis } from '../foundation/base/units.ts'
import type { Timer } from '../foundation/platform/clock.ts'
import type { RandomStream } from '../foundation/platform/random.ts'
import type { World } from '../foundation/platform/world.ts'
import { identityKey } from '../network/topology/topology.ts'
import type { TopologyProvider } from '../network/topology/topologyProvider.ts'
import { type Fragment, splitMessage } from '../protocol/packet/fragments.ts'
import { encodeMessage, type NymMessage, padMessage } from '../protocol/packet/message.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import { AnonymousSenders } from './anonymousSenders.ts'
import type { EntryLink } from './entryLink.ts'
import { type FragmentJob, FragmentSender } from './fragmentSender.ts'
import type { ClientKeys } from './keys.ts'
import { type Lane, LaneQueue } from './laneQueue.ts'
import { LoopWatch } from './loopWatch.ts'
import { describeRoute, type PacketEvent, type PacketHop } from './packetEvents.ts'
import { PACKET_SIZE, PacketFactory } from './packetFactory.ts'
import { PendingAcks } from './pendingAcks.ts'
import { Receiver } from './receiver.ts'
import { ReplyJobs } from './replyJobs.ts'
import type { Holder } from './replyKeys.ts'
import { ReplyStock, type SenderTag } from './replyStock.ts'
import { type Outgoing, Sender } from './sender.ts'
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

export type ClientEvent =
  | { readonly type: 'opened'; readonly gateway: Uint8Array }
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
  readonly #clock: World['clock']
  readonly #setIds: RandomStream
  readonly #factory: PacketFactory
  readonly #lanes: LaneQueue<Outgoing>
  readonly #pending: PendingAcks
  readonly #sender: Sender
  readonly #fragments: FragmentSender
  readonly #stock: ReplyStock
  readonly #replies: ReplyJobs
  readonly #anonymous: AnonymousSenders
  readonly #receiver: Receiver
  readonly #loops: LoopWatch
  readonly #received: Counter
  readonly #unsubscribe: () => void
  #handler: (message: ReceivedMessage) => void = () => {}
  #review: Timer | undefined
  /** What reply SURBs handed out so far lead through: rotation and gateway. */
  #surbsFor: string | undefined
  #stopped: Promise<void> | undefined

  private constructor(world: World, options: MixnetClientOptions) {
    this.#options = options
    const { traffic, meter, keys, topology, link } = options
    const { clock, random, crypto } = world
    this.#clock = clock
    this.#setIds = random.stream('fragment')
    this.#factory = new PacketFactory({
      crypto,
      random,
      keys,
      address: () => this.address,
      topology: () => topology.current(),
      averagePacketDelay: traffic.averagePacketDelay,
      averageAckDelay: traffic.averageAckDelay,
    })
    this.#lanes = new LaneQueue(random.stream('lane'), traffic.queueCapacity)
    this.#pending = new PendingAcks(clock, traffic, meter)
    this.#sender = new Sender({
      clock,
      random,
      params: traffic,
      lanes: this.#lanes,
      transmit: ({ packet, firstHop, rotation }) => link.send({ rotation, nextHop: firstHop, packet }),
      canTransmit: () => link.isOpen && this.#factory.isReady,
      prepareCover: () => this.#factory.loopCover(),
      unacknowledged: () => this.#pending.inFlight,
      meter,
    })
    this.#fragments = new FragmentSender({
      lanes: this.#lanes,
      pending: this.#pending,
      maxRetransmissions: traffic.maxRetransmissions,
      wake: () => this.#sender.wake(),
    })
    this.#stock = new ReplyStock({
      clock,
      random: random.stream('reply-lane'),
      params: traffic.replies,
      present: () => topology.current(),
      request: (tag, surb, amount) => {
        const content = { kind: 'surbRequest', recipient: this.address, amount } as const
        for (const fragment of this.#split({ kind: 'reply', content }))
          this.#fragments.send(this.#replies.request(tag, fragment, surb))
      },
      meter,
    })
    this.#replies = new ReplyJobs({
      stock: this.#stock,
      prepare: (fragment, surb) => this.#factory.reply(fragment, surb),
      maxRetransmissions: traffic.replies.maxRetransmissions,
    })
    this.#anonymous = new AnonymousSenders({
      clock,
      crypto,
      random,
      params: traffic.replies,
      createSurb: () => this.#factory.replySurb(),
      backlog: () => this.#lanes.length(AnonymousSenders.LANE),
      send: (recipient, message) => this.#sendMessage(recipient, message, AnonymousSenders.LANE),
    })
    this.#receiver = new Receiver({
      crypto,
      clock,
      keys,
      limits: traffic.reassembly,
      meter,
      takeReplyKey: (digest) => this.#anonymous.takeReplyKey(digest),
      acknowledged: (id) => {
        if (!this.#pending.acknowledge(id)) return
        options.onPacket?.({ type: 'acknowledged', id })
        this.#sender.wake()
      },
      message: (message, holder) => this.#deliver(message, holder),
    })
    this.#loops = new LoopWatch({
      clock,
      counts: () => ({ sent: this.#sender.loopsSent, returned: this.#receiver.loopsReturned }),
      ask: () => {
        // The provider counts and logs its failures.
        topology.refresh().catch(() => {})
      },
    })
    this.#received = meter.counter('client_received_total', 'Messages received')
    meter.gauge('client_queued', 'Fragments waiting to be sent', () => this.#lanes.total)
    meter.gauge('client_reply_keys', 'Reply SURBs handed out and not yet used', () => this.#anonymous.outstanding)
    this.#unsubscribe = topology.onChange(() => this.#networkChanged())
  }

  /** Starts cover traffic as soon as the link is open. The topology provider must be running. */
  static start(world: World, options: MixnetClientOptions): MixnetClient {
    const client = new MixnetClient(world, options)
    const { link, onEvent } = options
    link.attach({
      pushed: (plaintext) => {
        if (client.#stopped === undefined) client.#receiver.pushed(plaintext)
      },
      opened: () => {
        client.#networkChanged()
        onEvent?.({ type: 'opened', gateway: link.gateway })
      },
      lost: (error) => onEvent?.({ type: 'lost', error }),
    })
    client.#networkChanged()
    client.#sender.start()
    client.#scheduleReview()
    return client
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
  async send({ to, data, lane = GENERAL, anonymous = true, signal }: SendOptions): Promise<void> {
    const { laneCapacity } = this.#options.traffic
    this.#assertRunning()
    while (!this.#lanes.isBelow(lane, laneCapacity)) await this.#lanes.whenBelow(lane, laneCapacity, signal)
    this.#assertRunning()
    this.#sendMessage(to, anonymous ? this.#anonymous.message(to, data) : { kind: 'plain', data }, lane)
  }

  /** As `send`, to a pseudonym, using its reply SURBs. Throws NO_REPLY_BLOCKS where it never gave any, or too long ago. */
  async reply({ to, data, lane = GENERAL, signal }: ReplyOptions): Promise<void> {
    const { laneCapacity } = this.#options.traffic
    this.#assertRunning()
    for (;;) {
      if (!this.#lanes.isBelow(lane, laneCapacity)) await this.#lanes.whenBelow(lane, laneCapacity, signal)
      else if (!this.#stock.isBelow(to, lane, laneCapacity)) await this.#stock.whenBelow(to, lane, laneCapacity, signal)
      else break
    }
    this.#assertRunning()
    if (!this.#stock.has(to)) throw new MixnetError('NO_REPLY_BLOCKS')
    for (const fragment of this.#split({ kind: 'reply', content: { kind: 'data', data } }))
      this.#fragments.send(this.#replies.reply(to, fragment, lane))
  }

  /** Fragments of a lane not yet sent, those that wait for a SURB of `tag` included. */
  laneLength(lane: Lane, tag?: SenderTag): number {
    return this.#lanes.length(lane) + (tag === undefined ? 0 : this.#stock.waiting(tag, lane))
  }

  /** Resolves once at most `packets` fragments of the lane wait for their turn. Throws ABORTED, STOPPED. */
  async whenLaneBelow(lane: Lane, packets: number, signal?: AbortSignal): Promise<void> {
    await this.#lanes.whenBelow(lane, packets, signal)
  }

  /** Drops what a connection still wanted to send. */
  closeLane(lane: Lane, tag?: SenderTag): void {
    for (const outgoing of this.#lanes.clear(lane)) outgoing.discard()
    if (tag !== undefined) this.#stock.closeLane(tag, lane)
  }

  /** Keeps that many unused reply SURBs at `recipient` from now on, so that its answers need not wait; 0 ends it. */
  supply(recipient: Recipient, target: number = this.#options.traffic.replies.idleTarget): void {
    if (this.#stopped === undefined) this.#anonymous.keep(recipient, target)
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
    this.#sender.stop()
    this.#pending.stop()
    this.#stock.stop()
    this.#lanes.close()
    await this.#options.link.close()
  }

  #assertRunning(): void {
    if (this.#stopped !== undefined) throw new MixnetError('STOPPED')
  }

  #split(message: NymMessage): Fragment[] {
    return splitMessage(padMessage(encodeMessage(message), PACKET_SIZE), PACKET_SIZE, this.#setIds)
  }

  #sendMessage(to: Recipient, message: NymMessage, lane: Lane): void {
    for (const fragment of this.#split(message)) this.#fragments.send(this.#job(fragment, to, lane))
  }

  #job(fragment: Fragment, to: Recipient, lane: Lane): FragmentJob {
    const { onPacket } = this.#options
    if (onPacket === undefined) return { fragment, lane, prepare: () => this.#factory.packet(fragment, to) }
    const { setId, position } = fragment
    let hops: readonly PacketHop[] = []
    return {
      fragment,
      lane,
      prepare: () =>
        this.#factory.packet(fragment, to, (route, delays) => {
          hops = describeRoute(route, delays)
        }),
      sent: () => onPacket({ type: 'sent', id: { setId, position }, lane, hops }),
    }
  }

  #deliver(message: NymMessage, holder: Holder | undefined): void {
    if (message.kind === 'plain') return this.#hand({ data: message.data })
    if (message.kind === 'repliable') {
      const { kind, surbs, data } = message.content
      const sender = toBase58(message.senderTag)
      this.#stock.add(sender, surbs)
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

  /** The link opened, perhaps at another gateway, or there is a new topology, perhaps of another rotation. */
  #networkChanged(): void {
    const { topology, link } = this.#options
    const rotation = topology.current()?.rotationId
    if (rotation !== undefined) {
      const surbsFor = `${rotation} ${identityKey(link.gateway)}`
      if (this.#surbsFor !== undefined && this.#surbsFor !== surbsFor) {
        this.#anonymous.outdate()
        this.#stock.rotated()
      }
      this.#surbsFor = surbsFor
    }
    this.#sender.wake()
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
