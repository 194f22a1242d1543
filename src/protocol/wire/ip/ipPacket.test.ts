import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseIp } from '../../../foundation/base/ipAddress.ts'
import { buildIpPacket, buildUdp } from './buildPacket.ts'
import { foldedChecksum } from './checksum.ts'
import { buildEcho, readEcho } from './echo.ts'
import { FrameReader, frameHeader } from './ethernet.ts'
import { copyPacket, type IpFault, PROTOCOL, readIpPacket } from './ipPacket.ts'

const ip = (text: string): Uint8Array => parseIp(text) as Uint8Array
const V4 = { source: ip('10.0.7.7'), destination: ip('1.2.3.4') }
const V6 = { source: ip('fc00::707'), destination: ip('2001:4860:4860::8888') }
const PORTS = { sourcePort: 5000, destinationPort: 53 }
const address = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const addressed = fc.oneof(
  fc.record({ source: address(4), destination: address(4) }),
  fc.record({ source: address(16), destination: address(16) }),
)
const port = fc.integer({ min: 0, max: 0xffff })

/** The same packet with something else in it, whose header checksum is right again. */
function changed(packet: Uint8Array, change: (bytes: Uint8Array) => void, { refit = true } = {}): Uint8Array {
  const bytes = packet.slice()
  change(bytes)
  if (!refit) return bytes
  bytes.set([0, 0], 10)
  let sum = 0
  for (let i = 0; i < 20; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] as number)
  const checksum = foldedChecksum(sum)
  bytes.set([checksum >> 8, checksum & 0xff], 10)
  return bytes
}

const faultOf = (bytes: Uint8Array): IpFault | 'carried' => {
  const read = readIpPacket(bytes)
  return 'fault' in read ? read.fault : 'carried'
}

describe('IP packets', () => {
  test('what is built is read back, whatever the addresses and the data', () => {
    fc.assert(
      fc.property(addressed, port, port, fc.uint8Array({ maxLength: 1400 }), (addresses, from, to, data) => {
        const read = readIpPacket(buildUdp(addresses, { sourcePort: from, destinationPort: to }, data))
        assert.ok(!('fault' in read), JSON.stringify(read))
        assert.deepEqual(read.source, addresses.source)
        assert.deepEqual(read.destination, addresses.destination)
        assert.equal(read.sourcePort, from)
        assert.equal(read.destinationPort, to)
        assert.deepEqual(read.payload.slice(8), data)
      }),
    )
  })

  test('a copy is the same packet, whatever becomes of the memory that it was read from', () => {
    fc.assert(
      fc.property(addressed, fc.uint8Array({ maxLength: 100 }), fc.nat(50), (addresses, data, before) => {
        const built = buildUdp(addresses, PORTS, data)
        const memory = Uint8Array.from([...new Uint8Array(before), ...built, 1])
        const read = readIpPacket(memory.subarray(before, before + built.length))
        assert.ok(!('fault' in read))
        const copy = copyPacket(read)
        memory.fill(0)
        assert.deepEqual(copy, readIpPacket(built))
      }),
    )
  })

  test('an echo is read back, and nothing else of ICMP is carried', () => {
    fc.assert(
      fc.property(
        addressed,
        fc.boolean(),
        port,
        port,
        fc.uint8Array({ maxLength: 64 }),
        (addresses, isReply, id, n, data) => {
          const packet = buildEcho(addresses, { isReply, identifier: id, sequence: n, data })
          const read = readIpPacket(packet)
          assert.ok(!('fault' in read))
          assert.deepEqual(readEcho(read), { isReply, identifier: id, sequence: n, data })
        },
      ),
    )
    for (let type = 0; type < 256; type++) {
      const message = Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0)
      const sum = foldedChecksum(type << 8)
      message.set([sum >> 8, sum & 0xff], 2)
      const expected = type === 0 || type === 8 ? 'carried' : 'protocol'
      assert.equal(faultOf(buildIpPacket(V4, PROTOCOL.icmp, message)), expected, `type ${type}`)
    }
    assert.equal(faultOf(buildIpPacket(V6, PROTOCOL.icmp, new Uint8Array(8))), 'protocol', 'of the other family')
  })

  const udp = buildUdp(V4, PORTS, new Uint8Array(32).fill(7))
  const udp6 = buildUdp(V6, PORTS, new Uint8Array(32).fill(7))
  const cases: readonly (readonly [string, Uint8Array, IpFault])[] = [
    ['nothing', new Uint8Array(0), 'truncated'],
    ['half a header', udp.subarray(0, 19), 'truncated'],
    ['half a header of IPv6', udp6.subarray(0, 39), 'truncated'],
    ['version 5', changed(udp, (b) => (b[0] = 0x55)), 'version'],
    ['a source route', changed(udp, (b) => (b[0] = 0x46)), 'options'],
    ['a header of 16 bytes', changed(udp, (b) => (b[0] = 0x44)), 'options'],
    ['a length above what is there', changed(udp, (b) => b.set([0, 61], 2)), 'length'],
    ['bytes behind the packet', changed(udp, (b) => b.set([0, 59], 2)), 'length'],
    ['a length of 0: a jumbogram', changed(udp6, (b) => b.set([0, 0], 4), { refit: false }), 'length'],
    ['the first fragment', changed(udp, (b) => (b[6] = 0x20)), 'fragment'],
    ['a later fragment', changed(udp, (b) => b.set([0, 1], 6)), 'fragment'],
    ['the reserved bit', changed(udp, (b) => (b[6] = 0x80)), 'fragment'],
    ['a fragment header', changed(udp6, (b) => (b[6] = 44), { refit: false }), 'protocol'],
    ['a hop-by-hop header', changed(udp6, (b) => (b[6] = 0), { refit: false }), 'protocol'],
    ['a routing header', changed(udp6, (b) => (b[6] = 43), { refit: false }), 'protocol'],
    ['IP in IP', changed(udp, (b) => (b[9] = 4)), 'protocol'],
    ['a wrong header checksum', changed(udp, (b) => (b[8] = 63), { refit: false }), 'checksum'],
    ['a wrong checksum of UDP', changed(udp, (b) => (b[30] = 8)), 'checksum'],
    ['an IPv6 datagram without a checksum', changed(udp6, (b) => b.set([0, 0], 46), { refit: false }), 'checksum'],
    ['a datagram that is longer inside', changed(udp, (b) => b.set([0, 41], 24)), 'transport'],
    ['a datagram that is shorter inside', changed(udp, (b) => b.set([0, 39], 24)), 'transport'],
    ['TCP of 8 bytes', buildIpPacket(V4, PROTOCOL.tcp, new Uint8Array(8)), 'transport'],
    [
      'a TCP header beyond its end',
      buildIpPacket(V4, PROTOCOL.tcp, new Uint8Array(20).fill(0xf0, 12, 13)),
      'transport',
    ],
    ['a TCP header of 16 bytes', buildIpPacket(V4, PROTOCOL.tcp, new Uint8Array(20).fill(0x40, 12, 13)), 'transport'],
  ]
  for (const [what, packet, fault] of cases) test(`refused: ${what}`, () => assert.equal(faultOf(packet), fault))

  test('an IPv4 datagram may come without a checksum', () => {
    assert.equal(faultOf(changed(udp, (b) => b.set([0, 0], 26))), 'carried')
  })

  test('one changed bit is always found, except in what is no bit of the checksum', () => {
    fc.assert(
      fc.property(fc.constantFrom(udp, udp6), fc.nat(), fc.integer({ min: 0, max: 7 }), (packet, at, bit) => {
        const bytes = packet.slice()
        const i = at % bytes.length
        bytes[i] = (bytes[i] as number) ^ (1 << bit)
        // The traffic class, the flow label and the hop limit are nobody's business, as RFC 8200 has it.
        const isFree = packet === udp6 && (i === 1 || i === 2 || i === 3 || i === 7 || (i === 0 && bit < 4))
        assert.equal(faultOf(bytes) === 'carried', isFree, `byte ${i}, bit ${bit}`)
      }),
    )
  })

  test('anything at all is read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(0x45, 0x60, undefined), (bytes, first) => {
        if (first !== undefined && bytes.length > 0) bytes[0] = first
        const read = readIpPacket(bytes)
        if (!('fault' in read)) readEcho(read)
      }),
    )
  })
})

describe('frames of packets', () => {
  const MACS = { source: new Uint8Array(6).fill(2), destination: new Uint8Array(6).fill(4) }

  test('packets are found again, however the stream is cut', () => {
    const packet = fc.uint8Array({ minLength: 1, maxLength: 100 }).map((data) => buildUdp(V4, PORTS, data))
    fc.assert(
      fc.property(
        fc.array(packet, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (packets, cuts) => {
          const stream = packets.flatMap((one) => [...frameHeader(one, MACS), ...one])
          const reader = new FrameReader()
          const found: Uint8Array[] = []
          for (let at = 0, i = 0; at < stream.length; i++) {
            const next = at + (cuts[i % cuts.length] as number)
            const read = reader.push(Uint8Array.from(stream.slice(at, next)))
            assert.ok(read !== false)
            found.push(...read)
            at = next
          }
          assert.deepEqual(found, packets)
        },
      ),
    )
  })

  test('what is not IP is left out, padding is cut off, and a length that nobody means ends the stream', () => {
    const packet = buildUdp(V4, PORTS, new Uint8Array(1))
    const arp = frameHeader(packet, MACS)
    arp.set([8, 6], 16)
    const padded = frameHeader(new Uint8Array([0x45, ...new Array(45).fill(0)]), MACS)
    const reader = new FrameReader()
    const stream = [...arp, ...packet, ...padded, ...packet, ...new Array(46 - packet.length).fill(0)]
    assert.deepEqual(reader.push(Uint8Array.from(stream)), [packet])
    assert.equal(reader.push(Uint8Array.of(0, 1, 0, 14)), false)
  })
})
