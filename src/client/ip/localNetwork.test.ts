import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MixnetError } from '../../foundation/base/errors.ts'
import { parseIp } from '../../foundation/base/ipAddress.ts'
import { Meter } from '../../foundation/base/observe.ts'
import { millis } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { HandClock, turn } from '../../foundation/platform/handClock.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
import { buildUdp } from '../../protocol/wire/ip/buildPacket.ts'
import { buildEcho, readEcho } from '../../protocol/wire/ip/echo.ts'
import { type IpPacket, PROTOCOL, readIpPacket } from '../../protocol/wire/ip/ipPacket.ts'
import { buildTcp, FLAG, readTcpSegment } from '../../protocol/wire/ip/tcpSegment.ts'
import type { Destination, Dialer } from '../dialer.ts'
import { decodeDnsAnswer, encodeDnsQuery } from '../dnsMessages.ts'
import type { IpTunnel, PacketHandler } from './ipTunnel.ts'
import { LocalNetwork } from './localNetwork.ts'
import { NAME_SERVER_PATIENCE } from './nameServerWatch.ts'

const ip = (text: string): Uint8Array => parseIp(text) as Uint8Array
const PROGRAMS = { ipv4: ip('10.64.0.2'), ipv6: ip('fd5a:7e1a::2') }
const ROUTER = { ipv4: ip('10.64.0.1'), ipv6: ip('fd5a:7e1a::1') }
const OURS = { ipv4: ip('10.0.9.9'), ipv6: ip('fc00::909') }
const SITE = ip('1.2.3.4')
const PORTS = { sourcePort: 5353, destinationPort: 7 }
const DATA = Uint8Array.of(1, 2, 3)

interface Setup {
  readonly network: LocalNetwork
  readonly clock: HandClock
  readonly dialled: Destination[]
  /** To the programs, and to the world; of what no exit carries the bytes. */
  readonly errors: Uint8Array[]
  readonly toPrograms: IpPacket[]
  readonly toWorld: IpPacket[]
  readonly tunnels: {
    readonly opened: PromiseWithResolvers<void>
    readonly lost: () => void
    readonly refuse: (destination: string) => void
    deliver: PacketHandler
  }[]
  readonly refused: string[]
  /** What else a user is told. */
  readonly told: string[]
  dropped(reason: string): number
}

const read = (bytes: Uint8Array): IpPacket => {
  const packet = readIpPacket(bytes)
  assert.ok(!('fault' in packet), JSON.stringify(packet))
  return packet
}

function setUp({
  nameServer,
  refuses = false,
  allowsLocalAddresses = false,
}: {
  nameServer?: string
  refuses?: boolean
  allowsLocalAddresses?: boolean
} = {}): Setup {
  const clock = new HandClock()
  const meter = new Meter()
  const made: Omit<Setup, 'network' | 'dropped' | 'clock'> = {
    dialled: [],
    errors: [],
    toPrograms: [],
    toWorld: [],
    tunnels: [],
    refused: [],
    told: [],
  }
  const dialer: Dialer = {
    open(destination) {
      made.dialled.push(destination)
      if (refuses) throw new MixnetError('QUEUE_FULL')
      return { opened: Promise.reject(new MixnetError('DESTINATION_UNREACHABLE')) } as never
    },
  }
  const network = new LocalNetwork(
    { ...nodeWorld(nodeProvider), clock },
    {
      dialer,
      tunnel: async (lost, refuse) => {
        const opened = Promise.withResolvers<void>()
        const tunnel = { opened, lost, refuse, deliver: (() => {}) as PacketHandler }
        made.tunnels.push(tunnel)
        await opened.promise
        return {
          ips: OURS,
          mtu: 1400,
          isOpen: true,
          onPacket(handler: PacketHandler) {
            tunnel.deliver = handler
            return () => {}
          },
          send(bytes: Uint8Array) {
            made.toWorld.push(read(bytes))
            return true
          },
          close: async () => {},
        } as unknown as IpTunnel
      },
      mtu: 1500,
      programs: PROGRAMS,
      router: ROUTER,
      nameServer,
      allowsLocalAddresses,
      refused: (destination) => made.refused.push(destination),
      addressLost: () => made.told.push('address lost'),
      fragment: () => made.told.push('fragment'),
      toName: () => made.told.push('to a name'),
      silentNameServer: (server) => made.told.push(`silent: ${server}`),
      send: (bytes) => {
        if ('fault' in readIpPacket(bytes)) made.errors.push(bytes)
        else made.toPrograms.push(read(bytes))
      },
      meter,
    },
  )
  return {
    ...made,
    network,
    clock,
    dropped: (reason) => meter.snapshot()[`local_dropped_total{reason="${reason}"}`] ?? 0,
  }
}

const fromProgram = (destination: Uint8Array) => ({
  source: destination.length === 4 ? PROGRAMS.ipv4 : PROGRAMS.ipv6,
  destination,
})
const syn = (destination: Uint8Array, destinationPort: number): Uint8Array =>
  buildTcp(
    fromProgram(destination),
    { sourcePort: 9, destinationPort },
    { sequence: 1, acknowledgment: 0, flags: FLAG.syn, window: 9 },
  )
const query = (name: string): Uint8Array => encodeDnsQuery({ id: 3, name, type: 'A' }).subarray(2)

describe('the network of programs', () => {
  test('what the exit refuses is told once each, of 64 destinations that were written to, and nothing else it says', async () => {
    const { network, tunnels, refused } = setUp()
    const echo = { isReply: false, identifier: 7, sequence: 1, data: DATA }
    network.receive(buildEcho(fromProgram(SITE), echo))
    await turn()
    const [tunnel] = tunnels
    tunnel?.opened.resolve()
    await turn()
    network.receive(buildUdp(fromProgram(ip('2606:4700::1111')), PORTS, DATA))
    for (const said of ['1.2.3.4:0', '1.2.3.4:0', '1.2.3.4:80', '9.9.9.9:0', '\u001b[2J', '', '[2606:4700::1111]:7'])
      tunnel?.refuse(said)
    assert.deepEqual(refused, ['1.2.3.4', '[2606:4700::1111]:7'])
    for (let port = 1; port <= 100; port++) {
      network.receive(buildUdp(fromProgram(SITE), { sourcePort: 9, destinationPort: port }, DATA))
      tunnel?.refuse(`1.2.3.4:${port}`)
    }
    assert.equal(refused.length, 64)
  })

  test('datagrams leave from our address, and answers come back to the program; both families', async () => {
    const { network, toWorld, toPrograms, tunnels } = setUp()
    for (const destination of [SITE, ip('2606:4700::1111')]) {
      network.receive(buildUdp(fromProgram(destination), PORTS, DATA))
      tunnels[0]?.opened.resolve()
      await turn()
      const out = toWorld.pop() as IpPacket
      assert.deepEqual(out.source, destination.length === 4 ? OURS.ipv4 : OURS.ipv6)
      assert.deepEqual(out.destination, destination)
      assert.equal(out.sourcePort, 5353)
      const back = read(
        buildUdp({ source: destination, destination: out.source }, { sourcePort: 7, destinationPort: 5353 }, DATA),
      )
      tunnels[0]?.deliver(back, new Uint8Array(0))
      const heard = toPrograms.pop() as IpPacket
      assert.deepEqual(heard.source, destination)
      assert.deepEqual(heard.destination, destination.length === 4 ? PROGRAMS.ipv4 : PROGRAMS.ipv6)
      assert.deepEqual(heard.payload.slice(8), DATA)
    }
    assert.equal(tunnels.length, 1)
  })

  test('what comes while the address is asked for waits, within a bound; after a failure it is asked for again later', async () => {
    const { network, toWorld, tunnels, clock, dropped } = setUp()
    for (let i = 0; i < 100; i++) network.receive(buildUdp(fromProgram(SITE), PORTS, DATA))
    assert.equal(tunnels.length, 1)
    assert.equal(dropped('no-address'), 36)
    tunnels[0]?.opened.reject(new MixnetError('EXIT_UNREACHABLE'))
    await turn()
    assert.equal(dropped('no-address'), 100, 'those that waited are lost')
    network.receive(buildUdp(fromProgram(SITE), PORTS, DATA))
    clock.advance(millis(4_999))
    network.receive(buildUdp(fromProgram(SITE), PORTS, DATA))
    assert.equal(tunnels.length, 1, 'not at once')
    assert.equal(dropped('no-address'), 102)
    clock.advance(millis(1))
    network.receive(buildUdp(fromProgram(SITE), PORTS, Uint8Array.of(9)))
    assert.equal(tunnels.length, 2)
    tunnels[1]?.opened.resolve()
    await turn()
    assert.deepEqual(
      toWorld.map(({ payload }) => [...payload.subarray(8)]),
      [[9]],
      'nothing that is old leaves with it',
    )
    // And where it is lost.
    tunnels[1]?.lost()
    network.receive(buildUdp(fromProgram(SITE), PORTS, DATA))
    assert.equal(tunnels.length, 3)
  })

  test('pings: of the router here, of others through the mixnet', async () => {
    const { network, toWorld, toPrograms, tunnels } = setUp()
    const echo = { isReply: false, identifier: 4, sequence: 5, data: DATA }
    network.receive(buildEcho(fromProgram(ROUTER.ipv4), echo))
    assert.equal(readEcho(toPrograms.pop() as IpPacket)?.isReply, true)
    network.receive(buildEcho(fromProgram(SITE), echo))
    tunnels[0]?.opened.resolve()
    await turn()
    const sent = readEcho(toWorld[0] as IpPacket)
    assert.ok(sent !== undefined && !sent.isReply)
    assert.equal(sent.data.length, DATA.length)
  })

  test("a ping shows nothing of the program's, which gets its own back; whoever makes answers up is not heard", async () => {
    const { network, toWorld, toPrograms, tunnels, dropped } = setUp()
    const clocks = Uint8Array.from({ length: 56 }, (_, i) => i)
    for (const site of [SITE, ip('2606:4700::1111')]) {
      const ask = (sequence: number) =>
        network.receive(buildEcho(fromProgram(site), { isReply: false, identifier: 4, sequence, data: clocks }))
      toWorld.length = 0
      ask(1)
      tunnels[0]?.opened.resolve()
      await turn()
      ask(2)
      const [first, second] = toWorld.map(readEcho)
      assert.ok(first !== undefined && second !== undefined)
      assert.equal(first.data.length, 56)
      assert.notDeepEqual(first.data, clocks)
      assert.notDeepEqual(first.data, second.data)
      assert.notDeepEqual([first.identifier, first.sequence], [4, 1])
      assert.equal(second.identifier, first.identifier, 'one number at the exit for one program')
      const back = { source: site, destination: site.length === 4 ? OURS.ipv4 : OURS.ipv6 }
      const answer = (data: Uint8Array) => {
        const bytes = buildEcho(back, { ...first, isReply: true, data })
        tunnels[0]?.deliver(read(bytes), bytes)
      }
      const before = dropped('unasked')
      answer(clocks)
      answer(first.data)
      answer(first.data)
      assert.equal(dropped('unasked'), before + 2)
      const heard = toPrograms.splice(0)
      assert.equal(heard.length, 1)
      assert.deepEqual(heard[0]?.source, site)
      assert.deepEqual(readEcho(heard[0] as IpPacket), { isReply: true, identifier: 4, sequence: 1, data: clocks })
    }
  })

  test('a connection to what stands for a name is one to the name, and nothing else can be sent there', async () => {
    const { network, dialled, errors, toPrograms, toWorld, tunnels, told, dropped } = setUp()
    network.receive(buildUdp(fromProgram(ROUTER.ipv4), { sourcePort: 5, destinationPort: 53 }, query('example.org')))
    const answer = toPrograms.pop() as IpPacket
    assert.equal(answer.sourcePort, 53)
    const [address] = decodeDnsAnswer(answer.payload.slice(8), { id: 3, name: 'example.org', type: 'A' })
    network.receive(syn(ip(address as string), 443))
    network.receive(syn(SITE, 80))
    assert.deepEqual(dialled, [
      { host: 'example.org', port: 443 },
      { host: '1.2.3.4', port: 80 },
    ])
    await turn()
    const refusals = toPrograms.filter(({ protocol }) => protocol === PROTOCOL.tcp).map(readTcpSegment)
    assert.equal(refusals.length, 2)
    assert.ok(refusals.every(({ flags }) => (flags & FLAG.rst) !== 0))
    network.receive(buildUdp(fromProgram(ip(address as string)), PORTS, DATA))
    await turn()
    // Nobody is asked for an address for the sake of it.
    assert.deepEqual([tunnels.length, toWorld.length, told], [0, 0, ['to a name']])
    assert.equal(dropped('stand-in'), 1)
    // From the router, host unreachable, about the datagram.
    const [complaint = new Uint8Array()] = errors
    assert.deepEqual([complaint.slice(12, 16), ...complaint.slice(20, 22)], [ROUTER.ipv4, 3, 1])
    assert.deepEqual(complaint.slice(44, 48), ip(address as string))
    // What stood for a name in another life of ours.
    network.receive(buildUdp(fromProgram(ip('198.19.7.7')), PORTS, DATA))
    network.receive(syn(ip('198.19.7.7'), 443))
    assert.equal(dropped('stand-in'), 2)
    assert.deepEqual([toWorld.length, dialled.length], [0, 2])
  })

  test('with a name server: it is asked through the mixnet, and its answers come from whom the program asked', async () => {
    const { network, toWorld, toPrograms, tunnels } = setUp({ nameServer: '9.9.9.9' })
    const ask = (whom: Uint8Array, sourcePort: number) =>
      network.receive(buildUdp(fromProgram(whom), { sourcePort, destinationPort: 53 }, query('example.org')))
    ask(ROUTER.ipv4, 1000)
    tunnels[0]?.opened.resolve()
    await turn()
    ask(ip('9.9.9.9'), 2000)
    assert.deepEqual(
      toWorld.map(({ destination }) => destination.join('.')),
      ['9.9.9.9', '9.9.9.9'],
    )
    for (const [port, expected] of [
      [1000, ROUTER.ipv4],
      [2000, ip('9.9.9.9')],
    ] as const) {
      const back = { source: ip('9.9.9.9'), destination: OURS.ipv4 }
      const packet = read(buildUdp(back, { sourcePort: 53, destinationPort: port }, DATA))
      tunnels[0]?.deliver(packet, new Uint8Array(0))
      assert.deepEqual((toPrograms.pop() as IpPacket).source, expected)
    }
  })

  test('a name server is asked over TCP as well, and without one nobody is', async () => {
    const { network, dialled } = setUp({ nameServer: '9.9.9.9' })
    for (const [router, port] of [
      [ROUTER.ipv4, 53],
      [ROUTER.ipv6, 53],
      [ROUTER.ipv4, 80],
    ] as const)
      network.receive(syn(router, port))
    assert.deepEqual(dialled, [
      { host: '9.9.9.9', port: 53 },
      { host: '9.9.9.9', port: 53 },
    ])
    const without = setUp()
    without.network.receive(syn(ROUTER.ipv4, 53))
    assert.deepEqual(without.dialled, [])
  })

  test('a name server that is silent is told of once; one that answers whatever is asked is not', async () => {
    const ask = ({ network }: Setup) =>
      network.receive(
        buildUdp(fromProgram(ROUTER.ipv4), { sourcePort: 1000, destinationPort: 53 }, query('example.org')),
      )
    const silent = setUp({ nameServer: '9.9.9.9' })
    ask(silent)
    // While there is no address nobody is asked.
    silent.clock.advance(NAME_SERVER_PATIENCE)
    assert.deepEqual(silent.told, [])
    silent.tunnels[0]?.opened.resolve()
    await turn()
    for (const _ of [1, 2]) {
      ask(silent)
      silent.clock.advance(NAME_SERVER_PATIENCE)
      assert.deepEqual(silent.told, ['silent: 9.9.9.9'])
    }
    const answering = setUp({ nameServer: '9.9.9.9' })
    ask(answering)
    answering.tunnels[0]?.opened.resolve()
    await turn()
    const back = { source: ip('9.9.9.9'), destination: OURS.ipv4 }
    const answer = read(buildUdp(back, { sourcePort: 53, destinationPort: 1000 }, DATA))
    answering.tunnels[0]?.deliver(answer, new Uint8Array(0))
    answering.clock.advance(NAME_SERVER_PATIENCE)
    ask(answering)
    await answering.network.close()
    answering.clock.advance(NAME_SERVER_PATIENCE)
    assert.deepEqual(answering.told, [])
  })

  test('fragments are told of, of either family, and nothing else is one; so is an address that is lost', async () => {
    const { network, told, tunnels, toWorld } = setUp()
    for (const [at, value] of [
      [6, 0x20],
      [7, 0xb9],
    ] as const) {
      const packet = buildUdp(fromProgram(SITE), PORTS, DATA)
      packet[at] = value
      network.receive(packet)
    }
    const six = buildUdp(fromProgram(ip('2606:4700::1111')), PORTS, DATA)
    six[6] = 44
    network.receive(six)
    assert.deepEqual(told, ['fragment', 'fragment', 'fragment'])
    network.receive(new Uint8Array(0))
    network.receive(Uint8Array.of(0x45))
    const whole = buildUdp(fromProgram(SITE), PORTS, DATA)
    network.receive(whole)
    tunnels[0]?.opened.resolve()
    await turn()
    assert.equal(toWorld.length, 1)
    tunnels[0]?.lost()
    assert.deepEqual(told.slice(3), ['address lost'])
  })

  test('what no program sent, what is damaged, and what does not fit goes nowhere', async () => {
    const { network, toWorld, tunnels, dropped, errors } = setUp({ refuses: true })
    network.receive(buildUdp({ source: ip('10.64.0.9'), destination: SITE }, PORTS, DATA))
    assert.equal(dropped('source'), 1)
    network.receive(Uint8Array.of(0x45, 1))
    assert.equal(dropped('truncated'), 1)
    network.receive(buildUdp(fromProgram(SITE), PORTS, new Uint8Array(1450)))
    tunnels[0]?.opened.resolve()
    await turn()
    assert.equal(dropped('too-long'), 1)
    // ICMP 3/4 with the tunnel's MTU, and the packet's ports in it.
    const said = errors[0] as Uint8Array
    assert.deepEqual([...said.subarray(20, 22), said[26], said[27]], [3, 4, 1400 >> 8, 1400 & 0xff])
    assert.deepEqual([...said.subarray(48, 52)], [5353 >> 8, 5353 & 0xff, 0, 7])
    network.receive(buildUdp(fromProgram(ip('2606:4700::1111')), PORTS, new Uint8Array(1440)))
    const said6 = errors[1] as Uint8Array
    assert.deepEqual([...said6.subarray(40, 42), said6[46], said6[47]], [2, 0, 1400 >> 8, 1400 & 0xff])
    network.receive(buildUdp(fromProgram(ROUTER.ipv4), PORTS, DATA))
    assert.equal(dropped('router'), 1)
    network.receive(syn(SITE, 1))
    assert.equal(network.connections, 0, 'refused at once')
    await network.close()
    network.receive(buildUdp(fromProgram(SITE), PORTS, DATA))
    assert.equal(dropped('closed'), 1)
    assert.equal(toWorld.length, 0)
  })

  test('what is at home stays here, names asked of the router there among it, where the network is not one for tests', async () => {
    const home = ['192.168.1.1', '10.1.2.3', '172.16.0.1', '100.64.0.1', '127.0.0.1', 'fd00::1', '::ffff:192.168.1.1']
    const { network, dialled, toPrograms, tunnels, dropped } = setUp()
    for (const one of home) {
      network.receive(buildUdp(fromProgram(ip(one)), { sourcePort: 9, destinationPort: 53 }, query('secret.example')))
      network.receive(buildEcho(fromProgram(ip(one)), { isReply: false, identifier: 1, sequence: 1, data: DATA }))
      network.receive(syn(ip(one), 53))
      const { flags } = readTcpSegment(toPrograms.pop() as IpPacket)
      assert.equal(flags & FLAG.rst, FLAG.rst)
    }
    assert.equal(dropped('neighbours'), 2 * home.length)
    assert.deepEqual([tunnels.length, dialled.length], [0, 0])
    const tested = setUp({ allowsLocalAddresses: true })
    tested.network.receive(syn(ip('127.0.0.1'), 80))
    tested.network.receive(buildUdp(fromProgram(ip('127.0.0.1')), PORTS, DATA))
    assert.deepEqual([tested.dialled.length, tested.tunnels.length], [1, 1])
    await tested.network.close()
  })

  test('what a program says to its neighbours stays here, and nothing comes that no program asked for', async () => {
    const { network, toPrograms, toWorld, tunnels, dropped } = setUp()
    const neighbours = ['224.0.0.251', '255.255.255.255', '169.254.1.1', 'ff02::fb', 'fe80::1']
    for (const one of neighbours) network.receive(buildUdp(fromProgram(ip(one)), PORTS, DATA))
    assert.equal(dropped('neighbours'), neighbours.length)
    assert.equal(tunnels.length, 0, 'not even an address is asked for')
    network.receive(buildUdp(fromProgram(SITE), PORTS, DATA))
    tunnels[0]?.opened.resolve()
    await turn()
    assert.equal(toWorld.length, 1)
    const deliver = (bytes: Uint8Array) => tunnels[0]?.deliver(read(bytes), bytes)
    const sources = [ROUTER.ipv4, PROGRAMS.ipv4, ROUTER.ipv6, PROGRAMS.ipv6]
    for (const source of sources) {
      const destination = source.length === 4 ? OURS.ipv4 : OURS.ipv6
      deliver(buildUdp({ source, destination }, { sourcePort: 53, destinationPort: 5353 }, DATA))
    }
    // From whom the program wrote to, and not as it did.
    const back = { source: SITE, destination: OURS.ipv4 }
    deliver(buildUdp(back, { sourcePort: 8, destinationPort: 5353 }, DATA))
    deliver(buildUdp(back, { sourcePort: 7, destinationPort: 5354 }, DATA))
    for (const isReply of [false, true])
      deliver(buildEcho(back, { isReply, identifier: 5353, sequence: 1, data: DATA }))
    assert.equal(dropped('unasked'), sources.length + 4)
    assert.equal(toPrograms.length, 0)
    deliver(buildUdp(back, { sourcePort: 7, destinationPort: 5353 }, DATA))
    assert.equal(toPrograms.length, 1)
    await network.close()
  })
})
