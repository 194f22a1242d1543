import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { millis, seconds } from '../../foundation/base/units.ts'
import { HandClock } from '../../foundation/platform/handClock.ts'
import { buildUdp } from '../../protocol/wire/ip/buildPacket.ts'
import { type IpPacket, readIpPacket } from '../../protocol/wire/ip/ipPacket.ts'
import { buildTcp, FLAG } from '../../protocol/wire/ip/tcpSegment.ts'
import { needsOrder, PacketOrder } from './packetOrder.ts'

/** Of memory, for one message with one packet of one byte. */
const ONE = 833

function start(room = 100) {
  const clock = new HandClock()
  const delivered: number[] = []
  const deliver = ({ bytes }: IpPacket) => void delivered.push(bytes[0] as number)
  let reserved = 0
  const reserve = (bytes: number, held: number): boolean => {
    assert.equal(held, reserved)
    if (held + bytes > room * ONE) return false
    reserved += bytes
    return true
  }
  const order = new PacketOrder({ clock, patience: seconds(4), reserve, deliver })
  return {
    clock,
    delivered,
    order,
    reserved: () => reserved,
    push: (number: number) => order.push(number >>> 0, [{ bytes: Uint8Array.of(number & 0xff) } as IpPacket]),
  }
}

test('whatever overtakes whatever, all of it comes in the order it was sent in, also where the numbers begin anew', () => {
  const shuffled = fc.array(fc.integer(), { minLength: 40, maxLength: 40 })
  fc.assert(
    fc.property(fc.constantFrom(1, 0xffff_fff0), shuffled, (first, keys) => {
      const { delivered, push, reserved } = start()
      push(first)
      const numbers = keys.map((_, i) => first + 1 + i)
      for (const number of numbers.toSorted((a, b) => (keys[a - first - 1] ?? 0) - (keys[b - first - 1] ?? 0)))
        push(number)
      assert.deepEqual(
        delivered,
        [first, ...numbers].map((number) => number & 0xff),
      )
      assert.equal(reserved(), 0)
    }),
  )
})

test('what is missing is waited for, and then no more; what comes after that comes late, and comes', () => {
  const { clock, delivered, push, reserved } = start()
  for (const number of [1, 3, 4, 6]) push(number)
  assert.deepEqual(delivered, [1])
  clock.advance(millis(3999))
  assert.deepEqual(delivered, [1])
  push(8)
  clock.advance(millis(1))
  assert.deepEqual(delivered, [1, 3, 4, 6])
  push(2)
  assert.deepEqual(delivered, [1, 3, 4, 6, 2])
  clock.advance(seconds(4))
  assert.deepEqual(delivered, [1, 3, 4, 6, 2, 8])
  assert.equal(reserved(), 0)
  assert.equal(clock.pending, 0)
})

test('what waits is bounded, and a number far away is where the sender is now', () => {
  const { delivered, push } = start(10)
  push(1)
  for (let number = 3; number < 103; number++) push(number)
  assert.ok(delivered.length >= 91, `${delivered.length}`)
  // Without packets a message waits as well, and takes memory.
  const empty = start(2)
  empty.order.push(1, [])
  empty.push(3)
  for (let number = 4; number < 10; number++) empty.order.push(number, [])
  assert.deepEqual([empty.delivered, empty.reserved()], [[], ONE + 6 * 128])
  empty.order.push(10, [])
  assert.deepEqual([empty.delivered, empty.reserved()], [[3], 0])
  const far = start()
  for (const number of [7, 9, 500_000, 500_001]) far.push(number)
  assert.deepEqual(far.delivered, [7, 9, 500_000 & 0xff, 500_001 & 0xff])
})

test('each waits as long as the others, whatever it waits behind, and nothing is left once all has come', () => {
  const { clock, delivered, push } = start()
  for (const number of [1, 3]) push(number)
  clock.advance(seconds(2))
  push(5)
  clock.advance(seconds(1))
  push(2)
  assert.deepEqual(delivered, [1, 2, 3])
  clock.advance(millis(2999))
  assert.deepEqual(delivered, [1, 2, 3])
  clock.advance(millis(1))
  assert.deepEqual(delivered, [1, 2, 3, 5])
  push(7)
  push(6)
  assert.deepEqual(delivered, [1, 2, 3, 5, 6, 7])
  assert.equal(clock.pending, 0)
})

test('what comes twice is handed on twice, and counted once; a number is far away behind 4,096 that are missing', () => {
  const { delivered, push, reserved } = start()
  for (const number of [1, 3, 3]) push(number)
  assert.deepEqual(delivered, [1, 3])
  assert.equal(reserved(), ONE)
  push(2)
  assert.deepEqual(delivered, [1, 3, 2, 3])
  assert.deepEqual(reserved(), 0)
  push(4 + 4096)
  assert.equal(delivered.length, 4)
  push(4 + 4097)
  assert.deepEqual(delivered.slice(4), [4, 5])
})

test('what there is no room for is delivered with all that waits, which waits no longer', () => {
  const { clock, delivered, push, reserved } = start(2)
  for (const number of [1, 3, 4]) push(number)
  assert.equal(clock.pending, 1, 'one timer for all')
  push(6)
  assert.deepEqual(delivered, [1, 3, 4, 6])
  assert.deepEqual([reserved(), clock.pending], [0, 0])
})

test('where numbers begin anew, the first of those that wait goes first, and what is far away is far away', () => {
  const { clock, delivered, push } = start()
  for (const number of [0xffff_fff0, 0xffff_fffe, 2]) push(number)
  clock.advance(seconds(4))
  assert.deepEqual(delivered, [0xf0, 0xfe, 2])
  const far = start()
  for (const number of [0xffff_fff0, 100_000]) far.push(number)
  assert.deepEqual(far.delivered, [0xf0, 100_000 & 0xff], 'at once')
  for (const number of [100_001, 100_003]) far.push(number)
  assert.deepEqual(far.delivered, [0xf0, 100_000 & 0xff, 100_001 & 0xff])
})

test('where every second is missing, letting all go looks at each of them a few times, and not at each for each', () => {
  const { delivered, push } = start(5000)
  push(0)
  for (let number = 2; number < 4096; number += 2) push(number)
  let looked = 0
  const keys = Map.prototype.keys
  Map.prototype.keys = function* (this: Map<unknown, unknown>) {
    for (const key of keys.call(this)) {
      looked++
      yield key
    }
  } as typeof keys
  try {
    push(9000)
  } finally {
    Map.prototype.keys = keys
  }
  assert.equal(delivered.length, 2049)
  assert.ok(looked <= 2047, `${looked}`)
})

test('ended by whom it hands one to, it hands on no other', () => {
  const clock = new HandClock()
  const delivered: IpPacket[] = []
  const order = new PacketOrder({
    clock,
    patience: seconds(4),
    reserve: () => true,
    deliver(packet) {
      delivered.push(packet)
      order.stop()
    },
  })
  order.push(1, [])
  for (const number of [3, 5]) order.push(number, [{ bytes: Uint8Array.of(number) } as IpPacket])
  clock.advance(seconds(4))
  assert.deepEqual([delivered.length, clock.pending], [1, 0])
})

test('ended, it says nothing more', () => {
  const { clock, delivered, push, order, reserved } = start()
  for (const number of [1, 3]) push(number)
  assert.equal(reserved(), ONE)
  order.stop()
  assert.equal(clock.pending, 0, 'at once')
  // The room is shared with others.
  assert.equal(reserved(), 0)
  clock.advance(seconds(10))
  assert.deepEqual(delivered, [1])
  push(2)
  assert.deepEqual(delivered, [1, 2], 'and forgets what waited')
})

test('of TCP all waits but what only acknowledges, of others nothing', () => {
  const addresses = { source: Uint8Array.of(10, 0, 0, 2), destination: Uint8Array.of(1, 2, 3, 4) }
  const ports = { sourcePort: 1, destinationPort: 2 }
  const tcp = (flags: number, data = new Uint8Array(0)): boolean => {
    const segment = { sequence: 1, acknowledgment: 2, flags, window: 3, data }
    return needsOrder(readIpPacket(buildTcp(addresses, ports, segment)) as IpPacket)
  }
  assert.equal(tcp(FLAG.ack), false)
  for (const flags of [FLAG.syn, FLAG.syn | FLAG.ack, FLAG.ack | FLAG.fin, FLAG.rst, FLAG.rst | FLAG.ack])
    assert.ok(tcp(flags))
  assert.ok(tcp(FLAG.ack, Uint8Array.of(1)))
  assert.equal(needsOrder(readIpPacket(buildUdp(addresses, ports, Uint8Array.of(1))) as IpPacket), false)
})
