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
        assert.deepEqual(await curve.x25519(scalar, point), nodeProvider.x25519(scalar, point))
        assert.deepEqual(await curve.x25519Base(scalar), nodeProvider.x25519Base(scalar))
      }),
      { numRuns: 50 },
    )
  })

  it('takes any 32 bytes for a point, and gives zeros for those of low order', async () => {
    await fc.assert(
      fc.asyncProperty(bytes32, bytes32, async (scalar, point) => {
        assert.deepEqual(await curve.x25519(scalar, point), nodeProvider.x25519(scalar, point))
      }),
      { numRuns: 50 },
    )
    const one = new Uint8Array(32)
    one[0] = 1
    for (const low of [new Uint8Array(32), one]) {
      assert.deepEqual(await curve.x25519(new Uint8Array(32).fill(7), low), new Uint8Array(32))
    }
  })

  it('gives the same for the same point again', async () => {
    const point = nodeProvider.x25519Base(new Uint8Array(32).fill(3))
    for (const byte of [1, 2, 3]) {
      const scalar = new Uint8Array(32).fill(byte)
      assert.deepEqual(await curve.x25519(scalar, point), nodeProvider.x25519(scalar, point))
    }
  })
})
