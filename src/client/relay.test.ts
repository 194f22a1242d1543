import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { utf8 } from '../foundation/base/bytes.ts'
import { HandClock, turn } from '../foundation/platform/handClock.ts'
import { bridged, byHand, cleanUp, GRANTED, REQUEST, setUp } from './socksSupport.test.ts'
import { chooser, type Peer, pattern, type Scripted, until } from './streamSupport.test.ts'

afterEach(cleanUp)

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
