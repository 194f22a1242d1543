import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concat } from '../../foundation/base/bytes.ts'
import { ByteRing } from './byteRing.ts'

describe('bytes that are read before they are forgotten', () => {
  test('any part is what was put in, whatever was put in and forgotten before', () => {
    const step = fc.record({
      push: fc.uint8Array({ maxLength: 6000 }),
      forget: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), fc.double({ min: 0, max: 1, noNaN: true }), (steps, share) => {
        const ring = new ByteRing()
        let plain: Uint8Array = new Uint8Array(0)
        for (const { push, forget } of steps) {
          ring.push(push)
          plain = concat(plain, push)
          const start = Math.floor(plain.length * share)
          assert.deepEqual(ring.slice(start, plain.length - start), plain.slice(start))
          const count = Math.floor(plain.length * forget)
          ring.forget(count)
          plain = plain.slice(count)
          assert.equal(ring.length, plain.length)
        }
        assert.deepEqual(ring.slice(0, plain.length), plain)
      }),
    )
  })

  test('memory follows the bytes, not the pieces, and is given back', () => {
    const ring = new ByteRing()
    for (let i = 0; i < 65_537; i++) ring.push(Uint8Array.of(i))
    assert.ok(ring.heldBytes <= 65_537 * 1.25, `${ring.heldBytes}`)
    ring.forget(65_537)
    assert.equal(ring.heldBytes, 0)
  })
})
