import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toHex } from '../base/bytes.ts'
import { nodeRandom } from './node/nodeRandom.ts'
import { below, exponential, type Random } from './random.ts'
import { SimulatedRandom } from './simulated/simulatedRandom.ts'

const generators: readonly (readonly [string, Random])[] = [
  ['node', nodeRandom],
  ['simulated', new SimulatedRandom('seed')],
]

for (const [name, random] of generators) {
  describe(`random: ${name}`, () => {
    it('fills every byte of any length', () => {
      const stream = random.stream('fill')
      for (const length of [0, 1, 2, 3, 4, 5, 7, 8, 31, 1024, 1025, 40_000]) {
        // One draw leaves a byte zero once in 256; sixteen draws leave it so practically never.
        const touched = new Uint8Array(length)
        for (let draw = 0; draw < 16; draw++)
          for (const [i, byte] of stream.bytes(length).entries()) touched[i]! |= byte
        assert.ok(touched.every((byte) => byte !== 0))
        assert.equal(stream.bytes(length).length, length)
      }
      const target = new Uint8Array(9)
      assert.equal(stream.fill(target), target)
    })

    it('draws evenly', () => {
      const stream = random.stream('even')
      const draws = 64_000
      const buckets = new Array<number>(64).fill(0)
      let sum = 0
      for (let i = 0; i < draws; i++) {
        const value = stream.uniform()
        assert.ok(value >= 0 && value < 1)
        buckets[Math.floor(value * 64)]!++
        sum += exponential(stream, 15)
        assert.ok(below(stream, 3) < 3)
        const word = stream.u32()
        assert.ok(Number.isInteger(word) && word >= 0 && word < 2 ** 32)
      }
      // Chi-squared with 63 degrees of freedom exceeds 150 once in 10⁸ runs.
      const expected = draws / 64
      const chiSquared = buckets.reduce((total, count) => total + (count - expected) ** 2 / expected, 0)
      assert.ok(chiSquared < 150, `chi-squared ${chiSquared}`)
      // Six standard errors around the mean.
      assert.ok(Math.abs(sum / draws - 15) < (6 * 15) / Math.sqrt(draws))
    })
  })
}

describe('random: simulated streams', () => {
  const hex = (random: Random, purpose: string): string => toHex(random.stream(purpose).bytes(32))

  it('repeat with the seed, and differ with the seed and with the purpose', () => {
    assert.equal(hex(new SimulatedRandom('a'), 'x'), hex(new SimulatedRandom('a'), 'x'))
    const different = [
      hex(new SimulatedRandom('a'), 'x'),
      hex(new SimulatedRandom('b'), 'x'),
      hex(new SimulatedRandom('a'), 'y'),
      hex(new SimulatedRandom('a', 'x'), ''),
      hex(new SimulatedRandom('ax'), ''),
    ]
    assert.equal(new Set(different).size, different.length)
  })

  it('do not depend on how much another stream was used', () => {
    const random = new SimulatedRandom('a')
    random.stream('loss').bytes(1000)
    assert.equal(hex(random, 'x'), hex(new SimulatedRandom('a'), 'x'))
  })

  it('go on where they were', () => {
    const random = new SimulatedRandom('a')
    const both = hex(random, 'x') + hex(random, 'x')
    assert.equal(both, toHex(new SimulatedRandom('a').stream('x').bytes(64)))
  })
})
