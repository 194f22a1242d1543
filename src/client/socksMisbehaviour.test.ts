import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { fromHex, toHex, utf8 } from '../foundation/base/bytes.ts'
import { seconds } from '../foundation/base/units.ts'
import { HandClock, turn } from '../foundation/platform/handClock.ts'
import { BridgeExit } from './bridgeExit.test.ts'
import { byHand, cleanUp, REQUEST, setUp } from './socksSupport.test.ts'
import { chooser, PARAMS, pattern, type Scripted, until } from './streamSupport.test.ts'

afterEach(cleanUp)

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
