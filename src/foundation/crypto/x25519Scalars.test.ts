/** Multiplying scalars is the same as multiplying step by step, for every point a sender may be given. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nobleProvider } from './nobleProvider.ts'
import { nodeProvider } from './nodeProvider.ts'
import { multiplyScalars } from './x25519Scalars.ts'

const scalar = fc.uint8Array({ minLength: 32, maxLength: 32 })

test('one multiplication by the product equals two, one after the other', () => {
  fc.assert(
    fc.property(scalar, scalar, scalar, (a, b, owner) => {
      const point = nodeProvider.x25519Base(owner)
      const stepByStep = nodeProvider.x25519(b, nodeProvider.x25519(a, point))
      assert.deepEqual(nodeProvider.x25519(multiplyScalars(a, b), point), stepByStep)
    }),
    { numRuns: 500 },
  )
})

test('a product is a scalar again: the longest route, as a sender builds it', () => {
  fc.assert(
    fc.property(fc.array(scalar, { minLength: 5, maxLength: 5 }), scalar, (factors: Uint8Array[], owner) => {
      let point = nodeProvider.x25519Base(owner)
      for (const factor of factors) point = nodeProvider.x25519(factor, point)
      const product = factors.reduce((product, factor) => multiplyScalars(product, factor))
      assert.deepEqual(nodeProvider.x25519(product, nodeProvider.x25519Base(owner)), point)
    }),
    { numRuns: 100 },
  )
})

test('a product is clamped already, so no implementation changes it', () => {
  fc.assert(
    fc.property(scalar, scalar, (a, b) => {
      const product = multiplyScalars(a, b)
      assert.equal((product[0] as number) & 7, 0)
      assert.equal((product[31] as number) >> 6, 1)
    }),
  )
})

test('a part of small order in the point makes no difference', () => {
  // u = 9's point plus the point of order 2, which is (0, 0): the sum has u = 1/9.
  const withSmallPart = modularInverse(9n)
  fc.assert(
    fc.property(scalar, scalar, (a, b) => {
      const stepByStep = nodeProvider.x25519(b, nodeProvider.x25519(a, withSmallPart))
      assert.deepEqual(nodeProvider.x25519(multiplyScalars(a, b), withSmallPart), stepByStep)
    }),
    { numRuns: 50 },
  )
})

test('the reference agrees', () => {
  fc.assert(
    fc.property(scalar, scalar, (a, b) => {
      const stepByStep = nobleProvider.x25519(b, nobleProvider.x25519Base(a))
      assert.deepEqual(nobleProvider.x25519Base(multiplyScalars(a, b)), stepByStep)
    }),
    { numRuns: 20 },
  )
})

/** 1/u modulo 2²⁵⁵ − 19, little-endian. */
function modularInverse(u: bigint): Uint8Array {
  const p = 2n ** 255n - 19n
  let result = 1n
  for (let base = u, exponent = p - 2n; exponent > 0n; exponent >>= 1n, base = (base * base) % p) {
    if (exponent & 1n) result = (result * base) % p
  }
  return Uint8Array.from({ length: 32 }, (_, i) => Number((result >> BigInt(8 * i)) & 255n))
}
