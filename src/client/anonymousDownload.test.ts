import assert from 'node:assert/strict'
import { test } from 'node:test'
import { millis } from '../foundation/base/units.ts'
import { fragmentBytes, REGULAR } from '../protocol/packet/sizes.ts'
import { type MixnetShape, type TestClient, TestMixnet } from './mixnet.support.test.ts'
import { DEFAULT_TRAFFIC, SERVICE_TRAFFIC } from './trafficParams.ts'

const FRAGMENT_PAYLOAD = fragmentBytes(REGULAR) - 7
/** SURBs in a shipment of seven packets, a SURB having 460 bytes. */
const SURBS_PER_PACKET = 24 / 7
/** One SURB, one reply packet. What the best client could download, in bytes a second. */
const BOUND = (1000 / (DEFAULT_TRAFFIC.mainStreamInterval as number)) * SURBS_PER_PACKET * FRAGMENT_PAYLOAD
/** Four packets: kind and tag of the message, and the end mark, are its overhead. */
const MESSAGE = new Uint8Array(4 * FRAGMENT_PAYLOAD - 3)

interface Download {
  readonly mixnet: TestMixnet
  readonly client: TestClient
  readonly exit: TestClient
  /** Bytes a second over the next so many seconds, as a share of the bound. */
  share(seconds: number): Promise<number>
  /** Main-stream packets of the client so far. */
  slots(): number
  begin(): Promise<void>
  end(): Promise<void>
}

function makeDownload(shape: MixnetShape): Download {
  const mixnet = new TestMixnet(shape)
  const client = mixnet.client()
  const exit = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
  let bytes = 0
  client.client.onMessage(({ data }) => {
    bytes += data.length
  })
  const stop = new AbortController()
  exit.client.onMessage(async ({ sender }) => {
    const { signal } = stop
    const reply = { to: sender as string, data: MESSAGE, lane: 'connection:1', signal }
    while (!signal.aborted) await exit.client.reply(reply).catch(() => {})
  })
  return {
    mixnet,
    client,
    exit,
    async share(seconds) {
      const before = bytes
      await mixnet.simulation.runFor(millis(1_000 * seconds))
      return (bytes - before) / seconds / BOUND
    },
    slots() {
      const sent = client.meter.snapshot()
      return (sent['client_sent_total{kind="real"}'] ?? 0) + (sent['client_sent_total{kind="main-cover"}'] ?? 0)
    },
    async begin() {
      client.client.supply(exit.client.address)
      await client.client.send({ to: exit.client.address, data: new Uint8Array(300), lane: 'connection:1' })
    },
    async end() {
      stop.abort()
      await client.client.stop()
      await exit.client.stop()
    },
  }
}

// One way: four links and, on average, three delays of 15 ms. Round trips: 150, 200 and 250 ms.
for (const latency of [7.5, 13.75, 20]) {
  test(`anonymous download: over 90 % of the bound after 2 s from cold, round trip ${90 + 8 * latency} ms`, async (t) => {
    const download = makeDownload({ seed: 'cold1', latency: [latency, latency] })
    await download.begin()
    await download.share(2)
    const before = download.slots()
    const share = await download.share(10)
    const slots = download.slots() - before
    // Ten seconds have 500 slots, give or take 22.
    const ofSlots = (share * 500) / slots
    t.diagnostic(`${share.toFixed(3)} of the bound, ${ofSlots.toFixed(3)} of what ${slots} slots allowed`)
    assert.ok(share > 0.9 && ofSlots > 0.92)
    await download.end()
  })
}

test('and in the long run', async (t) => {
  const download = makeDownload({ seed: 'steady', latency: [7.5, 20] })
  await download.begin()
  await download.share(5)
  const share = await download.share(25)
  t.diagnostic(`${share.toFixed(3)} of ${Math.round(BOUND)} bytes a second`)
  assert.ok(share > 0.9, `${share}`)
  await download.end()
})

test('two percent loss costs what it must: lost slots and SURBs, no stalls', async (t) => {
  const download = makeDownload({ seed: 'loss', latency: [7.5, 20], loss: 0.02 })
  await download.begin()
  await download.share(5)
  const share = await download.share(20)
  t.diagnostic(share.toFixed(3))
  // Packet or ack lost: 4 % of the client's slots are spent twice, and 4 % of the SURBs.
  assert.ok(share > 0.8, `${share}`)
  await download.end()
})

test('an idle client ships a small stock, once', async () => {
  const { mixnet, client, exit, end } = makeDownload({ seed: 'idle', latency: [7.5, 20] })
  client.client.supply(exit.client.address)
  const stock: number[] = []
  for (const seconds of [3, 60]) {
    await mixnet.simulation.runFor(millis(1_000 * seconds))
    stock.push(exit.meter.snapshot().client_reply_surbs as number)
  }
  assert.deepEqual(stock, [40, 40])
  assert.equal(client.meter.snapshot()['client_sent_total{kind="real"}'], 12)
  await end()
})
