/** What the tests of this room share: random streams that replay, and assertions. No tests here. @module */
import assert from 'node:assert/strict'
import { fromHex } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'

/** Hands out recorded draws, and insists on their order and lengths. */
export class RecordedStream implements RandomStream {
  readonly #draws: (Uint8Array | number)[]

  constructor(...draws: (string | number)[]) {
    this.#draws = draws.map((draw) => (typeof draw === 'string' ? fromHex(draw) : draw))
  }

  bytes(length: number): Uint8Array {
    const draw = this.#draws.shift()
    assert.ok(draw instanceof Uint8Array, 'drew bytes')
    assert.equal(draw.length, length)
    return draw
  }

  fill(target: Uint8Array): Uint8Array {
    target.set(this.bytes(target.length))
    return target
  }

  u32(): number {
    const draw = this.#draws.shift()
    assert.ok(typeof draw === 'number', 'drew a number')
    return draw
  }

  uniform(): number {
    assert.fail('drew a fraction')
  }

  assertUsedUp(): void {
    assert.equal(this.#draws.length, 0, 'draws left over')
  }
}

/** Random enough for tests, and the same every time (xorshift32). */
export class SeededStream implements RandomStream {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 1
  }

  u32(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }

  fill(target: Uint8Array): Uint8Array {
    for (let i = 0; i < target.length; i++) target[i] = this.u32() >>> 8
    return target
  }

  bytes(length: number): Uint8Array {
    return this.fill(new Uint8Array(length))
  }

  uniform(): number {
    return this.u32() / 2 ** 32
  }
}

export function assertMalformed(run: () => unknown): void {
  assert.throws(run, (error) => isMixnetError(error, 'MALFORMED'))
}

export function assertBadArgument(run: () => unknown): void {
  assert.throws(run, (error) => isMixnetError(error, 'BAD_ARGUMENT'))
}
