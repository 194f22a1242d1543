import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { parseIp } from '../../../foundation/base/ipAddress.ts'
import { millis } from '../../../foundation/base/units.ts'
import { nodeProvider } from '../../../foundation/crypto/nodeProvider.ts'
import { HandClock } from '../../../foundation/platform/handClock.ts'
import { nodeWorld } from '../../../foundation/platform/node/nodeWorld.ts'
import { decodeBundle } from '../../../protocol/wire/exit/ipBundle.ts'
import { decodeIpPacketResponse } from '../../../protocol/wire/exit/ipPacketRouter.ts'
import { buildEcho } from '../../../protocol/wire/ip/echo.ts'
import { type IpPacket, readIpPacket } from '../../../protocol/wire/ip/ipPacket.ts'
import { advanced, buildTcp, FLAG, readTcpSegment, type TcpSegment } from '../../../protocol/wire/ip/tcpSegment.ts'
import { FakeClient, LOCAL_RULES, turns } from '../support.test.ts'
import { ROUTER_IPS } from './addressPool.ts'
import { DEFAULT_IP_ROUTER_PARAMS } from './ipRouterParams.ts'
import { RouterClient } from './routerClient.ts'
import { SharedConnections } from './sharedConnections.ts'
import { SharedMemory } from './sharedMemory.ts'
import { FakeWay, Outside } from './support.test.ts'

const IPS = { ipv4: parseIp('10.0.7.7') as Uint8Array, ipv6: parseIp('fc00::707') as Uint8Array }
const ADDRESSES = { source: IPS.ipv4, destination: parseIp('1.2.3.4') as Uint8Array }
const PORTS = { sourcePort: 4000, destinationPort: 443 }
const MTU = 1500
const KIB = 1024

const read = (bytes: Uint8Array): IpPacket => {
  const packet = readIpPacket(bytes)
  assert.ok(!('fault' in packet))
  return packet
}

class Bench {
  readonly clock = new HandClock()
  readonly mixnet = new FakeClient()
  readonly memory: SharedMemory
  readonly site = new Outside({ host: '1.2.3.4', port: 443 })
  readonly way = new FakeWay({ ips: IPS, received() {}, lost() {} })
  readonly client: RouterClient
  dropped = 0

  /** Of the memory one half is for whoever comes first, of the other each client has a sixteenth each way. Default: 32 KiB. */
  constructor(maxTotalBytes = 1024 * KIB) {
    this.memory = new SharedMemory({ maxTotalBytes, maxClients: 8 })
    const world = nodeWorld(nodeProvider)
    this.client = new RouterClient({
      world: { ...world, clock: this.clock, net: { ...world.net, connect: async () => this.site } },
      client: this.mixnet,
      name: 'alice',
      path: { kind: 'tag', tag: 'alice' },
      dialect: { version: 8 },
      ips: IPS,
      bufferTimeoutMs: undefined,
      mtu: MTU,
      params: DEFAULT_IP_ROUTER_PARAMS,
      rules: LOCAL_RULES,
      memory: this.memory,
      connections: new SharedConnections(),
      answers: { send() {} },
      dropped: (_, packets = 1) => {
        this.dropped += packets
      },
      lost() {},
      toClient: { value: 0 },
      toWorld: { value: 0 },
    })
    open.push(this.client)
  }

  say(segment: Partial<TcpSegment> & { readonly flags: number }): void {
    const whole = { sequence: 1001, acknowledgment: 0, window: 65_535, ...segment }
    this.client.carry(read(buildTcp(ADDRESSES, PORTS, whole)))
  }

  /** Whatever came to the client. */
  get heard(): TcpSegment[] {
    return this.mixnet.answers.flatMap(({ data }) => {
      const { response } = decodeIpPacketResponse(data)
      assert.equal(response.kind, 'data')
      return decodeBundle(response.bundle).packets.map((bytes) => readTcpSegment(read(bytes)))
    })
  }

  get heardBytes(): number {
    return this.heard.reduce((sum, { data }) => sum + data.length, 0)
  }

  async connected(): Promise<void> {
    assert.ok(this.client.attach(this.way))
    this.say({ flags: FLAG.syn, sequence: 1000, mss: 1460, windowShift: 7 })
    await turns()
    const [answer] = this.heard as [TcpSegment]
    assert.equal(answer.flags, FLAG.syn | FLAG.ack)
    this.say({ flags: FLAG.ack, acknowledgment: advanced(answer.sequence, 1) })
  }

  /** Time for one message more, where the lane has room. */
  async moment(): Promise<void> {
    this.clock.advance(DEFAULT_IP_ROUTER_PARAMS.bundleWait)
    await turns()
  }
}

const open: RouterClient[] = []
afterEach(async () => {
  for (const client of open.splice(0)) await client.end()
})

test('where others have taken what there is, a connection sends no more than is kept for its client', async () => {
  const bench = new Bench()
  await bench.connected()
  assert.ok(bench.memory.reserve(512 * KIB, 0))
  for (let i = 0; i < 10; i++) bench.site.handlers?.data(new Uint8Array(10_000))
  assert.ok(bench.way.isPaused)
  // What nothing holds finds room all the same: acknowledgments of all connections that there may be.
  for (let i = 0; i < 256; i++) bench.say({ flags: FLAG.ack, sequence: 1000, acknowledgment: 1 })
  assert.equal(bench.dropped, 0)
  for (let i = 0; i < 50; i++) await bench.moment()
  assert.equal(bench.heardBytes, 100_000)
  assert.equal(bench.dropped, 0)
  assert.equal(bench.way.isPaused, false)
})

test('an engine is let go on when its client has room, and not while the connections of the client fill it again', async () => {
  const bench = new Bench()
  await bench.connected()
  bench.mixnet.congested = true
  let left = 400_000
  for (; left > 0; left -= 50_000) bench.site.handlers?.data(new Uint8Array(50_000))
  assert.ok(bench.way.isPaused)
  const room = DEFAULT_IP_ROUTER_PARAMS.pauseAtBytes
  let rounds = 0
  for (; bench.heardBytes < 400_000 - room; rounds++) {
    assert.ok(rounds < 100, 'it comes to an end')
    assert.equal(bench.way.resumed, 0)
    bench.mixnet.release()
    await bench.moment()
  }
  assert.ok(rounds > 5, `${rounds}`)
  bench.mixnet.congested = false
  bench.mixnet.release()
  for (let i = 0; i < 20; i++) await bench.moment()
  assert.equal(bench.heardBytes, 400_000)
  assert.equal(bench.way.resumed, 1)
  assert.equal(bench.dropped, 0)
})

const ECHO = { isReply: false, identifier: 1, sequence: 2, data: new Uint8Array(1400) }
const PING = read(buildEcho({ ...ADDRESSES, destination: ROUTER_IPS.ipv4 }, ECHO))

test('where others have taken what there is, an engine goes on once acknowledgments have room again', async () => {
  const bench = new Bench()
  bench.client.attach(bench.way)
  const waited: number[] = []
  bench.way.resume = () => waited.push(bench.memory.taken - 512 * KIB)
  assert.ok(bench.memory.reserve(512 * KIB, 0))
  for (let i = 0; i < 21; i++) bench.client.carry(PING)
  assert.ok(bench.way.isPaused)
  for (let i = 0; i < 10; i++) await bench.moment()
  assert.equal(waited.length, 1)
  assert.ok((waited[0] as number) <= 20 * KIB, `${waited[0]}`)
  assert.equal(bench.dropped, 0)
})

test('an engine that opens for a client that is full already waits as the others do', async () => {
  const bench = new Bench()
  for (let i = 0; i < 60; i++) bench.client.carry(PING)
  assert.ok(bench.client.attach(bench.way))
  assert.ok(bench.way.isPaused)
  const waited: number[] = []
  bench.way.resume = () => waited.push(bench.memory.taken)
  for (let i = 0; i < 20; i++) await bench.moment()
  assert.equal(waited.length, 1)
  assert.ok((waited[0] as number) < DEFAULT_IP_ROUTER_PARAMS.pauseAtBytes / 2, `${waited[0]}`)
})

test('what waits for its turn is bounded, and none of it is kept when the client goes', async () => {
  const bench = new Bench(4096 * KIB)
  bench.client.order.push(1, [])
  const whole = { sequence: 1001, acknowledgment: 1, window: 1000, flags: FLAG.ack, data: new Uint8Array(1400) }
  const packet = read(buildTcp(ADDRESSES, PORTS, whole))
  let most = 0
  for (let number = 3; number < 1000; number++) {
    bench.client.order.push(number, [packet])
    most = Math.max(most, bench.memory.taken)
  }
  const { maxHeldBytes } = DEFAULT_IP_ROUTER_PARAMS
  // Each with what it takes beside its bytes.
  assert.ok(most <= maxHeldBytes && most > maxHeldBytes - 2500, `${most}`)
  bench.client.order.push(2000, [packet])
  assert.ok(bench.memory.taken > 0)
  await bench.client.end()
  assert.equal(bench.memory.taken, 0)
})

test('who is over takes no engine, and keeps nothing', async () => {
  const bench = new Bench()
  await bench.connected()
  bench.site.handlers?.data(new Uint8Array(10_000))
  assert.ok(bench.memory.taken > 0)
  await bench.client.end()
  assert.equal(bench.memory.taken, 0)
  assert.equal(bench.site.fate, 'reset')
  assert.ok(bench.way.closed)
  assert.equal(bench.client.attach(new FakeWay({ ips: IPS, received() {}, lost() {} })), false)
  bench.clock.advance(millis(100))
  assert.equal(bench.memory.taken, 0)
})
