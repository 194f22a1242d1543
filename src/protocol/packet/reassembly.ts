/**
 * Puts fragments together again, in any order, with duplicates, across linked sets; bounded in memory and in time.
 *
 * Whoever knows an address can send fragments to it, so every quantity here has a limit: the bytes and the sets held (the set
 * that waited longest goes first), the time a set waits after its last fragment, and the number of finished set ids that are
 * remembered, so that a retransmission whose ack was lost does not deliver twice. The longest message is `maxBytes`.
 * Format: docs/spec/packet.md, "Fragments". @module
 */
import { type Counter, Meter } from '../../foundation/base/observe.ts'
import { type Millis, minutes } from '../../foundation/base/units.ts'
import type { Fragment } from './fragments.ts'

export interface ReassemblerLimits {
  /** Bytes held: payloads, and what every fragment and every open set costs beyond its payload. */
  readonly maxBytes: number
  readonly maxSets: number
  /** How long a set waits after its last new fragment (or a linked set's completion). */
  readonly setLifetime: Millis
  /** Ids of finished sets remembered, oldest forgotten first. */
  readonly rememberedSets: number
}

export const REASSEMBLER_DEFAULTS: ReassemblerLimits = {
  maxBytes: 128 * 1024 * 1024,
  maxSets: 4096,
  setLifetime: minutes(30),
  rememberedSets: 32_768,
}

export type Reassembly =
  | { readonly kind: 'complete' /** Still padded. */; readonly message: Uint8Array }
  | { readonly kind: 'pending' }
  | { readonly kind: 'dropped'; readonly reason: DropReason }

type DropReason = 'duplicate' | 'finished' | 'contradiction' | 'too-large'
type Reason = DropReason | 'expired' | 'evicted'

interface OpenSet {
  readonly id: number
  readonly payloads: (Uint8Array | undefined)[]
  missing: number
  bytes: number
  previous: number | undefined
  next: number | undefined
  touched: Millis
}

// Charged so that a flood of tiny fragments is bounded by `maxBytes` too: an array's header and backing store, and an open
// set's 255 slots with its bookkeeping, both rounded up.
const FRAGMENT_COST_BYTES = 256
const SET_COST_BYTES = 4096

export class Reassembler {
  readonly #limits: ReassemblerLimits
  /** In the order in which they were last touched: the first is the first to go. */
  readonly #sets = new Map<number, OpenSet>()
  readonly #finished = new Set<number>()
  readonly #dropped: Record<Reason, Counter>
  #heldBytes = 0

  /** Counts `reassembly_dropped_total` by reason: fragments, and for `expired` and `evicted` sets. */
  constructor(limits: ReassemblerLimits = REASSEMBLER_DEFAULTS, meter: Meter = new Meter()) {
    this.#limits = limits
    const counter = (reason: Reason): Counter =>
      meter.counter('reassembly_dropped_total', 'Fragments, or sets of them, that were given up', { reason })
    this.#dropped = {
      duplicate: counter('duplicate'),
      finished: counter('finished'),
      contradiction: counter('contradiction'),
      'too-large': counter('too-large'),
      expired: counter('expired'),
      evicted: counter('evicted'),
    }
    meter.gauge('reassembly_open_sets', 'Fragment sets waiting for more', () => this.#sets.size)
    meter.gauge('reassembly_held_bytes', 'Bytes held in fragment sets', () => this.#heldBytes)
  }

  get openSets(): number {
    return this.#sets.size
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Keeps a copy of the payload. `now` must not go back. */
  accept(fragment: Fragment, now: Millis): Reassembly {
    this.expire(now)
    if (this.#finished.has(fragment.setId)) return this.#drop('finished')
    const known = this.#sets.get(fragment.setId)
    if (known !== undefined) {
      if (known.payloads.length !== fragment.total) return this.#drop('contradiction')
      if (known.payloads[fragment.position - 1] !== undefined) return this.#drop('duplicate')
    }
    const cost = fragment.payload.length + FRAGMENT_COST_BYTES + (known ? 0 : SET_COST_BYTES)
    if ((known?.bytes ?? 0) + cost > this.#limits.maxBytes) return this.#drop('too-large')

    const set = known ?? openSet(fragment)
    set.payloads[fragment.position - 1] = new Uint8Array(fragment.payload)
    set.missing--
    set.bytes += cost
    this.#heldBytes += cost
    if (fragment.link?.direction === 'previous') set.previous = fragment.link.setId
    if (fragment.link?.direction === 'next') set.next = fragment.link.setId
    this.#touch(set, now)
    this.#makeRoom()
    return set.missing === 0 ? this.#finish(set, now) : { kind: 'pending' }
  }

  /** Gives up the sets whose time is over. `accept` does so too; call this one where traffic may cease. */
  expire(now: Millis): void {
    for (const set of this.#sets.values()) {
      if (now - set.touched < this.#limits.setLifetime) return
      this.#forget(set)
      this.#dropped.expired.value++
    }
  }

  #finish(set: OpenSet, now: Millis): Reassembly {
    const chain = this.#chainOf(set)
    if (chain === 'broken') {
      this.#forget(set)
      return this.#drop('contradiction')
    }
    if (chain.open) {
      // Progress on one set of a long message keeps the finished ones alive: they would otherwise expire before its end.
      for (const member of chain.sets) this.#touch(member, now)
      return { kind: 'pending' }
    }
    for (const member of chain.sets) {
      this.#forget(member)
      this.#remember(member.id)
    }
    return { kind: 'complete', message: join(chain.sets) }
  }

  /** The finished sets linked to this one, in order; `open` while some are missing; `broken` where links do not agree. */
  #chainOf(set: OpenSet): { sets: OpenSet[]; open: boolean } | 'broken' {
    const before = this.#follow(set, 'previous', 'next')
    const after = this.#follow(set, 'next', 'previous')
    if (before === 'broken' || after === 'broken') return 'broken'
    return { sets: [...before.sets.reverse(), set, ...after.sets], open: before.open || after.open }
  }

  #follow(
    start: OpenSet,
    onward: 'previous' | 'next',
    back: 'previous' | 'next',
  ): { sets: OpenSet[]; open: boolean } | 'broken' {
    const sets: OpenSet[] = []
    for (let from = start; ; ) {
      const id = from[onward]
      if (id === undefined) return { sets, open: false }
      const to = this.#sets.get(id)
      if (to === undefined || to.missing > 0) return { sets, open: true }
      // Links that agree everywhere can still close a ring; a ring leads back to its start.
      if (to[back] !== from.id || to === start) return 'broken'
      sets.push(to)
      from = to
    }
  }

  #touch(set: OpenSet, now: Millis): void {
    set.touched = now
    this.#sets.delete(set.id)
    this.#sets.set(set.id, set)
  }

  #makeRoom(): void {
    for (const set of this.#sets.values()) {
      if (this.#sets.size <= this.#limits.maxSets && this.#heldBytes <= this.#limits.maxBytes) return
      this.#forget(set)
      this.#dropped.evicted.value++
    }
  }

  #forget(set: OpenSet): void {
    this.#sets.delete(set.id)
    this.#heldBytes -= set.bytes
  }

  #remember(id: number): void {
    this.#finished.add(id)
    for (const oldest of this.#finished) {
      if (this.#finished.size <= this.#limits.rememberedSets) return
      this.#finished.delete(oldest)
    }
  }

  #drop(reason: DropReason): Reassembly {
    this.#dropped[reason].value++
    return { kind: 'dropped', reason }
  }
}

function openSet({ setId, total }: Fragment): OpenSet {
  return {
    id: setId,
    payloads: new Array<Uint8Array | undefined>(total).fill(undefined),
    missing: total,
    bytes: 0,
    previous: undefined,
    next: undefined,
    touched: 0 as Millis,
  }
}

/** Not `concat`: a message may have more fragments than a call may have arguments. */
function join(sets: readonly OpenSet[]): Uint8Array {
  const payloads = sets.flatMap((set) => set.payloads as Uint8Array[])
  const message = new Uint8Array(payloads.reduce((sum, payload) => sum + payload.length, 0))
  let offset = 0
  for (const payload of payloads) {
    message.set(payload, offset)
    offset += payload.length
  }
  return message
}
