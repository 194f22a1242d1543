/**
 * The owner's side of reply SURBs: the keys of those handed out, found again by digest when one comes back, each good for one
 * reply. Also how many of a recipient's are still unused, by our count. @module
 */
import { toHex } from '../foundation/base/bytes.ts'
import { type Millis, millis } from '../foundation/base/units.ts'

// How far mixing, and one retransmission, move SURBs of one shipment apart.
const REORDERING = millis(4_000)

interface HandedOut {
  readonly key: Uint8Array
  /** Whom it was given to: text of the recipient. */
  readonly holder: string
  readonly at: Millis
}

export class ReplyKeys {
  readonly #maxKeys: number
  readonly #maxAge: Millis
  /** By digest, oldest first. */
  readonly #keys = new Map<string, HandedOut>()
  /** By holder, when each one not seen used was handed out, oldest first. */
  readonly #unused = new Map<string, Map<string, Millis>>()

  constructor(maxKeys: number, maxAge: Millis) {
    this.#maxKeys = maxKeys
    this.#maxAge = maxAge
  }

  get size(): number {
    return this.#keys.size
  }

  /** SURBs that `holder` has been sent and has not been seen to use. */
  unused(holder: string): number {
    return this.#unused.get(holder)?.size ?? 0
  }

  /** Remembers a SURB that is about to be sent. Past the bound the oldest is forgotten: a reply through it cannot be read. */
  add(digest: Uint8Array, key: Uint8Array, holder: string, now: Millis): void {
    this.#expire(now)
    const id = toHex(digest)
    this.#keys.set(id, { key, holder, at: now })
    const unused = this.#unused.get(holder)
    if (unused === undefined) this.#unused.set(holder, new Map([[id, now]]))
    else unused.set(id, now)
    if (this.#keys.size > this.#maxKeys) this.#forgetOldest()
  }

  /** The key of a SURB that came back, once; undefined where it is none of ours. */
  take(digest: Uint8Array): { readonly key: Uint8Array; readonly holder: string } | undefined {
    const id = toHex(digest)
    const found = this.#keys.get(id)
    if (found === undefined) return undefined
    this.#forget(id, found)
    this.#presumeLost(found)
    return found
  }

  /** The holder says it has none left: whatever we thought it had was lost on the way. Late replies can still be read. */
  ranOut(holder: string): void {
    this.#unused.delete(holder)
  }

  /** Holders use SURBs in the order they came, so one much older than the one just used was lost, or its reply was. */
  #presumeLost(used: HandedOut): void {
    const unused = this.#unused.get(used.holder)
    if (unused === undefined) return
    for (const [id, at] of unused) {
      if (at >= used.at - REORDERING) return
      unused.delete(id)
    }
  }

  #expire(now: Millis): void {
    for (const [id, handedOut] of this.#keys) {
      if (now - handedOut.at <= this.#maxAge) return
      this.#forget(id, handedOut)
    }
  }

  #forgetOldest(): void {
    const oldest = this.#keys.entries().next()
    if (!oldest.done) this.#forget(oldest.value[0], oldest.value[1])
  }

  #forget(id: string, handedOut: HandedOut): void {
    this.#keys.delete(id)
    const unused = this.#unused.get(handedOut.holder)
    unused?.delete(id)
    if (unused?.size === 0) this.#unused.delete(handedOut.holder)
  }
}
