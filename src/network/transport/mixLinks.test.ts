import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { concat } from '../../foundation/base/bytes.ts'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'
import type { Connection, ConnectOptions, Endpoint } from '../../foundation/platform/net.ts'
import { nodeWorld } from '../../foundation/platform/node/nodeWorld.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { RotationFlag } from '../../protocol/packet/keyRotation.ts'
import { ACK, EXTENDED_32, type PacketSize, REGULAR } from '../../protocol/packet/sizes.ts'
import { encodeMixFrame, type MixFrame } from '../../protocol/wire/mixFrame.ts'
import { MixEgress, type MixEgressOptions } from './mixEgress.ts'
import { listenMix, type MixIngressOptions, type MixListener } from './mixIngress.ts'
import { DEFAULT_EGRESS_PARAMS, DEFAULT_INGRESS_PARAMS } from './mixLinkParams.ts'
import type { NoiseKeyPair, NoisePattern } from './noise.ts'
import { NoiseSession } from './noiseSession.ts'

const HOST = '127.0.0.1'

/** Real turns, but time passes only by hand. */
class HandClock implements Clock {
  #time = 1_000_000
  #timers = new Set<{ at: number; run: () => void }>()

  now(): Millis {
    return millis(this.#time)
  }
  monotonic(): Millis {
    return millis(this.#time)
  }
  after(delay: Millis, run: () => void): Timer {
    const timer = { at: this.#time + delay, run }
    this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }
  soon(run: () => void): void {
    setImmediate(run)
  }
  advance(by: Millis): void {
    const end = this.#time + by
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (!next) break
      this.#timers.delete(next)
      this.#time = next.at
      next.run()
    }
    this.#time = end
  }
}

/** Turns of the event loop until it holds; fails the test when it does not come to hold. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!holds()) {
    assert.ok(Date.now() < deadline, `waited in vain until ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const pairOf = (byte: number): NoiseKeyPair => {
  const secret = new Uint8Array(32).fill(byte)
  return { secret: new Secret(secret), public: nodeProvider.x25519Base(secret) }
}

const frameOf = (mark: number, size: PacketSize = REGULAR, rotation: RotationFlag = 1): MixFrame => ({
  size,
  rotation,
  packet: new Uint8Array(size.totalBytes).fill(mark),
})

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A world with time by hand, whose outgoing connections a test may watch or replace. */
function worldWith(connect?: (options: ConnectOptions, real: World['net']) => Promise<Connection>) {
  const clock = new HandClock()
  const real = nodeWorld(nodeProvider)
  const net = connect ? { ...real.net, connect: (options: ConnectOptions) => connect(options, real.net) } : real.net
  return { clock, world: { ...real, clock, net } as World }
}

interface Received {
  readonly listener: MixListener
  readonly marks: number[]
  readonly frames: MixFrame[]
  readonly meter: Meter
}

async function listen(world: World, options: Partial<MixIngressOptions> = {}): Promise<Received> {
  const meter = new Meter()
  const marks: number[] = []
  const frames: MixFrame[] = []
  const listener = await listenMix(world, {
    endpoint: { host: HOST, port: 0 },
    requireNoise: () => options.noise !== undefined,
    onFrame: (frame) => {
      marks.push(frame.packet[0] as number)
      frames.push({ ...frame, packet: frame.packet.slice() })
    },
    meter,
    log: silentLog,
    ...options,
  })
  cleanups.push(() => listener.close())
  return { listener, marks, frames, meter }
}

function egressIn(world: World, options: Partial<MixEgressOptions> = {}) {
  const meter = new Meter()
  const egress = new MixEgress(world, { meter, log: silentLog, ...options })
  cleanups.push(() => {
    // Hand-driven time would never reach the drain limit.
    const closing = egress.close()
    if (world.clock instanceof HandClock) world.clock.advance(DEFAULT_EGRESS_PARAMS.drainLimit)
    return closing
  })
  const count = (name: string, label: string): number => meter.snapshot()[`${name}{${label}}`] ?? 0
  return {
    egress,
    sent: () => meter.snapshot().mix_egress_frames_total ?? 0,
    dropped: (reason: string) => count('mix_egress_dropped_total', `reason="${reason}"`),
    links: (outcome: string) => count('mix_egress_links_total', `outcome="${outcome}"`),
  }
}

const addressOf = ({ endpoint }: { readonly endpoint: Endpoint }) => ({ ip: endpoint.host, port: endpoint.port })
const refusals = ({ meter }: Received, reason: string): number =>
  meter.snapshot()[`mix_ingress_refused_total{reason="${reason}"}`] ?? 0

describe('sending', () => {
  test('frames of one turn leave in one write, in order, with their rotation', async () => {
    const writes: number[] = []
    const { world } = worldWith(async (options, net) => {
      const connection = await net.connect(options)
      const write = connection.write.bind(connection)
      connection.write = (chunks) => {
        writes.push(chunks.length)
        return write(chunks)
      }
      return connection
    })
    const received = await listen(world)
    const { egress, sent } = egressIn(world, { params: { ...DEFAULT_EGRESS_PARAMS, frameVersion: 8 } })
    const to = addressOf(received.listener)
    for (const mark of [1, 2, 3]) assert.ok(egress.send(to, frameOf(mark)))
    await until('the first three are there', () => received.marks.length === 3)
    for (let mark = 4; mark <= 28; mark++) egress.send(to, frameOf(mark, mark === 9 ? EXTENDED_32 : REGULAR, 2))
    egress.send(to, frameOf(29, ACK, 0))
    await until('all are there', () => received.marks.length === 29)
    assert.deepEqual(
      received.marks,
      Array.from({ length: 29 }, (_, i) => i + 1),
    )
    assert.deepEqual(writes, [3, 26])
    assert.deepEqual(
      [0, 8, 28].map((i) => [received.frames[i]?.size.name, received.frames[i]?.rotation]),
      [
        ['regular', 1],
        ['extended32', 2],
        ['ack', 0],
      ],
    )
    assert.equal(sent(), 29)
    assert.equal(received.listener.connections, 1)
  })

  test('version 7 loses the rotation', async () => {
    const { world } = worldWith()
    const received = await listen(world)
    egressIn(world).egress.send(addressOf(received.listener), frameOf(1))
    await until('it is there', () => received.frames.length === 1)
    assert.equal(received.frames[0]?.rotation, 0)
  })

  for (const pattern of [1, 2] as NoisePattern[]) {
    test(`Noise pattern ${pattern} over loopback`, async () => {
      const { world } = worldWith()
      const responder = pairOf(5)
      const received = await listen(world, { noise: { own: responder, pattern } })
      const asked: string[] = []
      const { egress } = egressIn(world, {
        noise: {
          own: pairOf(6),
          pattern,
          keyOf: (ip) => {
            asked.push(ip)
            return responder.public
          },
        },
      })
      const { port } = received.listener.endpoint
      for (let mark = 0; mark < 200; mark++) {
        egress.send(
          { ip: mark % 2 ? '::ffff:127.0.0.1' : HOST, port },
          frameOf(mark, mark % 50 ? REGULAR : EXTENDED_32),
        )
      }
      await until('all are there', () => received.marks.length === 200)
      assert.deepEqual(
        received.marks,
        Array.from({ length: 200 }, (_, i) => i),
      )
      assert.deepEqual(asked, [HOST], 'one connection, its key looked up by canonical IP')
      assert.deepEqual(received.meter.snapshot().mix_ingress_handshakes, 0)
    })
  }

  test('a wrong Noise key: the handshake fails, frames are dropped, and the backoff grows', async () => {
    const { world, clock } = worldWith()
    const received = await listen(world, { noise: { own: pairOf(5) } })
    const { egress, dropped, links } = egressIn(world, { noise: { own: pairOf(6), keyOf: () => pairOf(7).public } })
    const to = addressOf(received.listener)
    assert.equal(egress.send(to, frameOf(1)), true)
    await until('it failed', () => links('handshake') === 1)
    assert.equal(refusals(received, 'noise-handshake-tag'), 1)
    assert.deepEqual([dropped('unreachable'), egress.queuedFrames], [1, 0])
    for (const wait of [10, 20, 40]) {
      clock.advance(millis(wait * 1000 - 1))
      assert.equal(egress.send(to, frameOf(1)), false, `still waiting after nearly ${wait} s`)
      clock.advance(millis(1))
      const before = links('handshake')
      assert.equal(egress.send(to, frameOf(1)), true)
      await until('it failed again', () => links('handshake') === before + 1)
    }
  })

  test('plain to a node that requires Noise, Noise to one that does not', async () => {
    const { world } = worldWith()
    const strict = await listen(world, { noise: { own: pairOf(5) } })
    const plain = egressIn(world)
    plain.egress.send(addressOf(strict.listener), frameOf(1))
    await until('it is refused', () => refusals(strict, 'noise-frame-version') === 1)
    const lax = await listen(world)
    const noisy = egressIn(world, { noise: { own: pairOf(6), keyOf: () => pairOf(5).public } })
    noisy.egress.send(addressOf(lax.listener), frameOf(1))
    await until('it is refused', () => refusals(lax, 'frame-version') === 1)
    await until('and known to have failed', () => noisy.links('handshake') === 1)
    assert.equal(strict.marks.length + lax.marks.length, 0)
  })

  test('a full queue drops what comes after, counted', async () => {
    const { world } = worldWith(() => new Promise(() => {}))
    const { egress, dropped } = egressIn(world)
    let taken = 0
    for (let i = 0; i < 2100; i++) if (egress.send({ ip: '10.0.0.1', port: 1 }, frameOf(0, ACK))) taken++
    assert.deepEqual([taken, dropped('overflow'), egress.queuedFrames], [2000, 100, 2000])
  })

  test('all queues together are bounded, and so are the next hops', () => {
    const { world } = worldWith(() => new Promise(() => {}))
    const params = { ...DEFAULT_EGRESS_PARAMS, maxQueuedBytes: 3 * (REGULAR.totalBytes + 3), maxNextHops: 5 }
    const { egress, dropped } = egressIn(world, { params })
    for (let port = 1; port <= 6; port++) egress.send({ ip: '10.0.0.1', port }, frameOf(0))
    assert.deepEqual([egress.queuedFrames, dropped('memory'), dropped('hops')], [3, 2, 1])
  })

  test('a packet that is not of its size is a mistake of the caller', () => {
    const { world } = worldWith(() => new Promise(() => {}))
    const { egress } = egressIn(world)
    assert.throws(() => egress.send({ ip: HOST, port: 1 }, { ...frameOf(1), size: ACK }), { code: 'BAD_ARGUMENT' })
    assert.equal(egress.queuedFrames, 0)
  })
})

describe('reconnecting', () => {
  test('after the peer restarts', async () => {
    const { world, clock } = worldWith()
    const first = await listen(world)
    const { egress, links } = egressIn(world)
    const to = addressOf(first.listener)
    egress.send(to, frameOf(1))
    await until('it is there', () => first.marks.length === 1)
    clock.advance(seconds(5))
    await first.listener.close()
    await until('the loss is seen', () => links('lost') === 1)
    egress.send(to, frameOf(2))
    await until('it is refused', () => links('refused') === 1)
    const second = await listen(world, { endpoint: first.listener.endpoint })
    egress.send(to, frameOf(3))
    clock.advance(DEFAULT_EGRESS_PARAMS.backoff.refused)
    await until('both are there', () => second.marks.length === 2)
    assert.deepEqual(second.marks, [2, 3])
  })

  test('a peer that stays away: held for a while, then dropped; refusals do not lengthen the wait', async () => {
    const { world, clock } = worldWith()
    const gone = await listen(world)
    await gone.listener.close()
    const { egress, links, dropped } = egressIn(world)
    const to = addressOf(gone.listener)
    const { holdLimit, backoff } = DEFAULT_EGRESS_PARAMS
    const attempts = holdLimit / backoff.refused + 1
    for (let attempt = 1; attempt <= attempts; attempt++) {
      egress.send(to, frameOf(1))
      await until('it is refused', () => links('refused') === attempt)
      if (attempt < attempts) assert.equal(dropped('unreachable'), 0)
      clock.advance(backoff.refused)
    }
    assert.deepEqual([dropped('unreachable'), egress.queuedFrames], [attempts, 0])
    // Hope is not lost: the next frame tries again.
    assert.equal(egress.send(to, frameOf(1)), true)
    await until('it is refused', () => links('refused') === attempts + 1)
    assert.equal(egress.send(to, frameOf(1)), false)
  })

  test('a peer that accepts and hangs up is not dialled in a loop', async () => {
    const { world, clock } = worldWith()
    let accepted = 0
    const rude = await world.net.listen({ host: HOST, port: 0 }, (connection) => {
      accepted++
      connection.destroy()
    })
    cleanups.push(() => rude.close())
    const { egress, links } = egressIn(world)
    egress.send(addressOf(rude), frameOf(1))
    await until('it hangs up', () => links('lost') === 1)
    for (let i = 0; i < 20; i++) egress.send(addressOf(rude), frameOf(1))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(accepted, 1)
    clock.advance(DEFAULT_EGRESS_PARAMS.backoff.refused)
    await until('it is tried again', () => accepted === 2)
  })

  test('a peer that stops reading is given up', async () => {
    const { world, clock } = worldWith()
    const deaf: Connection[] = []
    const listener = await world.net.listen({ host: HOST, port: 0 }, (connection) => deaf.push(connection))
    cleanups.push(() => listener.close())
    const { egress, links, dropped } = egressIn(world)
    const to = addressOf(listener)
    const blocked = async (): Promise<boolean> => {
      for (let i = 0; i < 200; i++) if (!egress.send(to, frameOf(1, EXTENDED_32))) return true
      await new Promise((resolve) => setImmediate(resolve))
      return false
    }
    while (!(await blocked()));
    assert.ok(dropped('memory') + dropped('overflow') > 0)
    clock.advance(millis(DEFAULT_EGRESS_PARAMS.stallTimeout + DEFAULT_EGRESS_PARAMS.sweepEvery + 1))
    assert.equal(links('stalled'), 1)
    assert.equal(egress.queuedFrames, 0)
    assert.equal(egress.send(to, frameOf(1)), false)
  })

  test('an idle connection is closed, and opened again on demand', async () => {
    const { world, clock } = worldWith()
    const received = await listen(world)
    const { egress, links } = egressIn(world)
    egress.send(addressOf(received.listener), frameOf(1))
    await until('it is there', () => received.marks.length === 1)
    clock.advance(minutes(6))
    assert.deepEqual([links('idle'), egress.connections], [1, 0])
    await until('the peer sees it', () => received.listener.connections === 0)
    egress.send(addressOf(received.listener), frameOf(2))
    await until('it is there', () => received.marks.length === 2)
  })

  test('closing lets go of what is queued first', async () => {
    const { world } = worldWith()
    const received = await listen(world)
    const { egress, dropped } = egressIn(world)
    const to = addressOf(received.listener)
    egress.send(to, frameOf(0))
    await until('it is open', () => egress.connections === 1)
    for (let i = 1; i <= 500; i++) egress.send(to, frameOf(i & 0xff))
    await egress.close()
    assert.equal(received.marks.length, 501)
    assert.equal(egress.send(to, frameOf(1)), false)
    assert.equal(dropped('closed'), 1)
  })
})

describe('receiving', () => {
  /** A connection that writes whatever the test likes. */
  async function dial(world: World, { endpoint }: MixListener, localHost?: string) {
    const { host, port } = endpoint
    const connection = await world.net.connect({ host, port, timeout: seconds(2), ...(localHost && { localHost }) })
    const state = { connection, closed: false, heard: [] as Uint8Array[] }
    connection.attach({ data: (chunk) => state.heard.push(chunk.slice()), close: () => (state.closed = true) })
    cleanups.push(() => connection.destroy())
    return state
  }

  test('25 frames of one read, and frames cut anywhere', async () => {
    const { world } = worldWith()
    const received = await listen(world)
    const peer = await dial(world, received.listener)
    const stream = concat(...Array.from({ length: 25 }, (_, i) => encodeMixFrame(frameOf(i), i % 2 ? 7 : 8)))
    peer.connection.write([stream])
    await until('all are there', () => received.marks.length === 25)
    for (let at = 0; at < stream.length; at += 1111) {
      peer.connection.write([stream.subarray(at, at + 1111)])
      await new Promise((resolve) => setImmediate(resolve))
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
      const { world, clock } = worldWith()
      let read = 0
      const received = await listen(world, { onFrame: () => read++ })
      const peer = await dial(world, received.listener)
      if (bytes.length > 0) peer.connection.write([bytes])
      await until('accepted', () => received.listener.connections === 1)
      // The bytes are read in a turn of their own: loopback has delivered them once a later connection got through.
      const probe = await dial(world, received.listener)
      probe.connection.write([encodeMixFrame(frameOf(9), 7)])
      await until('read', () => read === (reason === 'idle' ? 2 : 1))
      probe.connection.destroy()
      await until('the probe is gone', () => received.listener.connections === 1)
      clock.advance(time)
      await until('closed', () => peer.closed)
      assert.equal(refusals(received, reason), 1)
      assert.equal(received.listener.connections, 0)
    })
  }

  test('dripping bytes buys no time: it is the frame that is timed, not the read', async () => {
    const { world, clock } = worldWith()
    const received = await listen(world)
    const peer = await dial(world, received.listener)
    const bytes = encodeMixFrame(frameOf(1), 7)
    let seen = 0
    for (let at = 0; at < bytes.length && !peer.closed; at++) {
      peer.connection.write([bytes.subarray(at, at + 1)])
      await new Promise((resolve) => setImmediate(resolve))
      clock.advance(seconds(1))
      seen = at
    }
    await until('closed', () => peer.closed)
    assert.ok(seen < 100)
    assert.equal(refusals(received, 'slow-frame'), 1)
  })

  test('a handshake that stops half-way', async () => {
    const { world, clock } = worldWith()
    const received = await listen(world, { noise: { own: pairOf(5) } })
    const session = new NoiseSession(nodeProvider, {
      role: 'initiator',
      pattern: 1,
      own: pairOf(6),
      remotePublic: pairOf(5).public,
      ephemeralSecret: new Uint8Array(32).fill(8),
    })
    const peer = await dial(world, received.listener)
    peer.connection.write([session.begin() as Uint8Array])
    await until('answered', () => peer.heard.length > 0)
    assert.equal(received.meter.snapshot().mix_ingress_handshakes, 1)
    clock.advance(millis(1500))
    await until('closed', () => peer.closed)
    assert.equal(refusals(received, 'noise-timeout'), 1)
    assert.equal(received.meter.snapshot().mix_ingress_handshakes, 0)
  })

  test('data tampered with after a good handshake ends the connection; nothing of it is delivered', async () => {
    const { world } = worldWith()
    const received = await listen(world, { noise: { own: pairOf(5) } })
    const session = new NoiseSession(nodeProvider, {
      role: 'initiator',
      pattern: 1,
      own: pairOf(6),
      remotePublic: pairOf(5).public,
      ephemeralSecret: new Uint8Array(32).fill(8),
    })
    const { host, port } = received.listener.endpoint
    const connection = await world.net.connect({ host, port, timeout: seconds(2) })
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
    assert.equal(refusals(received, 'noise-data-tag'), 1)
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
      const { world } = worldWith()
      const received = await listen(world)
      const peer = await dial(world, received.listener)
      peer.connection.write([Uint8Array.from(bytes)])
      await until('closed', () => peer.closed)
      assert.equal(refusals(received, reason), 1)
    })
  }

  test('connections are capped: overall, by address, for strangers, for handshakes', async () => {
    const { world } = worldWith()
    const capped = async (over: Partial<typeof DEFAULT_INGRESS_PARAMS>, options: Partial<MixIngressOptions> = {}) => {
      const received = await listen(world, { params: { ...DEFAULT_INGRESS_PARAMS, ...over }, ...options })
      const peers = []
      for (let i = 0; i < 20; i++) peers.push(await dial(world, received.listener))
      await until('the rest is closed', () => peers.filter((peer) => peer.closed).length === 15)
      assert.equal(received.listener.connections, 5)
      return received
    }
    assert.equal(refusals(await capped({ maxConnections: 5 }), 'connections'), 15)
    assert.equal(refusals(await capped({ maxPerAddress: 5 }), 'connections-of-address'), 15)
    assert.equal(refusals(await capped({ maxStrangers: 5 }, { isNode: () => false }), 'connections-of-strangers'), 15)
    assert.equal(refusals(await capped({ maxHandshakes: 5 }, { noise: { own: pairOf(5) } }), 'handshakes'), 15)
  })

  test('a place becomes free when its connection closes', async () => {
    const { world } = worldWith()
    const received = await listen(world, { params: { ...DEFAULT_INGRESS_PARAMS, maxPerAddress: 1 } })
    const first = await dial(world, received.listener)
    await until('accepted', () => received.listener.connections === 1)
    first.connection.destroy()
    await until('gone', () => received.listener.connections === 0)
    const second = await dial(world, received.listener)
    second.connection.write([encodeMixFrame(frameOf(1), 7)])
    await until('it is there', () => received.marks.length === 1)
  })

  test('closing closes every connection', async () => {
    const { world } = worldWith()
    const received = await listen(world)
    const peer = await dial(world, received.listener)
    await until('accepted', () => received.listener.connections === 1)
    await received.listener.close()
    await until('closed', () => peer.closed)
  })
})
