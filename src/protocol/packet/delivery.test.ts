/** Takes a packet along its route with the keys of the vectors' nodes. No tests here. @module */
import assert from 'node:assert/strict'
import { fromHex, toHex } from '../../foundation/base/bytes.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { openHeader } from '../sphinx/unwrap.ts'
import { type HopVector, nodeOf } from './packetVectors.test.ts'

export interface Delivered {
  readonly destination: Uint8Array
  readonly message: Uint8Array
}

/** Takes the packet along `route`, comparing every step with `hops` where they are given. */
export function deliver(
  network: string,
  route: readonly number[],
  packet: Uint8Array,
  hops?: readonly HopVector[],
): Delivered {
  let travelling = packet
  for (const [i, id] of route.entries()) {
    const header = openHeader(crypto, fromHex(nodeOf(network, id).sphinxSecret), travelling)
    if (header.kind === 'refused') assert.fail(header.reason)
    const expected = hops?.[i]
    if (expected) assert.equal(toHex(header.replayTag), expected.replayTag)
    const unwrapped = header.unwrap()
    if (unwrapped.kind === 'refused') assert.fail(unwrapped.reason)
    if (unwrapped.kind === 'final') {
      assert.equal(i, route.length - 1)
      return unwrapped
    }
    if (expected) {
      assert.equal(toHex(unwrapped.nextAddress), expected.nextAddress)
      assert.equal(String(unwrapped.delay), expected.delayNanos)
      assert.equal(toHex(crypto.sha256(unwrapped.packet)), expected.packetSha256)
    }
    travelling = unwrapped.packet
  }
  assert.fail('the packet never arrived')
}
