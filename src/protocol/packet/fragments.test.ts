import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { concat, fromHex, toHex } from '../../foundation/base/bytes.ts'
import { millis } from '../../foundation/base/units.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { decodeFragment, encodeFragment, type Fragment, fragmentation, splitMessage } from './fragments.ts'
import { vectors } from './packetVectors.test.ts'
import { Reassembler } from './reassembly.ts'
import { type PacketSize, REGULAR } from './sizes.ts'
import { assertBadArgument, assertMalformed, RecordedStream } from './support.test.ts'

/** A size whose fragments have `bytes` bytes. The crates were given a few that no packet has. */
const sizeOf = (bytes: number): PacketSize => ({ ...REGULAR, plaintextBytes: bytes + 437 })

/** The message the vectors cut up. */
function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => 81 * i + 78 * (i >> 8) + 79)
}

const header = (encoded: Uint8Array, fragment: Fragment): string =>
  toHex(encoded.subarray(0, encoded.length - fragment.payload.length))

describe('splitting', () => {
  for (const vector of vectors.fragmentSets) {
    it(`${vector.length} bytes into fragments of ${vector.plaintextPerPacket}, and back`, () => {
      const size = sizeOf(vector.plaintextPerPacket)
      const message = pattern(vector.length)
      assert.deepEqual(fragmentation(vector.length, size), {
        fragments: vector.totalFragments,
        spaceLeft: vector.spaceInLastFragment,
      })
      const random = new RecordedStream(...vector.sets.map((set) => set.id))
      const fragments = splitMessage(message, size, random)
      random.assertUsedUp()
      const encoded = fragments.map(encodeFragment)
      assert.deepEqual(encoded.map(decodeFragment), fragments)

      let first = 0
      for (const set of vector.sets) {
        const inSet = encoded.slice(first, first + set.fragments)
        assert.equal(toHex(crypto.sha256(concat(...inSet))), set.sha256OfAll)
        for (const edge of set.edges) {
          const bytes = inSet[edge.number - 1] as Uint8Array
          const fragment = fragments[first + edge.number - 1] as Fragment
          assert.equal(fragment.payload.length, edge.payloadLength)
          assert.equal(header(bytes, fragment), edge.header)
          assert.equal(toHex(crypto.sha256(bytes)), edge.fragmentSha256)
        }
        first += set.fragments
      }
      assert.equal(first, fragments.length)
      if (vector.fragmentBytes.length > 0) assert.deepEqual(encoded.map(toHex), vector.fragmentBytes)

      const reassembler = new Reassembler()
      const outcomes = fragments.map((fragment) => reassembler.accept(fragment, millis(0)))
      assert.deepEqual(outcomes.at(-1), { kind: 'complete', message })
    })
  }

  it('draws set ids as an i32 and takes its absolute value', () => {
    const id = (...draws: number[]) =>
      (splitMessage(pattern(1), REGULAR, new RecordedStream(...draws))[0] as Fragment).setId
    assert.equal(id(5), 5)
    assert.equal(id(0xffff_ffff), 1)
    assert.equal(id(0, 0x8000_0000, 0x8000_0001), 0x7fff_ffff)
  })

  it('has nothing to cut of an empty message', () => {
    assertBadArgument(() => splitMessage(new Uint8Array(0), REGULAR, new RecordedStream(1)))
  })
})

describe('fragment parsing', () => {
  for (const vector of vectors.fragmentParsing) {
    it(vector.name, () => {
      const decode = () => decodeFragment(fromHex(vector.bytes))
      if (vector.error !== undefined) return assertMalformed(decode)
      const fragment = decode()
      const linked = (direction: 'previous' | 'next') =>
        fragment.link?.direction === direction ? fragment.link.setId : null
      assert.deepEqual(
        [
          fragment.setId,
          fragment.total,
          fragment.position,
          linked('previous'),
          linked('next'),
          toHex(fragment.payload),
        ],
        [vector.id, vector.total, vector.number, vector.previous, vector.next, vector.payload],
      )
      assert.equal(toHex(encodeFragment(fragment)), vector.bytes)
    })
  }

  it('spec 4.4 D: headers', () => {
    const fragment: Fragment = {
      setId: 0x01020304,
      total: 3,
      position: 2,
      link: undefined,
      payload: new Uint8Array(0),
    }
    assert.equal(toHex(encodeFragment(fragment)), '81020304030200')
    const linked: Fragment = { ...fragment, total: 255, position: 1, link: { direction: 'previous', setId: 5 } }
    assert.equal(toHex(encodeFragment(linked)), '81020304ff0180000005')
  })
})
