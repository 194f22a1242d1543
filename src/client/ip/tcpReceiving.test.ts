import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concat } from '../../foundation/base/bytes.ts'
import { advanced, isBefore } from '../../protocol/wire/ip/tcpSegment.ts'
import { TcpReceiving } from './tcpReceiving.ts'

const FIRST = 0xffff_fff0
const ROOM = 1000
const data = Uint8Array.from({ length: 600 }, (_, i) => (i * 31) & 0xff)
const at = (offset: number): number => advanced(FIRST, offset)
const piece = (from: number, to: number): [number, Uint8Array, boolean] => [
  at(from),
  data.subarray(from, to),
  to === data.length,
]

const pieces = fc.array(
  fc.tuple(fc.nat(data.length), fc.nat(120)).map(([from, length]) => [from, Math.min(data.length, from + length)]),
  { maxLength: 60 },
) as fc.Arbitrary<[number, number][]>

describe('what comes in a TCP connection', () => {
  test('in any order, cut anyhow, in parts and again: every byte once, in order; and what is said of it is true', () => {
    fc.assert(
      fc.property(pieces, fc.boolean(), (some, reads) => {
        const receiving = new TcpReceiving(FIRST, () => ROOM)
        const got: Uint8Array[] = []
        const came = new Set<number>()
        const whole = Array.from({ length: 6 }, (_, i): [number, number] => [i * 100, (i + 1) * 100])
        for (const [from, to] of [...some, ...whole]) {
          receiving.take(...piece(from, to))
          for (let i = from; i < to; i++) came.add(i)
          for (const [start, end] of receiving.ranges()) {
            assert.ok(isBefore(start, end))
            for (let n = start; n !== end; n = advanced(n, 1)) assert.ok(came.has((n - FIRST) >>> 0))
          }
          if (reads) got.push(receiving.read())
        }
        got.push(receiving.read())
        assert.deepEqual(concat(...got), data)
        assert.ok(receiving.hasEnded)
        assert.equal(receiving.expected, at(data.length + 1))
        assert.deepEqual(receiving.ranges().length <= 1, true)
      }),
    )
  })

  test('what overtook is named, the last first, until its turn comes; what came twice is named once', () => {
    const receiving = new TcpReceiving(FIRST, () => ROOM)
    receiving.take(...piece(100, 200))
    receiving.take(...piece(300, 400))
    receiving.take(...piece(200, 250))
    assert.equal(receiving.expected, FIRST)
    assert.deepEqual(receiving.ranges(), [
      [at(100), at(250)],
      [at(300), at(400)],
    ])
    // With where it lies behind it.
    receiving.take(...piece(320, 330))
    assert.deepEqual(receiving.ranges(), [
      [at(320), at(330)],
      [at(300), at(400)],
      [at(100), at(250)],
    ])
    assert.equal(receiving.ranges().length, 2)
    receiving.take(...piece(0, 100))
    assert.equal(receiving.expected, at(250))
    receiving.take(...piece(50, 90))
    assert.deepEqual(receiving.ranges(), [
      [at(50), at(90)],
      [at(300), at(400)],
    ])
  })

  test('what is named is what came: the same again, what lies before, over and behind it, and what fits', () => {
    const receiving = new TcpReceiving(FIRST, () => ROOM)
    receiving.take(...piece(0, 100))
    receiving.take(...piece(0, 100))
    assert.deepEqual(receiving.ranges(), [[at(0), at(100)]])
    receiving.take(...piece(300, 400))
    receiving.take(...piece(200, 250))
    receiving.take(...piece(200, 250))
    assert.deepEqual(receiving.ranges(), [
      [at(200), at(250)],
      [at(200), at(250)],
      [at(300), at(400)],
    ])
    // Into what came before, and into what it had room for.
    receiving.take(...piece(50, 220))
    assert.equal(receiving.expected, at(250))
    receiving.take(at(900), new Uint8Array(300), false)
    assert.deepEqual(receiving.ranges(), [
      [at(900), at(1000)],
      [at(300), at(400)],
    ])
    receiving.take(...piece(240, 310))
    assert.equal(receiving.expected, at(400))
    assert.deepEqual(receiving.read(), data.subarray(0, 400))
  })

  test('of what it has in part it takes what the window has room for', () => {
    const receiving = new TcpReceiving(FIRST, () => ROOM)
    receiving.take(at(0), new Uint8Array(500), false)
    receiving.take(at(400), new Uint8Array(700), false)
    assert.equal(receiving.expected, at(1000))
  })

  test('an end of what it has long had is none, the first end is the end, and what came from behind it is forgotten', () => {
    const receiving = new TcpReceiving(FIRST, () => ROOM)
    receiving.take(...piece(0, 100))
    receiving.take(at(50), data.subarray(50, 80), true)
    assert.deepEqual(receiving.ranges(), [[at(50), at(80)]])
    receiving.take(...piece(500, 600))
    receiving.take(at(610), Uint8Array.of(1), false)
    receiving.take(at(100), data.subarray(100, 200), true)
    assert.ok(!receiving.hasEnded)
    receiving.take(...piece(200, 500))
    assert.ok(receiving.hasEnded)
    assert.deepEqual(receiving.ranges(), [])
    assert.deepEqual(receiving.read(), data)
  })

  test('behind a window that is full to the last byte an end has room', () => {
    const receiving = new TcpReceiving(FIRST, () => 600)
    receiving.take(at(0), data, false)
    assert.equal(receiving.window, 0)
    receiving.take(at(600), new Uint8Array(0), true)
    assert.ok(receiving.hasEnded)
  })

  test('pieces may lie over each other, and are together no more than the window; eight of them are kept', () => {
    const receiving = new TcpReceiving(FIRST, () => ROOM)
    receiving.take(at(50), new Uint8Array(700), false)
    receiving.take(at(500), new Uint8Array(450), false)
    assert.deepEqual(receiving.ranges(), [[at(50), at(950)]])
    receiving.take(at(1), new Uint8Array(101), false)
    assert.deepEqual(receiving.ranges(), [[at(50), at(950)]])
    receiving.take(at(1), new Uint8Array(100), false)
    assert.equal(receiving.ranges().length, 2)

    const holes = new TcpReceiving(FIRST, () => ROOM)
    for (let i = 2; i <= 20; i += 2) holes.take(at(i), Uint8Array.of(i), false)
    holes.take(at(0), Uint8Array.of(0, 1), false)
    for (let i = 3; i <= 21; i += 2) holes.take(at(i), Uint8Array.of(i), false)
    assert.equal(holes.expected, at(18))
    assert.deepEqual([...holes.read()], [...new Uint8Array(18).keys()])
  })

  test('an end that overtook counts when everything before it is there, and nothing counts after it', () => {
    const receiving = new TcpReceiving(FIRST, () => ROOM)
    receiving.take(...piece(500, 600))
    receiving.take(...piece(0, 400))
    assert.ok(!receiving.hasEnded)
    receiving.take(...piece(400, 500))
    assert.ok(receiving.hasEnded)
    receiving.take(at(601), Uint8Array.of(1), false)
    assert.equal(receiving.read().length, 600)
    assert.equal(receiving.readyBytes, 0)
  })

  test('never keeps more than there is room for, nor many pieces, whoever sends what', () => {
    let room = ROOM
    const receiving = new TcpReceiving(FIRST, () => room)
    receiving.take(at(0), new Uint8Array(5000), false)
    assert.equal(receiving.readyBytes, ROOM)
    assert.equal(receiving.window, 0)
    receiving.take(at(ROOM), Uint8Array.of(1), false)
    assert.equal(receiving.expected, at(ROOM))
    room = 10
    assert.equal(receiving.window, 0)
    receiving.read()
    room = ROOM
    for (let i = 0; i < 400; i++) receiving.take(at(ROOM + 2 + 2 * i), Uint8Array.of(1), false)
    for (let i = 0; i < 400; i++) receiving.take(at(ROOM + 1 + (i % 9)), new Uint8Array(900), false)
    assert.ok(receiving.ranges().length <= 3)
    receiving.take(at(ROOM), new Uint8Array(1), false)
    assert.ok(receiving.readyBytes <= ROOM, `${receiving.readyBytes}`)
    for (let i = 0; i < 100; i++) receiving.take(at(2 ** 31 + i), new Uint8Array(100), true)
    assert.ok(!receiving.hasEnded)
  })
})
