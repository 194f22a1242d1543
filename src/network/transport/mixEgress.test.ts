import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { millis, minutes, seconds } from '../../foundation/base/units.ts'
import { turn } from '../../foundation/platform/handClock.ts'
import type { Connection } from '../../foundation/platform/net.ts'
import { ACK, EXTENDED_32, REGULAR } from '../../protocol/packet/sizes.ts'
import { addressOf, frameOf, HOST, LinkFixture, pairOf, until } from './linkFixture.ts'
import { DEFAULT_EGRESS_PARAMS } from './mixLinkParams.ts'
import type { NoisePattern } from './noiseCipher.ts'

const fixtures: LinkFixture[] = []
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close()
})
function use(...connect: ConstructorParameters<typeof LinkFixture>): LinkFixture {
  const fixture = new LinkFixture(...connect)
  fixtures.push(fixture)
  return fixture
}

describe('sending', () => {
  test('frames of one turn leave in one write, in order, with their rotation', async () => {
    const writes: number[] = []
    const fixture = use(async (options, net) => {
      const connection = await net.connect(options)
      const write = connection.write.bind(connection)
      connection.write = (chunks) => {
        writes.push(chunks.length)
        return write(chunks)
      }
      return connection
    })
    const received = await fixture.listen()
    const { egress, sent } = fixture.egress({ params: { ...DEFAULT_EGRESS_PARAMS, frameVersion: 8 } })
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
    const fixture = use()
    const received = await fixture.listen()
    fixture.egress().egress.send(addressOf(received.listener), frameOf(1))
    await until('it is there', () => received.frames.length === 1)
    assert.equal(received.frames[0]?.rotation, 0)
  })

  for (const pattern of [1, 2] as NoisePattern[]) {
    test(`Noise pattern ${pattern} over loopback`, async () => {
      const fixture = use()
      const responder = pairOf(5)
      const received = await fixture.listen({ noise: { own: responder, pattern } })
      const asked: string[] = []
      const { egress } = fixture.egress({
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
    const fixture = use()
    const { clock } = fixture
    const received = await fixture.listen({ noise: { own: pairOf(5) } })
    const { egress, dropped, links } = fixture.egress({ noise: { own: pairOf(6), keyOf: () => pairOf(7).public } })
    const to = addressOf(received.listener)
    assert.equal(egress.send(to, frameOf(1)), true)
    await until('it failed', () => links('handshake') === 1)
    assert.equal(received.refused('noise-handshake-tag'), 1)
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
    const fixture = use()
    const strict = await fixture.listen({ noise: { own: pairOf(5) } })
    const plain = fixture.egress()
    plain.egress.send(addressOf(strict.listener), frameOf(1))
    await until('it is refused', () => strict.refused('noise-frame-version') === 1)
    const lax = await fixture.listen()
    const noisy = fixture.egress({ noise: { own: pairOf(6), keyOf: () => pairOf(5).public } })
    noisy.egress.send(addressOf(lax.listener), frameOf(1))
    await until('it is refused', () => lax.refused('frame-version') === 1)
    await until('and known to have failed', () => noisy.links('handshake') === 1)
    assert.equal(strict.marks.length + lax.marks.length, 0)
  })

  test('a full queue drops what comes after, counted', async () => {
    const fixture = use(() => new Promise(() => {}))
    const { egress, dropped } = fixture.egress()
    let taken = 0
    for (let i = 0; i < 2100; i++) if (egress.send({ ip: '10.0.0.1', port: 1 }, frameOf(0, ACK))) taken++
    assert.deepEqual([taken, dropped('overflow'), egress.queuedFrames], [2000, 100, 2000])
  })

  test('all queues together are bounded, and so are the next hops', () => {
    const fixture = use(() => new Promise(() => {}))
    const params = { ...DEFAULT_EGRESS_PARAMS, maxQueuedBytes: 3 * (REGULAR.totalBytes + 3), maxNextHops: 5 }
    const { egress, dropped } = fixture.egress({ params })
    for (let port = 1; port <= 6; port++) egress.send({ ip: '10.0.0.1', port }, frameOf(0))
    assert.deepEqual([egress.queuedFrames, dropped('memory'), dropped('hops')], [3, 2, 1])
  })

  test('a packet that is not of its size is a mistake of the caller', () => {
    const fixture = use(() => new Promise(() => {}))
    const { egress } = fixture.egress()
    assert.throws(() => egress.send({ ip: HOST, port: 1 }, { ...frameOf(1), size: ACK }), { code: 'BAD_ARGUMENT' })
    assert.equal(egress.queuedFrames, 0)
  })
})

describe('reconnecting', () => {
  test('after the peer restarts', async () => {
    const fixture = use()
    const { clock } = fixture
    const first = await fixture.listen()
    const { egress, links } = fixture.egress()
    const to = addressOf(first.listener)
    egress.send(to, frameOf(1))
    await until('it is there', () => first.marks.length === 1)
    clock.advance(seconds(5))
    await first.listener.close()
    await until('the loss is seen', () => links('lost') === 1)
    egress.send(to, frameOf(2))
    await until('it is refused', () => links('refused') === 1)
    const second = await fixture.listen({ endpoint: first.listener.endpoint })
    egress.send(to, frameOf(3))
    clock.advance(DEFAULT_EGRESS_PARAMS.backoff.refused)
    await until('both are there', () => second.marks.length === 2)
    assert.deepEqual(second.marks, [2, 3])
  })

  test('a peer that stays away: held for a while, then dropped; refusals do not lengthen the wait', async () => {
    const fixture = use()
    const { clock } = fixture
    const gone = await fixture.listen()
    await gone.listener.close()
    const { egress, links, dropped } = fixture.egress()
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
    const fixture = use()
    const { clock } = fixture
    let accepted = 0
    const rude = await fixture.world.net.listen({ host: HOST, port: 0 }, (connection) => {
      accepted++
      connection.destroy()
    })
    fixture.onClose(() => rude.close())
    const { egress, links } = fixture.egress()
    egress.send(addressOf(rude), frameOf(1))
    await until('it hangs up', () => links('lost') === 1)
    for (let i = 0; i < 20; i++) egress.send(addressOf(rude), frameOf(1))
    await turn()
    assert.equal(accepted, 1)
    clock.advance(DEFAULT_EGRESS_PARAMS.backoff.refused)
    await until('it is tried again', () => accepted === 2)
  })

  test('a peer that stops reading is given up', async () => {
    const fixture = use()
    const { clock } = fixture
    const deaf: Connection[] = []
    const listener = await fixture.world.net.listen({ host: HOST, port: 0 }, (connection) => deaf.push(connection))
    fixture.onClose(() => listener.close())
    const { egress, links, dropped } = fixture.egress()
    const to = addressOf(listener)
    const blocked = async (): Promise<boolean> => {
      for (let i = 0; i < 200; i++) if (!egress.send(to, frameOf(1, EXTENDED_32))) return true
      await turn()
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
    const fixture = use()
    const { clock } = fixture
    const received = await fixture.listen()
    const { egress, links } = fixture.egress()
    egress.send(addressOf(received.listener), frameOf(1))
    await until('it is there', () => received.marks.length === 1)
    clock.advance(minutes(6))
    assert.deepEqual([links('idle'), egress.connections], [1, 0])
    await until('the peer sees it', () => received.listener.connections === 0)
    egress.send(addressOf(received.listener), frameOf(2))
    await until('it is there', () => received.marks.length === 2)
  })

  test('closing lets go of what is queued first', async () => {
    const fixture = use()
    const received = await fixture.listen()
    const { egress, dropped } = fixture.egress()
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
