import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { AsyncCurve } from './asyncCurve.ts'
import { nodeProvider } from './nodeProvider.ts'
import { loadWebCurve } from './webCurve.ts'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('X25519 by WebCrypto', async () => {
  const curve = (await loadWebCurve()) as AsyncCurve

  it('agrees with the synchronous one', async () => {
    await fc.assert(
      fc.asyncProperty(bytes32, bytes32, async (scalar, secret) => {
        const point = nodeProvider.x25519Base(secret)
        assert.deepEqual(await curve.scalar(scalar).times(point), nodeProvider.x25519(scalar, point))
        assert.deepEqual(await curve.scalar(scalar).base(), nodeProvider.x25519Base(scalar))
      }),
      { numRuns: 50 },
    )
  })

  it('takes any 32 bytes for a point, and gives zeros for those of low order', async () => {
    await fc.assert(
      fc.asyncProperty(bytes32, bytes32, async (scalar, point) => {
        assert.deepEqual(await curve.scalar(scalar).times(point), nodeProvider.x25519(scalar, point))
      }),
      { numRuns: 50 },
    )
    const one = new Uint8Array(32)
    one[0] = 1
    for (const low of [new Uint8Array(32), one]) {
      assert.deepEqual(await curve.scalar(new Uint8Array(32).fill(7)).times(low), new Uint8Array(32))
    }
  })

  it('reads the scalar at once, and multiplies as often as it is asked', async () => {
    const bytes = new Uint8Array(32).fill(5)
    const scalar = curve.scalar(bytes)
    bytes.fill(9)
    const point = nodeProvider.x25519Base(new Uint8Array(32).fill(3))
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(await scalar.times(point), nodeProvider.x25519(new Uint8Array(32).fill(5), point))
      assert.deepEqual(await scalar.base(), nodeProvider.x25519Base(new Uint8Array(32).fill(5)))
    }
  })

  it('gives the same for the same point again', async () => {
    const point = nodeProvider.x25519Base(new Uint8Array(32).fill(3))
    for (const byte of [1, 2, 3]) {
      const scalar = new Uint8Array(32).fill(byte)
      assert.deepEqual(await curve.scalar(scalar).times(point), nodeProvider.x25519(scalar, point))
    }
  })

  it('derives keys as the synchronous one', async () => {
    await fc.assert(
      fc.asyncProperty(
        bytes32,
        fc.uint8Array({ maxLength: 64 }),
        fc.integer({ min: 1, max: 300 }),
        async (ikm, salt, length) => {
          const info = salt.subarray(1)
          assert.deepEqual(
            await curve.hkdfSha256(ikm, salt, info, length),
            nodeProvider.hkdfSha256(ikm, salt, info, length),
          )
        },
      ),
      { numRuns: 50 },
    )
  })
})
