/** What a client of the packet router hears last, where much waited for it: read as official clients read, each frame after the one before. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TestClient, TestMixnet } from '../../../client/mixnet.support.test.ts'
import { SERVICE_TRAFFIC, type TrafficParams } from '../../../client/trafficParams.ts'
import { MixnetError } from '../../../foundation/base/errors.ts'
import { silentLog } from '../../../foundation/base/observe.ts'
import { millis, minutes, seconds } from '../../../foundation/base/units.ts'
import { decodeIpPacketResponse, encodeIpPacketRequest } from '../../../protocol/wire/exit/ipPacketRouter.ts'
import { decodeStreamFrame, encodeStreamFrame } from '../../../protocol/wire/exit/streamFrame.ts'
import { buildUdp } from '../../../protocol/wire/ip/buildPacket.ts'
import { BUILD, LOCAL_RULES } from '../support.test.ts'
import { IpPacketRouter } from './ipPacketRouter.ts'
import { DEFAULT_IP_ROUTER_PARAMS, ROUTER_TRAFFIC } from './ipRouterParams.ts'
import type { WayOutOptions } from './wayOut.ts'

const withoutCover = (traffic: TrafficParams): TrafficParams => ({ ...traffic, loopCoverInterval: undefined })

async function setUp(seed: string) {
  const mixnet = new TestMixnet({ seed })
  const exit: TestClient = mixnet.client({ gateway: 1, traffic: withoutCover(ROUTER_TRAFFIC) })
  const client: TestClient = mixnet.client({ traffic: withoutCover(SERVICE_TRAFFIC) })
  const ways: WayOutOptions[] = []
  const router = IpPacketRouter.start(exit.world, {
    client: exit.client,
    rules: LOCAL_RULES,
    params: DEFAULT_IP_ROUTER_PARAMS,
    build: BUILD,
    meter: exit.meter,
    log: silentLog,
    wayOut: {
      mtu: 1500,
      async open(options) {
        ways.push(options)
        return { send: () => true, pause() {}, resume() {}, close: async () => {} }
      },
      async close() {},
    },
  })
  const frames = new Map<number, string>()
  client.client.onMessage(({ data }) => {
    const { sequence, content } = decodeStreamFrame(data)
    frames.set(sequence, decodeIpPacketResponse(content).response.kind)
  })
  const connect = (): void => {
    const timestamp = { unixSeconds: 1_800_000_000, nanoseconds: 0 }
    const content = encodeIpPacketRequest(9, { kind: 'connect', requestId: 1n, bufferTimeoutMs: undefined, timestamp })
    const data = encodeStreamFrame({ streamId: 7n, type: 'data', sequence: 0, content })
    void client.client.send({ to: exit.client.address, data })
  }
  connect()
  await mixnet.until(() => frames.size === 1)
  /** What the world says to the client, `packets` packets at once. */
  const flood = (packets: number): void => {
    const way = ways.at(-1) as WayOutOptions
    const between = { source: Uint8Array.of(9, 9, 9, 9), destination: way.ips.ipv4 }
    for (let i = 0; i < packets; i++)
      way.received(buildUdp(between, { sourcePort: 1, destinationPort: 2 }, new Uint8Array(1400)))
  }
  /** In the order of their numbers, as far as there is none missing. */
  const read = (): string[] => {
    const kinds: string[] = []
    for (let kind = frames.get(0); kind !== undefined; kind = frames.get(kinds.length)) kinds.push(kind)
    return kinds
  }
  return { mixnet, exit, client, router, ways, frames, connect, flood, read }
}

for (const packets of [0, 1, 60, 170]) {
  test(`a client for whom ${packets} packets wait hears that its way out is gone`, async () => {
    const { mixnet, exit, ways, frames, flood, read, router } = await setUp(`last ${packets}`)
    flood(packets)
    await mixnet.simulation.runFor(millis(20))
    ways[0]?.lost(new MixnetError('CONNECTION_CLOSED'))
    await mixnet.simulation.runFor(seconds(20))
    assert.equal(read().at(-1), 'unrequestedDisconnect')
    assert.equal(read().length, frames.size)
    assert.equal(exit.meter.snapshot().client_replies_waiting, 0)
    await mixnet.simulation.complete(router.stop(), minutes(1))
  })
}

test('what waits for one who does not come for it is bounded, and goes with its addresses', async () => {
  const { mixnet, exit, client, ways, flood } = await setUp('gone')
  await client.client.stop()
  flood(170)
  await mixnet.simulation.runFor(seconds(1))
  const waiting = () => (exit.meter.snapshot().client_replies_waiting ?? 0) + (exit.meter.snapshot().client_queued ?? 0)
  const before = waiting()
  assert.ok(before > 0)
  ways[0]?.lost(new MixnetError('CONNECTION_CLOSED'))
  await mixnet.simulation.runFor(seconds(1))
  assert.ok(waiting() <= before + 1, `${waiting()} after ${before}`)
  await mixnet.simulation.runFor(minutes(3))
  assert.equal(waiting(), 0)
})

test('who is back at once gets no more of what waited before', async () => {
  const { mixnet, exit, ways, connect, flood } = await setUp('back')
  const tag = [...exit.client.senders][0]?.tag as string
  const waiting = () => exit.client.laneLength(`ip ${tag}`, tag)
  flood(170)
  await mixnet.simulation.runFor(millis(1))
  ways[0]?.lost(new MixnetError('CONNECTION_CLOSED'))
  assert.ok(waiting() > 0)
  const before = waiting()
  connect()
  await mixnet.until(() => ways.length === 2)
  assert.equal(waiting(), 0, `of ${before}`)
})

for (const packets of [0, 60]) {
  test(`a client for whom ${packets} packets wait hears that the exit stops, before its client does`, async () => {
    const { mixnet, exit, frames, flood, read, router } = await setUp(`stop ${packets}`)
    flood(packets)
    await mixnet.simulation.runFor(millis(20))
    await mixnet.simulation.complete(
      router.stop().then(() => exit.client.stop()),
      minutes(1),
    )
    await mixnet.simulation.runFor(seconds(5))
    assert.equal(read().at(-1), 'unrequestedDisconnect')
    assert.equal(read().length, frames.size)
  })
}
