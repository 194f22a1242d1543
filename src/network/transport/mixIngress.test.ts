import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { concat } from '../../foundation/base/bytes.ts'
import { type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { turn } from '../../foundation/platform/handClock.ts'
import { encodeMixFrame } from '../../protocol/wire/mixFrame.ts'
import { frameOf, LinkFixture, pairOf, until } from './linkFixture.ts'
import type { MixIngressOptions, MixListener } from './mixIngress.ts'
import { DEFAULT_INGRESS_PARAMS } from './mixLinkParams.ts'
import { NoiseSession } from './noiseSession.ts'

const fixtures: LinkFixture[] = []
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close()
})
function use(...connect: ConstructorParameters<typeof LinkFixture>): LinkFixture {
  const fixture = new LinkFixture(...connect)
  fixtures.push(fixture)
  return fixture
}

describe('receiving', () => {
  /** A connection that writes whatever the test likes. */
  async function dial(fixture: LinkFixture, { endpoint }: MixListener) {
    const { host, port } = endpoint
    const connection = await fixture.world.net.connect({ host, port, timeout: seconds(2) })
    const state = { connection, closed: false, heard: [] as Uint8Array[] }
    connection.attach({ data: (chunk) => state.heard.push(chunk.slice()), close: () => (state.closed = true) })
    fixture.onClose(() => connection.destroy())
    return state
  }

  test('25 frames of one read, and frames cut anywhere', async () => {
    const fixture = use()
    const received = await fixture.listen()
    const peer = await dial(fixture, received.listener)
    const stream = concat(...Array.from({ length: 25 }, (_, i) => encodeMixFrame(frameOf(i), i % 2 ? 7 : 8)))
    peer.connection.write([stream])
    await until('all are there', () => received.marks.length === 25)
    for (let at = 0; at < stream.length; at += 1111) {
      peer.connection.write([stream.subarray(at, at + 1111)])
      await turn()
    }
    await until('all are there again', () => received.marks.length === 50)
    assert.deepEqual(received.marks.slice(25), received.marks.slice(0, 25))
  })

  const slow: [string, Uint8Array, Millis, string][] = [
    ['a frame that never ends', encodeMixFrame(frameOf(1), 7).subarray(0, 100), seconds(12), 'slow-frame'],
    ['a header that never ends', Uint8Array.of(8, 1), seconds(12), 'slow-frame'],
    ['silence', new Uint8Array(0), seconds(32), 'no-frame'],
    ['silence after a frame', encodeMixFrame(frameOf(1), 7), minutes(31), 'idle'],
  ]
  for (const [what, bytes, time, reason] of slow) {
    test(`${what} is closed: ${reason}`, async () => {
      const fixture = use()
      const { clock } = fixture
      let read = 0
      const received = await fixture.listen({ onFrame: () => read++ })
      const peer = await dial(fixture, received.listener)
      if (bytes.length > 0) peer.connection.write([bytes])
      await until('accepted', () => received.listener.connections === 1)
      // The bytes are read in a turn of their own: loopback has delivered them once a later connection got through.
      const probe = await dial(fixture, received.listener)
      probe.connection.write([encodeMixFrame(frameOf(9), 7)])
      await until('read', () => read === (reason === 'idle' ? 2 : 1))
      probe.connection.destroy()
      await until('the probe is gone', () => received.listener.connections === 1)
      clock.advance(time)
      await until('closed', () => peer.closed)
      assert.equal(received.refused(reason), 1)
      assert.equal(received.listener.connections, 0)
    })
  }

  test('dripping bytes buys no time: it is the frame that is timed, not the read', async () => {
    const fixture = use()
    const { clock } = fixture
    const received = await fixture.listen()
    const peer = await dial(fixture, received.listener)
    const bytes = encodeMixFrame(frameOf(1), 7)
    let seen = 0
    for (let at = 0; at < bytes.length && !peer.closed; at++) {
      peer.connection.write([bytes.subarray(at, at + 1)])
      await turn()
      clock.advance(seconds(1))
      seen = at
    }
    await until('closed', () => peer.closed)
    assert.ok(seen < 100)
    assert.equal(received.refused('slow-frame'), 1)
  })

  test('a handshake that stops half-way', async () => {
    const fixture = use()
    const { clock } = fixture
    const received = await fixture.listen({ noise: { own: pairOf(5) } })
    const session = new NoiseSession(nodeProvider, {
      role: 'initiator',
      pattern: 1,
      own: pairOf(6),
      remotePublic: pairOf(5).public,
      ephemeralSecret: new Uint8Array(32).fill(8),
    })
    const peer = await dial(fixture, received.listener)
    peer.connection.write([session.begin() as Uint8Array])
    await until('answered', () => peer.heard.length > 0)
    assert.equal(received.meter.snapshot().mix_ingress_handshakes, 1)
    clock.advance(millis(1500))
    await until('closed', () => peer.closed)
    assert.equal(received.refused('noise-timeout'), 1)
    assert.equal(received.meter.snapshot().mix_ingress_handshakes, 0)
  })

  test('data tampered with after a good handshake ends the connection; nothing of it is delivered', async () => {
    const fixture = use()
    const received = await fixture.listen({ noise: { own: pairOf(5) } })
    const session = new NoiseSession(nodeProvider, {
      role: 'initiator',
      pattern: 1,
      own: pairOf(6),
      remotePublic: pairOf(5).public,
      ephemeralSecret: new Uint8Array(32).fill(8),
    })
    const { host, port } = received.listener.endpoint
    const connection = await fixture.world.net.connect({ host, port, timeout: seconds(2) })
    let closed = false
    connection.attach({
      data: (chunk) => session.receive(chunk, { reply: (frame) => connection.write([frame]), plaintext() {} }),
      close: () => (closed = true),
    })
    connection.write([session.begin() as Uint8Array])
    await until('open', () => session.isOpen)
    const [good] = session.seal([encodeMixFrame(frameOf(1), 8)])
    const [bad] = session.seal([encodeMixFrame(frameOf(2), 8)])
    ;(bad as Uint8Array)[50] = ((bad as Uint8Array)[50] as number) ^ 1
    connection.write([good as Uint8Array, bad as Uint8Array])
    await until('closed', () => closed)
    assert.deepEqual(received.marks, [1])
    assert.equal(received.refused('noise-data-tag'), 1)
  })

  const garbage: [string, number[], string][] = [
    ['an old version', [6, 1, 0], 'frame-version'],
    ['a size that is none', [8, 9, 0, 0], 'frame-size'],
    ['Outfox', [8, 6, 0, 0], 'frame-size'],
    ['a type that is none', [7, 1, 2], 'frame-type'],
    ['a rotation that is none', [8, 1, 0, 3], 'frame-rotation'],
    ['HTTP', [...'GET / HTTP/1.1'].map((c) => c.charCodeAt(0)), 'frame-version'],
  ]
  for (const [what, bytes, reason] of garbage) {
    test(`${what} ends the connection: ${reason}`, async () => {
      const fixture = use()
      const received = await fixture.listen()
      const peer = await dial(fixture, received.listener)
      peer.connection.write([Uint8Array.from(bytes)])
      await until('closed', () => peer.closed)
      assert.equal(received.refused(reason), 1)
    })
  }

  test('connections are capped: overall, by address, for strangers, for handshakes', async () => {
    const fixture = use()
    const capped = async (over: Partial<typeof DEFAULT_INGRESS_PARAMS>, options: Partial<MixIngressOptions> = {}) => {
      const received = await fixture.listen({ params: { ...DEFAULT_INGRESS_PARAMS, ...over }, ...options })
      const peers: Awaited<ReturnType<typeof dial>>[] = []
      for (let i = 0; i < 20; i++) peers.push(await dial(fixture, received.listener))
      await until('the rest is closed', () => peers.filter((peer) => peer.closed).length === 15)
      assert.equal(received.listener.connections, 5)
      return received
    }
    assert.equal((await capped({ maxConnections: 5 })).refused('connections'), 15)
    assert.equal((await capped({ maxPerAddress: 5 })).refused('connections-of-address'), 15)
    assert.equal((await capped({ maxStrangers: 5 }, { isNode: () => false })).refused('connections-of-strangers'), 15)
    assert.equal((await capped({ maxHandshakes: 5 }, { noise: { own: pairOf(5) } })).refused('handshakes'), 15)
  })

  test('a place becomes free when its connection closes', async () => {
    const fixture = use()
    const received = await fixture.listen({ params: { ...DEFAULT_INGRESS_PARAMS, maxPerAddress: 1 } })
    const first = await dial(fixture, received.listener)
    await until('accepted', () => received.listener.connections === 1)
    first.connection.destroy()
    await until('gone', () => received.listener.connections === 0)
    const second = await dial(fixture, received.listener)
    second.connection.write([encodeMixFrame(frameOf(1), 7)])
    await until('it is there', () => received.marks.length === 1)
  })

  test('closing closes every connection', async () => {
    const fixture = use()
    const received = await fixture.listen()
    const peer = await dial(fixture, received.listener)
    await until('accepted', () => received.listener.connections === 1)
    await received.listener.close()
    await until('closed', () => peer.closed)
  })
})
