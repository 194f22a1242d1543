import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { MixnetError } from '../../foundation/base/errors.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import { HandClock } from '../../foundation/platform/handClock.ts'
import { advanced, FLAG } from '../../protocol/wire/ip/tcpSegment.ts'
import { DEVICE_TIMING, MIXNET_TIMING, type TcpTiming } from './roundTrip.ts'
import { type Heard, TcpSending } from './tcpSending.ts'

/** Numbers begin anew within the second segment. */
const FIRST = 0xffff_fa00
const MSS = 1000

/** What is sent, told by the bytes of the stream: where it begins, and how many. */
type Sent = 'syn' | `end ${number}` | readonly [from: number, length: number]

class Bench {
  readonly clock = new HandClock()
  readonly sending: TcpSending
  #out: Sent[] = []
  failure: MixnetError | undefined
  room = 64 * 1024
  isHeld = false

  constructor({
    window = 60_000,
    timing = MIXNET_TIMING,
  }: { readonly window?: number; readonly timing?: TcpTiming } = {}) {
    this.sending = new TcpSending({
      clock: this.clock,
      timing,
      sequence: FIRST,
      mss: MSS,
      window,
      room: () => this.room,
      isHeld: () => this.isHeld,
      emit: (flags, sequence, data) => {
        const from = (sequence - FIRST - 1) | 0
        if ((flags & FLAG.syn) !== 0) this.#out.push('syn')
        else if ((flags & FLAG.fin) !== 0) this.#out.push(`end ${from}`)
        else if (data !== undefined) {
          assert.ok(data.every((byte, i) => byte === ((from + i) & 0xff)))
          this.#out.push([from, data.length])
        }
      },
      lost: (error) => {
        this.failure = error
        this.sending.stop()
      },
    })
    this.sending.accept()
    this.hear(0, { window })
    assert.deepEqual(this.sent(), ['syn'])
  }

  /** Bytes of the stream that were written. */
  #written = 0

  write(length: number): boolean {
    const chunk = Uint8Array.from({ length }, (_, i) => this.#written + i)
    this.#written += length
    return this.sending.write([chunk])
  }

  /** The receiver has so many bytes of the stream; then what came is looked at, as a connection does. */
  hear(bytes: number, heard: Partial<Heard> = {}): boolean {
    const acknowledgment = advanced(FIRST, 1 + bytes)
    const hasRoom = this.sending.acknowledged({
      acknowledgment,
      window: 60_000,
      knowsHoles: false,
      hasHole: false,
      ...heard,
    })
    this.sending.push()
    return hasRoom
  }

  /** Since it was last asked. */
  sent(): Sent[] {
    return this.#out.splice(0)
  }

  /** When something goes again within so long: milliseconds from now. */
  goesAgain(within: Millis): number[] {
    const times: number[] = []
    for (let waited = 100; waited <= within; waited += 100) {
      this.clock.advance(millis(100))
      if (this.sent().length > 0) times.push(waited)
    }
    return times
  }
}

describe('what goes in a TCP connection', () => {
  test('goes in segments, as far as the window has room, and once, also where numbers begin anew', () => {
    const bench = new Bench({ window: 2500 })
    bench.write(4000)
    assert.deepEqual(bench.sent(), [
      [0, 1000],
      [1000, 1000],
      [2000, 500],
    ])
    bench.hear(1000, { window: 2500 })
    assert.deepEqual(bench.sent(), [[2500, 1000]])
    bench.hear(3500, { window: 100 })
    assert.deepEqual(bench.sent(), [[3500, 100]])
    bench.hear(3600)
    bench.sending.end()
    assert.deepEqual(bench.sent(), [[3600, 400], 'end 4000'])
    assert.equal(bench.sending.endAcknowledged, false)
    bench.hear(4001)
    assert.ok(bench.sending.endAcknowledged)
    assert.equal(bench.sending.queuedBytes, 0)
    assert.equal(bench.clock.pending, 0)
  })

  test('an acknowledgment of what was never sent says nothing, nor does one that others overtook', () => {
    const bench = new Bench()
    bench.write(1500)
    bench.hear(1000)
    bench.sent()
    bench.hear(1501)
    bench.hear(900, { window: 0 })
    assert.equal(bench.sending.queuedBytes, 500)
    bench.write(10)
    assert.deepEqual(bench.sent(), [[1500, 10]])
    bench.hear(1510)
    assert.equal(bench.sending.queuedBytes, 0)
  })

  test('of what goes again all may be there already, and is then not sent', () => {
    const bench = new Bench({ timing: DEVICE_TIMING })
    bench.write(3000)
    bench.sent()
    bench.isHeld = true
    bench.clock.advance(DEVICE_TIMING.first)
    bench.hear(3000)
    bench.isHeld = false
    bench.write(5)
    assert.deepEqual(bench.sent(), [[3000, 5]])
  })

  test('an end that was acknowledged while everything was to go again is not said again', () => {
    const bench = new Bench({ timing: DEVICE_TIMING })
    bench.write(10)
    bench.sending.end()
    bench.isHeld = true
    bench.clock.advance(DEVICE_TIMING.first)
    bench.sent()
    bench.hear(11)
    bench.isHeld = false
    bench.sending.push()
    assert.deepEqual(bench.sent(), [])
    assert.equal(bench.clock.pending, 0)
  })

  test('unanswered, the first segment goes again after 4, 8, 16 … 60 s, and then no more', () => {
    const bench = new Bench()
    bench.write(3000)
    bench.sent()
    assert.deepEqual(bench.goesAgain(seconds(400)), [4, 12, 28, 60, 120, 180].map(seconds))
    assert.equal(bench.failure?.code, 'TIMEOUT')
    assert.equal(bench.clock.pending, 0)
  })

  test('so does what says that it is connected, which nobody measures', () => {
    const clock = new HandClock()
    let count = 0
    const sending = new TcpSending({
      clock,
      timing: DEVICE_TIMING,
      sequence: FIRST,
      mss: MSS,
      window: 1000,
      room: () => 1000,
      isHeld: () => false,
      emit: () => count++,
      lost: () => {},
    })
    sending.accept()
    for (const [waited, sent] of [
      [299, 1],
      [1, 2],
      [600, 3],
      [1200, 4],
    ] as const) {
      clock.advance(millis(waited))
      assert.equal(count, sent)
    }
    sending.stop()
    assert.equal(clock.pending, 0)
  })

  test('once a round trip was measured, 2 s are waited', () => {
    const bench = new Bench()
    bench.write(100)
    bench.clock.advance(millis(300))
    bench.hear(100)
    bench.write(100)
    bench.sent()
    assert.deepEqual(bench.goesAgain(seconds(7)), [2, 6].map(seconds))
  })

  test('what went twice measures nothing: the wait that it made longer stays', () => {
    const bench = new Bench({ window: 0 })
    bench.write(500)
    // A probe, which the receiver throws away.
    assert.deepEqual(bench.goesAgain(seconds(4)), [seconds(4)])
    bench.hear(0)
    assert.deepEqual(bench.sent(), [[0, 500]])
    bench.clock.advance(millis(10))
    bench.hear(500)
    bench.write(1000)
    bench.sent()
    assert.deepEqual(bench.goesAgain(seconds(9)), [seconds(8)])
  })

  test('behind a hole nothing new goes, and the next that is missing goes at once; over that, all goes on', () => {
    const bench = new Bench({ window: 4000 })
    bench.write(4000)
    bench.clock.advance(seconds(4))
    bench.sent()
    bench.hear(1000, { knowsHoles: true, hasHole: true })
    assert.deepEqual(bench.sent(), [[1000, 1000]])
    bench.write(2000)
    assert.deepEqual(bench.sent(), [])
    bench.hear(2000)
    assert.deepEqual(bench.sent(), [[2000, 1000]], 'who names no holes may have some')
    bench.hear(4000)
    assert.deepEqual(bench.sent(), [
      [4000, 1000],
      [5000, 1000],
    ])
  })

  test('who would name a hole and names none waits for what is on its way: nothing goes twice for it', () => {
    const bench = new Bench({ window: 4000 })
    bench.write(5000)
    bench.clock.advance(seconds(4))
    bench.sent()
    bench.hear(1000, { window: 4000, knowsHoles: true })
    assert.deepEqual(bench.sent(), [[4000, 1000]])
  })

  test('a window that closed is asked after with a byte at a time, for as long as it is answered', () => {
    const bench = new Bench({ window: 1000 })
    bench.write(2000)
    bench.sent()
    bench.hear(1000, { window: 0 })
    for (const wait of [2, 4, 8, 16, 32, ...new Array<number>(20).fill(60)]) {
      bench.clock.advance(millis(seconds(wait) - 1))
      assert.deepEqual(bench.sent(), [])
      bench.clock.advance(millis(1))
      assert.deepEqual(bench.sent(), [[1000, 1]])
      bench.hear(1000, { window: 0 })
    }
    assert.equal(bench.failure, undefined)
    // In the middle of a wait that began before: a new one begins.
    bench.clock.advance(millis(59_000))
    bench.hear(1000)
    assert.deepEqual(bench.sent(), [[1000, 1000]], 'and the byte that was thrown away')
    bench.clock.advance(seconds(2))
    assert.deepEqual(bench.sent(), [])
  })

  test('a window that is taken back is borne for as long as what goes again is answered, and opens as any', () => {
    for (const timing of [MIXNET_TIMING, DEVICE_TIMING]) {
      const bench = new Bench({ window: 1000, timing })
      bench.write(2000)
      bench.sent()
      bench.hear(0, { window: 0 })
      for (let i = 0; i < 30; i++) {
        bench.clock.advance(timing.longest)
        bench.hear(0, { window: 0 })
      }
      assert.equal(bench.failure, undefined)
      bench.sent()
      bench.hear(0, { window: 1000 })
      assert.deepEqual(bench.sent(), [[0, 1000]])
      bench.hear(1000)
      assert.deepEqual(bench.sent(), [[1000, 1000]])
      // Who was left waits no longer than before.
      bench.hear(1000, { window: 0 })
      bench.sending.abandon()
      for (let i = 0; i < 20 && bench.failure === undefined; i++) {
        bench.clock.advance(timing.longest)
        bench.hear(1000, { window: 0 })
      }
      assert.equal((bench.failure as MixnetError | undefined)?.code, 'TIMEOUT')
    }
  })

  test('an acknowledgment that was overtaken and shuts the window while something goes again holds nothing up for long', () => {
    const bench = new Bench()
    bench.write(3000)
    bench.clock.advance(seconds(4))
    bench.hear(0, { window: 0 })
    bench.sent()
    bench.hear(1000)
    bench.write(1000)
    bench.hear(3000)
    assert.deepEqual(bench.sent().at(-1), [3000, 1000])
    bench.hear(4000)
    assert.equal(bench.sending.queuedBytes, 0)
  })

  test('what was sent before it was held goes again all the same', () => {
    const bench = new Bench()
    bench.write(1000)
    bench.isHeld = true
    bench.write(1000)
    bench.sent()
    bench.clock.advance(seconds(4))
    assert.deepEqual(bench.sent(), [[0, 1000]])
  })

  test('what is held asks after no window, is not given up for that, and asks once it goes on', () => {
    const bench = new Bench({ window: 1000 })
    bench.write(2000)
    bench.sent()
    bench.isHeld = true
    bench.hear(1000, { window: 0 })
    for (let i = 0; i < 20; i++) {
      bench.clock.advance(seconds(60))
      bench.hear(1000, { window: 0 })
    }
    assert.equal(bench.failure, undefined)
    assert.deepEqual(bench.sent(), [])
    bench.isHeld = false
    bench.sending.push(1)
    assert.deepEqual(bench.goesAgain(seconds(3)), [seconds(2)])
  })

  test('a window that is closed while nothing waits is not asked after', () => {
    const bench = new Bench({ window: 0 })
    assert.equal(bench.clock.pending, 0)
    bench.clock.advance(seconds(1000))
    assert.equal(bench.failure, undefined)
  })

  test('a window that was asked after more than once opens as any', () => {
    const bench = new Bench({ window: 0 })
    bench.write(3000)
    bench.clock.advance(seconds(30))
    assert.deepEqual(bench.sent(), [
      [0, 1],
      [0, 1],
      [0, 1],
    ])
    bench.hear(0, { knowsHoles: true })
    assert.deepEqual(bench.sent(), [
      [0, 1000],
      [1000, 1000],
      [2000, 1000],
    ])
  })

  test('who was left and never reads gets the usual tries, however well it answers', () => {
    const bench = new Bench({ window: 0 })
    bench.write(10)
    bench.sending.abandon()
    for (let i = 0; i < 10 && bench.failure === undefined; i++) {
      bench.clock.advance(seconds(60))
      bench.hear(0, { window: 0 })
    }
    assert.equal(bench.failure?.code, 'TIMEOUT')
  })

  test('who was left and takes a byte now and then is let go after ten minutes; who takes all is waited for no longer', () => {
    const bench = new Bench({ window: 0 })
    bench.write(100)
    bench.sending.abandon()
    for (let minute = 1; minute < 10; minute++) {
      bench.clock.advance(seconds(60))
      bench.hear(minute, { window: 0 })
      assert.equal(bench.failure, undefined)
    }
    bench.clock.advance(seconds(60))
    assert.equal(bench.failure?.code, 'TIMEOUT')
    assert.equal(bench.clock.pending, 0)
    const quick = new Bench()
    quick.write(100)
    quick.sending.abandon()
    quick.hear(101)
    assert.ok(quick.sending.endAcknowledged)
    quick.sending.stop()
    assert.equal(quick.clock.pending, 0)
  })

  test('who closes its window and opens it again at once gets nothing twice', () => {
    const bench = new Bench({ window: 2000 })
    bench.write(3000)
    bench.sent()
    bench.hear(1000, { window: 0 })
    bench.hear(1000, { window: 1000 })
    assert.deepEqual(bench.sent(), [])
    bench.hear(1000, { window: 5000 })
    assert.deepEqual(bench.sent(), [[2000, 1000]])
  })

  test('who writes more than there is room for is told once when half of it is free', () => {
    const bench = new Bench()
    bench.room = 4000
    assert.equal(bench.write(4000), true)
    assert.equal(bench.write(1), false)
    assert.equal(bench.hear(1000), false)
    // Who goes on all the same is told as well.
    assert.equal(bench.write(10), true)
    assert.equal(bench.hear(2000), false)
    assert.equal(bench.hear(2011), true)
    assert.equal(bench.hear(3000), false)
  })

  test('stopped, it waits for nothing and says nothing', () => {
    const bench = new Bench()
    bench.write(1000)
    bench.sending.stop()
    assert.equal(bench.clock.pending, 0)
    bench.sent()
    assert.equal(bench.hear(1000), false)
    bench.write(1)
    assert.deepEqual(bench.sent(), [])
  })
})
