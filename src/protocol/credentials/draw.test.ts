import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { ORDER } from '../../foundation/crypto/blsScalar.ts'
import { weightsFrom } from './draw.ts'

const weightOf = (bytes: Uint8Array): bigint =>
  weightsFrom({
    bytes(length) {
      assert.equal(length, bytes.length)
      return bytes
    },
  })()

it('weights are as many as their random bytes have values, none of them zero', () => {
  assert.equal(weightOf(new Uint8Array(16)), 1n)
  // The largest is below r, so nothing wraps around and coincides.
  assert.ok(weightOf(new Uint8Array(16).fill(0xff)) < ORDER)
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 })
  const near = fc.tuple(bytes, fc.nat(15), fc.nat(7)).map(([one, at, bit]): [Uint8Array, Uint8Array] => {
    const other = one.slice()
    other[at] = (other[at] as number) ^ (1 << bit)
    return [one, other]
  })
  fc.assert(fc.property(near, ([one, other]) => assert.notEqual(weightOf(one), weightOf(other))))
})
