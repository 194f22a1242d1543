import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { ReplayFilter } from './replayFilter.ts'

const MIB = 1024 * 1024

/** Tags as they are: the output of a hash. */
function tags(from: number, count: number): Uint8Array[] {
  const index = new Uint8Array(4)
  return Array.from({ length: count }, (_, i) => {
    new DataView(index.buffer).setUint32(0, from + i)
    return nodeProvider.sha256(index)
  })
}

describe('replay filter', () => {
  it('knows every tag it was given, and few it was not', () => {
    const given = tags(0, 200_000)
    for (const rate of [1e-2, 1e-3]) {
      const filter = new ReplayFilter(rate, 64 * MIB)
      for (const tag of given) filter.seen(tag)
      for (const tag of given) assert.equal(filter.seen(tag), true)
      const wrong = tags(1_000_000, 40_000).filter((tag) => filter.seen(tag)).length / 40_000
      assert.ok(wrong <= 2 * rate, `${wrong} instead of ${rate}`)
    }
  })

  it('takes nobody for somebody else at the rate nodes use', () => {
    const filter = new ReplayFilter(1e-6, 64 * MIB)
    assert.equal(tags(0, 200_000).filter((tag) => filter.seen(tag)).length, 0)
    assert.equal(filter.count, 200_000)
  })

  it('grows with the traffic, within its bound, and forgets nothing there', () => {
    const filter = new ReplayFilter(1e-6, MIB / 4)
    assert.equal(filter.bytes, 0)
    const [first, ...others] = tags(0, 120_000) as [Uint8Array, ...Uint8Array[]]
    assert.equal(filter.seen(first), false)
    assert.ok(filter.bytes < 100_000)
    for (const tag of others) filter.seen(tag)
    assert.ok(filter.bytes <= MIB / 4)
    for (const tag of [first, ...others]) assert.equal(filter.seen(tag), true)
  })

  it('uses nearly all of the memory it may have', () => {
    const filter = new ReplayFilter(1e-5, MIB)
    for (const tag of tags(0, 250_000)) filter.seen(tag)
    assert.ok(filter.bytes > 0.9 * MIB && filter.bytes <= MIB, `${filter.bytes}`)
  })

  it('costs about 35 bits a tag where it is full, twice that just after it grew', () => {
    const filter = new ReplayFilter(1e-6, 64 * MIB)
    for (const tag of tags(0, 7 * 16_384)) filter.seen(tag)
    const bitsPerTag = (filter.bytes * 8) / filter.count
    assert.ok(bitsPerTag <= 36, `${bitsPerTag}`)
  })
})
