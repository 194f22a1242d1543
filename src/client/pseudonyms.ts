/**
 * Under which sender tag we speak to whom. One pseudonym at a time for each recipient and isolation key (for an exit: the site that
 * is asked), so that a recipient cannot tell that two conversations with different keys are one client's; a new one after a while
 * without a conversation; and a new one when the client has moved to another gateway: the reply SURBs handed out under the old one lead to the old gateway, and whoever answers uses them up first.
 * There its answers are taken and acknowledged, so it does not send them again; a new question under the old tag would lose the
 * beginning of its answer in an inbox that nobody reads.
 *
 * A conversation that has begun keeps its pseudonym, since the exit knows its connections by it, and is supplied with fresh SURBs
 * until it ends. Both pseudonyms are in use at once then, and nobody is meant to believe that they are two people: a tag that
 * appears in the second in which another is sent forty new SURBs is the same client. @module
 */
import type { Millis } from '../foundation/base/units.ts'
import type { RandomStream } from '../foundation/platform/random.ts'
import { SENDER_TAG_BYTES } from '../protocol/packet/message.ts'
import { encodeRecipient, type Recipient } from '../protocol/packet/recipient.ts'
import type { Holder } from './replyKeys.ts'

// Recipients remembered, and pseudonyms that are not used for anything new; a request for SURBs from any other is ignored.
const MAX_CURRENT = 1_000
const MAX_FORMER = 1_000

export interface PseudonymOptions {
  readonly tags: RandomStream
  readonly now: () => Millis
  /** Something new begins under it; it is no spare any more, where it was one. */
  readonly began: (holder: Holder) => void
  /** Nothing new begins under it any more; conversations may go on. */
  readonly retired: (holder: Holder) => void
  /** Nothing will be said under that pseudonym any more. */
  readonly forgotten: (holder: Holder) => void
}

interface Current {
  readonly key: string
  readonly holder: Holder
  usedAt: Millis
}

export class Pseudonyms {
  readonly #options: PseudonymOptions
  /** Least recently used first. */
  readonly #current = new Map<string, Current>()
  readonly #currentOf = new Map<Holder, Current>()
  /** By recipient: nothing was said under it yet, and SURBs are there already. */
  readonly #spares = new Map<string, Holder>()
  /** Oldest first. */
  readonly #former = new Set<Holder>()
  /** Conversations under each. */
  readonly #held = new Map<Holder, number>()
  #lastNumber = 0

  constructor(options: PseudonymOptions) {
    this.#options = options
  }

  /** For something new. */
  of(recipient: Recipient, isolation = ''): Holder {
    const recipientKey = keyOf(recipient)
    const key = `${recipientKey}${isolation}`
    const current = this.#current.get(key) ?? this.#begin(key, recipientKey, recipient)
    current.usedAt = this.#options.now()
    this.#current.delete(key)
    this.#current.set(key, current)
    if (this.#current.size > MAX_CURRENT) {
      for (const oldest of this.#current.values()) {
        this.#retire(oldest.holder)
        break
      }
    }
    return current.holder
  }

  /** As `of`, and kept until it is released as often as it was held. */
  hold(recipient: Recipient, isolation?: string): Holder {
    const holder = this.of(recipient, isolation)
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
    const current = this.#currentOf.get(holder)
    if (current !== undefined) current.usedAt = this.#options.now()
    if (this.#former.delete(holder)) this.#options.forgotten(holder)
  }

  /**
   * One that nobody has heard of: the next new conversation with that recipient begins under it. What is sent to keep it supplied
   * belongs to no conversation, so the recipient cannot tell whose it is.
   */
  spare(recipient: Recipient): Holder {
    const key = keyOf(recipient)
    const spare = this.#spares.get(key) ?? this.#make(recipient)
    this.#spares.set(key, spare)
    return spare
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
    if (keyOf(holder.recipient) !== key) return false
    return this.#currentOf.has(holder) || this.#former.has(holder) || this.#spares.get(key) === holder
  }

  /** Everybody gets a new one from now on. */
  renew(): void {
    for (const { holder } of [...this.#current.values()]) this.#retire(holder)
    for (const spare of this.#spares.values()) this.#options.forgotten(spare)
    this.#spares.clear()
  }

  /** Those without a conversation for so long: who comes back later is not known again. */
  retireIdle(limit: Millis): void {
    const now = this.#options.now()
    for (const { holder, usedAt } of [...this.#current.values()]) {
      if (now - usedAt > limit && !this.#held.has(holder)) this.#retire(holder)
    }
  }

  #begin(key: string, recipientKey: string, recipient: Recipient): Current {
    const spare = this.#spares.get(recipientKey)
    const current: Current = { key, holder: spare ?? this.#make(recipient), usedAt: this.#options.now() }
    this.#current.set(key, current)
    this.#currentOf.set(current.holder, current)
    this.#spares.delete(recipientKey)
    this.#options.began(current.holder)
    return current
  }

  #make(recipient: Recipient): Holder {
    return { recipient, senderTag: this.#options.tags.bytes(SENDER_TAG_BYTES), number: ++this.#lastNumber }
  }

  /** Questions asked under it may still be answered, and their answers may need more SURBs. */
  #retire(holder: Holder): void {
    const current = this.#currentOf.get(holder)
    if (current !== undefined) {
      this.#currentOf.delete(holder)
      this.#current.delete(current.key)
    }
    this.#former.add(holder)
    this.#options.retired(holder)
    if (this.#former.size <= MAX_FORMER) return
    // Those with conversations are bounded by the conversations.
    for (const oldest of this.#former) {
      if (this.#held.has(oldest)) continue
      this.#former.delete(oldest)
      return this.#options.forgotten(oldest)
    }
  }
}

const keyOf = (recipient: Recipient): string => String.fromCharCode(...encodeRecipient(recipient))
