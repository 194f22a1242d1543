/**
 * The reply SURBs of one sender at the replier: first come, first used, fresh ones before stale ones.
 *
 * A SURB leads through the keys of one rotation. Nodes keep the keys of the last rotation for one epoch, so what was made for
 * it is used last and dropped once an epoch has passed since we noticed. A SURB may also say the other parity because its
 * owner knows of the new rotation before we do: so it counts from its arrival, and is fresh again as soon as we know too.
 * Kept encoded: 1.3 kB of memory each instead of 3. Rules: docs/spec/packet.md, "Sending". @module
 */
import { ROTATION_UNKNOWN, type RotationFlag } from '../protocol/packet/keyRotation.ts'
import { decodeReplySurb, encodeReplySurb, type ReplySurb } from '../protocol/packet/replySurb.ts'

/** What our topology says of the present. */
export interface Present {
  readonly epochId: number
  readonly rotationFlag: RotationFlag
}

interface Kept {
  readonly bytes: Uint8Array
  readonly rotation: RotationFlag
  /** The epoch in which it came, or was found to be of another rotation. */
  since: number
}

export class SurbShelf {
  #fresh: Kept[] = []
  #stale: Kept[] = []
  #flag: RotationFlag | undefined

  get size(): number {
    return this.#fresh.length + this.#stale.length
  }

  get fresh(): number {
    return this.#fresh.length
  }

  /** Keeps at most that many. Returns how many had to go: the oldest, for they are the first to become useless. */
  add(surbs: readonly ReplySurb[], present: Present | undefined, most: number): number {
    this.sort(present)
    const since = present?.epochId ?? 0
    for (const surb of surbs) this.#put({ bytes: encodeReplySurb(surb), rotation: surb.rotation, since }, present)
    const excess = Math.max(0, this.size - most)
    const stale = Math.min(excess, this.#stale.length)
    this.#stale.splice(0, stale)
    this.#fresh.splice(0, excess - stale)
    return excess
  }

  take(present: Present | undefined): ReplySurb | undefined {
    this.sort(present)
    const kept = this.#fresh.shift() ?? this.#stale.shift()
    return kept && decodeReplySurb(kept.bytes, kept.rotation)
  }

  /** Not used after all: it is the next again. Above what is kept it goes with the next that comes. */
  giveBack(surb: ReplySurb, present: Present | undefined): void {
    this.#fresh.unshift({ bytes: encodeReplySurb(surb), rotation: surb.rotation, since: present?.epochId ?? 0 })
  }

  /** Takes notice of the present. */
  sort(present: Present | undefined): void {
    if (present === undefined) return
    const { rotationFlag, epochId } = present
    if (this.#flag !== rotationFlag) {
      const hasRotated = this.#flag !== undefined
      this.#flag = rotationFlag
      const fresh = this.#fresh
      const stale = this.#stale
      this.#fresh = []
      this.#stale = []
      for (const kept of stale) this.#put(kept, present)
      for (const kept of fresh) {
        kept.since = epochId
        // What does not say its rotation is of the one that was.
        if (kept.rotation === ROTATION_UNKNOWN && hasRotated) this.#stale.push(kept)
        else this.#put(kept, present)
      }
    }
    if (this.#stale.length > 0) this.#stale = this.#stale.filter(({ since }) => since >= epochId)
  }

  #put(kept: Kept, present: Present | undefined): void {
    const isFresh =
      present === undefined ||
      kept.rotation === ROTATION_UNKNOWN ||
      present.rotationFlag === ROTATION_UNKNOWN ||
      kept.rotation === present.rotationFlag
    if (isFresh) this.#fresh.push(kept)
    else this.#stale.push(kept)
  }
}
