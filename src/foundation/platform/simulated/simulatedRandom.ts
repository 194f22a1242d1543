/**
 * Repeatable randomness: one generator per purpose, its state drawn from SHA-256 of the seed and the purpose, so that no
 * stream depends on how much another one was used. Not for secrets of the real world. @module
 */
import { createHash } from 'node:crypto'
import type { Random, RandomStream } from '../random.ts'

/** Rounds that spread the seed over the whole state, as the authors of sfc32 advise. */
const WARM_UP_ROUNDS = 12

/** sfc32 (Doty-Humphrey, PractRand): 128 bits of state, only 32-bit additions, shifts and xors, which V8 keeps in registers. */
class Sfc32 implements RandomStream {
  #a: number
  #b: number
  #c: number
  #counter: number

  constructor(seed: Uint8Array) {
    const words = new DataView(seed.buffer, seed.byteOffset)
    this.#a = words.getInt32(0)
    this.#b = words.getInt32(4)
    this.#c = words.getInt32(8)
    this.#counter = words.getInt32(12)
    for (let round = 0; round < WARM_UP_ROUNDS; round++) this.u32()
  }

  u32(): number {
    const b = this.#b
    const c = this.#c
    const drawn = (this.#a + b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = b ^ (b >>> 9)
    this.#b = (c + (c << 3)) | 0
    this.#c = (((c << 21) | (c >>> 11)) + drawn) | 0
    return drawn >>> 0
  }

  uniform(): number {
    const high = this.u32() >>> 5
    const low = this.u32() >>> 6
    return (high * 2 ** 26 + low) / 2 ** 53
  }

  fill(target: Uint8Array): Uint8Array {
    let offset = 0
    for (; offset + 4 <= target.length; offset += 4) {
      const word = this.u32()
      target[offset] = word
      target[offset + 1] = word >>> 8
      target[offset + 2] = word >>> 16
      target[offset + 3] = word >>> 24
    }
    if (offset < target.length) {
      for (let word = this.u32(); offset < target.length; word >>>= 8) target[offset++] = word
    }
    return target
  }

  bytes(length: number): Uint8Array {
    return this.fill(new Uint8Array(length))
  }
}

export class SimulatedRandom implements Random {
  readonly #path: readonly string[]
  readonly #streams = new Map<string, RandomStream>()

  /** `path` is the seed, then whose randomness it is. */
  constructor(...path: readonly string[]) {
    this.#path = path
  }

  stream(purpose: string): RandomStream {
    const known = this.#streams.get(purpose)
    if (known) return known
    // JSON keeps the parts apart: ['a', 'bc'] and ['ab', 'c'] are different streams.
    const seed = createHash('sha256')
      .update(JSON.stringify([...this.#path, purpose]))
      .digest()
    const stream = new Sfc32(seed)
    this.#streams.set(purpose, stream)
    return stream
  }
}
