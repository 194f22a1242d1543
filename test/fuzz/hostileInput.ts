/**
 * Inputs nobody wrote for a decoder: random bytes, and real ones with their bits flipped, their ends cut off, their parts repeated,
 * removed, exchanged with those of others, and their numbers made extreme. JSON is also changed as JSON, or nothing behind its
 * syntax would ever be reached. @module
 */
import fc from 'fast-check'
import { concat, fromUtf8Lossy, utf8 } from '../../src/foundation/base/bytes.ts'

type Change = (bytes: Uint8Array) => Uint8Array

const MAX_RANDOM_BYTES = 700
/** Every length and count has somebody who forgot one of these. */
const EXTREMES = [0n, 1n, 2n, 0x7fn, 0x80n, 0xffn, 0x100n, 0x7fffn, 0x8000n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n]
const HUGE = [0xffff_ffffn, 0x1_0000_0000n, 0x1f_ffff_ffff_ffffn, 0x7fff_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn]
const ODD_TEXTS = ['', '0', '-1', '1e999', '\u0000', '\ud800', '__proto__', '‮', '😀'.repeat(40), 'A'.repeat(5000)]
const ODD_JSON = [
  'null',
  'true',
  '-1',
  '0',
  '1e400',
  '9007199254740993',
  '0.1',
  '[]',
  '{}',
  '[null]',
  '{"__proto__":{"polluted":true}}',
  `${'['.repeat(2000)}${']'.repeat(2000)}`,
  ...ODD_TEXTS.map((text) => JSON.stringify(text)),
]

/** A place in something of unknown length. */
const place = fc.double({ min: 0, max: 1, noNaN: true })
const at = (fraction: number, length: number): number => Math.min(length, Math.floor(fraction * (length + 1)))

const flip = fc.tuple(place, fc.nat(7)).map(
  ([where, bit]): Change =>
    (bytes) => {
      const changed = bytes.slice()
      const index = at(where, bytes.length - 1)
      if (bytes.length > 0) changed[index] = (changed[index] as number) ^ (1 << bit)
      return changed
    },
)

const set = fc.tuple(place, fc.nat(255)).map(
  ([where, value]): Change =>
    (bytes) => {
      const changed = bytes.slice()
      if (bytes.length > 0) changed[at(where, bytes.length - 1)] = value
      return changed
    },
)

const truncate = place.map(
  (where): Change =>
    (bytes) =>
      bytes.slice(0, at(where, bytes.length)),
)
const behead = place.map(
  (where): Change =>
    (bytes) =>
      bytes.slice(at(where, bytes.length)),
)
const extend = fc.uint8Array({ minLength: 1, maxLength: 64 }).map(
  (tail): Change =>
    (bytes) =>
      concat(bytes, tail),
)

const range = fc.tuple(place, place)
const part = (bytes: Uint8Array, [from, length]: [number, number]): [number, number] => {
  const start = at(from, bytes.length)
  return [start, start + at(length ** 3, bytes.length - start)]
}
const repeat = fc.tuple(range, fc.integer({ min: 1, max: 5 })).map(
  ([which, times]): Change =>
    (bytes) => {
      const [start, end] = part(bytes, which)
      const again = Array.from({ length: times }, () => bytes.subarray(start, end))
      return concat(bytes.subarray(0, end), ...again, bytes.subarray(end))
    },
)
const remove = range.map(
  (which): Change =>
    (bytes) => {
      const [start, end] = part(bytes, which)
      return concat(bytes.subarray(0, start), bytes.subarray(end))
    },
)

const number = fc.tuple(place, fc.constantFrom(1, 2, 4, 8), fc.boolean(), fc.constantFrom(...EXTREMES, ...HUGE)).map(
  ([where, width, little, value]): Change =>
    (bytes) => {
      if (bytes.length < width) return bytes
      const changed = bytes.slice()
      const start = at(where, bytes.length - width)
      for (let i = 0; i < width; i++) {
        changed[little ? start + i : start + width - 1 - i] = Number((value >> BigInt(8 * i)) & 0xffn)
      }
      return changed
    },
)

const json = fc
  .tuple(fc.nat(), fc.constantFrom('replace', 'remove', 'repeat', 'rename', 'grow'), fc.constantFrom(...ODD_JSON))
  .map(
    ([which, how, odd]): Change =>
      (bytes) =>
        changeJson(bytes, which, how, odd),
  )

function splice(others: readonly Uint8Array[]): fc.Arbitrary<Change> {
  return fc.tuple(fc.constantFrom(...others), place, place).map(
    ([other, here, there]): Change =>
      (bytes) =>
        concat(bytes.subarray(0, at(here, bytes.length)), other.subarray(at(there, other.length))),
  )
}

/** Bytes for a decoder whose real inputs are `seeds`. */
export function hostileInput(seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const random = fc.uint8Array({ maxLength: MAX_RANDOM_BYTES })
  if (seeds.length === 0) return random
  const change = fc.oneof(
    flip,
    set,
    truncate,
    behead,
    extend,
    repeat,
    remove,
    { weight: 3, arbitrary: number },
    { weight: 3, arbitrary: json },
    splice(seeds),
  )
  const mutated = fc
    .tuple(fc.constantFrom(...seeds), fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([seed, changes]) => changes.reduce((bytes, apply) => apply(bytes), seed))
  return fc.oneof(
    { weight: 1, arbitrary: random },
    { weight: 1, arbitrary: fc.constantFrom(...seeds) },
    { weight: 8, arbitrary: mutated },
  )
}

/** Changes one value somewhere in a JSON document; what is no JSON stays as it is. */
function changeJson(bytes: Uint8Array, which: number, how: string, odd: string): Uint8Array {
  if (bytes[0] !== 0x7b && bytes[0] !== 0x5b) return bytes
  const text = fromUtf8Lossy(bytes)
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return bytes
  }
  const places = placesIn(document)
  const chosen = places[which % places.length]
  if (chosen === undefined) return bytes
  const [owner, key] = chosen
  // A mark no document holds: what it stands for may be no JSON, such as a name given twice.
  const mark = '\u0001mark\u0001'
  const value = JSON.stringify(owner[key]) ?? 'null'
  const marked = (content: unknown, written: string): Uint8Array => {
    owner[key] = content
    return utf8(JSON.stringify(document).replace(JSON.stringify(mark), () => written))
  }
  switch (how) {
    case 'remove':
      delete owner[key]
      return utf8(JSON.stringify(document))
    case 'rename':
      owner[`${key}x`] = owner[key]
      delete owner[key]
      return utf8(JSON.stringify(document))
    case 'repeat':
      return marked(mark, Array.isArray(owner) ? `${value},${value}` : `${value},${JSON.stringify(key)}:${odd}`)
    case 'grow':
      return marked(mark, `[${Array.from({ length: 300 }, () => value.slice(0, 200)).join(',')}]`)
    default:
      return marked(mark, odd)
  }
}

type Owner = Record<string, unknown>

/** Every value of a document, by who holds it under which name. */
function placesIn(value: unknown, found: [Owner, string][] = []): [Owner, string][] {
  if (typeof value !== 'object' || value === null || found.length > 2000) return found
  for (const key of Object.keys(value)) {
    found.push([value as Owner, key])
    placesIn((value as Owner)[key], found)
  }
  return found
}
