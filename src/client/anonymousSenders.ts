/**
 * Being anonymous towards recipients: reply SURBs handed out under a pseudonym (pseudonyms.ts), their keys remembered, and their
 * number there kept up. @module
 */

import { EMPTY_BYTES, toHex } from '../foundation/base/bytes.ts'
import { type Millis, millis, minutes, seconds } from '../foundation/base/units.ts'
import type { CryptoProvider } from '../foundation/crypto/provider.ts'
import type { Clock } from '../foundation/platform/clock.ts'
import { exponential, type Random } from '../foundation/platform/random.ts'
import { fragmentation } from '../protocol/packet/fragments.ts'
import { encodeMessage, type RepliableMessage, SENDER_TAG_BYTES } from '../protocol/packet/message.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import { type ReplySurb, replySurbBytes, replySurbDigest } from '../protocol/packet/replySurb.ts'
import type { Lane } from './laneQueue.ts'
import { PACKET_SIZE } from './packetFactory.ts'
import { Pseudonyms } from './pseudonyms.ts'
import { type HandedOut, type Holder, ReplyKeys } from './replyKeys.ts'
import { SurbSupply } from './surbSupply.ts'
import type { ReplyParams } from './trafficParams.ts'

export interface AnonymousSendersOptions {
  readonly clock: Clock
  readonly crypto: CryptoProvider
  readonly random: Random
  readonly params: ReplyParams
  /** undefined while there is no route, or no gateway that it could lead to. */
  readonly createSurb: () => ReplySurb | undefined
  /** Fragments of earlier shipments still waiting. */
  readonly backlog: () => number
  /** Runs it once when at most so many wait. */
  readonly whenBacklogBelow: (packets: number, run: () => void) => void
  /** Whether nothing but shipments waits to be sent. */
  readonly isQuiet: () => boolean
  readonly send: (recipient: Recipient, message: RepliableMessage) => void
}

const SURB_HOPS = 4
// Keep-alive connections and pauses between two clicks stay one conversation; a visit an hour later does not.
const IDLE_LIMIT = minutes(5)
const SURB_BYTES = replySurbBytes(SURB_HOPS)
// A pseudonym that is stocked in the moment in which another is spoken under for the first time belongs to the same client, and so
// the exit could go from each to the next. The mean: what it costs is that a page's other new sites find no spare.
const SPARE_AFTER = seconds(10)

export class AnonymousSenders {
  /** The lane of SURBs sent alone. */
  static readonly LANE: Lane = 'surbs'

  readonly #options: AnonymousSendersOptions
  readonly #pseudonyms: Pseudonyms
  readonly #keys: ReplyKeys
  readonly #supply: SurbSupply
  /** How many SURBs are to be where, and when the next spare is stocked, where the last one was taken. */
  readonly #targets = new Map<string, { readonly recipient: Recipient; readonly surbs: number; spareAt?: Millis }>()

  constructor(options: AnonymousSendersOptions) {
    this.#options = options
    this.#pseudonyms = new Pseudonyms({
      tags: options.random.stream('sender-tag'),
      now: () => options.clock.monotonic(),
      began: (holder) => this.#began(holder),
      retired: (holder) => {
        if (!this.#pseudonyms.isHeld(holder)) this.#supply.forget(holder)
      },
      forgotten: (holder) => this.#supply.forget(holder),
    })
    this.#keys = new ReplyKeys(options.params.maxKeys, options.params.maxKeyAge)
    this.#supply = new SurbSupply({
      params: options.params,
      now: () => options.clock.monotonic(),
      unused: (holder) => this.#keys.unused(holder),
      backlog: options.backlog,
      whenBacklogBelow: options.whenBacklogBelow,
      isQuiet: options.isQuiet,
      capacity: surbsFitting,
      ship: (holder, surbs) => this.#ship(holder, surbs),
    })
  }

  /** Reply SURBs handed out and not seen used. */
  get outstanding(): number {
    return this.#keys.size
  }

  /**
   * Who we are towards `recipient` during a conversation that begins now, whatever becomes of the gateway; to be released. Of
   * conversations with different `isolation`, the recipient cannot tell that they are with the same client.
   */
  hold(recipient: Recipient, isolation: string): Holder {
    return this.#pseudonyms.hold(recipient, isolation)
  }

  /** Handed out under that pseudonym and not seen used. */
  surbsLeft(holder: Holder): number {
    return this.#keys.unused(holder)
  }

  release(holder: Holder): void {
    this.#pseudonyms.release(holder)
  }

  /**
   * `data` under a pseudonym, by default the present one, its last fragment filled up with SURBs instead of padding: they cost no packet. One at least,
   * where it fits, however many we believe to be there: a recipient that lost its stock could not even ask for more. Where that
   * leaves it with fewer than it would ask for at once, the rest follows on its own: a message that happens to fill its packets
   * is no reason why nobody can answer it, and one or two SURBs are spent on a question that may get lost. Who knows that the answer
   * will be long says how many it needs, and what does not fit here follows as well, in the bounds of what may be asked for.
   */
  message(recipient: Recipient, data: Uint8Array, held?: Holder, needed = 0): RepliableMessage {
    const holder = held ?? this.#pseudonyms.of(recipient)
    const bare = repliable(holder.senderTag, 'data', data)
    const { spaceLeft } = fragmentation(encodeMessage(bare).length + 1, PACKET_SIZE)
    const fitting = Math.floor(spaceLeft / SURB_BYTES)
    const wanted = Math.max(this.#options.params.busyTarget - this.#keys.unused(holder), 1)
    const surbs = this.#create(holder, Math.min(fitting, wanted))
    // Where none could be made, the message goes later, and they later still: one at least, as above.
    const least = surbs.length === 0 && fitting > 0 ? 1 : 0
    const missing = Math.max(this.#options.params.minRequest - this.#keys.unused(holder), least, needed - surbs.length)
    if (missing > 0) this.#supply.promise(holder, missing)
    return { ...bare, content: { kind: 'data', surbs, data } }
  }

  /**
   * Keeps that many SURBs at `recipient` ahead of every conversation, and during it; 0 ends it. Those ahead are under a pseudonym
   * of their own, which the next new conversation takes over.
   */
  keep(recipient: Recipient, target: number): void {
    if (target > 0) this.#targets.set(identityOf(recipient), { recipient, surbs: target })
    else this.#targets.delete(identityOf(recipient))
    this.#keepSpare(recipient)
  }

  #began(holder: Holder): void {
    const { recipient } = holder
    const target = this.#targets.get(identityOf(recipient))
    if (target === undefined) return
    this.#supply.keep(holder, target.surbs)
    const { clock, random } = this.#options
    target.spareAt ??= millis(clock.monotonic() + exponential(random.stream('spare'), SPARE_AFTER))
  }

  #keepSpare(recipient: Recipient): void {
    const target = this.#targets.get(identityOf(recipient))
    if (target !== undefined) delete target.spareAt
    this.#supply.keep(this.#pseudonyms.spare(recipient), target?.surbs ?? 0, true)
  }

  /**
   * `from` asks for more to be sent to `recipient`. Answered only where the question came through a SURB that had been given to
   * that very recipient: whoever could ask otherwise, by our address, would see the SURBs arrive and know whose the pseudonym is.
   */
  requested(from: Holder, recipient: Recipient, amount: number): void {
    if (!this.#pseudonyms.isTowards(from, recipient)) return
    this.#keys.presumeLost(from, this.#options.clock.monotonic())
    this.#supply.asked(from, amount)
  }

  /** Whose SURB it was and the key of what came through it, once. */
  takeReplyKey(digest: Uint8Array): HandedOut | undefined {
    const taken = this.#keys.take(digest)
    if (taken !== undefined) this.#supply.used(taken.holder)
    return taken
  }

  /** SURBs handed out so far lead through old keys: others must take their place. */
  outdate(): void {
    this.#keys.outdate()
    this.#supply.replenish()
  }

  /**
   * SURBs handed out so far lead to where we are no longer. Whatever begins now does so under a new pseudonym; conversations that
   * go on get fresh SURBs under theirs, a few at least, for their exits could not even ask for more.
   */
  moved(): void {
    this.#keys.outdate()
    this.#pseudonyms.renew()
    for (const { recipient } of this.#targets.values()) this.#keepSpare(recipient)
    for (const former of this.#pseudonyms.former()) this.#supply.promise(former, this.#options.params.minRequest)
  }

  /** To be called now and then. */
  review(): void {
    const now = this.#options.clock.monotonic()
    this.#keys.expire(now)
    this.#pseudonyms.retireIdle(IDLE_LIMIT)
    for (const { recipient, spareAt = Number.POSITIVE_INFINITY } of this.#targets.values()) {
      if (now >= spareAt) this.#keepSpare(recipient)
    }
    this.#supply.replenish()
  }

  #ship(holder: Holder, amount: number): number {
    const surbs = this.#create(holder, amount)
    if (surbs.length === 0) return 0
    const bare = repliable(holder.senderTag, 'additionalSurbs', EMPTY_BYTES)
    this.#options.send(holder.recipient, { ...bare, content: { ...bare.content, surbs } })
    return surbs.length
  }

  #create(holder: Holder, amount: number): ReplySurb[] {
    const { crypto, clock, createSurb } = this.#options
    const surbs: ReplySurb[] = []
    while (surbs.length < amount) {
      const surb = createSurb()
      if (surb === undefined) break
      this.#keys.add(replySurbDigest(crypto, surb.encryptionKey), surb.encryptionKey, holder, clock.monotonic())
      surbs.push(surb)
    }
    return surbs
  }
}

function repliable(senderTag: Uint8Array, kind: 'data' | 'additionalSurbs', data: Uint8Array): RepliableMessage {
  return { kind: 'repliable', senderTag, content: { kind, surbs: [], data } }
}

const identityOf = (recipient: Recipient): string => toHex(recipient.identity)

const SURBS_ALONE_BYTES = encodeMessage(
  repliable(new Uint8Array(SENDER_TAG_BYTES), 'additionalSurbs', EMPTY_BYTES),
).length

const PACKET_CAPACITY = fragmentation(1, PACKET_SIZE).spaceLeft + 1
const END_MARK_BYTES = 1

/** How many SURBs a message of so many packets, fewer than a fragment set, carries. */
function surbsFitting(packets: number): number {
  return Math.floor((packets * PACKET_CAPACITY - END_MARK_BYTES - SURBS_ALONE_BYTES) / SURB_BYTES)
}
