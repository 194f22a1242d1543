import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { fromHex, toHex } from '../foundation/base/bytes.ts'
import { type ErrorCode, MixnetError } from '../foundation/base/errors.ts'
import { Meter, silentLog } from '../foundation/base/observe.ts'
import { minutes } from '../foundation/base/units.ts'
import { HandClock, turn } from '../foundation/platform/handClock.ts'
import type { Endpoint } from '../foundation/platform/net.ts'
import { BridgeExit, type Route } from './bridgeExit.test.ts'
import type { Destination } from './dialer.ts'
import { KnownDestinations } from './knownDestinations.ts'
import { Socks5Server } from './socks5Server.ts'
import { byHand, cleanUp, denied, GRANTED, NAME, REQUEST, setUp } from './socksSupport.test.ts'
import { PARAMS, type Peer, testWorld, until } from './streamSupport.test.ts'

afterEach(cleanUp)

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
