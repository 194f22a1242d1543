import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { MixnetError } from '../../../foundation/base/errors.ts'
import { parseIp } from '../../../foundation/base/ipAddress.ts'
import { Meter, silentLog } from '../../../foundation/base/observe.ts'
import { millis } from '../../../foundation/base/units.ts'
import { nodeProvider } from '../../../foundation/crypto/nodeProvider.ts'
import { HandClock } from '../../../foundation/platform/handClock.ts'
import type { ConnectOptions } from '../../../foundation/platform/net.ts'
import { nodeWorld } from '../../../foundation/platform/node/nodeWorld.ts'
import type { IpPair } from '../../../protocol/wire/exit/bincode.ts'
import { parseExitPolicy } from '../../../protocol/wire/exit/exitPolicy.ts'
import { decodeBundle, encodePacket } from '../../../protocol/wire/exit/ipBundle.ts'
import {
  decodeIpPacketResponse,
  encodeIpPacketRequest,
  type IpPacketRequest,
  type IpPacketResponse,
  type IpPacketRouterVersion,
} from '../../../protocol/wire/exit/ipPacketRouter.ts'
import {
  decodeLegacyIpPacketResponse,
  encodeLegacyIpPacketRequest,
  legacySignedBytes,
} from '../../../protocol/wire/exit/ipPacketRouterLegacy.ts'
import { decodeStreamFrame, encodeStreamFrame } from '../../../protocol/wire/exit/streamFrame.ts'
import { buildUdp } from '../../../protocol/wire/ip/buildPacket.ts'
import { buildEcho, readEcho } from '../../../protocol/wire/ip/echo.ts'
import { readIpPacket } from '../../../protocol/wire/ip/ipPacket.ts'
import { buildTcp, FLAG, readTcpSegment } from '../../../protocol/wire/ip/tcpSegment.ts'
import { DEFAULT_EXIT_RULES, type ExitRules } from '../exitRules.ts'
import { BUILD, FakeClient, turns, until } from '../support.test.ts'
import { IpPacketRouter } from './ipPacketRouter.ts'
import { DEFAULT_IP_ROUTER_PARAMS, type IpRouterParams } from './ipRouterParams.ts'
import { FakeWay } from './support.test.ts'
import type { WayOut } from './wayOut.ts'

const ip = (text: string): Uint8Array => parseIp(text) as Uint8Array
const OWN = new Set(['9.9.9.9'])
const NOW = { unixSeconds: 1_800_000_000, nanoseconds: 0 }
const SITE = ip('1.2.3.4')
const RULES: ExitRules = {
  ...DEFAULT_EXIT_RULES,
  policy: parseExitPolicy('ExitPolicy reject *:25\nExitPolicy accept *:*'),
}

interface Router {
  readonly client: FakeClient
  readonly router: IpPacketRouter
  readonly ways: FakeWay[]
  /** Connections that were asked for; none is ever made. */
  readonly connecting: ConnectOptions[]
  readonly meter: Meter
  readonly clock: HandClock
  /** Engines open when it is called. */
  opening: () => Promise<void>
  dropped(reason: string): number
}

const running: IpPacketRouter[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((router) => router.stop()))
})

function start(params: Partial<IpRouterParams> = {}, rules: ExitRules = RULES): Router {
  const clock = new HandClock()
  const client = new FakeClient()
  const meter = new Meter()
  const ways: FakeWay[] = []
  const connecting: ConnectOptions[] = []
  const world = nodeWorld(nodeProvider)
  const wayOut: WayOut = {
    mtu: 1500,
    async open(options) {
      await made.opening()
      const way = new FakeWay(options)
      ways.push(way)
      return way
    },
    async close() {},
  }
  const router = IpPacketRouter.start(
    {
      ...world,
      clock,
      net: {
        ...world.net,
        ownAddresses: () => OWN,
        connect(options) {
          connecting.push(options)
          return new Promise(() => {})
        },
      },
    },
    {
      client,
      wayOut,
      rules,
      params: { ...DEFAULT_IP_ROUTER_PARAMS, ...params },
      build: BUILD,
      meter,
      log: silentLog,
    },
  )
  running.push(router)
  const made: Router = {
    client,
    router,
    ways,
    connecting,
    meter,
    clock,
    opening: async () => {},
    dropped: (reason) => meter.snapshot()[`ip_dropped_total{reason="${reason}"}`] ?? 0,
  }
  return made
}

/** One official client of a version: raw, or in a stream. */
class Peer {
  readonly #router: Router
  readonly tag: string
  readonly version: IpPacketRouterVersion
  readonly streamId = 77n
  constructor(router: Router, tag: string, version: IpPacketRouterVersion = 10) {
    this.#router = router
    this.tag = tag
    this.version = version
  }

  ask(request: IpPacketRequest): void {
    const content = encodeIpPacketRequest(this.version, request)
    const { streamId } = this
    this.deliver(this.version === 8 ? content : encodeStreamFrame({ streamId, type: 'data', sequence: 0, content }))
  }

  deliver(message: Uint8Array): void {
    this.#router.client.deliver(message, this.tag)
    // Whatever is kept of it is not in the message's memory.
    message.fill(0)
  }

  send(...packets: Uint8Array[]): void {
    this.ask({ kind: 'data', bundle: Uint8Array.from(packets.flatMap((one) => [...encodePacket(one)])) })
  }

  get heard(): (IpPacketResponse & { readonly sequence: number })[] {
    return this.#router.client.answers
      .filter(({ to }) => to === this.tag)
      .map(({ data }) => {
        const frame = this.version === 8 ? undefined : decodeStreamFrame(data)
        if (frame !== undefined) assert.equal(frame.streamId, this.streamId)
        const { version, response } = decodeIpPacketResponse(frame?.content ?? data)
        assert.equal(version, this.version)
        return { ...response, sequence: frame?.sequence ?? 0 }
      })
  }

  /** Packets that came, in order. */
  get packets(): Uint8Array[] {
    return this.heard.flatMap((one) => (one.kind === 'data' ? decodeBundle(one.bundle).packets : []))
  }

  async connect(requestId = 5n, bufferTimeoutMs?: bigint): Promise<IpPair> {
    const before = this.heard.length
    this.ask({ kind: 'connect', requestId, bufferTimeoutMs, timestamp: NOW })
    await until('connected', () => this.heard.length > before)
    const answer = this.heard.at(-1)
    assert.equal(
      answer?.kind,
      'connected',
      JSON.stringify(answer, (_, v) => (typeof v === 'bigint' ? String(v) : v)),
    )
    assert.equal(answer.requestId, requestId)
    return answer.ips
  }
}

const PORTS = { sourcePort: 4000, destinationPort: 53 }
const packetOf = (ips: IpPair, destination: Uint8Array = SITE, size = 10, port = 53): Uint8Array =>
  buildUdp(
    { source: destination.length === 4 ? ips.ipv4 : ips.ipv6, destination },
    { ...PORTS, destinationPort: port },
    new Uint8Array(size),
  )
const packetFor = (ips: IpPair, size = 10): Uint8Array =>
  buildUdp({ source: SITE, destination: ips.ipv4 }, { sourcePort: 53, destinationPort: 4000 }, new Uint8Array(size))

describe('the IP packet router', () => {
  for (const version of [8, 9, 10] as const) {
    test(`version ${version}: addresses, packets both ways, ping, health, goodbye`, async () => {
      const router = start()
      const peer = new Peer(router, 'alice', version)
      const ips = await peer.connect()
      const [answer] = peer.heard
      assert.equal(answer?.kind === 'connected' && answer.mtu, version === 10 ? 1500 : undefined)
      assert.deepEqual([ips.ipv4[0], ips.ipv4[1], ips.ipv6[0]], [10, 0, 0xfc])
      const packet = packetOf(ips)
      peer.send(packet, packetOf(ips, ip('2606:4700::1111')))
      assert.equal(router.ways[0]?.sent.length, 2)
      assert.deepEqual(router.ways[0]?.sent[0], packet)
      const [back, second] = [packetFor(ips), packetFor(ips, 20)]
      router.ways[0]?.options.received(back)
      router.ways[0]?.options.received(second)
      // At once, behind a pause.
      await until('the bundle', () => peer.packets.length === 2)
      assert.deepEqual(peer.packets, [back, second])
      if (version !== 8)
        assert.deepEqual(
          peer.heard.map(({ sequence }) => sequence),
          [0, 1],
        )
      peer.ask({ kind: 'ping', requestId: 8n, timestamp: NOW })
      peer.ask({ kind: 'health', requestId: 9n, timestamp: NOW })
      peer.ask({ kind: 'disconnect', requestId: 10n, timestamp: NOW })
      peer.ask({ kind: 'disconnect', requestId: 11n, timestamp: NOW })
      const kinds = peer.heard.slice(2).map(({ kind }) => kind)
      assert.deepEqual(kinds, ['pong', 'health', 'disconnected', 'disconnectRefused'])
      await until('the way is closed', () => router.ways[0]?.closed === true)
      peer.send(packet)
      assert.equal(router.dropped('not-connected'), 1)
    })
  }

  test('versions 6 and 7: the address answers, 7 is signed, static addresses are kept', async () => {
    const router = start()
    const seed = new Uint8Array(32).fill(9)
    const replyTo = { ...router.client.address, identity: nodeProvider.ed25519PublicKey(seed) }
    const ips = { ipv4: ip('10.0.72.48'), ipv6: ip('fc00::4830') }
    const asked = { requestId: 3n, replyTo, hops: undefined, averageDelay: undefined, bufferTimeoutMs: undefined }
    const timestamp = { unixSeconds: Math.floor(router.clock.now() / 1000), nanoseconds: 0 }
    const request = { kind: 'staticConnect', ips, ...asked, timestamp, signature: undefined } as const
    const signature = nodeProvider.ed25519Sign(seed, legacySignedBytes(request))
    const { client } = router
    client.deliver(encodeLegacyIpPacketRequest(7, request))
    assert.equal(router.dropped('unsigned'), 1)
    client.deliver(encodeLegacyIpPacketRequest(7, { ...request, ips: { ...ips, ipv4: ip('10.0.72.49') }, signature }))
    assert.equal(router.dropped('unsigned'), 2, 'a signature of something else')
    const old = { ...request, timestamp: { ...timestamp, unixSeconds: timestamp.unixSeconds - 11 } }
    const oldSignature = nodeProvider.ed25519Sign(seed, legacySignedBytes(old))
    client.deliver(encodeLegacyIpPacketRequest(7, { ...old, signature: oldSignature }))
    assert.equal(router.dropped('out-of-date'), 1)
    client.deliver(encodeLegacyIpPacketRequest(7, { ...request, signature }))
    await until('connected', () => client.answers.length === 1)
    const { response } = decodeLegacyIpPacketResponse(nodeProvider, client.answers[0]?.data as Uint8Array)
    assert.equal(response.kind, 'staticConnected')
    // Data say nothing of their sender: the source does.
    client.deliver(encodeLegacyIpPacketRequest(7, { kind: 'data', bundle: encodePacket(packetOf(ips)) }))
    assert.equal(router.ways[0]?.sent.length, 1)

    const second = { ...request, replyTo: { ...replyTo, identity: nodeProvider.ed25519PublicKey(new Uint8Array(32)) } }
    client.deliver(encodeLegacyIpPacketRequest(6, second))
    await until('refused', () => client.answers.length === 2)
    const refused = decodeLegacyIpPacketResponse(nodeProvider, client.answers[1]?.data as Uint8Array).response
    assert.deepEqual(refused.kind === 'staticConnectRefused' && refused.reason, { kind: 'ipInUse' })
  })

  test('nobody has what is sent to another, nor ends it, by writing its identity into an address', async () => {
    const router = start()
    const { client } = router
    const seed = new Uint8Array(32).fill(9)
    const replyTo = { ...client.address, identity: nodeProvider.ed25519PublicKey(seed) }
    const asked = { requestId: 3n, hops: undefined, averageDelay: undefined, bufferTimeoutMs: undefined }
    const timestamp = { unixSeconds: Math.floor(router.clock.now() / 1000), nanoseconds: 0 }
    const unsigned = { ...asked, timestamp, signature: undefined } as const
    const forged = { ...replyTo, gateway: nodeProvider.ed25519PublicKey(new Uint8Array(32).fill(7)) }
    client.deliver(encodeLegacyIpPacketRequest(6, { kind: 'dynamicConnect', ...unsigned, replyTo: forged }))
    await until('the attacker is connected', () => router.ways.length === 1)
    const request = { kind: 'dynamicConnect', ...unsigned, replyTo } as const
    const signature = nodeProvider.ed25519Sign(seed, legacySignedBytes(request))
    client.deliver(encodeLegacyIpPacketRequest(7, { ...request, signature }))
    await until('its owner is connected', () => router.ways.length === 2)
    const { requestId } = asked
    client.deliver(
      encodeLegacyIpPacketRequest(6, { kind: 'disconnect', requestId, replyTo, timestamp, signature: undefined }),
    )
    await until('answered', () => client.answers.length === 3)
    assert.equal(router.ways[1]?.closed, false)
    assert.equal(router.router.clientCount, 2)
  })

  test('raw messages of framed versions, framed ones of raw versions and unknown ones are dropped', async () => {
    const router = start()
    const peer = new Peer(router, 'alice', 9)
    const content = (version: IpPacketRouterVersion) =>
      encodeIpPacketRequest(version, { kind: 'ping', requestId: 1n, timestamp: NOW })
    peer.deliver(content(9))
    peer.deliver(content(10))
    peer.deliver(encodeStreamFrame({ streamId: 1n, type: 'data', sequence: 0, content: content(8) }))
    peer.deliver(Uint8Array.of(5, 1, 2))
    peer.deliver(Uint8Array.of(11, 1, 2))
    assert.equal(router.dropped('version'), 5)
    peer.deliver(encodeStreamFrame({ streamId: 1n, type: 'open', sequence: 0, content: new Uint8Array(0) }))
    router.client.deliver(content(8))
    assert.equal(router.dropped('no-return-path'), 1)
    assert.equal(router.client.answers.length, 0)
  })

  test('nobody sends from an address of somebody else', async () => {
    const router = start()
    const [alice, mallory] = [new Peer(router, 'alice'), new Peer(router, 'mallory')]
    const [hers, his] = [await alice.connect(), await mallory.connect()]
    mallory.send(packetOf(hers), packetOf(hers, ip('2606:4700::1111')), packetOf(his))
    assert.equal(router.dropped('source-of-another'), 2)
    assert.equal(router.ways[0]?.sent.length, 0)
    assert.equal(router.ways[1]?.sent.length, 1)
    // Nor through versions whose data name nobody.
    const { client } = router
    client.deliver(encodeLegacyIpPacketRequest(6, { kind: 'data', bundle: encodePacket(packetOf(hers)) }))
    assert.equal(router.ways[0]?.sent.length, 0)
    // And an engine that mixes its clients up is not believed.
    router.ways[0]?.options.received(packetFor(his))
    assert.equal(router.dropped('returned-for-another'), 1)
  })

  test('the policy holds for every packet, and the client hears of it once a second', async () => {
    const router = start()
    const peer = new Peer(router, 'alice')
    const ips = await peer.connect()
    const way = router.ways[0] as FakeWay
    const refused: readonly (readonly [string, Uint8Array])[] = [
      ['policy', packetOf(ips, SITE, 1, 25)],
      ['policy', packetOf(ips, SITE, 1, 0)],
      ['local-address', packetOf(ips, ip('192.168.1.1'))],
      ['local-address', packetOf(ips, ip('127.0.0.1'))],
      ['local-address', packetOf(ips, ip('169.254.169.254'))],
      ['local-address', packetOf(ips, ip('9.9.9.9'))],
      ['local-address', packetOf(ips, ip('fd00::1'))],
      ['local-address', packetOf(ips, ip('::ffff:1.2.3.4'))],
      ['local-address', packetOf(ips, ip('64:ff9b::7f00:1'))],
      ['multicast', packetOf(ips, ip('224.0.0.251'))],
      ['multicast', packetOf(ips, ip('255.255.255.255'))],
      ['multicast', packetOf(ips, ip('ff02::1'))],
    ]
    for (const [, packet] of refused) peer.send(packet)
    for (const reason of new Set(refused.map(([one]) => one))) {
      assert.equal(router.dropped(`destination-${reason}`), refused.filter(([one]) => one === reason).length, reason)
    }
    assert.equal(way.sent.length, 0)
    const infos = peer.heard.filter(({ kind }) => kind === 'info')
    assert.equal(infos.length, 1)
    assert.deepEqual(infos[0]?.kind === 'info' && infos[0].info, {
      kind: 'exitPolicyRefused',
      destination: '1.2.3.4:25',
    })
    router.clock.advance(millis(1000))
    peer.send(packetOf(ips, ip('fd00::1')))
    assert.equal(peer.heard.filter(({ kind }) => kind === 'info').length, 2)
  })

  test('who asks for a connection that the policy forbids is refused as by the destination, and nothing else of TCP is answered', async () => {
    const router = start()
    const peer = new Peer(router, 'alice')
    const { ipv4: source } = await peer.connect()
    const ports = { sourcePort: 4000, destinationPort: 25 }
    const segment = { sequence: 0xffff_ffff, acknowledgment: 0, window: 1000 }
    for (const flags of [FLAG.syn, FLAG.ack, FLAG.rst, FLAG.syn | FLAG.ack]) {
      peer.send(buildTcp({ source, destination: SITE }, ports, { ...segment, flags }))
    }
    await until('it waits for the bundle', () => router.clock.pending > 1)
    router.clock.advance(millis(20))
    await until('the refusal', () => peer.packets.length > 0)
    assert.equal(peer.packets.length, 1)
    const refusal = readIpPacket(peer.packets[0] as Uint8Array)
    assert.ok(!('fault' in refusal))
    assert.deepEqual([refusal.source, refusal.sourcePort], [SITE, 25])
    assert.deepEqual([refusal.destination, refusal.destinationPort], [source, 4000])
    const { flags, acknowledgment } = readTcpSegment(refusal)
    assert.deepEqual([flags, acknowledgment], [FLAG.rst | FLAG.ack, 0])
    assert.equal(router.dropped('destination-policy'), 4)
  })

  test("pings of the router's own addresses are answered here, and nothing else to them is", async () => {
    const router = start()
    const peer = new Peer(router, 'alice')
    const ips = await peer.connect()
    const echo = { isReply: false, identifier: 1, sequence: 2, data: Uint8Array.of(3) }
    peer.send(buildEcho({ source: ips.ipv4, destination: ip('10.0.0.1') }, echo))
    peer.send(buildEcho({ source: ips.ipv6, destination: ip('fc00::1') }, echo))
    await until('both', () => peer.packets.length === 2)
    for (const bytes of peer.packets) {
      const packet = readIpPacket(bytes)
      assert.ok(!('fault' in packet))
      assert.deepEqual(readEcho(packet), { ...echo, isReply: true })
    }
    peer.send(packetOf(ips, ip('10.0.0.1')))
    peer.send(buildEcho({ source: ips.ipv4, destination: ip('10.0.0.1') }, { ...echo, isReply: true }))
    assert.equal(router.dropped('destination-router'), 2)
    assert.equal(router.ways[0]?.sent.length, 0)
  })

  test('what waits goes in few messages, in order, of no more packets than clients read', async () => {
    const router = start()
    const peer = new Peer(router, 'alice')
    const ips = await peer.connect()
    const bundles = () => peer.heard.flatMap((one) => (one.kind === 'data' ? [one.bundle] : []))
    const come = async (packets: readonly Uint8Array[]) => {
      const before = peer.packets.length
      for (const packet of packets) router.ways[0]?.options.received(packet)
      await turns()
      router.clock.advance(millis(20))
      await until('all are there', () => peer.packets.length === before + packets.length)
    }
    const large = Array.from({ length: 20 }, (_, i) => packetFor(ips, 1400 + i))
    await come(large)
    assert.deepEqual(peer.packets, large)
    assert.equal(bundles().length, 4)
    assert.ok(bundles().every(({ length }) => length <= 9000))
    await come(Array.from({ length: 200 }, () => packetFor(ips, 1)))
    assert.deepEqual(
      bundles()
        .slice(4)
        .map((bundle) => decodeBundle(bundle).packets.length),
      [128, 72],
    )
  })

  test('damaged packets are counted and go nowhere; those beside them in the bundle do', async () => {
    const router = start()
    const peer = new Peer(router, 'alice')
    const ips = await peer.connect()
    const bad = packetOf(ips)
    bad[25] = 1
    peer.send(bad, packetOf(ips), packetOf(ips, SITE, 1500 - 28 + 1))
    assert.equal(router.dropped('packet-transport'), 1)
    assert.equal(router.dropped('packet-too-long'), 1)
    router.clock.advance(millis(20))
    await until('it is told what fits', () => peer.packets.length === 1)
    const said = peer.packets[0] as Uint8Array
    assert.deepEqual(
      [...said.subarray(12, 22), said[26], said[27]],
      [10, 0, 0, 1, ...ips.ipv4, 3, 4, 1500 >> 8, 1500 & 0xff],
    )
    peer.send(packetOf(ips, SITE, 1500 - 28))
    assert.equal(router.ways[0]?.sent.length, 2)
    ;(router.ways[0] as FakeWay).busy = true
    peer.send(packetOf(ips))
    assert.equal(router.dropped('engine-busy'), 1)
  })

  test('a client may have its bundles wait, and no longer than a second', async () => {
    const router = start()
    const peer = new Peer(router, 'alice')
    const ips = await peer.connect(5n, 1_000_000n)
    for (let i = 0; i < 2; i++) router.ways[0]?.options.received(packetFor(ips))
    await until('the first', () => peer.packets.length > 0)
    router.ways[0]?.options.received(packetFor(ips))
    await turns()
    router.clock.advance(millis(999))
    await turns()
    const before = peer.packets.length
    router.clock.advance(millis(1))
    await turns()
    assert.deepEqual([before, peer.packets.length], [2, 3])
  })

  test('a bundle of more packets than bundles hold is not gone through', async () => {
    const router = start()
    const peer = new Peer(router, 'alice')
    await peer.connect()
    peer.ask({ kind: 'data', bundle: new Uint8Array(1 << 20) })
    assert.ok(router.dropped('packet-truncated') <= 128)
  })

  test('a client that does not take its packets slows its way down, then loses the oldest', async () => {
    const router = start({ pauseAtBytes: 10_000, maxWaitingBytes: 20_000 })
    const peer = new Peer(router, 'alice')
    const ips = await peer.connect()
    const way = router.ways[0] as FakeWay
    router.client.congested = true
    for (let i = 0; i < 120; i++) {
      way.options.received(packetFor(ips, 1400))
      if (i % 10 === 0) await turns()
    }
    assert.equal(way.isPaused, true)
    assert.ok(router.dropped('client-too-slow') > 20)
    assert.ok((router.meter.snapshot().ip_waiting_bytes ?? 0) <= 20_000)
    router.client.congested = false
    router.client.release()
    for (let i = 0; i < 5; i++) {
      router.clock.advance(millis(20))
      await turns()
    }
    assert.equal(way.isPaused, false)
    assert.equal(router.meter.snapshot().ip_waiting_bytes, 0)
  })

  test('pseudonyms that take all they get, and give no reply SURBs, leave room for others', async () => {
    const router = start({ maxTotalBytes: 1_000_000, maxWaitingBytes: 100_000, maxClients: 24 })
    const greedy: IpPair[] = []
    for (let i = 0; i < 20; i++) greedy.push(await new Peer(router, `greedy ${i}`).connect())
    const honest = await new Peer(router, 'honest').connect()
    router.client.congested = true
    // One after the other: the first ones take as much as they like.
    for (const [i, ips] of greedy.entries()) {
      for (let round = 0; round < 150; round++) {
        router.ways[i]?.options.received(packetFor(ips, 1400))
        if (round % 10 === 0) await turns()
      }
    }
    const waits = () => router.meter.snapshot().ip_waiting_bytes ?? 0
    const before = waits()
    assert.ok(before > 500_000 && before <= 1_000_000, `${before}`)
    for (let i = 0; i < 10; i++) router.ways[20]?.options.received(packetFor(honest, 1000))
    assert.ok(waits() - before >= 10_000, `${waits() - before}`)
    router.client.congested = false
    router.client.release()
  })

  test('TCP that overtook waits for its turn, datagrams do not; nothing of it stays when the client goes', async () => {
    const router = start()
    const peer = new Peer(router, 'alice')
    const { ipv4: source } = await peer.connect()
    const addresses = { source, destination: SITE }
    const syn = (destinationPort: number) =>
      buildTcp(
        addresses,
        { sourcePort: 4000, destinationPort },
        { sequence: 1, acknowledgment: 0, flags: FLAG.syn, window: 9 },
      )
    const send = (sequence: number, ...packets: Uint8Array[]) => {
      const bundle = Uint8Array.from(packets.flatMap((one) => [...encodePacket(one)]))
      const content = encodeIpPacketRequest(10, { kind: 'data', bundle })
      const message = encodeStreamFrame({ streamId: peer.streamId, type: 'data', sequence, content })
      peer.deliver(message)
    }
    const asked = () => router.connecting.map(({ port }) => port)
    send(1, syn(1))
    send(3, syn(3), buildUdp(addresses, PORTS, new Uint8Array(1)))
    assert.deepEqual(asked(), [1])
    assert.equal(router.ways[0]?.sent.length, 1)
    assert.ok((router.meter.snapshot().ip_waiting_bytes ?? 0) > 0)
    // A question has a number as well.
    const ping = encodeIpPacketRequest(10, { kind: 'ping', requestId: 1n, timestamp: NOW })
    peer.deliver(encodeStreamFrame({ streamId: peer.streamId, type: 'data', sequence: 4, content: ping }))
    send(5, syn(5))
    send(2, syn(2))
    assert.deepEqual(asked(), [1, 2, 3, 5])
    send(7, syn(7))
    router.clock.advance(DEFAULT_IP_ROUTER_PARAMS.patience)
    assert.deepEqual(asked(), [1, 2, 3, 5, 7])
    send(9, syn(9))
    peer.ask({ kind: 'disconnect', requestId: 10n, timestamp: NOW })
    assert.equal(router.meter.snapshot().ip_waiting_bytes, 0)
    assert.equal(router.ways[0]?.sent.length, 1, 'no engine sees a connection')
  })

  test('of an engine no connection is believed', async () => {
    const router = start()
    const peer = new Peer(router, 'alice')
    const { ipv4: destination } = await peer.connect()
    const segment = { sequence: 1, acknowledgment: 1, flags: FLAG.ack, window: 9 }
    router.ways[0]?.options.received(
      buildTcp({ source: SITE, destination }, { sourcePort: 80, destinationPort: 4000 }, segment),
    )
    router.clock.advance(millis(100))
    assert.equal(router.dropped('returned-tcp'), 1)
    assert.deepEqual(peer.packets, [])
  })

  test('connections end with the session of their client, and with nobody else', async () => {
    const router = start()
    const [alice, bob] = [new Peer(router, 'alice'), new Peer(router, 'bob')]
    for (const peer of [alice, bob]) {
      const { ipv4: source } = await peer.connect()
      const segment = { sequence: 1, acknowledgment: 0, flags: FLAG.syn, window: 9 }
      peer.send(buildTcp({ source, destination: SITE }, { sourcePort: 4000, destinationPort: 80 }, segment))
    }
    const gone = () => router.connecting.map(({ signal }) => signal?.aborted)
    assert.deepEqual(gone(), [false, false])
    assert.equal(router.connecting[0]?.timeout, 30_000)
    assert.equal(router.meter.snapshot().ip_connections, 2)
    router.ways[0]?.options.lost(new MixnetError('CONNECTION_CLOSED'))
    assert.deepEqual(gone(), [true, false])
  })

  test('who is silent is let go and told why: 60 s without its packets, whatever it pings, 5 min without others', async () => {
    const router = start()
    const [quiet, lonely] = [new Peer(router, 'quiet'), new Peer(router, 'lonely')]
    await quiet.connect()
    const ips = await lonely.connect()
    for (let second = 0; second < 310; second += 10) {
      quiet.ask({ kind: 'ping', requestId: 1n, timestamp: NOW })
      lonely.send(packetOf(ips))
      router.clock.advance(millis(10_000))
      if (second === 40) assert.equal(router.router.clientCount, 2)
      if (second === 70) assert.equal(router.router.clientCount, 1)
    }
    assert.equal(router.router.clientCount, 0)
    const told = [quiet, lonely].map(({ heard }) => heard.find(({ kind }) => kind === 'unrequestedDisconnect'))
    assert.deepEqual(
      told.map((one) => one?.kind === 'unrequestedDisconnect' && one.reason.kind),
      ['mixnetTrafficTimeout', 'tunTrafficTimeout'],
    )
  })

  test('a way out that fails ends the session of its client, which is told, and of nobody else', async () => {
    const router = start()
    const [alice, bob] = [new Peer(router, 'alice'), new Peer(router, 'bob')]
    const left = await alice.connect()
    const ips = await bob.connect()
    router.ways[0]?.options.received(packetFor(left))
    router.clock.advance(millis(30))
    await until('a packet', () => alice.packets.length === 1)
    router.ways[0]?.options.lost(new MixnetError('CONNECTION_CLOSED'))
    // Official clients take frames in the order of their numbers, each once: one without would not be heard.
    const numbered = alice.heard.map(({ kind, sequence }) => [kind, sequence])
    assert.deepEqual(numbered, [
      ['connected', 0],
      ['data', 1],
      ['unrequestedDisconnect', 2],
    ])
    assert.equal(router.router.clientCount, 1)
    bob.send(packetOf(ips))
    assert.equal(router.ways[1]?.sent.length, 1)
  })

  test('a way out that does not open is a refusal with a reason, and its address is free again', async () => {
    const router = start({ addressRest: millis(0) })
    router.opening = async () => {
      throw new MixnetError('CONNECTION_REFUSED')
    }
    const peer = new Peer(router, 'alice')
    peer.ask({ kind: 'connect', requestId: 1n, bufferTimeoutMs: undefined, timestamp: NOW })
    await until('refused', () => peer.heard.length > 0)
    const [answer] = peer.heard
    assert.equal(answer?.kind === 'connectRefused' && answer.reason.kind, 'other')
    assert.equal(router.router.clientCount, 0)
  })

  test('what a client gave for answers goes with its addresses, unless it is back', async () => {
    const router = start()
    const { addressRest, reviewInterval } = DEFAULT_IP_ROUTER_PARAMS
    const peers = ['alice', 'bob'].map((name) => new Peer(router, name))
    for (const peer of peers) {
      await peer.connect()
      peer.ask({ kind: 'disconnect', requestId: 2n, timestamp: NOW })
    }
    await until('both are gone', () => router.ways.every(({ closed }) => closed))
    router.clock.advance(millis(addressRest / 2))
    assert.deepEqual(router.client.forgotten, [])
    const [alice] = peers as [Peer, Peer]
    await alice.connect(3n)
    router.clock.advance(millis(addressRest / 2 + 2 * reviewInterval))
    assert.deepEqual(router.client.forgotten, ['bob'])
  })

  test('what others left who never came in goes too, in its own time', async () => {
    const router = start()
    const inside = new Peer(router, 'inside')
    const ips = await inside.connect()
    const { quietSenders } = DEFAULT_IP_ROUTER_PARAMS
    const touched = { surbs: { size: 40 }, waiting: { total: 0 }, lastTouched: router.clock.monotonic() }
    router.client.senders = ['inside', 'spare'].map((tag) => ({ tag, ...touched }))
    for (let second = 0; second < quietSenders.keepFor / 1000; second += 20) {
      assert.deepEqual(router.client.forgotten, [])
      inside.send(packetOf(ips))
      router.ways[0]?.options.received(packetFor(ips))
      router.clock.advance(millis(20_000))
    }
    assert.deepEqual([...new Set(router.client.forgotten)], ['spare'])
    assert.equal(router.router.clientCount, 1)
  })

  test('who leaves while its way opens leaves nothing behind', async () => {
    const router = start()
    const opened = Promise.withResolvers<void>()
    router.opening = () => opened.promise
    const peer = new Peer(router, 'alice')
    peer.ask({ kind: 'connect', requestId: 1n, bufferTimeoutMs: undefined, timestamp: NOW })
    peer.ask({ kind: 'disconnect', requestId: 2n, timestamp: NOW })
    opened.resolve()
    await until('closed', () => router.ways[0]?.closed === true)
    assert.deepEqual(
      peer.heard.map(({ kind }) => kind),
      ['disconnected'],
    )
  })

  test('asking twice: the same addresses raw, new ones in a stream, and never two ways', async () => {
    const router = start()
    const raw = new Peer(router, 'raw', 8)
    assert.deepEqual(await raw.connect(1n), await raw.connect(2n))
    assert.equal(router.ways.length, 1)
    const framed = new Peer(router, 'framed', 10)
    const first = await framed.connect(1n)
    const second = await framed.connect(2n)
    assert.notDeepEqual(first, second)
    assert.equal(router.router.clientCount, 2)
    assert.equal(router.ways[1]?.closed, true)
    // Another version, as clients do that got no answer: what it hears from now on is in that.
    const older = new Peer(router, 'framed', 9)
    router.client.answers.length = 0
    await older.connect(3n)
  })

  test('no more clients than there may be, and none beyond those being connected', async () => {
    const router = start({ maxClients: 2 })
    for (const tag of ['a', 'b']) await new Peer(router, tag).connect()
    const third = new Peer(router, 'c')
    third.ask({ kind: 'connect', requestId: 1n, bufferTimeoutMs: undefined, timestamp: NOW })
    await until('refused', () => third.heard.length > 0)
    assert.equal(third.heard[0]?.kind, 'connectRefused')
    assert.equal(router.router.clientCount, 2)
  })

  test('who connects and leaves in a loop has no more engines than may be opening', async () => {
    const router = start({ maxConnecting: 3 })
    const closed = Promise.withResolvers<void>()
    for (let i = 0; i < 10; i++) {
      const peer = new Peer(router, `peer ${i}`)
      peer.ask({ kind: 'connect', requestId: 1n, bufferTimeoutMs: undefined, timestamp: NOW })
      await until('answered', () => peer.heard.length === 1)
      const way = router.ways[i]
      if (way !== undefined) way.close = () => closed.promise
      peer.ask({ kind: 'disconnect', requestId: 2n, timestamp: NOW })
    }
    assert.equal(router.ways.length, 3)
    closed.resolve()
    await turns()
    await new Peer(router, 'later').connect()
    assert.equal(router.ways.length, 4)
  })

  test('500 come and go: no way stays open, no byte is kept, and addresses rest before they are given again', async () => {
    const router = start()
    const seen = new Set<string>()
    for (let i = 0; i < 500; i++) {
      const peer = new Peer(router, `peer-${i}`)
      const ips = await peer.connect()
      assert.ok(!seen.has(ips.ipv4.join('.')))
      seen.add(ips.ipv4.join('.'))
      router.ways.at(-1)?.options.received(packetFor(ips))
      if (i % 2 === 0) peer.ask({ kind: 'disconnect', requestId: 2n, timestamp: NOW })
    }
    router.clock.advance(millis(70_000))
    await until('all are closed', () => router.ways.every(({ closed }) => closed))
    assert.equal(router.router.clientCount, 0)
    assert.equal(router.meter.snapshot().ip_waiting_bytes, 0)
  })

  test('stopping tells the clients, and closes all', async () => {
    const router = start()
    const peer = new Peer(router, 'alice')
    await peer.connect()
    await router.router.stop()
    assert.equal(peer.heard.at(-1)?.kind, 'unrequestedDisconnect')
    assert.equal(router.ways[0]?.closed, true)
    peer.ask({ kind: 'ping', requestId: 1n, timestamp: NOW })
    assert.equal(peer.heard.length, 2)
  })
})
