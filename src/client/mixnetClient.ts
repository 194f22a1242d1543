/**
 * A client of the mixnet: sends messages and answers, receives both, keeps cover traffic going. What leaves when is decided by
 * Sender, what is missing by PendingAcks; this file puts messages into fragments and what comes back into messages. @module
 */
import { toBase58 } from '../foundation/base/base58.ts'
import { isMixnetError, MixnetError, tryDecode } from '../foundation/base/errors.ts'
import type { Counter, Log, Meter } from '../foundation/base/observe.ts'
import { millis } from '../foundation/base/units.ts'
import type { Timer } from '../foundation/platform/clock.ts'
import type { World } from '../foundation/platform/world.ts'
import type { TopologyProvider } from '../network/topology/topologyProvider.ts'
import { decodeAck } from '../protocol/packet/acks.ts'
import { type Fragment, splitMessage } from '../protocol/packet/fragments.ts'
import { decodeMessage, encodeMessage, type NymMessage, padMessage, unpadMessage } from '../protocol/packet/message.ts'
import type { MixnetPacket, PreparedPacket } from '../protocol/packet/prepare.ts'
import { classifyPushed, openPushed } from '../protocol/packet/pushed.ts'
import { Reassembler } from '../protocol/packet/reassembly.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import type { ReplySurb } from '../protocol/packet/replySurb.ts'
import { AnonymousSenders } from './anonymousSenders.ts'
import type { EntryLink } from './entryLink.ts'
import { FragmentSender } from './fragmentSender.ts'
import type { ClientKeys } from './keys.ts'
import { type Lane, LaneQueue } from './laneQueue.ts'
import { PACKET_SIZE, PacketFactory } from './packetFactory.ts'
import { PendingAcks } from './pendingAcks.ts'
import { ReplyStock, type SenderTag } from './replyStock.ts'
import { type Outgoing, Sender } from './sender.ts'
import type { TrafficParams } from './trafficParams.ts'

export interface ReceivedMessage {
  readonly data: Uint8Array
  /** The pseudonym to answer to, where the sender gave reply SURBs. */
  readonly sender?: SenderTag
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
  readonly data: Uint8Array
  readonly lane?: Lane
  readonly signal?: AbortSignal
}

const GENERAL: Lane = 'general'
const RETRANSMISSIONS: Lane = 'retransmission'
const SURB_REQUESTS: Lane = 'surb-requests'
const REVIEW_INTERVAL = millis(500)

type ReceiveReason = 'too-short' | 'fragment' | 'ack' | 'message'

export class MixnetClient implements AsyncDisposable {
  readonly #world: World
  readonly #options: MixnetClientOptions
  readonly #factory: PacketFactory
  readonly #lanes: LaneQueue<Outgoing>
  readonly #pending: PendingAcks
  readonly #sender: Sender
  readonly #fragments: FragmentSender
  readonly #stock: ReplyStock
  readonly #anonymous: AnonymousSenders
  readonly #reassembler: Reassembler
  readonly #received: Counter
  readonly #coverReceived: Counter
  #handler: (message: ReceivedMessage) => void = () => {}
  #review: Timer | undefined
  #stopped = false

  private constructor(world: World, options: MixnetClientOptions) {
    this.#world = world
    this.#options = options
    const { traffic, meter, keys, topology } = options
    const { clock, random, crypto } = world
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
    this.#fragments = new FragmentSender({
      lanes: this.#lanes,
      pending: this.#pending,
      maxRetransmissions: traffic.maxRetransmissions,
      wake: () => this.#sender.wake(),
    })
    this.#sender = new Sender({
      clock,
      random,
      params: traffic,
      lanes: this.#lanes,
      transmit: (packet) => this.#transmit(packet),
      canTransmit: () => options.link.isOpen,
      prepareCover: () => this.#factory.loopCover(),
      unacknowledged: () => this.#pending.inFlight,
      meter,
    })
    this.#stock = new ReplyStock({
      clock,
      random: random.stream('reply-lane'),
      params: traffic.replies,
      queueCapacity: traffic.queueCapacity,
      request: (surb, amount) => this.#requestSurbs(surb, amount),
      meter,
    })
    this.#anonymous = new AnonymousSenders({
      clock,
      crypto,
      random,
      params: traffic.replies,
      createSurb: () => this.#factory.replySurb(),
      backlog: () => this.#lanes.length(AnonymousSenders.LANE),
      send: (recipient, message) => this.#sendMessage(recipient, message, AnonymousSenders.LANE),
      meter,
    })
    this.#reassembler = new Reassembler(traffic.reassembly, meter)
    this.#received = meter.counter('client_received_total', 'Messages received')
    this.#coverReceived = meter.counter('client_cover_received_total', 'Loop cover that came back')
    meter.gauge('client_queued', 'Fragments waiting to be sent', () => this.#lanes.total)
    meter.gauge('client_reply_keys', 'Reply SURBs handed out and not yet used', () => this.#anonymous.outstanding)
  }

  /** Starts cover traffic as soon as the link is open. The topology provider must be running. */
  static start(world: World, options: MixnetClientOptions): MixnetClient {
    const client = new MixnetClient(world, options)
    options.link.attach({
      pushed: (plaintext) => client.#pushed(plaintext),
      opened: () => {
        options.onEvent?.({ type: 'opened', gateway: options.link.gateway })
        client.#sender.wake()
      },
      lost: (error) => options.onEvent?.({ type: 'lost', error }),
    })
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
    await this.#room(lane, signal)
    this.#sendMessage(to, anonymous ? this.#anonymous.message(to, data) : { kind: 'plain', data }, lane)
  }

  /** As `send`, to a pseudonym, using its reply SURBs. Throws NO_REPLY_BLOCKS where it never gave any. */
  async reply({ to, data, lane = GENERAL, signal }: ReplyOptions): Promise<void> {
    await this.#room(lane, signal)
    await this.#stock.whenBelow(to, lane, this.#options.traffic.laneCapacity, signal)
    this.#alive()
    if (!this.#stock.has(to)) throw new MixnetError('NO_REPLY_BLOCKS')
    for (const fragment of this.#split({ kind: 'reply', content: { kind: 'data', data } }))
      this.#replyFragment(to, fragment, lane)
  }

  /** Fragments of a lane not yet sent, those that wait for a SURB of `tag` included. */
  laneLength(lane: Lane, tag?: SenderTag): number {
    return this.#lanes.length(lane) + (tag === undefined ? 0 : this.#stock.waiting(tag, lane))
  }

  /** Resolves once at most `packets` fragments of the lane wait for their turn. */
  async whenLaneBelow(lane: Lane, packets: number, signal?: AbortSignal): Promise<void> {
    await this.#lanes.whenBelow(lane, packets, signal)
  }

  /** Drops what a connection still wanted to send. */
  closeLane(lane: Lane, tag?: SenderTag): void {
    this.#lanes.clear(lane)
    if (tag !== undefined) this.#stock.closeLane(tag, lane)
  }

  /** Keeps that many unused reply SURBs at `recipient` from now on, so that its answers need not wait; 0 ends it. */
  supply(recipient: Recipient, target: number = this.#options.traffic.replies.idleTarget): void {
    this.#anonymous.keep(recipient, target)
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#review?.cancel()
    this.#sender.stop()
    this.#pending.stop()
    this.#stock.stop()
    await this.#options.link.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #room(lane: Lane, signal: AbortSignal | undefined): Promise<void> {
    this.#alive()
    await this.#lanes.whenBelow(lane, this.#options.traffic.laneCapacity, signal)
    this.#alive()
  }

  #alive(): void {
    if (this.#stopped) throw new MixnetError('STOPPED')
  }

  #split(message: NymMessage): Fragment[] {
    return splitMessage(
      padMessage(encodeMessage(message), PACKET_SIZE),
      PACKET_SIZE,
      this.#world.random.stream('fragment'),
    )
  }

  #sendMessage(to: Recipient, message: NymMessage, lane: Lane): void {
    for (const fragment of this.#split(message)) {
      this.#fragments.send({ fragment, lane, prepare: () => this.#factory.packet(fragment, to) })
    }
  }

  #replyFragment(tag: SenderTag, fragment: Fragment, lane: Lane): void {
    this.#stock.enqueue(tag, {
      lane,
      send: (surb) =>
        this.#fragments.send({
          fragment,
          lane,
          prepare: this.#once(fragment, surb),
          again: () => this.#replyFragment(tag, fragment, RETRANSMISSIONS),
        }),
      abandon: () => this.#fragments.abandon(fragment),
    })
  }

  #requestSurbs(surb: ReplySurb, amount: number): void {
    const content = { kind: 'surbRequest', recipient: this.address, amount } as const
    const [fragment] = this.#split({ kind: 'reply', content }) as [Fragment]
    const prepare = this.#once(fragment, surb)
    // Lost with its SURB: the stock asks again by itself after a while.
    this.#fragments.send({ fragment, lane: SURB_REQUESTS, prepare, again: () => this.#fragments.abandon(fragment) })
  }

  /** A SURB is good for one packet: sending the fragment again takes another one. */
  #once(fragment: Fragment, surb: ReplySurb): () => PreparedPacket | undefined {
    let used = false
    return () => {
      if (used) return undefined
      const packet = this.#factory.reply(fragment, surb)
      used = packet !== undefined
      return packet
    }
  }

  #transmit({ packet, firstHop, rotation }: MixnetPacket): boolean {
    return this.#options.link.send({ rotation, nextHop: firstHop, packet })
  }

  #pushed(plaintext: Uint8Array): void {
    const { crypto, clock } = this.#world
    const { keys } = this.#options
    if (classifyPushed(plaintext) === 'ack') {
      const id = tryDecode(() => decodeAck(crypto, keys.ackKey.expose(), plaintext))
      if (isMixnetError(id)) return this.#refuse('ack')
      if (id !== 'cover' && this.#pending.acknowledge(id)) this.#sender.wake()
      return
    }
    const opened = openPushed(
      crypto,
      {
        encryptionSecret: keys.encryptionSecret.expose(),
        takeReplyKey: (digest) => this.#anonymous.takeReplyKey(digest),
      },
      plaintext,
    )
    if (opened.kind === 'refused') return this.#refuse(opened.reason)
    if (opened.kind === 'cover') {
      this.#coverReceived.value++
      return
    }
    const result = this.#reassembler.accept(opened.fragment, clock.monotonic())
    if (result.kind !== 'complete') return
    const message = tryDecode(() => decodeMessage(crypto, unpadMessage(result.message)))
    if (isMixnetError(message)) return this.#refuse('message')
    this.#deliver(message)
  }

  #deliver(message: NymMessage): void {
    if (message.kind === 'reply' && message.content.kind === 'surbRequest') {
      this.#anonymous.requested(message.content.recipient, message.content.amount)
      return
    }
    if (message.kind === 'repliable') {
      const sender = toBase58(message.senderTag)
      this.#stock.add(sender, message.content.surbs)
      if (message.content.kind !== 'data') return
      this.#received.value++
      this.#handler({ data: message.content.data, sender })
      return
    }
    this.#received.value++
    this.#handler({
      data:
        message.kind === 'plain'
          ? message.data
          : message.content.kind === 'data'
            ? message.content.data
            : new Uint8Array(0),
    })
  }

  #refuse(reason: ReceiveReason): void {
    this.#options.meter.counter('client_refused_total', 'Pushed packets that could not be read', { reason }).value++
  }

  #scheduleReview(): void {
    this.#review = this.#world.clock.after(REVIEW_INTERVAL, () => {
      this.#anonymous.review()
      this.#reassembler.expire(this.#world.clock.monotonic())
      this.#scheduleReview()
    })
  }
}
