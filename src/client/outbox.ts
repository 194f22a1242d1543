/**
 * What leaves a client: a message becomes fragments, each waits in its lane, leaves in a packet of its own when Sender says so,
 * and is sent again until PendingAcks hears of it or gives it up. @module
 */

import type { Meter } from '../foundation/base/observe.ts'
import type { RandomStream } from '../foundation/platform/random.ts'
import type { ClientWorld } from '../foundation/platform/world.ts'
import type { TopologyProvider } from '../network/topology/topologyProvider.ts'
import type { FragmentId } from '../protocol/packet/acks.ts'
import { type Fragment, splitMessage } from '../protocol/packet/fragments.ts'
import { encodeMessage, type NymMessage, padMessage } from '../protocol/packet/message.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import type { EntryLink } from './entryLink.ts'
import { type FragmentJob, FragmentSender } from './fragmentSender.ts'
import type { ClientKeys } from './keys.ts'
import { type Lane, LaneQueue } from './laneQueue.ts'
import { describeRoute, type PacketEvent, type PacketHop } from './packetEvents.ts'
import { PACKET_SIZE, PacketFactory } from './packetFactory.ts'
import { PendingAcks } from './pendingAcks.ts'
import { type Outgoing, Sender } from './sender.ts'
import type { FragmentCounts } from './streamVitals.ts'
import type { TrafficParams } from './trafficParams.ts'

export interface OutboxOptions {
  readonly keys: ClientKeys
  readonly address: () => Recipient
  readonly topology: TopologyProvider
  readonly link: EntryLink
  readonly traffic: TrafficParams
  readonly meter: Meter
  readonly onPacket: ((event: PacketEvent) => void) | undefined
}

export class Outbox {
  /** What waits for its turn, by lane. */
  readonly lanes: LaneQueue<Outgoing>
  readonly factory: PacketFactory
  readonly #options: OutboxOptions
  readonly #setIds: RandomStream
  readonly #pending: PendingAcks
  readonly #sender: Sender
  readonly #fragments: FragmentSender

  constructor({ clock, random, crypto, curve }: ClientWorld, options: OutboxOptions) {
    this.#options = options
    const { keys, address, topology, link, traffic, meter } = options
    this.#setIds = random.stream('fragment')
    this.factory = new PacketFactory({
      crypto,
      curve,
      random,
      soon: (run) => clock.soon(run),
      keys,
      address,
      topology: () => topology.current(),
      averagePacketDelay: traffic.averagePacketDelay,
      averageAckDelay: traffic.averageAckDelay,
    })
    this.lanes = new LaneQueue(random.stream('lane'), traffic.queueCapacity)
    this.#pending = new PendingAcks(clock, traffic, meter)
    this.#sender = new Sender({
      clock,
      random,
      params: traffic,
      lanes: this.lanes,
      transmit: ({ packet, firstHop, rotation }) => link.send({ rotation, nextHop: firstHop, packet }),
      canTransmit: () => link.isOpen && this.factory.isReady,
      prepareCover: () => this.factory.loopCover(),
      unacknowledged: () => this.#pending.inFlight,
      meter,
    })
    this.#fragments = new FragmentSender({
      lanes: this.lanes,
      pending: this.#pending,
      maxRetransmissions: traffic.maxRetransmissions,
      wake: () => this.#sender.wake(),
    })
    meter.gauge('client_queued', 'Fragments waiting to be sent', () => this.lanes.total)
  }

  get loopsSent(): number {
    return this.#sender.loopsSent
  }

  start(): void {
    this.#sender.start()
  }

  /** Whoever waits for room in a lane gets STOPPED. */
  stop(): void {
    this.#sender.stop()
    this.#pending.stop()
    this.lanes.close()
  }

  /** The link opened, or there is a topology: what waited may leave. */
  wake(): void {
    this.#sender.wake()
  }

  /** Queues a message to an address, whatever room there is: who produces asks the lanes before. */
  post(message: NymMessage, to: Recipient, lane: Lane, counts?: FragmentCounts, until?: AbortSignal): void {
    this.postAs(message, (fragment) => ({ ...this.#job(fragment, to, lane), counts, until }))
  }

  /** The same for what travels otherwise: through reply SURBs. */
  postAs(message: NymMessage, job: (fragment: Fragment) => FragmentJob): void {
    const padded = padMessage(encodeMessage(message), PACKET_SIZE)
    for (const fragment of splitMessage(padded, PACKET_SIZE, this.#setIds)) this.#fragments.send(job(fragment))
  }

  /** An ack came. */
  acknowledged(id: FragmentId): void {
    if (!this.#pending.acknowledge(id)) return
    this.#options.onPacket?.({ type: 'acknowledged', id })
    this.#sender.wake()
  }

  #job(fragment: Fragment, to: Recipient, lane: Lane): FragmentJob {
    const { onPacket } = this.#options
    if (onPacket === undefined) return { fragment, lane, prepare: () => this.factory.packet(fragment, to) }
    const { setId, position } = fragment
    let hops: readonly PacketHop[] = []
    return {
      fragment,
      lane,
      prepare: () =>
        this.factory.packet(fragment, to, (route, delays) => {
          hops = describeRoute(route, delays)
        }),
      sent: () => onPacket({ type: 'sent', id: { setId, position }, lane, hops }),
    }
  }
}
