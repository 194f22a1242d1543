import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { fromHex, toHex, utf8 } from '../foundation/base/bytes.ts'
import { type ErrorCode, MixnetError } from '../foundation/base/errors.ts'
import { Meter, silentLog } from '../foundation/base/observe.ts'
import { minutes, seconds } from '../foundation/base/units.ts'
import type { Endpoint } from '../foundation/platform/net.ts'
import type { Destination, Dialer } from './dialer.ts'
import type { ExitStream } from './exitStream.ts'
import { KnownDestinations } from './knownDestinations.ts'
import { DEFAULT_SOCKS5, type Socks5Params, Socks5Server } from './socks5Server.ts'
import {
  BridgeExit,
  chooser,
  HandClock,
  HOST,
  PARAMS,
  Peer,
  pattern,
  type Route,
  type Scripted,
  scripted,
  serve,
  testWorld,
  turn,
  until,
} from './streamSupport.test.ts'

const NAME = 'demo.starling'
const REQUEST = fromHex(`050100050100030d${toHex(utf8(NAME))}0050`)
const GRANTED = '050005000001000000000000'
const denied = (code: string) => `050005${code}0001000000000000`

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Setup {
  readonly clock: HandClock
  readonly meter: Meter
  readonly server: Socks5Server
  connect(): Promise<Peer>
}

async function setUp(dialer: Dialer, params: Partial<Socks5Params> = {}, clock = new HandClock()): Promise<Setup> {
  const meter = new Meter()
  const server = await Socks5Server.listen(testWorld(clock), {
    host: HOST,
    port: 0,
    dialer,
    meter,
    log: silentLog,
    params: { ...DEFAULT_SOCKS5, ...params },
  })
  cleanups.push(() => server.close())
  const connect = async () => {
    const peer = await Peer.connect(server.endpoint)
    cleanups.push(() => peer.connection.destroy())
    return peer
  }
  return { clock, meter, server, connect }
}

/** A dialer whose streams the test answers by hand. */
function byHand(clock: HandClock, params = PARAMS): Dialer & { readonly opened: (Scripted & { to: Destination })[] } {
  const opened: (Scripted & { to: Destination })[] = []
  return {
    opened,
    open(to: Destination): ExitStream {
      const script = Object.assign(scripted(clock, { params, messageBytes: 7000 }), { to })
      opened.push(script)
      return script.stream
    },
  }
}

/** A proxy to one real server, which the test also is. */
async function bridged(
  accept: (peer: Peer) => void,
): Promise<Setup & { exit: BridgeExit; requested: (hex: string) => Promise<Peer> }> {
  const target = await serve(accept)
  cleanups.push(() => target.close())
  const clock = new HandClock()
  const exit = new BridgeExit(clock, () => target.endpoint)
  const setup = await setUp(exit, {}, clock)
  const requested = async (reply: string): Promise<Peer> => {
    const peer = await setup.connect()
    peer.send(REQUEST)
    assert.equal(toHex(await peer.first(12)), reply)
    return peer
  }
  return { ...setup, exit, requested }
}

describe('answers', () => {
  const codes: readonly (readonly [ErrorCode, string])[] = [
    ['EXIT_REFUSED', '02'],
    ['HOST_UNKNOWN', '04'],
    ['DESTINATION_UNREACHABLE', '05'],
    ['EXIT_UNREACHABLE', '06'],
    ['TIMEOUT', '06'],
    ['NO_ROUTE', '03'],
    ['GATEWAY_LOST', '03'],
    ['STOPPED', '01'],
  ]

  test('every failure has its code, and the connection ends after it', async () => {
    const clock = new HandClock()
    const dialer = byHand(clock)
    const { connect, meter } = await setUp(dialer, {}, clock)
    for (const [index, [code, reply]] of codes.entries()) {
      const peer = await connect()
      peer.send(REQUEST)
      await until('the stream is opened', () => dialer.opened.length === index + 1)
      assert.deepEqual(dialer.opened[index]?.to, { host: NAME, port: 80 })
      dialer.opened[index]?.stream.fail(new MixnetError(code))
      await until('the connection ends', () => peer.ended)
      assert.equal(toHex(peer.bytes), denied(reply), code)
      assert.equal(meter.snapshot()[`socks_failed_total{code="${code}"}`], 1)
    }
  })

  test('SOCKS4 knows only one failure', async () => {
    const exit = new BridgeExit(new HandClock(), () => 'refused')
    const { connect } = await setUp(exit)
    const peer = await connect()
    peer.send(fromHex('040100500102030400'))
    await until('the connection ends', () => peer.ended)
    assert.equal(toHex(peer.bytes), '005b000000000000')
  })

  test('what the exit says arrives as the right code', async () => {
    const routes: readonly (readonly [Route, string])[] = [
      ['refused', '02'],
      ['unknown', '04'],
      ['unreachable', '05'],
    ]
    for (const [route, reply] of routes) {
      const { connect } = await setUp(new BridgeExit(new HandClock(), () => route))
      const peer = await connect()
      peer.send(REQUEST)
      await until('the connection ends', () => peer.ended)
      assert.equal(toHex(peer.bytes), denied(reply), route as string)
    }
  })

  test('a silent exit is told after its time, not never', async () => {
    const clock = new HandClock()
    const exit = new BridgeExit(clock, () => 'silent')
    const { connect } = await setUp(exit, {}, clock)
    const peer = await connect()
    peer.send(REQUEST)
    await until('the stream is opened', () => exit.destinations.length === 1)
    clock.advance(PARAMS.openTimeout)
    await until('the connection ends', () => peer.ended)
    assert.equal(toHex(peer.bytes), denied('06'))
  })

  test('a dialer that is full is a general failure', async () => {
    const { connect } = await setUp({
      open() {
        throw new MixnetError('QUEUE_FULL')
      },
    })
    const peer = await connect()
    peer.send(REQUEST)
    await until('the connection ends', () => peer.ended)
    assert.equal(toHex(peer.bytes), denied('01'))
  })

  test('a request that cannot be: its code, counted', async () => {
    const { connect, meter } = await setUp(new BridgeExit(new HandClock(), () => 'silent'))
    const peer = await connect()
    peer.send(fromHex('05010005030001010203040050'))
    await until('the connection ends', () => peer.ended)
    assert.equal(toHex(peer.bytes), denied('07'))
    assert.equal(meter.snapshot()['socks_refused_total{reason="command"}'], 1)
  })
})

describe('known destinations', () => {
  test('a destination that connected is answered at once; a failure forgets it', async () => {
    const clock = new HandClock()
    const dialer = byHand(clock)
    const { connect } = await setUp(dialer, {}, clock)
    const ask = async (): Promise<Peer> => {
      const peer = await connect()
      const before = dialer.opened.length
      peer.send(REQUEST)
      await until('the stream is opened', () => dialer.opened.length === before + 1)
      return peer
    }
    const first = await ask()
    await first.first(2)
    await turn()
    assert.equal(toHex(first.bytes), '0500', 'not before the exit has confirmed')
    dialer.opened[0]?.stream.receive({ sequence: 0n, closed: false, data: new Uint8Array(0) })
    assert.equal(toHex(await first.first(12)), GRANTED)

    const second = await ask()
    assert.equal(toHex(await second.first(12)), GRANTED, 'before the exit has confirmed')
    dialer.opened[1]?.stream.fail(new MixnetError('DESTINATION_UNREACHABLE'))
    await until('the connection is cut', () => second.closed || second.ended)

    const third = await ask()
    await third.first(2)
    await turn()
    assert.equal(toHex(third.bytes), '0500')
  })

  test('bounded in number and time', () => {
    const clock = new HandClock()
    const known = new KnownDestinations(clock, { keepFor: minutes(10), capacity: 2 })
    const at = (host: string): Destination => ({ host, port: 1 })
    known.connected(at('a'))
    known.connected(at('b'))
    known.connected(at('A'))
    known.connected(at('c'))
    assert.deepEqual(
      ['a', 'b', 'c'].map((host) => known.has(at(host))),
      [true, false, true],
    )
    assert.equal(known.has({ host: 'a', port: 2 }), false)
    clock.advance(minutes(10))
    assert.equal(known.has(at('a')), false)
    assert.equal(known.size, 0)
  })
})

describe('programs that misbehave', () => {
  test('a request that takes its time is cut off', async () => {
    const clock = new HandClock()
    const { connect, server, meter } = await setUp(new BridgeExit(clock, () => 'silent'), {}, clock)
    const peer = await connect()
    for (const byte of REQUEST.subarray(0, 9)) {
      peer.send(byte)
      await turn()
      clock.advance(seconds(1))
    }
    await until('the greeting is answered', () => peer.length === 2)
    assert.equal(peer.closed, false)
    clock.advance(seconds(1))
    await until('the connection ends', () => peer.ended)
    await until('the place is free', () => server.connections === 0)
    assert.equal(meter.snapshot()['socks_refused_total{reason="too-slow"}'], 1)
  })

  test('one more than the limit is closed at once, and leaves room when it goes', async () => {
    const clock = new HandClock()
    const { connect, server, meter } = await setUp(new BridgeExit(clock, () => 'silent'), { maxConnections: 2 }, clock)
    const kept = [await connect(), await connect()]
    await until('both are in', () => server.connections === 2)
    const third = await connect()
    await until('the third is closed', () => third.ended || third.closed)
    assert.equal(meter.snapshot()['socks_refused_total{reason="too-many"}'], 1)
    kept[0]?.connection.destroy()
    await until('there is room', () => server.connections === 1)
    const fourth = await connect()
    fourth.send(REQUEST)
    assert.equal(toHex(await fourth.first(2)), '0500')
  })

  test('one that goes away while the exit connects leaves nothing behind', async () => {
    const clock = new HandClock()
    const exit = new BridgeExit(clock, () => 'silent')
    const { connect, server } = await setUp(exit, {}, clock)
    const peer = await connect()
    peer.send(REQUEST)
    await until('the stream is opened', () => exit.streams.size === 1)
    peer.connection.destroy()
    await until('it is over', () => exit.streams.size === 0 && server.connections === 0)
    assert.equal(clock.pending, 0)
  })

  test('one that never reads: the stream waits, then ends at its bound', async () => {
    const clock = new HandClock()
    const dialer = byHand(clock, { ...PARAMS, maxPausedBytes: 1 << 20 })
    const { connect, server } = await setUp(dialer, {}, clock)
    const peer = await connect()
    peer.connection.pause()
    peer.send(REQUEST)
    await until('the stream is opened', () => dialer.opened.length === 1)
    const { stream, memory } = dialer.opened[0] as Scripted
    const chunk = pattern(65_536)
    let sequence = 0n
    // Kernel buffers take some megabytes first.
    while (dialer.opened[0]?.finished === undefined) {
      stream.receive({ sequence: sequence++, closed: false, data: chunk })
      assert.ok(memory.bytes <= 1 << 20)
      assert.ok(sequence < 1000n, 'a bound')
      await turn()
    }
    await until('the connection is gone', () => server.connections === 0)
  })

  test('one that ended and waits for an answer that never comes', async () => {
    const clock = new HandClock()
    const dialer = byHand(clock)
    const { connect, server } = await setUp(dialer, {}, clock)
    const peer = await connect()
    peer.send(REQUEST)
    await until('the stream is opened', () => dialer.opened.length === 1)
    const { stream, sent } = dialer.opened[0] as Scripted
    stream.receive({ sequence: 0n, closed: false, data: new Uint8Array(0) })
    await peer.first(12)
    peer.connection.end()
    await until('the exit is told', () => sent.some(({ closed }) => closed))
    clock.advance(seconds(200))
    stream.receive({ sequence: 1n, closed: false, data: utf8('still here') })
    await peer.first(22)
    // Keep-alives of the exit are no answer.
    clock.advance(seconds(200))
    stream.receive({ sequence: 2n, closed: false, data: new Uint8Array(0) })
    assert.equal(server.connections, 1)
    clock.advance(seconds(100))
    await until('it is over', () => server.connections === 0)
    assert.equal(clock.pending, 0)
  })

  test('random bytes in random pieces never hang and never throw', async () => {
    const clock = new HandClock()
    const { connect, server } = await setUp(new BridgeExit(clock, () => 'unreachable'), {}, clock)
    const choose = chooser(3)
    for (let run = 0; run < 40; run++) {
      const peer = await connect()
      const bytes = pattern(6 + choose(400))
      bytes[0] = [5, 4, 0x47, choose(256)][run % 4] as number
      if (run % 8 === 0) bytes.set(fromHex('050100050100'), 0)
      for (let offset = 0; offset < bytes.length; ) {
        const length = 1 + choose(60)
        peer.send(bytes.slice(offset, offset + length))
        offset += length
        if (choose(2) === 0) await turn()
      }
      peer.connection.end()
    }
    await turn()
    clock.advance(seconds(60))
    await until('all are gone', () => server.connections === 0)
  })

  test('closing the server ends everything', async () => {
    const clock = new HandClock()
    const exit = new BridgeExit(clock, () => 'silent')
    const { connect, server } = await setUp(exit, {}, clock)
    const peers = [await connect(), await connect()]
    peers[0]?.send(REQUEST)
    await until('the stream is opened', () => exit.streams.size === 1)
    await server.close()
    await until('all is over', () => exit.streams.size === 0 && peers.every(({ closed, ended }) => closed || ended))
  })
})

describe('bytes', () => {
  test('a megabyte each way at once, in any pieces, then both ends', async () => {
    const data = pattern(1 << 20)
    const choose = chooser(11)
    const sendAll = async (peer: Peer): Promise<void> => {
      for (let offset = 0; offset < data.length; ) {
        const length = 1 + choose(40_000)
        peer.send(data.slice(offset, offset + length))
        offset += length
        if (choose(3) === 0) await turn()
      }
      peer.connection.end()
    }
    let target: Peer | undefined
    const { requested, meter, server, exit, clock } = await bridged((peer) => {
      target = peer
      void sendAll(peer)
    })
    const peer = await requested(GRANTED)
    await sendAll(peer)
    await until('all has come', () => peer.ended && target?.ended === true)
    assert.deepEqual(peer.bytes.subarray(12), data)
    assert.deepEqual(target?.bytes, data)
    await until('both are closed', () => server.connections === 0 && exit.streams.size === 0)
    assert.equal(meter.snapshot()['socks_bytes_total{direction="out"}'], data.length)
    assert.equal(meter.snapshot()['socks_bytes_total{direction="in"}'], data.length)
    assert.equal(clock.pending, 0)
  })

  test('half-close: the program ends first and still gets its answer', async () => {
    const { requested } = await bridged((target) => {
      void until('the program has ended', () => target.ended).then(() => {
        target.send(utf8(`got ${target.length}`))
        target.connection.end()
      })
    })
    const peer = await requested(GRANTED)
    peer.send(utf8('question'))
    peer.connection.end()
    await until('the answer has come', () => peer.ended)
    assert.equal(new TextDecoder().decode(peer.bytes.subarray(12)), 'got 8')
  })

  test('half-close: the destination ends first and still gets the rest', async () => {
    let target: Peer | undefined
    const { requested, server } = await bridged((peer) => {
      target = peer
      peer.connection.end()
    })
    const peer = await requested(GRANTED)
    await until('the end has come', () => peer.ended)
    peer.send(utf8('the rest'))
    peer.connection.end()
    await until('the rest has come', () => target?.ended === true)
    assert.equal(new TextDecoder().decode(target?.bytes), 'the rest')
    await until('both are closed', () => server.connections === 0)
  })

  test('a program that goes away takes the connection at the exit with it', async () => {
    let target: Peer | undefined
    const { requested, exit } = await bridged((peer) => {
      target = peer
      peer.send(pattern(3 << 20))
    })
    const peer = await requested(GRANTED)
    await peer.first(1000)
    peer.connection.destroy()
    await until('the destination notices', () => target?.closed === true || target?.ended === true)
    await until('nothing is left', () => exit.streams.size === 0)
  })

  test('what is sent behind the request arrives, but no more than a little before the answer', async () => {
    const clock = new HandClock()
    const dialer = byHand(clock)
    const { connect } = await setUp(dialer, { maxEarlyBytes: 1000 }, clock)
    const peer = await connect()
    peer.send(REQUEST, utf8('early'))
    await until('it is sent', () => dialer.opened[0]?.sent.length === 1)
    const script = dialer.opened[0] as Scripted
    const sentBytes = () => script.sent.reduce((sum, { data }) => sum + data.length, 0)
    peer.send(pattern(4 << 20))
    await until('a little more is sent', () => sentBytes() > 1000)
    for (let i = 0; i < 20; i++) await turn()
    assert.ok(sentBytes() < 1 << 20)
    script.stream.receive({ sequence: 0n, closed: false, data: new Uint8Array(0) })
    await until('all is sent', () => sentBytes() === 5 + (4 << 20))
  })

  test('a program waits while the mixnet does', async () => {
    const clock = new HandClock()
    const dialer = byHand(clock)
    const { connect } = await setUp(dialer, {}, clock)
    const peer = await connect()
    peer.send(REQUEST)
    await until('the stream is opened', () => dialer.opened.length === 1)
    const script = dialer.opened[0] as Scripted
    script.stream.receive({ sequence: 0n, closed: false, data: new Uint8Array(0) })
    await peer.first(12)
    script.open = false
    peer.send(pattern(16 << 20))
    for (let i = 0; i < 50; i++) await turn()
    assert.ok(peer.connection.bufferedBytes > 1 << 20, 'what the kernels do not hold waits at the program')
    script.open = true
    script.release()
    await until('it goes on', () => peer.connection.bufferedBytes === 0)
  })
})

test('listening beyond this machine is told', async () => {
  const warnings: string[] = []
  const log = { ...silentLog, warn: (code: string) => warnings.push(code) }
  const options: Endpoint = { host: '0.0.0.0', port: 0 }
  const dialer = new BridgeExit(new HandClock(), () => 'silent')
  await using _server = await Socks5Server.listen(testWorld(new HandClock()), {
    ...options,
    dialer,
    meter: new Meter(),
    log,
  })
  assert.deepEqual(warnings, ['socks.not-loopback'])
})
