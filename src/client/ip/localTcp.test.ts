import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concat } from '../../foundation/base/bytes.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import { HandClock } from '../../foundation/platform/handClock.ts'
import type { Connection } from '../../foundation/platform/net.ts'
import { nodeRandom } from '../../foundation/platform/node/nodeRandom.ts'
import { readIpPacket } from '../../protocol/wire/ip/ipPacket.ts'
import {
  advanced,
  buildTcp,
  FLAG,
  isBefore,
  readTcpSegment,
  type TcpSegment,
} from '../../protocol/wire/ip/tcpSegment.ts'
import { type Knock, LocalTcp } from './localTcp.ts'
import { DEVICE_TIMING, MIXNET_TIMING, type TcpTiming } from './roundTrip.ts'

const PROGRAM = { source: Uint8Array.of(10, 64, 0, 2), destination: Uint8Array.of(1, 2, 3, 4) }
const PORTS = { sourcePort: 40_000, destinationPort: 443 }
const NOTHING: Uint8Array = new Uint8Array(0)
const RETRY = millis(200)

/** As much of a program's kernel as the other end needs: sends again what was not acknowledged, takes what comes in order. */
class Program {
  readonly received: Uint8Array[] = []
  readonly #clock: HandClock
  readonly #out: (packet: Uint8Array) => void
  readonly #mss: number
  readonly #window: number
  #data: Uint8Array
  #closes = true
  #start: number
  #acknowledged: number
  #expected = 0
  state: 'connecting' | 'open' | 'reset' = 'connecting'
  ended = false
  segments = 0
  /** Of data, whatever became of them. */
  heardBytes = 0
  /** What came too early, by its number. */
  readonly #early: Map<number, Uint8Array> | undefined

  constructor(
    clock: HandClock,
    out: (packet: Uint8Array) => void,
    { data = NOTHING, mss = 1000, window = 65_535, start = 0xffff_ff00, closes = true, keeps = false } = {},
  ) {
    this.#clock = clock
    this.#out = out
    this.#data = data
    this.#mss = mss
    this.#window = window
    this.#closes = closes
    this.#start = this.#acknowledged = start
    this.#early = keeps ? new Map() : undefined
    this.#retry()
  }

  get isDone(): boolean {
    return this.ended && this.#acknowledged === this.#end
  }

  get #end(): number {
    return advanced(this.#start, 1 + this.#data.length + (this.#closes ? 1 : 0))
  }

  #retry(): void {
    if (this.state === 'reset') return
    this.#say()
    this.#clock.after(RETRY, () => this.#retry())
  }

  #say(): void {
    if (this.state === 'connecting') return this.#emit(FLAG.syn, this.#start, NOTHING, this.#mss)
    const first = (this.#acknowledged - advanced(this.#start, 1)) | 0
    if (first < 0 || this.#acknowledged === this.#end) return this.#emit(FLAG.ack, this.#acknowledged)
    for (let at = first; at < Math.min(this.#data.length, first + 8000); at += 700) {
      this.#emit(FLAG.ack, advanced(this.#start, 1 + at), this.#data.subarray(at, at + 700))
    }
    if (this.#closes) this.#emit(FLAG.fin | FLAG.ack, advanced(this.#start, 1 + this.#data.length))
  }

  #emit(flags: number, sequence: number, data = NOTHING, mss?: number): void {
    const acknowledgment = this.state === 'connecting' ? 0 : this.#expected
    this.#out(buildTcp(PROGRAM, PORTS, { sequence, acknowledgment, flags, window: this.#window, mss, data }))
  }

  take(bytes: Uint8Array): void {
    const packet = readIpPacket(bytes)
    assert.ok(!('fault' in packet), 'what is built is whole')
    const { sequence, acknowledgment, flags, data, mss } = readTcpSegment(packet)
    this.segments++
    if ((flags & FLAG.rst) !== 0) {
      this.state = 'reset'
      return
    }
    if ((flags & FLAG.syn) !== 0) {
      assert.ok(mss !== undefined && mss > 0)
      if (this.state === 'connecting') this.#expected = advanced(sequence, 1)
      this.state = 'open'
      this.#acknowledged = advanced(this.#start, 1)
      return this.#say()
    }
    assert.ok(data.length <= this.#mss, 'no segment is longer than was allowed')
    assert.ok(data.length <= Math.max(1, this.#window), 'nor than the window')
    if (isBefore(this.#acknowledged, acknowledgment)) this.#acknowledged = acknowledgment
    this.heardBytes += data.length
    const known = (this.#expected - sequence) | 0
    if (known < 0 && data.length > 0) this.#early?.set(sequence, data.slice())
    if (data.length === 0 && (flags & FLAG.fin) === 0) return
    if (known >= 0 && known <= data.length && !this.ended) {
      const fresh = data.slice(known)
      this.received.push(fresh)
      this.#expected = advanced(this.#expected, fresh.length)
      for (let next = this.#early?.get(this.#expected); next !== undefined; next = this.#early?.get(this.#expected)) {
        this.received.push(next)
        this.#expected = advanced(this.#expected, next.length)
      }
      if ((flags & FLAG.fin) !== 0) {
        this.ended = true
        this.#expected = advanced(this.#expected, 1)
      }
    }
    this.#emit(FLAG.ack, this.#acknowledged)
  }
}

interface Setup {
  readonly clock: HandClock
  readonly tcp: LocalTcp
  readonly program: Program
  readonly knocks: Knock[]
  run(until: () => boolean): Promise<void>
}

/** As at the exit, with the mixnet between. */

function connect(
  options: ConstructorParameters<typeof Program>[2] = {},
  isLost: () => boolean = () => false,
  { timing = DEVICE_TIMING, oneWay = millis(1) }: { timing?: TcpTiming; oneWay?: Millis } = {},
): Setup {
  const clock = new HandClock()
  const knocks: Knock[] = []
  let program: Program | undefined
  const tcp: LocalTcp = new LocalTcp({
    clock,
    random: nodeRandom.stream('test'),
    mtu: 1500,
    send: (packet) => {
      const copy = packet.slice()
      if (!isLost()) clock.after(oneWay, () => program?.take(copy))
    },
    knock: (knock) => knocks.push(knock),
    timing,
  })
  program = new Program(
    clock,
    (bytes) => {
      if (isLost()) return
      clock.after(oneWay, () => {
        const packet = readIpPacket(bytes)
        assert.ok(!('fault' in packet))
        tcp.receive(packet)
      })
    },
    options,
  )
  return {
    clock,
    tcp,
    program,
    knocks,
    async run(until) {
      const end = clock.monotonic() + minutes(20)
      while (!until()) {
        assert.ok(clock.monotonic() < end, 'it comes to an end')
        clock.advance(millis(10))
        await Promise.resolve()
      }
    },
  }
}
const minutes = (count: number): number => seconds(60 * count)

/** A program whose segments the test writes itself. Its connection is there, and was accepted; `out` is what it is sent from then on. */
function byHand(window: number, { timing, ...syn }: { timing?: TcpTiming } & Partial<TcpSegment> = {}) {
  const clock = new HandClock()
  const out: TcpSegment[] = []
  const knocks: Knock[] = []
  const tcp = new LocalTcp({
    clock,
    random: nodeRandom.stream('test'),
    mtu: 1500,
    send: (bytes) => {
      const packet = readIpPacket(bytes)
      assert.ok(!('fault' in packet))
      assert.deepEqual([packet.source, packet.destination], [PROGRAM.destination, PROGRAM.source])
      out.push(readTcpSegment(packet))
    },
    knock: (knock) => knocks.push(knock),
    ...(timing === undefined ? {} : { timing }),
  })
  const start = 100
  let acknowledgment = 0
  const send = (segment: Partial<TcpSegment> & Pick<TcpSegment, 'sequence' | 'flags' | 'window'>): void => {
    const bytes = buildTcp(PROGRAM, PORTS, { acknowledgment, ...segment })
    tcp.receive(readIpPacket(bytes) as never)
    // The packet's memory is somebody else's.
    bytes.fill(0)
  }
  /** `acknowledges`: so many bytes more than before. `ahead`: of the number that was expected of it first. `has`: bytes behind what it acknowledges. */
  const say = (flags: number, window: number, { acknowledges = 0, ahead = 0, data = NOTHING, has = [0, 0] } = {}) => {
    acknowledgment = advanced(acknowledgment, acknowledges)
    const [from = 0, to = 0] = has
    const sack = from === to ? [] : [[advanced(acknowledgment, from), advanced(acknowledgment, to)] as const]
    send({ sequence: start + 1 + ahead, flags, window, data, sack })
  }
  send({ sequence: start, flags: FLAG.syn, window, ...syn })
  const connection = (knocks[0] as Knock).accept()
  acknowledgment = advanced((out.splice(0)[0] as { sequence: number }).sequence, 1)
  say(FLAG.ack, window)
  return { clock, tcp, connection, out, say }
}

/** What the destination would be: takes everything, writes `data` as it is told to, and ends when the program has. */
function destination(connection: Connection, data: Uint8Array, { pauses = false } = {}, clock?: HandClock) {
  const got = { received: [] as Uint8Array[], ended: false, closed: false, error: undefined as unknown }
  let left = data
  const write = (): void => {
    while (left.length > 0) {
      const chunk = left.subarray(0, 3000)
      left = left.subarray(3000)
      if (!connection.write([chunk])) return
    }
    connection.end()
  }
  connection.attach({
    data(chunk) {
      got.received.push(chunk.slice())
      if (!pauses) return
      connection.pause()
      clock?.after(millis(50), () => connection.resume())
    },
    drain: write,
    end: () => {
      got.ended = true
    },
    close: (error) => {
      got.closed = true
      got.error = error
    },
  })
  write()
  return got
}

const bytes = (length: number, salt: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + salt) & 0xff)

describe("a program's TCP, ended here", () => {
  test('every byte arrives once and in order, both ways, whatever is lost on the device', async () => {
    const cases = fc.record({
      up: fc.integer({ min: 0, max: 40_000 }),
      down: fc.integer({ min: 0, max: 200_000 }),
      loss: fc.constantFrom(0, 0, 0.02, 0.2),
      mss: fc.constantFrom(536, 1460),
      window: fc.constantFrom(1, 2000, 65_535),
      pauses: fc.boolean(),
      patient: fc.boolean(),
      seed: fc.nat(),
    })
    await fc.assert(
      fc.asyncProperty(cases, async ({ up, down, loss, mss, window, pauses, patient, seed }) => {
        let state = seed | 1
        const uniform = () => {
          state ^= state << 13
          state ^= state >>> 17
          state ^= state << 5
          return (state >>> 0) / 2 ** 32
        }
        const size = window === 1 ? Math.min(down, 60) : down
        const [sent, answered] = [bytes(up, 1), bytes(size, 2)]
        const { clock, tcp, program, knocks, run } = connect(
          { data: sent, mss, window },
          // Through the mixnet that much is not lost.
          () => uniform() < (patient ? Math.min(loss, 0.02) : loss),
          { timing: patient ? MIXNET_TIMING : DEVICE_TIMING },
        )
        await run(() => knocks.length > 0)
        const connection = (knocks[0] as Knock).accept()
        const got = destination(connection, answered, { pauses }, clock)
        await run(() => got.closed && program.isDone)
        assert.deepEqual(concat(...got.received), sent)
        assert.deepEqual(concat(...program.received), answered)
        assert.equal(got.error, undefined)
        await run(() => tcp.count === 0)
      }),
      { numRuns: 25 },
    )
  })

  test('a destination that is not there is a connection refused; one that is silent is not answered yet', async () => {
    const { program, knocks, tcp, run, clock } = connect()
    await run(() => knocks.length === 1)
    assert.deepEqual(knocks[0]?.destination, { host: '1.2.3.4', port: 443 })
    clock.advance(seconds(5))
    assert.equal(program.state, 'connecting')
    assert.equal(knocks.length, 1, 'a SYN that comes again is the same knock')
    knocks[0]?.refuse()
    await run(() => program.state === 'reset')
    assert.equal(tcp.count, 0)
  })

  test('half-close: the program ends, and hears on', async () => {
    const { program, knocks, run } = connect({ data: bytes(10, 1) })
    await run(() => knocks.length === 1)
    const connection = (knocks[0] as Knock).accept()
    let ended = false
    connection.attach({
      data() {},
      end: () => {
        ended = true
      },
      close() {},
    })
    await run(() => ended)
    connection.write([bytes(5000, 3)])
    connection.end()
    await run(() => program.isDone)
    assert.deepEqual(concat(...program.received), bytes(5000, 3))
  })

  test('failure of the stream is a reset, and what is paused closes the window', async () => {
    const { program, knocks, run, clock, tcp } = connect({ data: bytes(100_000, 1), closes: false })
    await run(() => knocks.length === 1)
    const connection = (knocks[0] as Knock).accept()
    connection.pause()
    let heard = 0
    connection.attach({ data: (chunk) => (heard += chunk.length), close() {} })
    clock.advance(seconds(20))
    assert.equal(heard, 0)
    connection.resume()
    await run(() => heard === 100_000)
    connection.reset()
    await run(() => program.state === 'reset')
    assert.equal(tcp.count, 0)
  })

  test('a program that does not read for an hour keeps its connection, and gets all of it at once when it reads', async () => {
    const { clock, tcp, connection, out, say } = byHand(1000)
    let closed = false
    connection.attach({ data() {}, close: () => (closed = true) })
    connection.write([bytes(3000, 1)])
    say(FLAG.ack, 0, { acknowledges: 1000 })
    const next = advanced((out[0] as { sequence: number }).sequence, 1000)
    out.length = 0
    for (let i = 0; i < 720; i++) {
      clock.advance(seconds(5))
      // A kernel throws away what comes into a closed window, and says so.
      if (out.splice(0).length > 0) say(FLAG.ack, 0)
    }
    assert.equal(closed, false)
    say(FLAG.ack, 65_535)
    assert.equal(out[0]?.sequence, next, 'the probe was lost: it goes again')
    assert.equal(
      out.reduce((sum, { data }) => sum + data.length, 0),
      2000,
    )
    // Behind data that was lost on the device.
    say(FLAG.rst, 0, { ahead: 5000 })
    assert.equal(closed, true)
    assert.equal(tcp.count, 0)
  })

  test('whoever is told goodbye by destroy gets what was written before it', async () => {
    const { program, knocks, run, tcp } = connect({ closes: false })
    await run(() => knocks.length === 1)
    const connection = (knocks[0] as Knock).accept()
    let closed = 0
    connection.attach({ data() {}, close: () => closed++ })
    await run(() => program.state === 'open')
    connection.write([bytes(3000, 4)])
    connection.destroy()
    assert.equal(closed, 1)
    await run(() => program.isDone && tcp.count === 0)
    assert.deepEqual(concat(...program.received), bytes(3000, 4))
    assert.equal(closed, 1)
  })

  test('what comes again is acknowledged again: the SYN, a number that it has, and the end, for as long as it may come', () => {
    const { clock, tcp, connection, out, say } = byHand(1000)
    const acknowledged = (): unknown[] =>
      out.splice(0).map(({ flags, acknowledgment, data }) => [flags, acknowledgment, data.length])
    connection.attach({ data() {}, close() {} })
    connection.write([bytes(10, 1)])
    out.length = 0
    say(FLAG.syn, 1000, { ahead: -1 })
    assert.deepEqual(acknowledged(), [[FLAG.ack, 101, 0]])
    // A kernel's keep-alive; and what only acknowledges, which is no question.
    say(FLAG.ack, 1000, { ahead: -1 })
    assert.deepEqual(acknowledged(), [[FLAG.ack, 101, 0]])
    say(FLAG.ack, 1000, { acknowledges: 10 })
    assert.deepEqual(acknowledged(), [])
    connection.end()
    say(FLAG.ack | FLAG.fin, 1000, { acknowledges: 1 })
    out.length = 0
    clock.advance(seconds(4))
    say(FLAG.ack | FLAG.fin, 1000)
    assert.deepEqual(acknowledged(), [[FLAG.ack, 102, 0]])
    assert.equal(tcp.count, 1)
    clock.advance(seconds(1))
    assert.equal(tcp.count, 0)
    assert.equal(clock.pending, 0)
  })

  test('closed while its last acknowledgment may still be asked for, nothing of it stays', () => {
    const { clock, tcp, connection, say } = byHand(1000)
    connection.attach({ data() {}, close() {} })
    connection.end()
    say(FLAG.ack | FLAG.fin, 1000, { acknowledges: 1 })
    assert.equal(tcp.count, 1)
    tcp.close()
    assert.equal(tcp.count, 0)
    assert.equal(clock.pending, 0)
  })

  test('who was left hears that what it says now is lost, and may end', () => {
    for (const says of [NOTHING, bytes(1, 1)]) {
      const { connection, out, say, tcp } = byHand(1000)
      connection.attach({ data() {}, close() {} })
      connection.destroy()
      say(FLAG.ack, 1000, { acknowledges: 1 })
      out.length = 0
      say(FLAG.ack | FLAG.fin, 1000, { data: says })
      const isLost = says.length > 0
      assert.deepEqual(
        out.map(({ flags, acknowledgment }) => [flags, acknowledgment]),
        [isLost ? [FLAG.rst | FLAG.ack, 101] : [FLAG.ack, 102]],
      )
      assert.equal(tcp.count, isLost ? 0 : 1)
    }
  })

  test('who was left is told of a window that nothing fills any more; who fails, once', () => {
    const { connection, out, say } = byHand(1000)
    connection.attach({ data() {}, close() {} })
    connection.pause()
    say(FLAG.ack, 1000, { data: new Uint8Array(1000) })
    assert.equal(out.at(-1)?.window, 64_535)
    connection.destroy()
    assert.deepEqual([out.at(-1)?.flags, out.at(-1)?.window], [FLAG.ack | FLAG.fin, 65_535])
    out.length = 0
    connection.reset()
    connection.reset()
    assert.equal(out.length, 1)
  })

  test('an end of ours is the last that we say; who hears no end lets its side end too', () => {
    const { connection, out, say, tcp, clock } = byHand(1000)
    let closed = 0
    connection.attach({ data() {}, close: () => closed++ })
    connection.end()
    out.length = 0
    assert.ok(connection.write([bytes(10, 1)]))
    say(FLAG.ack, 1000, { acknowledges: 1 })
    assert.equal(out.length, 0)
    assert.equal(closed, 0)
    say(FLAG.ack | FLAG.fin, 1000)
    assert.equal(closed, 1)
    clock.advance(seconds(5))
    assert.equal(tcp.count, 0)
    // Without an end of ours before.
    const other = byHand(1000)
    other.connection.attach({ data() {}, close: () => closed++ })
    other.out.length = 0
    other.say(FLAG.ack | FLAG.fin, 1000)
    assert.equal(closed, 2)
    assert.deepEqual(
      other.out.map(({ flags }) => flags & FLAG.fin),
      [FLAG.fin, 0],
    )
  })

  test('only who was told to wait is told that there is room', () => {
    const { connection, say } = byHand(65_535)
    let drained = 0
    connection.attach({ data() {}, drain: () => drained++, close() {} })
    assert.ok(connection.write([new Uint8Array(1000)]))
    say(FLAG.ack, 65_535, { acknowledges: 1000 })
    assert.equal(drained, 0)
    assert.equal(connection.write([new Uint8Array(65_537)]), false)
    say(FLAG.ack, 65_535, { acknowledges: 40_000 })
    assert.equal(drained, 1)
  })

  test('who was left and never takes the rest is given up', () => {
    const { clock, connection, tcp, say } = byHand(0)
    connection.attach({ data() {}, close() {} })
    connection.write([bytes(10, 1)])
    connection.destroy()
    for (let i = 0; i < 30 && tcp.count > 0; i++) {
      clock.advance(seconds(10))
      say(FLAG.ack, 0)
    }
    assert.equal(tcp.count, 0)
  })

  test('a window that had no room for a segment is said to be open, and none else', () => {
    const { connection, out, say } = byHand(1000)
    connection.attach({ data() {}, close() {} })
    connection.pause()
    for (let at = 0; at < 65_000; at += 1000) say(FLAG.ack, 1000, { ahead: at, data: new Uint8Array(1000) })
    assert.equal(out.at(-1)?.window, 535)
    out.length = 0
    connection.resume()
    assert.deepEqual(
      out.map(({ window, acknowledgment }) => [window, acknowledgment]),
      [[65_535, 65_101]],
    )
    connection.pause()
    say(FLAG.ack, 1000, { ahead: 65_000, data: new Uint8Array(1000) })
    out.length = 0
    connection.resume()
    assert.deepEqual(out, [])
  })

  test('of what the program has only what lies behind a hole says that there is one', () => {
    for (const [has, missing] of [
      [[-1000, 0], 0],
      [[1000, 2000], 1],
    ] as const) {
      const { clock, connection, out, say } = byHand(60_000, { timing: MIXNET_TIMING, takesSack: true, mss: 1000 })
      connection.attach({ data() {}, close() {} })
      connection.write([bytes(4000, 1)])
      clock.advance(seconds(4))
      out.length = 0
      say(FLAG.ack, 60_000, { acknowledges: 1000, has: [...has] })
      assert.equal(out.length, missing)
    }
  })

  test('a reset from beyond the window ends nothing', () => {
    const { tcp, say } = byHand(1000)
    say(FLAG.rst, 0, { ahead: 65_536 })
    say(FLAG.rst, 0, { ahead: -1 })
    assert.equal(tcp.count, 1)
    say(FLAG.rst, 0, { ahead: 65_535 })
    assert.equal(tcp.count, 0)
  })

  test('IPv6 has longer headers, and segments that are shorter by as much', () => {
    const sent: Uint8Array[] = []
    const knocks: Knock[] = []
    const tcp = new LocalTcp({
      clock: new HandClock(),
      random: nodeRandom.stream('test'),
      mtu: 1500,
      send: (packet) => sent.push(packet),
      knock: (knock) => knocks.push(knock),
    })
    const program = { source: new Uint8Array(16).fill(1), destination: new Uint8Array(16).fill(2) }
    const last = (): TcpSegment => readTcpSegment(readIpPacket(sent.at(-1) as Uint8Array) as never)
    const say = (segment: { sequence: number; acknowledgment: number; flags: number; mss?: number }): void =>
      tcp.receive(readIpPacket(buildTcp(program, PORTS, { window: 60_000, ...segment })) as never)
    say({ flags: FLAG.syn, sequence: 1, acknowledgment: 0, mss: 9000 })
    const connection = (knocks[0] as Knock).accept()
    assert.equal(last().mss, 1440)
    say({ flags: FLAG.ack, sequence: 2, acknowledgment: advanced(last().sequence, 1) })
    connection.write([new Uint8Array(3000)])
    assert.equal(Math.max(...sent.map(({ length }) => length)), 1500)
  })

  test('segments of no connection are answered by a reset, resets by nothing; a flood of SYNs is bounded', () => {
    const clock = new HandClock()
    const sent: Uint8Array[] = []
    const tcp = new LocalTcp({
      clock,
      random: nodeRandom.stream('test'),
      mtu: 1500,
      send: (packet) => sent.push(packet),
      knock() {},
      maxConnections: 10,
    })
    const receive = (flags: number, sourcePort = 1): void => {
      const packet = readIpPacket(
        buildTcp(PROGRAM, { ...PORTS, sourcePort }, { sequence: 5, acknowledgment: 9, flags, window: 1 }),
      )
      assert.ok(!('fault' in packet))
      tcp.receive(packet)
    }
    receive(FLAG.ack)
    receive(FLAG.rst)
    receive(FLAG.fin)
    receive(FLAG.syn | FLAG.ack)
    assert.equal(sent.length, 3)
    for (let port = 1; port < 100; port++) receive(FLAG.syn, port)
    assert.equal(tcp.count, 10)
    assert.equal(sent.length, 3 + 89)
    tcp.close()
    assert.equal(tcp.count, 0)
  })

  test('any segments in any order end nothing but their own connection', () => {
    const segment = fc.record({
      sequence: fc.oneof(fc.constantFrom(0xffff_ff00, 0xffff_ff01), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
      acknowledgment: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      flags: fc.integer({ min: 0, max: 63 }),
      window: fc.integer({ min: 0, max: 65_535 }),
      mss: fc.option(fc.integer({ min: 0, max: 65_535 }), { nil: undefined }),
      data: fc.uint8Array({ maxLength: 50 }),
    })
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 30 }), (segments) => {
        const { tcp, knocks, clock } = connect()
        clock.advance(millis(5))
        for (const one of segments) {
          const packet = readIpPacket(buildTcp(PROGRAM, PORTS, one))
          assert.ok(!('fault' in packet))
          tcp.receive(packet)
          if (knocks.length === 1) {
            const connection = knocks[0]?.accept()
            knocks.push(knocks[0] as Knock)
            connection?.attach({ data() {}, close() {} })
          }
          clock.advance(millis(300))
        }
        tcp.close()
        assert.equal(tcp.count, 0)
      }),
    )
  })

  test('where a round trip is longer than is waited at first, that is learnt, and little goes twice', async () => {
    const size = 400_000
    const { clock, program, knocks, run } = connect({}, undefined, { timing: MIXNET_TIMING, oneWay: millis(3500) })
    await run(() => knocks.length > 0)
    const got = destination((knocks[0] as Knock).accept(), bytes(size, 3), {}, clock)
    await run(() => got.closed && program.isDone)
    assert.equal(concat(...program.received).length, size)
    assert.ok(program.heardBytes < size * 1.02, `${program.heardBytes} bytes for ${size}`)
  })

  test('of many that are lost each goes again once, a round trip after the other, and nothing else', async () => {
    const size = 60_000
    let count = 0
    // The first flight: every second packet.
    const { clock, program, knocks, run } = connect(
      { keeps: true },
      () => count++ % 2 === 1 && count > 10 && count < 40,
      {
        timing: MIXNET_TIMING,
        oneWay: millis(100),
      },
    )
    await run(() => knocks.length > 0)
    const began = clock.monotonic()
    const got = destination((knocks[0] as Knock).accept(), bytes(size, 3), {}, clock)
    await run(() => got.closed && program.isDone)
    assert.equal(concat(...program.received).length, size)
    assert.ok(program.heardBytes <= size, `${program.heardBytes} bytes for ${size}`)
    // One wait of 4 s, and then as fast as the answers come.
    assert.ok(clock.monotonic() - began < 15_000, `${clock.monotonic() - began} ms`)
  })

  test('who says that it takes tiny segments, and opens and closes its window, gets no more packets for it', () => {
    const { connection, out, say } = byHand(0, { mss: 1, timing: MIXNET_TIMING })
    connection.attach({ data() {}, close() {} })
    for (let i = 0; i < 65_536; i++) connection.write([Uint8Array.of(i)])
    out.length = 0
    for (let i = 0; i < 20; i++) {
      say(FLAG.ack, 65_535)
      say(FLAG.ack, 0)
    }
    const data = concat(...out.map((segment) => segment.data))
    assert.equal(data.length, 65_535, 'once')
    assert.ok(out.length <= Math.ceil(65_535 / 536), `${out.length} segments`)
    assert.ok(data.every((byte, i) => byte === (i & 0xff)))
  })

  test('where there is room for a few segments at a time, each connection gets as many as the others', () => {
    const knocks: Knock[] = []
    const sent = new Map<number, number>()
    let room = Number.POSITIVE_INFINITY
    const numbers = new Map<number, number>()
    const tcp: LocalTcp = new LocalTcp({
      clock: new HandClock(),
      random: nodeRandom.stream('test'),
      mtu: 1500,
      send: (packet) => {
        const read = readIpPacket(packet)
        assert.ok(!('fault' in read))
        const { sequence, data } = readTcpSegment(read)
        const port = read.destinationPort
        numbers.set(port, Math.max(numbers.get(port) ?? 0, sequence + 1))
        if (data.length === 0) return
        sent.set(port, (sent.get(port) ?? 0) + 1)
        if (--room === 0) tcp.pause()
      },
      knock: (knock) => knocks.push(knock),
    })
    const say = (sourcePort: number, flags: number, sequence: number): void => {
      const segment = { sequence, acknowledgment: numbers.get(sourcePort) ?? 0, flags, window: 65_535, mss: 1460 }
      tcp.receive(readIpPacket(buildTcp(PROGRAM, { ...PORTS, sourcePort }, segment)) as never)
    }
    const ports = [1, 2, 3, 4, 5, 6, 7, 8]
    for (const port of ports) say(port, FLAG.syn, 100)
    const connections = knocks.map((knock) => knock.accept())
    for (const port of ports) say(port, FLAG.ack, 101)
    room = 3
    for (const connection of connections) {
      connection.attach({ data() {}, close() {} })
      connection.write([new Uint8Array(60_000)])
    }
    assert.equal(
      [...sent.values()].reduce((sum, count) => sum + count, 0),
      3,
      'held within what one of them sends',
    )
    sent.clear()
    const each = (): (number | undefined)[] => ports.map((port) => sent.get(port))
    room = 8
    tcp.resume()
    assert.deepEqual(each(), new Array(8).fill(1), 'one after the other')
    for (let i = 0; i < 8; i++) {
      room = 5
      tcp.resume()
    }
    assert.deepEqual(each(), new Array(8).fill(6), 'who had no turn comes first')
  })

  test('while it is held no data goes out, and all of it goes out after', async () => {
    const { tcp, program, knocks, run } = connect()
    await run(() => knocks.length > 0)
    const connection = (knocks[0] as Knock).accept()
    await run(() => program.state === 'open')
    tcp.pause()
    const got = destination(connection, bytes(5000, 3))
    let turns = 0
    await run(() => turns++ > 100)
    assert.equal(program.heardBytes, 0)
    tcp.resume()
    await run(() => got.closed && program.isDone)
    assert.equal(concat(...program.received).length, 5000)
  })
})
