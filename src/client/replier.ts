/**
 * Answering pseudonyms: each fragment of an answer takes one of the reply SURBs that its sender gave, and waits where there is
 * none. Which SURBs and when to ask for more: replyStock.ts. @module
 */
import { MixnetError } from '../foundation/base/errors.ts'
import type { Meter } from '../foundation/base/observe.ts'
import type { ClientWorld } from '../foundation/platform/world.ts'
import type { TopologyProvider } from '../network/topology/topologyProvider.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import type { Lane } from './laneQueue.ts'
import type { Outbox } from './outbox.ts'
import { ReplyJobs } from './replyJobs.ts'
import { ReplyStock, type SenderTag } from './replyStock.ts'
import type { ReplyParams } from './trafficParams.ts'

export interface ReplierOptions {
  readonly params: ReplyParams
  readonly topology: TopologyProvider
  readonly outbox: Outbox
  /** Where SURBs that are asked for are to be sent. */
  readonly address: () => Recipient
  readonly meter: Meter
}

export class Replier {
  readonly #outbox: Outbox
  /** What senders gave, and what waits for it. */
  readonly stock: ReplyStock
  readonly #jobs: ReplyJobs

  constructor({ clock, random }: ClientWorld, { params, topology, outbox, address, meter }: ReplierOptions) {
    this.#outbox = outbox
    this.stock = new ReplyStock({
      clock,
      random: random.stream('reply-lane'),
      params,
      present: () => topology.current(),
      request: (tag, surb, amount) => {
        const content = { kind: 'surbRequest', recipient: address(), amount } as const
        outbox.postAs({ kind: 'reply', content }, (fragment) => this.#jobs.request(tag, fragment, surb, amount))
      },
      meter,
    })
    this.#jobs = new ReplyJobs({
      stock: this.stock,
      prepare: (fragment, surb) => outbox.factory.reply(fragment, surb),
      maxRetransmissions: params.maxRetransmissions,
    })
  }

  /** Whether both queues that an answer passes have room. */
  isBelow(to: SenderTag, lane: Lane, packets: number): boolean {
    return this.#outbox.lanes.isBelow(lane, packets) && this.stock.isBelow(to, lane, packets)
  }

  /** As LaneQueue: look at `isBelow` again afterwards. Throws ABORTED, STOPPED. */
  async whenBelow(to: SenderTag, lane: Lane, packets: number, signal?: AbortSignal): Promise<void> {
    await this.#outbox.lanes.whenBelow(lane, packets, signal)
    await this.stock.whenBelow(to, lane, packets, signal)
  }

  /** Queues an answer. Throws NO_REPLY_BLOCKS where the sender never gave any, or is forgotten. */
  reply(to: SenderTag, data: Uint8Array, lane: Lane): void {
    if (!this.stock.has(to)) throw new MixnetError('NO_REPLY_BLOCKS')
    const content = { kind: 'data', data } as const
    this.#outbox.postAs({ kind: 'reply', content }, (fragment) => this.#jobs.reply(to, fragment, lane))
  }
}
