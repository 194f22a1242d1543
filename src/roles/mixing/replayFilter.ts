/**
 * Remembers the replay tags of one key rotation. A Bloom filter in slices: each new slice doubles in capacity, so memory follows
 * the traffic that came (30 bits a tag at a false positive rate of 1e-5, up to the bound) instead of the traffic that might come. Tags are outputs of HKDF under a
 * secret the sender does not choose alone, so their first 8 bytes serve as the hash values (Kirsch–Mitzenmacher double hashing).
 * A filter may say "seen" wrongly, with the probability asked for; it never says "new" of a tag it was given. @module
 */

/** Bytes of a tag that are looked at, and logged for a restart. Two honest tags share them with probability n/2⁶⁴. */
export const TAG_BYTES = 8

const FIRST_SLICE_TAGS = 1 << 14

interface Slice {
  readonly bits: Uint8Array
  readonly bitCount: number
  readonly capacity: number
  count: number
}

export class ReplayFilter {
  readonly #maxBytes: number
  readonly #bitsPerTag: number
  readonly #probes: number
  readonly #slices: Slice[] = []
  #bytes = 0
  #count = 0

  /** `maxBytes` bounds memory: past it the last slice overfills. */
  constructor(falsePositiveRate: number, maxBytes: number) {
    // A lookup asks every slice, so their rates add up. Slices double, so 16 of them hold 2³⁰ tags, more than memory allows.
    const perSlice = falsePositiveRate / 16
    this.#probes = Math.ceil(-Math.log2(perSlice))
    this.#bitsPerTag = Math.ceil(-Math.log(perSlice) / Math.LN2 ** 2)
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get count(): number {
    return this.#count
  }

  /** True where the tag was (probably) given before; else remembers it and returns false. */
  seen(tag: Uint8Array): boolean {
    const first = word(tag, 0)
    // Odd, so that the probes of a tag do not collapse onto few bits.
    const step = (word(tag, 4) | 1) >>> 0
    for (const slice of this.#slices) if (this.#has(slice, first, step)) return true
    this.#insert(first, step)
    return false
  }

  #has(slice: Slice, first: number, step: number): boolean {
    let position = first
    for (let i = 0; i < this.#probes; i++) {
      const bit = position % slice.bitCount
      if (((slice.bits[bit >>> 3] as number) & (1 << (bit & 7))) === 0) return false
      position = (position + step + i) >>> 0
    }
    return true
  }

  #insert(first: number, step: number): void {
    const slice = this.#writable()
    let position = first
    for (let i = 0; i < this.#probes; i++) {
      const bit = position % slice.bitCount
      slice.bits[bit >>> 3] = (slice.bits[bit >>> 3] as number) | (1 << (bit & 7))
      position = (position + step + i) >>> 0
    }
    slice.count++
    this.#count++
  }

  #writable(): Slice {
    const last = this.#slices.at(-1)
    if (last !== undefined && last.count < last.capacity) return last
    // The last slice takes what is left of the memory, or doubling would leave nearly half of it unused.
    const left = Math.floor(((this.#maxBytes - this.#bytes) * 8) / this.#bitsPerTag)
    const capacity = last === undefined ? FIRST_SLICE_TAGS : Math.min(last.capacity * 2, left)
    const bytes = Math.ceil((capacity * this.#bitsPerTag) / 8)
    if (last !== undefined && capacity < FIRST_SLICE_TAGS) return last
    const slice: Slice = { bits: new Uint8Array(bytes), bitCount: bytes * 8, capacity, count: 0 }
    this.#slices.push(slice)
    this.#bytes += bytes
    return slice
  }
}

function word(bytes: Uint8Array, offset: number): number {
  return (
    (((bytes[offset] as number) << 24) |
      ((bytes[offset + 1] as number) << 16) |
      ((bytes[offset + 2] as number) << 8) |
      (bytes[offset + 3] as number)) >>>
    0
  )
}
