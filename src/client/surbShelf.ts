/**
 * The reply SURBs of one sender at the replier: first come, first used, fresh ones before stale ones.
 *
 * A SURB leads through the keys of one rotation. Nodes keep the keys of the last rotation for one epoch, so what was made for
 * it is used last and dropped once an epoch has passed since we noticed. A SURB may also say the other parity because its
 * owner knows of the new rotation before we do: so it counts from its arrival, and is fresh again as soon as we know too.
 * Rules: docs/spec/packet.md, "Sending". @module
 */
import { ROTATION_UNKNOWN, type RotationFlag } from '../protocol/packet/keyRotation.ts'
import type { ReplySurb } from '../protocol/packet/replySurb.ts'

/** What our topology says of the present. */
export interface Present {
  readonly epochId: number
  readonly rotationFlag: RotationFlag
}

interface Stale {
  readonly surb: ReplySurb
  readonly since: number
}

export class SurbShelf {
  readonly #capacity: number
  #fresh: ReplySurb[] = []
  #stale: Stale[] = []
  #flag: RotationFlag | undefined

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get size(): number {
    return this.#fresh.length + this.#stale.length
  }

  get fresh(): number {
    return this.#fresh.length
  }

  /** Returns how many had to go: the oldest, for they are the first to become useless. */
  add(surbs: readonly ReplySurb[], present: Present | undefined): number {
    this.sort(present)
    for (const surb of surbs) this.#put(surb, present)
    const excess = Math.max(0, this.size - this.#capacity)
    const stale = Math.min(excess, this.#stale.length)
    this.#stale.splice(0, stale)
    this.#fresh.splice(0, excess - stale)
    return excess
  }

  take(present: Present | undefined): ReplySurb | undefined {
    this.sort(present)
    return this.#fresh.shift() ?? this.#stale.shift()?.surb
  }

  /** Not used after all: it is the next again. */
  giveBack(surb: ReplySurb): void {
    if (this.size < this.#capacity) this.#fresh.unshift(surb)
  }

  /** Takes notice of the present. */
  sort(present: Present | undefined): void {
    if (present === undefined) return
    const { rotationFlag, epochId } = present
    if (this.#flag !== rotationFlag) {
      const isFirst = this.#flag === undefined
      this.#flag = rotationFlag
      const fresh = this.#fresh
      const stale = this.#stale
      this.#fresh = []
      this.#stale = []
      for (const { surb, since } of stale) this.#put(surb, present, since)
      // Whatever does not say its rotation is of the one that was.
      for (const surb of fresh) {
        if (surb.rotation === ROTATION_UNKNOWN && !isFirst) this.#stale.push({ surb, since: epochId })
        else this.#put(surb, present)
      }
    }
    if (this.#stale.length > 0) this.#stale = this.#stale.filter(({ since }) => since >= epochId)
  }

  #put(surb: ReplySurb, present: Present | undefined, since = present?.epochId ?? 0): void {
    const isFresh =
      present === undefined ||
      surb.rotation === ROTATION_UNKNOWN ||
      present.rotationFlag === ROTATION_UNKNOWN ||
      surb.rotation === present.rotationFlag
    if (isFresh) this.#fresh.push(surb)
    else this.#stale.push({ surb, since })
  }
}
