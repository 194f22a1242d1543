/**
 * The owner's side of reply SURBs: the keys of those handed out, found again by digest when one comes back, each good for one
 * reply. Also how many of a holder's are still unused, by our count. @module
 */
import { toHex } from '../foundation/base/bytes.ts'
import { type Millis, millis } from '../foundation/base/units.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'

/** A recipient towards whom we are anonymous. */
export interface Holder {
  readonly recipient: Recipient
  /** Random per holder, or two recipients could compare notes. */
  readonly senderTag: Uint8Array
  /** From 1; never used twice. */
  readonly number: number
}

export interface HandedOut {
  readonly key: Uint8Array
  readonly holder: Holder
  readonly at: Millis
}

// How far mixing, and one or two retransmissions, move SURBs of one shipment apart.
const REORDERING = millis(4_000)

export class ReplyKeys {
  readonly #maxKeys: number
  readonly #maxAge: Millis
  /** By digest, oldest first. */
  readonly #keys = new Map<string, HandedOut>()
  /** By holder, when each one not seen used was handed out, oldest first. */
  readonly #unused = new Map<Holder, Map<string, Millis>>()

  constructor(maxKeys: number, maxAge: Millis) {
    this.#maxKeys = maxKeys
    this.#maxAge = maxAge
  }

  get size(): number {
    return this.#keys.size
  }

  /** SURBs that `holder` has been sent and should still have. */
  unused(holder: Holder): number {
    return this.#unused.get(holder)?.size ?? 0
  }

  /** Remembers a SURB that is about to be sent. Past the bound the oldest is forgotten: a reply through it cannot be read. */
  add(digest: Uint8Array, key: Uint8Array, holder: Holder, now: Millis): void {
    const id = toHex(digest)
    this.#keys.set(id, { key, holder, at: now })
    const unused = this.#unused.get(holder)
    if (unused === undefined) this.#unused.set(holder, new Map([[id, now]]))
    else unused.set(id, now)
    if (this.#keys.size <= this.#maxKeys) return
    for (const [oldest, handedOut] of this.#keys) return this.#forget(oldest, handedOut)
  }

  /** The key of a SURB that came back, once; undefined where it is none of ours. */
  take(digest: Uint8Array): HandedOut | undefined {
    const id = toHex(digest)
    const found = this.#keys.get(id)
    if (found === undefined) return undefined
    this.#forget(id, found)
    // Holders use SURBs in the order they came, so one much older than this was lost, or its reply was.
    this.presumeLost(found.holder, found.at)
    return found
  }

  /** What the holder had been sent well before `at` it does not have any more. Late replies can still be read. */
  presumeLost(holder: Holder, at: Millis): void {
    const unused = this.#unused.get(holder)
    if (unused === undefined) return
    for (const [id, handedOutAt] of unused) {
      if (handedOutAt >= at - REORDERING) break
      unused.delete(id)
    }
    if (unused.size === 0) this.#unused.delete(holder)
  }

  /** All handed out so far lead nowhere soon: keys rotated, or we moved. What is on its way can still be read. */
  outdate(): void {
    this.#unused.clear()
  }

  expire(now: Millis): void {
    for (const [id, handedOut] of this.#keys) {
      if (now - handedOut.at <= this.#maxAge) return
      this.#forget(id, handedOut)
    }
  }

  #forget(id: string, { holder }: HandedOut): void {
    this.#keys.delete(id)
    const unused = this.#unused.get(holder)
    unused?.delete(id)
    if (unused?.size === 0) this.#unused.delete(holder)
  }
}
