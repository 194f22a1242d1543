import assert from 'node:assert/strict'
import { test } from 'node:test'
import { millis } from '../foundation/base/units.ts'
import { TestMixnet } from './mixnet.support.test.ts'
import { DEFAULT_TRAFFIC, SERVICE_TRAFFIC } from './trafficParams.ts'

for (const loss of [0, 0.01, 0.05, 0.2]) {
  test(`messages of every size arrive exactly once: ${100 * loss} % loss, duplicates, reordering`, async () => {
    const mixnet = new TestMixnet({ seed: `sizes ${loss}`, loss, duplicates: 0.05 })
    const alice = mixnet.client()
    const bob = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
    const sizes = [0, 1, 1582, 1583, 1584, 5_000, 20_000]
    if (loss <= 0.01) sizes.push(1_000_000)
    for (const size of sizes) {
      const data = new Uint8Array(size).fill(size & 0xff)
      await mixnet.simulation.complete(alice.client.send({ to: bob.client.address, data }))
    }
    await mixnet.until(() => bob.received.length === sizes.length)
    await mixnet.simulation.runFor(millis(20_000))
    assert.deepEqual(
      bob.received.map(({ data }) => data.length).sort((a, b) => a - b),
      sizes,
    )
    for (const { data } of bob.received) assert.ok(data.every((byte) => byte === (data.length & 0xff)))
    assert.equal(mixnet.replays, 0)
    assert.equal(mixnet.refused, 0)
    assert.equal(alice.meter.snapshot().client_unacknowledged, 0)
    assert.equal(alice.meter.snapshot().client_queued, 0)
  })
}
void DEFAULT_TRAFFIC
