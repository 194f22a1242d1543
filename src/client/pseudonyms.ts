/**
 * Under which sender tag we speak to whom. One pseudonym a recipient at a time, and a new one when the client has moved to
 * another gateway: the reply SURBs handed out under the old one lead to the old gateway, and whoever answers uses them up first.
 * There its answers are taken and acknowledged, so it does not send them again; a new question under the old tag would lose the
 * beginning of its answer in an inbox that nobody reads.
 *
 * A conversation that has begun keeps its pseudonym, since the exit knows its connections by it, and is supplied with fresh SURBs
 * until it ends. Both pseudonyms are in use at once then, and nobody is meant to believe that they are two people: a tag that
 * appears in the second in which another is sent forty new SURBs is the same client. @module
 */
import type { RandomStream } from '../foundation/platform/random.ts'
import { SENDER_TAG_BYTES } from '../protocol/packet/message.ts'
import { encodeRecipient, type Recipient } from '../protocol/packet/recipient.ts'
import type { Holder } from './replyKeys.ts'

// Recipients remembered, and pseudonyms that are not used for anything new; a request for SURBs from any other is ignored.
const MAX_CURRENT = 1_000
const MAX_FORMER = 1_000

export class Pseudonyms {
  readonly #tags: RandomStream
  readonly #forgotten: (holder: Holder) => void
  /** Least recently used first. An isolation key would be one more part of the key here, and of nothing else. */
  readonly #current = new Map<string, Holder>()
  /** Oldest first. */
  readonly #former = new Set<Holder>()
  /** Conversations under each. */
  readonly #held = new Map<Holder, number>()
  #lastNumber = 0

  /** `forgotten`: nothing will be said under that pseudonym any more. */
  constructor(tags: RandomStream, forgotten: (holder: Holder) => void) {
    this.#tags = tags
    this.#forgotten = forgotten
  }

  /** For something new. */
  of(recipient: Recipient): Holder {
    const key = keyOf(recipient)
    const holder = this.#current.get(key) ?? {
      recipient,
      senderTag: this.#tags.bytes(SENDER_TAG_BYTES),
      number: ++this.#lastNumber,
    }
    this.#current.delete(key)
    this.#current.set(key, holder)
    if (this.#current.size > MAX_CURRENT) {
      for (const [oldestKey, oldest] of this.#current) {
        this.#current.delete(oldestKey)
        this.#retire(oldest)
        break
      }
    }
    return holder
  }

  /** As `of`, and kept until it is released as often as it was held. */
  hold(recipient: Recipient): Holder {
    const holder = this.of(recipient)
    this.#held.set(holder, (this.#held.get(holder) ?? 0) + 1)
    return holder
  }

  release(holder: Holder): void {
    const held = this.#held.get(holder)
    if (held === undefined) return
    if (held > 1) {
      this.#held.set(holder, held - 1)
      return
    }
    this.#held.delete(holder)
    if (this.#former.delete(holder)) this.#forgotten(holder)
  }

  isHeld(holder: Holder): boolean {
    return this.#held.has(holder)
  }

  /** Those that only go on because of a conversation. */
  former(): readonly Holder[] {
    return [...this.#former].filter((holder) => this.#held.has(holder))
  }

  /** Whether `holder` is one of ours towards that very recipient, now or from before a move. */
  isTowards(holder: Holder, recipient: Recipient): boolean {
    const key = keyOf(recipient)
    return this.#current.get(key) === holder || (this.#former.has(holder) && keyOf(holder.recipient) === key)
  }

  /** Everybody gets a new one from now on. Returns those that were current. */
  renew(): readonly Holder[] {
    const before = [...this.#current.values()]
    this.#current.clear()
    for (const holder of before) this.#retire(holder)
    return before
  }

  /** Questions asked under it may still be answered, and their answers may need more SURBs. */
  #retire(holder: Holder): void {
    this.#former.add(holder)
    if (this.#former.size <= MAX_FORMER) return
    // Those with conversations are bounded by the conversations.
    for (const oldest of this.#former) {
      if (this.#held.has(oldest)) continue
      this.#former.delete(oldest)
      return this.#forgotten(oldest)
    }
  }
}

const keyOf = (recipient: Recipient): string => String.fromCharCode(...encodeRecipient(recipient))
