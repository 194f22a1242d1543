/**
 * Fragments: the pieces of one padded message, one to a packet.
 *
 *     0  4       bit 31 set, set id in bits 0–30
 *     4  1       fragments in the set, 1…255
 *     5  1       position of this one, from 1
 *     6  1 / 4   0, or bit 31 set and the id of the linked set: the previous one in fragment 1, the next one in fragment 255
 *     7 / 10     payload
 *
 * Format: docs/spec/packet.md, "Fragments". @module
 */
import { MixnetError } from '../../foundation/base/errors.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import { fragmentBytes, type PacketSize } from './sizes.ts'

const WHAT = 'fragment'
const UNLINKED_HEADER_BYTES = 7
const LINKED_HEADER_BYTES = 10
/** What a link costs in payload. */
const LINK_BYTES: number = LINKED_HEADER_BYTES - UNLINKED_HEADER_BYTES
const MAX_FRAGMENTS = 255
const TOP_BIT = 0x8000_0000
const ID_MASK = 0x7fff_ffff

export interface FragmentLink {
  readonly direction: 'previous' | 'next'
  readonly setId: number
}

export interface Fragment {
  /** 1…2³¹−1. */
  readonly setId: number
  /** Fragments in the set. */
  readonly total: number
  /** From 1. */
  readonly position: number
  readonly link: FragmentLink | undefined
  readonly payload: Uint8Array
}

export function encodeFragment({ setId, total, position, link, payload }: Fragment): Uint8Array {
  const writer = new Writer((link ? LINKED_HEADER_BYTES : UNLINKED_HEADER_BYTES) + payload.length)
  writer
    .u32((setId | TOP_BIT) >>> 0)
    .u8(total)
    .u8(position)
  if (link) writer.u32((link.setId | TOP_BIT) >>> 0)
  else writer.u8(0)
  return writer.bytes(payload).finish()
}

/** The payload is a view into `bytes`. */
export function decodeFragment(bytes: Uint8Array): Fragment {
  const reader = new Reader(bytes, WHAT)
  const setId = readSetId(reader, 'set id')
  const total = reader.u8('total', { min: 1 })
  const position = reader.u8('position', { min: 1, max: total })
  if (bytes[6] === 0) {
    reader.u8('link')
    return { setId, total, position, link: undefined, payload: reader.rest() }
  }
  const linked = readSetId(reader, 'link')
  if (linked === setId) reader.refuse('link', 'to its own set')
  const direction = position === 1 ? 'previous' : 'next'
  if (direction === 'next' && position !== MAX_FRAGMENTS) reader.refuse('link', `in fragment ${position} of ${total}`)
  return { setId, total, position, link: { direction, setId: linked }, payload: reader.rest() }
}

/** How many fragments `length` bytes need, and how many bytes more would fit into the last of them. */
export function fragmentation(length: number, size: PacketSize): { fragments: number; spaceLeft: number } {
  const sets = planSets(length, size)
  const last = sets.at(-1) as SetPlan
  const capacity = last.fragments * unlinkedBytes(size) - (sets.length > 1 ? LINK_BYTES : 0)
  return { fragments: (sets.length - 1) * MAX_FRAGMENTS + last.fragments, spaceLeft: capacity - last.bytes }
}

/**
 * Cuts a padded message; the payloads are views into it. A message too long for one set becomes several linked ones.
 * Draws one set id per set, in order.
 */
export function splitMessage(padded: Uint8Array, size: PacketSize, random: RandomStream): Fragment[] {
  const plans = planSets(padded.length, size)
  const ids = plans.map(() => drawSetId(random))
  const fragments: Fragment[] = []
  let offset = 0
  for (const [index, { fragments: total, bytes }] of plans.entries()) {
    const end = offset + bytes
    for (let position = 1; position <= total; position++) {
      const link = linkOf(ids, index, position)
      const length = Math.min(unlinkedBytes(size) - (link ? LINK_BYTES : 0), end - offset)
      const payload = padded.subarray(offset, offset + length)
      fragments.push({ setId: ids[index] as number, total, position, link, payload })
      offset += length
    }
  }
  return fragments
}

interface SetPlan {
  readonly fragments: number
  readonly bytes: number
}

/** All sets but the last are full; each neighbour costs a set one link. */
function planSets(length: number, size: PacketSize): SetPlan[] {
  if (length < 1) throw new MixnetError('BAD_ARGUMENT', { what: 'padded message', why: 'empty' })
  const unlinked = unlinkedBytes(size)
  const full = MAX_FRAGMENTS * unlinked
  if (length <= full) return [{ fragments: Math.ceil(length / unlinked), bytes: length }]
  const sets: SetPlan[] = [{ fragments: MAX_FRAGMENTS, bytes: full - LINK_BYTES }]
  let remaining = length - (full - LINK_BYTES)
  while (remaining > full - LINK_BYTES) {
    sets.push({ fragments: MAX_FRAGMENTS, bytes: full - 2 * LINK_BYTES })
    remaining -= full - 2 * LINK_BYTES
  }
  sets.push({ fragments: Math.ceil((remaining + LINK_BYTES) / unlinked), bytes: remaining })
  return sets
}

function linkOf(ids: readonly number[], index: number, position: number): FragmentLink | undefined {
  const previous = ids[index - 1]
  const next = ids[index + 1]
  if (position === 1 && previous !== undefined) return { direction: 'previous', setId: previous }
  if (position === MAX_FRAGMENTS && next !== undefined) return { direction: 'next', setId: next }
  return undefined
}

/** Uniform in 1…2³¹−1, drawn as the official clients do: the absolute value of an i32 that has one. */
function drawSetId(random: RandomStream): number {
  for (;;) {
    const drawn = random.u32() | 0
    if (drawn !== 0 && drawn !== -TOP_BIT) return Math.abs(drawn)
  }
}

const unlinkedBytes = (size: PacketSize): number => fragmentBytes(size) - UNLINKED_HEADER_BYTES

function readSetId(reader: Reader, field: string): number {
  const word = reader.u32(field)
  if ((word & TOP_BIT) === 0) reader.refuse(field, 'top bit missing')
  const id = word & ID_MASK
  if (id === 0) reader.refuse(field, 'zero')
  return id
}
