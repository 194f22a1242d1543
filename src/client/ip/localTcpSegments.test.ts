/** Segments of a program that are written by hand, one by one, and what answers each. @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concat } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import { HandClock, turn } from '../../foundation/platform/handClock.ts'
import { nodeRandom } from '../../foundation/platform/node/nodeRandom.ts'
import { type IpPacket, readIpPacket } from '../../protocol/wire/ip/ipPacket.ts'
import { advanced, buildTcp, FLAG, readTcpSegment, type TcpSegment } from '../../protocol/wire/ip/tcpSegment.ts'
import { type Knock, LocalTcp, type LocalTcpOptions } from './localTcp.ts'
import { MIXNET_TIMING } from './roundTrip.ts'

const SIX = { source: new Uint8Array(16).fill(0xfd), destination: new Uint8Array(16).fill(0x26) }
const FOUR = { source: Uint8Array.of(10, 64, 0, 2), destination: Uint8Array.of(1, 2, 3, 4) }
const PORTS = { sourcePort: 40_000, destinationPort: 443 }
const START = 100

interface Said extends Partial<Omit<TcpSegment, 'sequence' | 'acknowledgment' | 'flags'>> {
  /** Of the first number behind its SYN; of `acknowledged`. */
  readonly at?: number
  readonly acknowledges?: number
}

interface Heard extends TcpSegment {
  readonly packet: IpPacket
  readonly packetBytes: number
}

function setUp({
  addresses = FOUR as typeof FOUR | typeof SIX,
  sent,
  ...options
}: Partial<LocalTcpOptions> & { readonly addresses?: typeof FOUR; readonly sent?: (heard: Heard) => void } = {}) {
  const clock = new HandClock()
  const out: Heard[] = []
  const knocks: Knock[] = []
  const tcp = new LocalTcp({
    clock,
    random: nodeRandom.stream('test'),
    mtu: 1500,
    knock: (knock) => knocks.push(knock),
    send: (bytes) => {
      const packet = readIpPacket(bytes.slice()) as IpPacket
      assert.ok(!('fault' in packet))
      const heard = { ...readTcpSegment(packet), packet, packetBytes: bytes.length }
      out.push(heard)
      sent?.(heard)
    },
    ...options,
  })
  let base = 0
  const send = (segment: Omit<TcpSegment, 'data'> & { data?: Uint8Array }, ports = PORTS, from = addresses): void =>
    tcp.receive(readIpPacket(buildTcp(from, ports, segment)) as IpPacket)
  const say = (flags: number, { at = 0, acknowledges = 0, window = 65_535, ...more }: Said = {}): Heard[] => {
    out.length = 0
    const acknowledgment = advanced(base, acknowledges)
    send({ sequence: advanced(START, 1 + at), acknowledgment, flags, window, ...more })
    return [...out]
  }
  const knock = (more: Partial<TcpSegment> = {}): Knock => {
    send({ sequence: START, acknowledgment: 0, flags: FLAG.syn, window: 65_535, ...more })
    return knocks.at(-1) as Knock
  }
  /** Of a connection that was accepted, and whose handshake is done but for the program's last word. */
  const accept = (more: Partial<TcpSegment> = {}) => {
    const connection = knock(more).accept()
    const [syn] = out.splice(0) as [Heard]
    base = advanced(syn.sequence, 1)
    return { connection, syn }
  }
  const open = (more: Partial<TcpSegment> = {}) => {
    const accepted = accept(more)
    say(FLAG.ack, { window: more.window ?? 65_535 })
    return accepted
  }
  return { clock, out, knocks, tcp, send, say, knock, accept, open }
}

/** Attaches, and remembers. */
function listen({ connection }: { readonly connection: ReturnType<Knock['accept']> }, ends = true) {
  const got = { bytes: [] as Uint8Array[], ended: 0, drained: 0, closed: [] as unknown[] }
  connection.attach({
    data: (chunk) => got.bytes.push(chunk.slice()),
    drain: () => got.drained++,
    close: (error) => got.closed.push(error),
    ...(ends ? { end: () => got.ended++ } : {}),
  })
  return got
}

const flagsOf = (heard: readonly Heard[]): number[] => heard.map(({ flags }) => flags)
const dataOf = (heard: readonly Heard[]): number => heard.reduce((sum, { data }) => sum + data.length, 0)
const one = Uint8Array.of(7)

describe('segments of a program', () => {
  test('a connection begins with a SYN, and with nothing that looks like one', () => {
    const { say, tcp, knocks, out } = setUp()
    assert.deepEqual(flagsOf(say(FLAG.syn | FLAG.ack)), [FLAG.rst])
    assert.deepEqual(flagsOf(say(FLAG.syn | FLAG.rst)), [])
    assert.deepEqual([tcp.count, knocks.length, out.length], [0, 0, 0])
  })

  test('two are one only where both addresses and both ports are the same; each begins with a number of its own', () => {
    const { send, tcp, knocks, out } = setUp()
    const syn = { sequence: START, acknowledgment: 0, flags: FLAG.syn, window: 9 }
    send(syn)
    send(syn, { ...PORTS, sourcePort: 1 })
    send(syn, { ...PORTS, destinationPort: 1 })
    send(syn, PORTS, { ...FOUR, source: Uint8Array.of(10, 64, 0, 3) })
    send(syn, PORTS, { ...FOUR, destination: Uint8Array.of(1, 2, 3, 5) })
    send(syn)
    assert.deepEqual([tcp.count, knocks.length], [5, 5])
    assert.deepEqual(knocks[2]?.destination, { host: '1.2.3.4', port: 1 })
    for (const knock of knocks) knock.accept()
    assert.equal(new Set(out.map(({ sequence }) => sequence)).size, 5)
  })

  test('how many there are is told, whenever one comes or goes, and of 1,024 there is no more room', () => {
    const counts: number[] = []
    const { knock, tcp, send } = setUp({ counted: (count) => counts.push(count) })
    knock().refuse()
    assert.deepEqual(counts, [1, 0])
    for (let port = 1; port < 1100; port++) {
      send({ sequence: START, acknowledgment: 0, flags: FLAG.syn, window: 9 }, { ...PORTS, sourcePort: port })
    }
    assert.equal(tcp.count, 1024)
    assert.equal(counts.at(-1), 1024)
  })

  test('no packet is longer than the device takes, of either family, nor shorter than every stack takes', () => {
    for (const [addresses, ourMss, least] of [
      [FOUR, 1460, 536],
      [SIX, 1440, 1220],
    ] as const) {
      for (const [mss, expected] of [
        [9000, ourMss],
        [1, least],
        [undefined, least],
        [1300, 1300],
      ] as const) {
        const { open, out } = setUp({ addresses })
        const { connection, syn } = open({ mss })
        assert.equal(syn.mss, ourMss)
        connection.write([new Uint8Array(5000)])
        assert.equal(out[0]?.data.length, expected)
        assert.ok(out.every(({ packetBytes }) => packetBytes <= 1500))
      }
    }
  })

  test("the memory of a program's packet is not ours", () => {
    const { tcp, knocks, out } = setUp()
    const bytes = buildTcp(FOUR, PORTS, { sequence: START, acknowledgment: 0, flags: FLAG.syn, window: 9 })
    tcp.receive(readIpPacket(bytes) as IpPacket)
    bytes.fill(0xee)
    knocks[0]?.accept()
    assert.deepEqual(out[0]?.packet.destination, FOUR.source)
    assert.deepEqual(out[0]?.packet.source, FOUR.destination)
  })

  test('one that ends while it has its turn does not come back', () => {
    const { open, tcp } = setUp({
      sent: ({ data }) => {
        if (data.length > 0) tcp.close()
      },
    })
    const { connection } = open()
    tcp.pause()
    connection.write([one])
    tcp.resume()
    assert.equal(tcp.count, 0)
  })

  test('a reset counts from what is expected to the end of the window, and not beside it', () => {
    for (const [at, ends] of [
      [-1, false],
      [0, true],
      [65_535, true],
      [65_536, false],
    ] as const) {
      const { open, say, tcp } = setUp()
      const got = listen(open())
      say(FLAG.rst, { at })
      assert.deepEqual([at, tcp.count], [at, ends ? 0 : 1])
      assert.equal(got.closed.length, ends ? 1 : 0)
      assert.equal(isMixnetError(got.closed[0], 'CONNECTION_CLOSED'), ends)
    }
  })

  test('a SYN that comes again is answered as before while it opens, and later by an acknowledgment', () => {
    const { knock, accept, say, out, send } = setUp()
    knock()
    knock()
    assert.equal(out.length, 0, 'nobody has accepted')
    const { syn } = accept()
    knock()
    assert.deepEqual(
      out.map(({ flags, sequence }) => [flags, sequence]),
      [[FLAG.syn | FLAG.ack, syn.sequence]],
    )
    say(FLAG.ack)
    out.length = 0
    send({ sequence: START, acknowledgment: 0, flags: FLAG.syn, window: 9 })
    assert.deepEqual(flagsOf(out), [FLAG.ack])
  })

  test('what acknowledges nothing is not read, nor what comes before it is open; nor does accepting twice say it twice', () => {
    const { accept, say, out } = setUp()
    const accepted = accept()
    const got = listen(accepted)
    assert.deepEqual(say(FLAG.psh, { data: one }), [])
    assert.deepEqual(say(FLAG.ack, { data: one, acknowledges: -1 }), [])
    assert.deepEqual(say(FLAG.fin | FLAG.ack, { acknowledges: 1 }), [])
    say(FLAG.ack)
    assert.deepEqual([got.bytes.length, got.ended], [0, 0])
    say(FLAG.ack, { data: one })
    assert.deepEqual(concat(...got.bytes), one)
    say(FLAG.psh, { at: 1, data: one })
    assert.equal(concat(...got.bytes).length, 1)
    out.length = 0
    ;(accepted.connection as unknown as { accept(): void }).accept()
    assert.deepEqual(out, [])
  })

  test('data is acknowledged at once, a probe of what is known too, and an acknowledgment by nothing', () => {
    const { open, say } = setUp()
    const got = listen(open())
    const [answer, ...none] = say(FLAG.ack, { data: one })
    assert.deepEqual([answer?.flags, answer?.acknowledgment, none], [FLAG.ack, START + 2, []])
    assert.equal(say(FLAG.ack, { at: 0 }).length, 1, 'kept alive')
    assert.deepEqual(say(FLAG.ack, { at: 1 }), [])
    assert.equal(say(FLAG.ack | FLAG.fin, { at: 1 }).at(-1)?.acknowledgment, START + 3)
    assert.equal(got.ended, 1)
  })

  test('while it is paused nothing is handed on, and the end only behind the last byte, once', () => {
    const { open, say, out } = setUp()
    const accepted = open()
    const got = listen(accepted)
    accepted.connection.pause()
    say(FLAG.ack | FLAG.fin, { data: new Uint8Array(1000) })
    assert.deepEqual([got.bytes.length, got.ended], [0, 0])
    out.length = 0
    accepted.connection.resume()
    assert.deepEqual([concat(...got.bytes).length, got.ended], [1000, 1])
    assert.deepEqual(out, [], 'the window was never shut')
    say(FLAG.ack | FLAG.fin, { data: new Uint8Array(1000) })
    accepted.connection.resume()
    assert.equal(got.ended, 1)
  })

  test('a handler that pauses gets no more, and one that ends it no more after', () => {
    const { open, say } = setUp()
    const { connection } = open()
    let heard = 0
    connection.pause()
    connection.attach({
      data() {
        heard++
        connection.reset()
      },
      end: () => heard++,
      close() {},
    })
    say(FLAG.ack | FLAG.fin, { data: one })
    connection.resume()
    assert.equal(heard, 1)
    assert.deepEqual(flagsOf(say(FLAG.ack)), [FLAG.rst], 'it is no connection any more')
  })

  test('nothing follows a reset, also where it comes while data is handed on', () => {
    for (const isPaused of [false, true]) {
      const { open, say, out } = setUp({ room: () => 2000 })
      const { connection } = open()
      connection.attach({ data: () => connection.reset(), close() {} })
      if (isPaused) connection.pause()
      say(FLAG.ack, { data: new Uint8Array(1400) })
      if (isPaused) {
        out.length = 0
        connection.resume()
      }
      assert.deepEqual(flagsOf(out), [FLAG.rst | FLAG.ack])
    }
  })

  test('a window that was shut is told open as soon as it is, also where a segment has no room in what was left', () => {
    const { open, say, out } = setUp({ room: () => 2000 })
    const accepted = open()
    listen(accepted)
    accepted.connection.pause()
    assert.equal(say(FLAG.ack, { data: new Uint8Array(1400) }).at(-1)?.window, 600)
    out.length = 0
    accepted.connection.resume()
    assert.deepEqual(
      out.map(({ flags, window }) => [flags, window]),
      [[FLAG.ack, 2000]],
    )
  })

  test('so is one that was shut for there were many, who have gone before it reads again', () => {
    let room = 2000
    const { open, say, out } = setUp({ room: () => room })
    const accepted = open()
    listen(accepted)
    accepted.connection.pause()
    assert.equal(say(FLAG.ack, { data: new Uint8Array(2000) }).at(-1)?.window, 0)
    room = 60_000
    out.length = 0
    accepted.connection.resume()
    assert.deepEqual(
      out.map(({ flags, window }) => [flags, window]),
      [[FLAG.ack, 60_000]],
    )
  })

  test('windows: as they are without scaling, scaled where both do, small for who scales by nothing, and in a SYN as they are', () => {
    const room = () => 1024 * 1024
    const windows = (windowShift: number | undefined) => {
      const { open, say, out } = setUp({ room })
      const { syn, connection } = open({ windowShift, window: 1000 })
      listen({ connection })
      const [answer] = say(FLAG.ack, { data: one, window: 1000 })
      out.length = 0
      connection.write([new Uint8Array(10_000)])
      return [syn.windowShift, syn.window, answer?.window, dataOf(out)]
    }
    assert.deepEqual(windows(undefined), [undefined, 65_535, 65_535, 1000])
    assert.deepEqual(windows(2), [2, 65_535, (128 * 1024) >> 2, 4000])
    assert.deepEqual(windows(0), [2, 8 * 1460, (8 * 1460) >> 2, 1000])
    const { accept } = setUp({ room: () => 500 })
    assert.equal(accept({ windowShift: 2 }).syn.window, 500, 'and never more than there is room for')
  })

  test('holes are named to who reads of them, never beside data, and offered only to who offers it', () => {
    for (const takesSack of [true, undefined]) {
      const { open, say, out } = setUp()
      const accepted = open({ takesSack })
      listen(accepted)
      assert.equal(accepted.syn.takesSack, takesSack)
      const [answer] = say(FLAG.ack, { at: 5, data: one })
      assert.deepEqual(answer?.sack, takesSack ? [[START + 6, START + 7]] : undefined)
      out.length = 0
      accepted.connection.write([one])
      assert.deepEqual([out[0]?.data.length, out[0]?.sack], [1, undefined])
    }
  })

  test('what goes again after a wait: the first, and what follows it only where that is a hole, or may be', () => {
    const again = (takesSack: boolean | undefined, named?: 'behind' | 'twice'): number[] => {
      const { open, say, out, clock } = setUp({ timing: MIXNET_TIMING })
      const { connection, syn } = open({ takesSack, mss: 1000 })
      listen({ connection })
      out.length = 0
      connection.write([new Uint8Array(5000)])
      assert.equal(out.length, 5)
      out.length = 0
      clock.advance(seconds(4))
      const of = (number: number) => advanced(syn.sequence, 1 + number)
      assert.deepEqual(
        out.map(({ sequence }) => sequence),
        [of(0)],
      )
      const [from, to] = named === 'behind' ? [2000, 3000] : [0, 1000]
      const sack = named === undefined ? [] : ([[of(from), of(to)]] as const)
      return say(FLAG.ack, { acknowledges: 1000, sack }).map(({ sequence }) => (sequence - of(0)) | 0)
    }
    assert.deepEqual(again(true, 'behind'), [1000])
    assert.deepEqual(again(true), [])
    assert.deepEqual(again(true, 'twice'), [], 'that it came twice is no hole')
    assert.deepEqual(again(undefined), [1000], 'who names none may have some')
  })

  test('whoever waits for room hears of it once the program has taken half', () => {
    const { open, say } = setUp({ room: () => 4000 })
    const accepted = open({ window: 2000, mss: 1000 })
    const got = listen(accepted)
    assert.equal(accepted.connection.write([new Uint8Array(5000)]), false)
    say(FLAG.ack, { acknowledges: 2000, window: 2000 })
    assert.equal(got.drained, 0)
    say(FLAG.ack, { acknowledges: 3000, window: 2000 })
    assert.equal(got.drained, 1)
  })

  test('both have ended: it is told once, its last segment is acknowledged again for five seconds, and then forgotten', () => {
    const { open, say, tcp, clock, out } = setUp()
    const accepted = open()
    const got = listen(accepted)
    accepted.connection.end()
    assert.deepEqual(flagsOf(out), [FLAG.fin | FLAG.ack])
    assert.deepEqual(flagsOf(say(FLAG.ack, { acknowledges: 1 })), [])
    assert.deepEqual(got.closed, [], 'the program has not')
    say(FLAG.fin | FLAG.ack, { acknowledges: 1 })
    assert.deepEqual(got.closed, [undefined])
    assert.deepEqual(flagsOf(say(FLAG.fin | FLAG.ack, { acknowledges: 1 })), [FLAG.ack])
    assert.deepEqual(flagsOf(say(FLAG.ack, { at: 1, acknowledges: 1 })), [])
    accepted.connection.destroy()
    assert.deepEqual(out, [], 'a reset would only say that it failed')
    clock.advance(millis(4_999))
    assert.equal(tcp.count, 1)
    clock.advance(millis(1))
    assert.deepEqual([tcp.count, clock.pending], [0, 0])
    assert.deepEqual(got.closed, [undefined])
    accepted.connection.reset()
    assert.deepEqual(out, [])
  })

  test('a reset in those five seconds ends it, and not the next one of the same ports', () => {
    const { open, say, tcp, clock } = setUp()
    const accepted = open()
    listen(accepted)
    accepted.connection.end()
    say(FLAG.fin | FLAG.ack, { acknowledges: 1 })
    say(FLAG.rst, { at: 1 })
    assert.equal(tcp.count, 0)
    open()
    clock.advance(seconds(6))
    assert.equal(tcp.count, 1)
  })

  test('through the mixnet the last segment is acknowledged again for as long as a kernel tries four times', () => {
    const { open, say, tcp, clock } = setUp({ timing: MIXNET_TIMING })
    const accepted = open()
    listen(accepted)
    accepted.connection.end()
    say(FLAG.fin | FLAG.ack, { acknowledges: 1 })
    for (const wait of [2, 4, 8]) {
      clock.advance(seconds(wait))
      assert.deepEqual(flagsOf(say(FLAG.fin | FLAG.ack, { acknowledges: 1 })), [FLAG.ack])
    }
    clock.advance(seconds(6))
    assert.equal(tcp.count, 0)
  })

  test('where the end comes last that the destination hears, or it leaves after its own, it is over as well', () => {
    const paused = setUp()
    const accepted = paused.open()
    const got = listen(accepted)
    accepted.connection.pause()
    accepted.connection.end()
    paused.say(FLAG.fin | FLAG.ack, { data: one, acknowledges: 1 })
    assert.equal(got.closed.length, 0)
    accepted.connection.resume()
    assert.deepEqual([got.ended, got.closed.length], [1, 1])
    const left = setUp()
    const { connection } = left.open()
    listen({ connection })
    connection.end()
    left.say(FLAG.ack, { acknowledges: 1 })
    connection.destroy()
    left.clock.advance(seconds(5))
    assert.equal(left.tcp.count, 0)
  })

  test('the end of the program alone ends nothing, and nothing of its own is forgotten before it has heard it', () => {
    const { open, say, clock, tcp } = setUp()
    const accepted = open()
    const got = listen(accepted)
    say(FLAG.fin | FLAG.ack)
    clock.advance(seconds(60))
    assert.deepEqual([got.ended, got.closed.length, tcp.count], [1, 0, 1])
    accepted.connection.end()
    assert.equal(got.closed.length, 0)
    say(FLAG.ack, { at: 1, acknowledges: 1 })
    assert.equal(got.closed.length, 1)
  })

  test('who hears no end is gone with it', () => {
    const { open, say, tcp, clock } = setUp()
    const got = listen(open(), false)
    const answers = say(FLAG.fin | FLAG.ack)
    assert.deepEqual(got.closed, [undefined])
    assert.ok(answers.some(({ flags }) => flags === (FLAG.fin | FLAG.ack)))
    say(FLAG.ack, { at: 1, acknowledges: 1 })
    clock.advance(seconds(5))
    assert.equal(tcp.count, 0)
  })

  test('left by destroy: what was in order is not handed on, what comes after is a failure, an end is not', () => {
    const { open, say, tcp } = setUp()
    const accepted = open()
    const got = listen(accepted)
    accepted.connection.destroy()
    assert.deepEqual(got.closed, [undefined])
    assert.deepEqual(flagsOf(say(FLAG.ack, { data: one, acknowledges: 1 })), [FLAG.rst | FLAG.ack])
    assert.deepEqual([tcp.count, got.bytes.length, got.closed.length], [0, 0, 1])
    const other = setUp()
    const ended = other.open()
    listen(ended)
    ended.connection.destroy()
    assert.deepEqual(flagsOf(other.say(FLAG.fin | FLAG.ack, { acknowledges: 1 })), [FLAG.ack])
    other.clock.advance(seconds(5))
    assert.equal(other.tcp.count, 0)
    const twice = setUp()
    const left = twice.open()
    listen(left)
    left.connection.destroy()
    twice.out.length = 0
    left.connection.destroy()
    assert.deepEqual(flagsOf(twice.out), [FLAG.rst | FLAG.ack], 'who insists')
  })

  test('left where it was never accepted, or whose program does not read, it ends', () => {
    const { knock, tcp, out, knocks } = setUp()
    knock()
    knocks[0]?.refuse()
    assert.deepEqual([flagsOf(out), tcp.count], [[FLAG.rst | FLAG.ack], 0])
    const shut = setUp()
    const accepted = shut.open()
    listen(accepted)
    accepted.connection.write([new Uint8Array(1000)])
    shut.say(FLAG.ack, { acknowledges: 1000, window: 0 })
    accepted.connection.write([one])
    accepted.connection.destroy()
    for (let i = 0; i < 3_000 && shut.tcp.count > 0; i++) {
      shut.clock.advance(seconds(1))
      if (shut.tcp.count > 0) shut.say(FLAG.ack, { acknowledges: 1000, window: 0 })
    }
    assert.equal(shut.tcp.count, 0)
  })

  test('over, it says nothing, keeps nothing, and tells whoever comes late', async () => {
    const { open, tcp, out, clock, say } = setUp()
    const { connection } = open()
    connection.write([new Uint8Array(100)])
    say(FLAG.ack, { data: one })
    out.length = 0
    connection.reset()
    connection.reset()
    connection.destroy()
    assert.deepEqual(flagsOf(out), [FLAG.rst | FLAG.ack])
    assert.equal(connection.write([one]), true)
    assert.equal(connection.bufferedBytes, 0)
    connection.resume()
    assert.deepEqual([out.length, tcp.count, clock.pending], [1, 0, 0])
    const got = listen({ connection })
    assert.deepEqual(got.closed, [], 'not within the call')
    await turn()
    assert.deepEqual([got.closed, got.bytes.length], [[undefined], 0])
  })

  test('after its end nothing more is taken to be written', () => {
    const { open, out } = setUp()
    const { connection } = open()
    connection.end()
    out.length = 0
    assert.equal(connection.write([one]), true)
    assert.deepEqual([out.length, connection.bufferedBytes], [0, 0])
  })
})
