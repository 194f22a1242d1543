import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { MixnetError } from '../../../foundation/base/errors.ts'
import { millis, minutes, seconds } from '../../../foundation/base/units.ts'
import { HandClock, turn } from '../../../foundation/platform/handClock.ts'
import type { Endpoint } from '../../../foundation/platform/net.ts'
import { nodeRandom } from '../../../foundation/platform/node/nodeRandom.ts'
import { readIpPacket } from '../../../protocol/wire/ip/ipPacket.ts'
import { advanced, buildTcp, FLAG, readTcpSegment, type TcpSegment } from '../../../protocol/wire/ip/tcpSegment.ts'
import { SharedConnections } from './sharedConnections.ts'
import { Outside } from './support.test.ts'
import { TcpEnds } from './tcpEnds.ts'

const ADDRESSES = { source: Uint8Array.of(10, 0, 7, 7), destination: Uint8Array.of(1, 2, 3, 4) }
const PORT = 443
const START = 1000

class Bench {
  readonly outside: Outside[] = []
  readonly asked: Endpoint[] = []
  readonly sent: TcpSegment[] = []
  /** Bytes of a packet. */
  longest = 0
  readonly clock = new HandClock()
  readonly ends: TcpEnds
  answers = async (remote: Endpoint): Promise<Outside> => new Outside(remote)
  readonly shared = new SharedConnections()

  constructor() {
    this.ends = new TcpEnds({
      clock: this.clock,
      random: nodeRandom.stream('test'),
      mtu: 1500,
      shared: this.shared,
      net: {
        connect: async ({ host, port }) => {
          this.asked.push({ host, port })
          const outside = await this.answers({ host, port })
          this.outside.push(outside)
          return outside
        },
      },
      send: (bytes) => {
        const packet = readIpPacket(bytes)
        assert.ok(!('fault' in packet), 'what is built is whole')
        this.longest = Math.max(this.longest, bytes.length)
        this.sent.push(readTcpSegment(packet))
      },
    })
    open.push(this)
  }

  from(sourcePort: number, segment: Partial<Parameters<typeof buildTcp>[2]> & { readonly flags: number }): void {
    const whole = { sequence: START, acknowledgment: 0, window: 65_535, ...segment }
    const packet = readIpPacket(buildTcp(ADDRESSES, { sourcePort, destinationPort: PORT }, whole))
    assert.ok(!('fault' in packet))
    this.ends.receive(packet)
  }

  /** Up to where both sides are connected. Returns what the client acknowledges next. */
  async connected(sourcePort = 4000, syn: Partial<TcpSegment> = {}): Promise<number> {
    this.from(sourcePort, { flags: FLAG.syn, mss: 1460, ...syn })
    await turn()
    const answer = this.sent.at(-1)
    assert.equal(answer?.flags, FLAG.syn | FLAG.ack)
    assert.equal(answer.acknowledgment, START + 1)
    const acknowledgment = advanced(answer.sequence, 1)
    this.from(sourcePort, { flags: FLAG.ack, sequence: START + 1, acknowledgment })
    return acknowledgment
  }
}

const open: Bench[] = []
afterEach(() => {
  for (const { ends } of open.splice(0)) ends.close()
})

describe('connections of a client of the packet router', () => {
  test('bytes go both ways, and ends with them', async () => {
    const bench = new Bench()
    const acknowledgment = await bench.connected()
    assert.deepEqual(bench.asked, [{ host: '1.2.3.4', port: PORT }])
    const [outside] = bench.outside as [Outside]
    const data = Uint8Array.of(1, 2, 3)
    bench.from(4000, { flags: FLAG.ack | FLAG.psh, sequence: START + 1, acknowledgment, data })
    assert.deepEqual(outside.written, [data])
    outside.handlers?.data(Uint8Array.of(4, 5))
    const answer = bench.sent.at(-1)
    assert.deepEqual([...(answer?.data ?? [])], [4, 5])
    assert.equal(answer?.acknowledgment, START + 4)
    bench.from(4000, { flags: FLAG.fin | FLAG.ack, sequence: START + 4, acknowledgment: advanced(acknowledgment, 2) })
    assert.equal(outside.fate, 'ended')
    outside.handlers?.end?.()
    assert.equal((bench.sent.at(-1)?.flags ?? 0) & FLAG.fin, FLAG.fin)
    bench.from(4000, { flags: FLAG.ack, sequence: START + 5, acknowledgment: advanced(acknowledgment, 3) })
    assert.equal(outside.fate, 'ended', 'what waits there for a slow site is not thrown away')
    assert.equal(bench.shared.count, 1)
    outside.handlers?.close()
    assert.ok(bench.sent.every(({ flags }) => (flags & FLAG.rst) === 0))
    assert.equal(bench.shared.count, 1, 'the client may ask for the last acknowledgment again')
    bench.clock.advance(seconds(20))
    assert.equal(bench.shared.count, 0)
    assert.equal(bench.clock.pending, 0)
  })

  test('a site that never reads the rest is waited for, and not for ever', async () => {
    const bench = new Bench()
    const acknowledgment = await bench.connected()
    const [outside] = bench.outside as [Outside]
    bench.from(4000, { flags: FLAG.fin | FLAG.ack, sequence: START + 1, acknowledgment })
    outside.handlers?.end?.()
    bench.from(4000, { flags: FLAG.ack, sequence: START + 2, acknowledgment: advanced(acknowledgment, 1) })
    outside.bufferedBytes = 100
    bench.clock.advance(seconds(149))
    assert.equal(outside.fate, 'ended')
    // However slowly: a byte now and then would hold it for ever.
    outside.bufferedBytes = 50
    bench.clock.advance(seconds(2))
    assert.equal(outside.fate, 'reset')
    assert.equal(bench.shared.count, 0)
  })

  test('who has nothing to say for long is ended, and sooner where one side has ended', async () => {
    const bench = new Bench()
    const [one] = [await bench.connected(1), await bench.connected(2), await bench.connected(3)]
    const fates = () => bench.outside.map(({ fate }) => fate)
    bench.outside[1]?.handlers?.end?.()
    bench.from(2, { flags: FLAG.ack, sequence: START + 1, acknowledgment: bench.sent.at(-1)?.sequence as number })
    // An end that nobody acknowledges is given up before.
    const end = bench.sent.findLast(({ flags }) => (flags & FLAG.fin) !== 0) as TcpSegment
    bench.from(2, { flags: FLAG.ack, sequence: START + 1, acknowledgment: advanced(end.sequence, 1) })
    bench.clock.advance(minutes(9))
    assert.deepEqual(fates(), ['open', 'open', 'open'])
    bench.from(1, { flags: FLAG.ack, sequence: START + 1, acknowledgment: one as number, data: Uint8Array.of(1) })
    bench.clock.advance(minutes(2))
    assert.deepEqual(fates(), ['open', 'reset', 'open'])
    bench.clock.advance(minutes(20))
    assert.deepEqual(fates(), ['open', 'reset', 'reset'])
    bench.clock.advance(minutes(10))
    assert.deepEqual(fates(), ['reset', 'reset', 'reset'])
    assert.equal(bench.shared.count, 0)
  })

  test('who does not answer is a reset, and so is a failure on either side', async () => {
    const bench = new Bench()
    bench.answers = () => Promise.reject(new MixnetError('CONNECTION_REFUSED'))
    bench.from(1, { flags: FLAG.syn })
    await turn()
    // Without the acknowledgment every client takes it for a forgery, and goes on asking.
    const { flags, acknowledgment } = bench.sent.at(-1) as TcpSegment
    assert.deepEqual({ flags, acknowledgment }, { flags: FLAG.rst | FLAG.ack, acknowledgment: START + 1 })
    assert.equal(bench.shared.count, 0)
    bench.answers = async (remote) => new Outside(remote)
    await bench.connected(2)
    bench.outside[0]?.handlers?.close(new MixnetError('CONNECTION_CLOSED'))
    assert.equal((bench.sent.at(-1)?.flags ?? 0) & FLAG.rst, FLAG.rst)
    await bench.connected(3)
    bench.from(3, { flags: FLAG.rst, sequence: START + 1 })
    assert.equal(bench.outside[1]?.fate, 'reset')
    assert.equal(bench.shared.count, 0)
  })

  test('data that overtook the end of the handshake end it', async () => {
    const bench = new Bench()
    bench.from(4000, { flags: FLAG.syn })
    await turn()
    const acknowledgment = advanced((bench.sent.at(-1) as TcpSegment).sequence, 1)
    const data = Uint8Array.of(7)
    bench.from(4000, { flags: FLAG.ack | FLAG.psh, sequence: START + 1, acknowledgment, data })
    assert.deepEqual(bench.outside[0]?.written, [data])
    bench.from(4000, { flags: FLAG.ack, sequence: START + 1, acknowledgment })
    assert.equal(bench.outside[0]?.written.length, 1)
  })

  test('what is said before the site is there, or without having heard that it is, does not reach it', async () => {
    const bench = new Bench()
    const site = Promise.withResolvers<Outside>()
    bench.answers = () => site.promise
    const data = Uint8Array.of(7)
    bench.from(4000, { flags: FLAG.syn })
    bench.from(4000, { flags: FLAG.ack, sequence: START + 1, data })
    assert.equal(bench.sent.length, 0)
    site.resolve(new Outside({ host: '1.2.3.4', port: PORT }))
    await turn()
    const { sequence } = bench.sent.at(-1) as TcpSegment
    for (const ahead of [0, 2]) {
      const acknowledgment = advanced(sequence, ahead)
      bench.from(4000, { flags: FLAG.ack, sequence: START + 1, acknowledgment, data })
    }
    assert.deepEqual(bench.outside[0]?.written, [])
    bench.from(4000, { flags: FLAG.ack, sequence: START + 1, acknowledgment: advanced(sequence, 1), data })
    assert.deepEqual(bench.outside[0]?.written, [data])
  })

  test('who took it back while the site was asked hears nothing more, and the site is let go', async () => {
    const bench = new Bench()
    const site = Promise.withResolvers<Outside>()
    bench.answers = () => site.promise
    bench.from(4000, { flags: FLAG.syn })
    bench.from(4000, { flags: FLAG.rst, sequence: START + 1 })
    site.resolve(new Outside({ host: '1.2.3.4', port: PORT }))
    await turn()
    await turn()
    assert.equal(bench.sent.length, 0)
    assert.equal(bench.outside[0]?.fate, 'reset')
    assert.equal(bench.shared.count, 0)
  })

  test('what is lost goes again after 4 s, and after 2 s where round trips were measured', async () => {
    const bench = new Bench()
    await bench.connected()
    const [outside] = bench.outside as [Outside]
    for (const wait of [4, 2]) {
      bench.sent.length = 0
      outside.handlers?.data(Uint8Array.of(7))
      bench.clock.advance(millis(seconds(wait) - 1))
      assert.equal(bench.sent.length, 1)
      bench.clock.advance(millis(1))
      assert.equal(bench.sent.length, 2)
      for (const more of [0, 1]) {
        if (more === 1) outside.handlers?.data(Uint8Array.of(7))
        const say = { sequence: START + 1, acknowledgment: advanced(bench.sent.at(-1)?.sequence as number, 1) }
        bench.from(4000, { flags: FLAG.ack, ...say })
      }
    }
  })

  test('each side waits for the other', async () => {
    const bench = new Bench()
    const acknowledgment = await bench.connected()
    const [outside] = bench.outside as [Outside]
    for (let i = 0; i < 11; i++) outside.handlers?.data(new Uint8Array(50_000))
    assert.ok(outside.isPaused, 'the client takes no more')
    const under = bench.sent.reduce((sum, { data }) => sum + data.length, 0)
    assert.equal(under, 65_535)
    outside.hasRoom = false
    const data = new Uint8Array(1000)
    for (let i = 0; i < 80; i++) {
      bench.from(4000, { flags: FLAG.ack, sequence: START + 1 + i * 1000, acknowledgment, data })
    }
    assert.equal(outside.written.length, 1)
    assert.ok((bench.sent.at(-1)?.window ?? 0) < 1000, 'and is told to wait itself')
    outside.hasRoom = true
    outside.handlers?.drain?.()
    assert.ok(outside.written.reduce((sum, { length }) => sum + length, 0) > 60_000)
  })

  test('held, it sends no data, and resets and acknowledgments all the same', async () => {
    const bench = new Bench()
    const acknowledgment = await bench.connected()
    bench.ends.pause()
    bench.outside[0]?.handlers?.data(new Uint8Array(100))
    bench.from(4000, { flags: FLAG.ack, sequence: START + 1, acknowledgment, data: new Uint8Array(10) })
    assert.equal(bench.sent.at(-1)?.acknowledgment, START + 11)
    assert.ok(bench.sent.every(({ data }) => data.length === 0))
    bench.ends.resume()
    assert.equal(bench.sent.at(-1)?.data.length, 100)
  })

  test('there is an end to how many there are, of one client and of all', async () => {
    const bench = new Bench()
    for (let port = 1; port <= 256; port++) await bench.connected(port)
    bench.from(300, { flags: FLAG.syn })
    assert.equal((bench.sent.at(-1)?.flags ?? 0) & FLAG.rst, FLAG.rst)
    assert.equal(bench.outside.length, 256)
    const other = new Bench()
    other.shared.changed(3000)
    for (let port = 1; port <= 8; port++) await other.connected(port)
    other.from(9, { flags: FLAG.syn })
    assert.equal((other.sent.at(-1)?.flags ?? 0) & FLAG.rst, FLAG.rst)
    assert.equal(other.shared.count, 3008)
  })

  test('what waits for sites that do not read counts among what a client has, though it has ended them all', async () => {
    const bench = new Bench()
    for (let port = 1; port <= 256; port++) {
      const acknowledgment = await bench.connected(port)
      bench.from(port, { flags: FLAG.fin | FLAG.ack, sequence: START + 1, acknowledgment })
      bench.outside.at(-1)?.handlers?.end?.()
      const ended = { sequence: START + 2, acknowledgment: advanced(acknowledgment, 1) }
      bench.from(port, { flags: FLAG.ack, ...ended })
    }
    bench.clock.advance(seconds(10))
    assert.equal(bench.shared.count, 256)
    bench.from(300, { flags: FLAG.syn })
    assert.equal((bench.sent.at(-1)?.flags ?? 0) & FLAG.rst, FLAG.rst)
    assert.equal(bench.outside.length, 256)
  })

  test('a site that takes what waited for it uses its connection', async () => {
    const bench = new Bench()
    await bench.connected()
    const [outside] = bench.outside as [Outside]
    bench.clock.advance(minutes(29))
    outside.handlers?.drain?.()
    bench.clock.advance(minutes(29))
    assert.equal(outside.fate, 'open')
    // Some of it, and less than it says.
    outside.bufferedBytes = 100
    bench.clock.advance(minutes(30))
    assert.equal(outside.fate, 'open')
    bench.clock.advance(minutes(1))
    assert.equal(outside.fate, 'reset')
  })

  test('where there are many, each is told of less room', async () => {
    const bench = new Bench()
    bench.shared.changed(4095)
    await bench.connected(1, { windowShift: 7 })
    assert.equal(bench.sent[0]?.window, 8 * 1024)
  })

  test('who asks and takes it back in a loop has no more being made than others', async () => {
    const bench = new Bench()
    bench.answers = () => new Promise(() => {})
    for (let port = 1; port <= 300; port++) {
      bench.from(port, { flags: FLAG.syn })
      bench.from(port, { flags: FLAG.rst, sequence: START + 1 })
    }
    assert.equal(bench.asked.length, 64)
    assert.equal(bench.shared.count, 64)
  })

  test('last bytes that waited for the site end the connection all the same', async () => {
    const bench = new Bench()
    const acknowledgment = advanced(await bench.connected(), 1)
    const [outside] = bench.outside as [Outside]
    outside.handlers?.end?.()
    bench.from(4000, { flags: FLAG.ack, sequence: START + 1, acknowledgment })
    outside.hasRoom = false
    const data = new Uint8Array(10)
    bench.from(4000, { flags: FLAG.ack, sequence: START + 1, acknowledgment, data })
    bench.from(4000, { flags: FLAG.ack | FLAG.fin, sequence: START + 11, acknowledgment, data })
    assert.equal(outside.written.length, 1)
    outside.hasRoom = true
    outside.handlers?.drain?.()
    assert.equal(outside.written.length, 2)
    assert.equal(outside.fate, 'ended')
    outside.handlers?.close()
    bench.clock.advance(seconds(20))
    assert.equal(bench.shared.count, 0)
  })

  test('what takes long to be taken is waited for as long as some of it is; what is only held is not given up', async () => {
    const bench = new Bench()
    let acknowledgment = await bench.connected()
    const [outside] = bench.outside as [Outside]
    outside.handlers?.data(new Uint8Array(60_000))
    outside.handlers?.end?.()
    for (let i = 0; i < 6; i++) {
      acknowledgment = advanced(acknowledgment, 1000)
      bench.clock.advance(minutes(3))
      bench.from(4000, { flags: FLAG.ack, sequence: START + 1, acknowledgment })
    }
    assert.equal(outside.fate, 'open')
    const held = new Bench()
    await held.connected()
    held.ends.pause()
    held.outside[0]?.handlers?.data(new Uint8Array(10))
    held.clock.advance(minutes(20))
    assert.equal(held.outside[0]?.fate, 'open')
    held.ends.resume()
    assert.equal(held.sent.at(-1)?.data.length, 10)
  })

  test('once the site has gone, a client that takes a byte a minute of what is left does not hold it for ever', async () => {
    const bench = new Bench()
    let acknowledgment = await bench.connected()
    const [outside] = bench.outside as [Outside]
    bench.from(4000, { flags: FLAG.ack, sequence: START + 1, acknowledgment, window: 0 })
    outside.handlers?.data(new Uint8Array(300_000))
    outside.handlers?.close()
    for (let minute = 0; minute < 10; minute++) {
      assert.equal(bench.shared.count, 1)
      bench.clock.advance(minutes(1))
      acknowledgment = advanced(acknowledgment, 1)
      bench.from(4000, { flags: FLAG.ack, sequence: START + 1, acknowledgment, window: 0 })
    }
    assert.equal(bench.shared.count, 0)
    assert.equal((bench.sent.at(-1)?.flags ?? 0) & FLAG.rst, FLAG.rst, 'it does not take it for the end')
    assert.equal(bench.clock.pending, 0)
  })

  test('no packet is longer than the way, whatever came out of order; only who reads it hears of that', async () => {
    for (const takesSack of [true, undefined]) {
      const bench = new Bench()
      const acknowledgment = await bench.connected(4000, { windowShift: 7, takesSack })
      for (const at of [2000, 4000, 6000]) {
        const data = new Uint8Array(100)
        bench.from(4000, { flags: FLAG.ack, sequence: START + 1 + at, acknowledgment, data })
      }
      bench.outside[0]?.handlers?.data(new Uint8Array(20_000))
      assert.equal(bench.longest, 1500)
      const named = bench.sent.filter(({ sack = [] }) => sack.length > 0)
      assert.equal(named.length, takesSack ? 3 : 0)
    }
  })

  test('windows: 16 bits without scales, 128 KiB with, eight segments for who scales by nothing; theirs count scaled', async () => {
    const said = async (windowShift: number | undefined): Promise<unknown> => {
      const bench = new Bench()
      const acknowledgment = advanced(await bench.connected(4000, { windowShift }), 1)
      const [first] = bench.sent
      bench.outside[0]?.handlers?.data(new Uint8Array(1))
      bench.from(4000, { flags: FLAG.ack, sequence: START + 1, acknowledgment, window: 1000, data: new Uint8Array(4) })
      const last = bench.sent.at(-1) as TcpSegment
      bench.outside[0]?.handlers?.data(new Uint8Array(200_000))
      const under = bench.sent.reduce((sum, { data }) => sum + data.length, -1)
      return [first?.windowShift, first?.window, last.window << (first?.windowShift ?? 0), under]
    }
    assert.deepEqual(await said(undefined), [undefined, 65_535, 65_535, 1000])
    assert.deepEqual(await said(0), [2, 8 * 1460, 8 * 1460, 1000])
    assert.deepEqual(await said(7), [2, 65_535, 128 * 1024, 128_000])
  })

  test('an acknowledgment that others overtook closes no window', async () => {
    const bench = new Bench()
    const acknowledgment = advanced(await bench.connected(4000, { windowShift: 7 }), 50_000)
    bench.outside[0]?.handlers?.data(new Uint8Array(100_000))
    const say = (window: number): void =>
      bench.from(4000, { flags: FLAG.ack, sequence: START + 1, acknowledgment, window })
    say(512)
    say(0)
    const before = bench.sent.length
    bench.outside[0]?.handlers?.data(new Uint8Array(10_000))
    assert.ok(bench.sent.length > before)
  })

  test('an end that was acknowledged is not said again', async () => {
    const bench = new Bench()
    const acknowledgment = await bench.connected()
    const [outside] = bench.outside as [Outside]
    const say = (acknowledges: number, window: number): void =>
      bench.from(4000, {
        flags: FLAG.ack,
        sequence: START + 1,
        acknowledgment: advanced(acknowledgment, acknowledges),
        window,
      })
    say(0, 0)
    outside.handlers?.data(Uint8Array.of(7))
    outside.handlers?.end?.()
    const isProbed = (): boolean => bench.sent.some(({ data }) => data.length === 1)
    for (let i = 0; i < 5 && !isProbed(); i++) bench.clock.advance(seconds(4))
    assert.ok(isProbed())
    bench.ends.pause()
    say(0, 1000)
    bench.sent.length = 0
    say(2, 1000)
    bench.ends.resume()
    bench.clock.advance(seconds(30))
    assert.deepEqual(
      bench.sent.filter(({ flags }) => (flags & FLAG.fin) !== 0),
      [],
    )
  })

  test('closed, nothing of it stays: neither what is open nor what is being opened', async () => {
    const bench = new Bench()
    await bench.connected(1)
    const late = Promise.withResolvers<Outside>()
    bench.answers = () => late.promise
    bench.from(2, { flags: FLAG.syn })
    bench.ends.close()
    assert.equal(bench.outside[0]?.fate, 'reset')
    late.resolve(new Outside({ host: '1.2.3.4', port: PORT }))
    await turn()
    assert.equal(bench.outside[1]?.fate, 'reset')
    assert.equal(bench.shared.count, 0)
    bench.from(3, { flags: FLAG.syn })
    assert.equal(bench.asked.length, 2)
  })
})

test('clients that take all they can leave each of the others some connections, and less to keep for each', () => {
  const shared = new SharedConnections()
  const alone = shared.room
  const clients = new Array<number>(256).fill(0)
  const take = (client: number, wanted: number): void => {
    for (let i = 0; i < wanted; i++) {
      const own = (clients[client] as number) + 1
      shared.changed(1)
      if (shared.mayHave(own)) clients[client] = own
      else shared.changed(-1)
    }
  }
  for (let client = 0; client < 16; client++) take(client, 256)
  for (let client = 16; client < 256; client++) take(client, 100)
  assert.deepEqual(new Set(clients), new Set([256, 8]))
  assert.ok(shared.count <= 4096)
  assert.equal(alone, 512 * 1024)
  assert.ok(shared.room >= 8 * 1024 && shared.room * shared.count <= 32 * 1024 * 1024, `${shared.room}`)
})
