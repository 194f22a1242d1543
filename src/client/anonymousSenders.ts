/**
 * Being anonymous towards recipients: one pseudonym (sender tag) each, reply SURBs handed out under it, their keys remembered,
 * and their number there kept up. @module
 */

import { EMPTY_BYTES } from '../foundation/base/bytes.ts'
import type { Meter } from '../foundation/base/observe.ts'
import type { CryptoProvider } from '../foundation/crypto/provider.ts'
import type { Clock } from '../foundation/platform/clock.ts'
import type { Random, RandomStream } from '../foundation/platform/random.ts'
import { fragmentation } from '../protocol/packet/fragments.ts'
import { encodeMessage, type RepliableMessage, SENDER_TAG_BYTES } from '../protocol/packet/message.ts'
import { formatRecipient, type Recipient } from '../protocol/packet/recipient.ts'
import { type ReplySurb, replySurbBytes, replySurbDigest } from '../protocol/packet/replySurb.ts'
import { fragmentBytes } from '../protocol/packet/sizes.ts'
import type { Lane } from './laneQueue.ts'
import { PACKET_SIZE } from './packetFactory.ts'
import { ReplyKeys } from './replyKeys.ts'
import { SurbSupply } from './surbSupply.ts'
import type { ReplyParams } from './trafficParams.ts'

interface Known {
  readonly recipient: Recipient
  /** Random per recipient, or two recipients could compare notes. */
  readonly senderTag: Uint8Array
}

export interface AnonymousSendersOptions {
  readonly clock: Clock
  readonly crypto: CryptoProvider
  readonly random: Random
  readonly params: ReplyParams
  readonly createSurb: () => ReplySurb | undefined
  /** Fragments of earlier shipments still waiting. */
  readonly backlog: () => number
  readonly send: (recipient: Recipient, message: RepliableMessage) => void
  readonly meter: Meter
}

const SURB_HOPS = 4
const SURB_BYTES = replySurbBytes(SURB_HOPS)
const FRAGMENT_HEADER_BYTES = 7
// Recipients remembered; a request for SURBs from any other is ignored.
const MAX_RECIPIENTS = 1_000
// SURBs per message in answer to a request (Nym: 100), cut smaller so that one lost fragment does not delay them all.
const MAX_SURBS_PER_MESSAGE = 24

export class AnonymousSenders {
  /** The lane of SURBs sent alone. */
  static readonly LANE: Lane = 'surbs'

  readonly #options: AnonymousSendersOptions
  readonly #tags: RandomStream
  readonly #keys: ReplyKeys
  readonly #supply: SurbSupply
  readonly #known = new Map<string, Known>()

  constructor(options: AnonymousSendersOptions) {
    this.#options = options
    this.#tags = options.random.stream('sender-tag')
    this.#keys = new ReplyKeys(options.params.maxKeys, options.params.maxKeyAge)
    this.#supply = new SurbSupply({
      params: options.params,
      now: () => options.clock.monotonic(),
      unused: (holder) => this.#keys.unused(holder),
      backlog: options.backlog,
      capacity: surbsFitting,
      ship: (holder, surbs) => this.#ship(holder, surbs),
    })
  }

  get outstanding(): number {
    return this.#keys.size
  }

  /** `data` under our pseudonym, its last fragment filled up with SURBs instead of padding: they cost no packet. */
  message(recipient: Recipient, data: Uint8Array): RepliableMessage {
    const known = this.#know(recipient)
    const bare: RepliableMessage = {
      kind: 'repliable',
      senderTag: known.senderTag,
      content: { kind: 'data', surbs: [], data },
    }
    const { spaceLeft } = fragmentation(encodeMessage(bare).length + 1, PACKET_SIZE)
    const holder = formatRecipient(recipient)
    const wanted = this.#options.params.busyTarget - this.#keys.unused(holder)
    const surbs = this.#create(holder, Math.min(Math.floor(spaceLeft / SURB_BYTES), wanted))
    return { ...bare, content: { kind: 'data', surbs, data } }
  }

  keep(recipient: Recipient, target: number): void {
    this.#know(recipient)
    this.#supply.keep(formatRecipient(recipient), target)
  }

  /** The recipient asks for more. Ignored unless we are anonymous towards it: whoever asks would learn that we exist. */
  requested(recipient: Recipient, amount: number): void {
    const holder = formatRecipient(recipient)
    if (!this.#known.has(holder)) return
    this.#keys.ranOut(holder)
    const missing = Math.min(amount, this.#options.params.maxAllowedRequest)
    for (let sent = 0; sent < missing; sent += MAX_SURBS_PER_MESSAGE) {
      this.#ship(holder, Math.min(MAX_SURBS_PER_MESSAGE, missing - sent))
    }
  }

  takeReplyKey(digest: Uint8Array): Uint8Array | undefined {
    const taken = this.#keys.take(digest)
    if (taken === undefined) return undefined
    this.#supply.used(taken.holder)
    return taken.key
  }

  review(): void {
    this.#supply.replenish()
  }

  #know(recipient: Recipient): Known {
    const id = formatRecipient(recipient)
    const known = this.#known.get(id) ?? { recipient, senderTag: this.#tags.bytes(SENDER_TAG_BYTES) }
    // Least recently used first.
    this.#known.delete(id)
    this.#known.set(id, known)
    if (this.#known.size > MAX_RECIPIENTS) {
      const [oldest] = this.#known.keys()
      this.#known.delete(oldest as string)
      this.#supply.keep(oldest as string, 0)
    }
    return known
  }

  #ship(holder: string, amount: number): void {
    const known = this.#known.get(holder)
    const surbs = this.#create(holder, amount)
    if (known === undefined || surbs.length === 0) return
    const content = { kind: 'additionalSurbs', surbs, data: EMPTY_BYTES } as const
    this.#options.send(known.recipient, { kind: 'repliable', senderTag: known.senderTag, content })
  }

  #create(holder: string, amount: number): ReplySurb[] {
    const { crypto, clock, createSurb } = this.#options
    const surbs: ReplySurb[] = []
    for (let i = 0; i < amount; i++) {
      const surb = createSurb()
      if (surb === undefined) break
      // All in one message are of one rotation; the next message takes the new one.
      if (surbs[0] !== undefined && surb.rotation !== surbs[0].rotation) break
      this.#keys.add(replySurbDigest(crypto, surb.encryptionKey), surb.encryptionKey, holder, clock.monotonic())
      surbs.push(surb)
    }
    return surbs
  }
}

/** How many SURBs a message of so many packets carries. */
function surbsFitting(packets: number): number {
  const empty: RepliableMessage = {
    kind: 'repliable',
    senderTag: new Uint8Array(SENDER_TAG_BYTES),
    content: { kind: 'additionalSurbs', surbs: [], data: EMPTY_BYTES },
  }
  const capacity = packets * (fragmentBytes(PACKET_SIZE) - FRAGMENT_HEADER_BYTES)
  return Math.floor((capacity - encodeMessage(empty).length - 1) / SURB_BYTES)
}
