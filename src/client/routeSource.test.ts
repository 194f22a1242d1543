/** Clients whose curve answers later: what is made ahead is used, and leads where it should. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { millis } from '../foundation/base/units.ts'
import type { AsyncCurve } from '../foundation/crypto/asyncCurve.ts'
import { nodeProvider } from '../foundation/crypto/nodeProvider.ts'
import type { LinkCryptoProvider } from '../foundation/crypto/provider.ts'
import { TestMixnet } from './mixnet.support.test.ts'
import { SERVICE_TRAFFIC } from './trafficParams.ts'

/** The real cryptography, counting what is multiplied in the middle of making packets and what was multiplied ahead. */
function counting() {
  const counts = { now: 0, ahead: 0 }
  const crypto: LinkCryptoProvider = {
    ...nodeProvider,
    x25519(scalar, point) {
      counts.now++
      return nodeProvider.x25519(scalar, point)
    },
  }
  const curve: AsyncCurve = {
    scalar: (bytes) => ({
      async times(point) {
        counts.ahead++
        return nodeProvider.x25519(bytes, point)
      },
      base: async () => nodeProvider.x25519Base(bytes),
    }),
    hkdfSha256: async (...given) => nodeProvider.hkdfSha256(...given),
  }
  return { counts, crypto, curve }
}

test('messages, answers, acks and cover are made with keys that were made ahead', async () => {
  const { counts, crypto, curve } = counting()
  const mixnet = new TestMixnet({ seed: 'ahead', crypto, curve, loss: 0.02 })
  const alice = mixnet.client()
  const bob = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
  bob.client.onMessage(async ({ data, sender }) => {
    bob.received.push({ data })
    await bob.client.reply({ to: sender as string, data })
  })
  const bytes = new Uint8Array(20_000).fill(7)
  for (let i = 0; i < 5; i++)
    await mixnet.simulation.complete(alice.client.send({ to: bob.client.address, data: bytes }))
  await mixnet.until(() => alice.received.length === 5)
  await mixnet.simulation.runFor(millis(5_000))
  for (const { data } of [...alice.received, ...bob.received]) assert.deepEqual(data, bytes)
  assert.equal(mixnet.replays, 0)
  assert.equal(mixnet.refused, 0)
  assert.ok(counts.ahead > 1_000, `${counts.ahead} ahead`)

  // From here on nobody talks: cover only, which nodes open with one multiplication or two, and their maker with none.
  const before = { ...counts }
  const sentBefore = alice.link.sentAt.length
  await mixnet.simulation.runFor(millis(5_000))
  const sent = alice.link.sentAt.length - sentBefore
  assert.ok(sent > 100)
  // Eight for the four nodes of each packet, less one at the last, and as many for its ack; one to read it. All of them others' work.
  assert.ok(counts.now - before.now < 17 * sent, `${counts.now - before.now} for ${sent}`)
  assert.ok(counts.ahead - before.ahead > 8 * sent)
})

test('a new topology brings new keys: packets made before and after arrive', async () => {
  const { crypto, curve } = counting()
  const mixnet = new TestMixnet({ seed: 'ahead, changed', crypto, curve })
  const alice = mixnet.client()
  const bob = mixnet.client({ gateway: 1 })
  for (let i = 0; i < 4; i++) {
    await mixnet.simulation.complete(alice.client.send({ to: bob.client.address, data: new Uint8Array(5_000).fill(i) }))
    await mixnet.simulation.runFor(millis(50))
    const topology = mixnet.topology.current()
    assert.ok(topology)
    mixnet.setTopology({ ...topology })
  }
  await mixnet.until(() => bob.received.length === 4)
  assert.equal(mixnet.refused, 0)
})
