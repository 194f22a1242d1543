/** Keys made ahead of the packet give the packet that keys made with it give, once. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { nanos } from '../../foundation/base/units.ts'
import type { AsyncCurve } from '../../foundation/crypto/asyncCurve.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { loadWebCurve } from '../../foundation/crypto/webCurve.ts'
import { MAX_HOPS } from './constants.ts'
import { type PacketParams, wrapPacket } from './packet.ts'
import { finalPaddingBytes, type Hop } from './route.ts'
import { deriveRouteKeys, deriveRouteKeysLater } from './routeKeys.ts'

const SECRET = new Uint8Array(32).fill(0x42)

function routeOf(hops: number): Hop[] {
  return Array.from({ length: hops }, (_, i) => ({
    address: new Uint8Array(32).fill(i + 1),
    publicKey: crypto.x25519Base(new Uint8Array(32).fill(i + 100)),
  }))
}

function paramsOf(route: readonly Hop[]): PacketParams {
  return {
    secret: SECRET,
    route,
    delays: route.map(() => nanos(1_000)),
    destination: { address: new Uint8Array(32).fill(9), identifier: new Uint8Array(16) },
    version: 259,
    padding: new Uint8Array(finalPaddingBytes(route.length)),
    message: new Uint8Array(100).fill(5),
    payloadBytes: 257,
  }
}

describe('route keys made ahead', async () => {
  const curve = (await loadWebCurve()) as AsyncCurve

  for (let hops = 1; hops <= MAX_HOPS; hops++) {
    it(`give the same packet over ${hops} hops, on either curve`, async () => {
      const params = paramsOf(routeOf(hops))
      const expected = wrapPacket(crypto, params)
      const now = deriveRouteKeys(crypto, SECRET, params.route)
      const later = await deriveRouteKeysLater(crypto, curve, SECRET, params.route)
      assert.deepEqual(wrapPacket(crypto, { ...params, secret: now }), expected)
      assert.deepEqual(wrapPacket(crypto, { ...params, secret: later }), expected)
    })
  }

  it('are good for one packet', () => {
    const params = paramsOf(routeOf(3))
    const secret = deriveRouteKeys(crypto, SECRET, params.route)
    wrapPacket(crypto, { ...params, secret })
    assert.throws(
      () => wrapPacket(crypto, { ...params, secret }),
      (error) => isMixnetError(error, 'BAD_ARGUMENT'),
    )
  })

  it('are refused for any other route, and a secret of any other length', async () => {
    const params = paramsOf(routeOf(3))
    const secret = deriveRouteKeys(crypto, SECRET, routeOf(3))
    const refused = (error: unknown): boolean => isMixnetError(error, 'BAD_ARGUMENT')
    assert.throws(() => wrapPacket(crypto, { ...params, secret }), refused)
    assert.throws(() => deriveRouteKeys(crypto, SECRET.subarray(1), params.route), refused)
    await assert.rejects(deriveRouteKeysLater(crypto, curve, SECRET.subarray(1), params.route), refused)
  })
})
