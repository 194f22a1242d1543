import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type IpPacket, readIpPacket } from './ipPacket.ts'
import { buildReset, buildTcp, FLAG, readTcpSegment, type SequenceRange } from './tcpSegment.ts'

const ADDRESSES = { source: Uint8Array.of(10, 0, 0, 2), destination: Uint8Array.of(1, 2, 3, 4) }
const PORTS = { sourcePort: 40_000, destinationPort: 443 }
const number = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const segments = fc.record({
  sequence: number,
  acknowledgment: number,
  flags: fc.integer({ min: 0, max: 63 }),
  window: fc.integer({ min: 0, max: 65_535 }),
  mss: fc.option(fc.integer({ min: 0, max: 65_535 }), { nil: undefined }),
  windowShift: fc.option(fc.integer({ min: 0, max: 14 }), { nil: undefined }),
  takesSack: fc.option(fc.constant(true), { nil: undefined }),
  sack: fc.option(fc.array(fc.tuple(number, number) as fc.Arbitrary<SequenceRange>, { minLength: 1, maxLength: 3 }), {
    nil: undefined,
  }),
  data: fc.uint8Array({ maxLength: 100 }),
})

const withoutUndefined = (value: object): object =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined))

/** With these bytes of options. */
function reading(...options: number[]): object {
  const header = new Uint8Array(20 + options.length)
  header[12] = ((20 + options.length) / 4) << 4
  header.set(options, 20)
  const { mss, windowShift, takesSack, sack } = readTcpSegment({ payload: header } as IpPacket)
  return withoutUndefined({ mss, windowShift, takesSack, sack })
}

describe('segments of TCP', () => {
  test('what is built is read again, as whoever checks checksums reads it', () => {
    fc.assert(
      fc.property(segments, (segment) => {
        const packet = readIpPacket(buildTcp(ADDRESSES, PORTS, segment))
        assert.ok(!('fault' in packet))
        const { data, ...rest } = readTcpSegment(packet)
        assert.deepEqual(
          withoutUndefined({ ...rest, data: [...data] }),
          withoutUndefined({ ...segment, data: [...segment.data] }),
        )
      }),
    )
  })

  test("a kernel's SYN and a kernel's acknowledgment, among options that are none of ours", () => {
    // Linux: mss 1460, SACK permitted, timestamps, no operation, window scale 7.
    const syn = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7]
    assert.deepEqual(reading(...syn), { mss: 1460, takesSack: true, windowShift: 7 })
    const ack = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 10, 0, 0, 0, 9, 0xff, 0, 0, 1]
    assert.deepEqual(reading(...ack), { sack: [[9, 0xff000001]] })
  })

  test('options that lead nowhere end the reading; lengths that are not theirs count for nothing; a shift is 14 at most', () => {
    assert.deepEqual(reading(2, 0, 5, 0xb4), {})
    assert.deepEqual(reading(2, 5, 5, 0xb4), {})
    assert.deepEqual(reading(1, 1, 1, 2), {})
    assert.deepEqual(reading(2, 3, 5, 4, 2, 1, 1, 1), { takesSack: true })
    assert.deepEqual(reading(5, 4, 0, 0, 3, 3, 200, 0), { windowShift: 14 })
    assert.deepEqual(reading(0, 2, 4, 2), {})
    assert.deepEqual(reading(5, 2, 1, 1), { sack: [] })
  })

  test('a reset is of the connection: behind all that was sent, or where the sender says it should be', () => {
    const resetOf = (flags: number, data: Uint8Array): unknown[] => {
      const segment = { sequence: 0xffff_fffe, acknowledgment: 7, flags, window: 1, data }
      const reset = readIpPacket(buildReset(readIpPacket(buildTcp(ADDRESSES, PORTS, segment)) as IpPacket)) as IpPacket
      assert.deepEqual([reset.source, reset.destination], [ADDRESSES.destination, ADDRESSES.source])
      assert.deepEqual([reset.sourcePort, reset.destinationPort], [PORTS.destinationPort, PORTS.sourcePort])
      const { sequence, acknowledgment, flags: its } = readTcpSegment(reset)
      return [its, sequence, acknowledgment]
    }
    const three = new Uint8Array(3)
    assert.deepEqual(resetOf(FLAG.syn, three), [FLAG.rst | FLAG.ack, 0, 2])
    assert.deepEqual(resetOf(FLAG.syn | FLAG.fin, three), [FLAG.rst | FLAG.ack, 0, 3])
    assert.deepEqual(resetOf(0, three), [FLAG.rst | FLAG.ack, 0, 1])
    assert.deepEqual(resetOf(FLAG.ack | FLAG.fin, three), [FLAG.rst, 7, 0])
  })

  test('flags survive beside options', () => {
    const packet = readIpPacket(
      buildTcp(ADDRESSES, PORTS, {
        sequence: 1,
        acknowledgment: 2,
        flags: FLAG.syn | FLAG.ack,
        window: 3,
        windowShift: 2,
      }),
    )
    assert.ok(!('fault' in packet))
    assert.equal(readTcpSegment(packet).flags, FLAG.syn | FLAG.ack)
  })
})
