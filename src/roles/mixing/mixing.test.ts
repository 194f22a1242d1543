import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { millis, seconds } from '../../foundation/base/units.ts'
import { REGULAR } from '../../protocol/packet/sizes.ts'
import type { Hop } from '../../protocol/sphinx/route.ts'
import type { MixFrame } from '../../protocol/wire/mixFrame.ts'
import { DESTINATION, Line, MESSAGE } from './line.test.ts'

const [A, B, C, G] = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'] as const
const DELAYS = [millis(10), millis(20), millis(30)]

describe('mixing', () => {
  let line: Line
  const route = (): Hop[] => [A, B, C, G].map((ip) => line.hop(ip))

  beforeEach(async () => {
    line = new Line()
    for (const ip of [A, B, C]) await line.add(ip)
    await line.add(G, { gateway: true, forwards: false })
  })

  it('carries a packet over three hops to its gateway, each delay kept', async () => {
    const start = line.sim.clock.monotonic()
    line.node(A).mixing.receive(line.frame(route(), DELAYS))
    assert.equal(line.node(A).mixing.pool, 1)
    await line.sim.runFor(millis(100))
    assert.deepEqual(
      line.arrivals.map(({ at, to }) => [Math.round(at - start), to]),
      [
        [10, `${B}:1789`],
        [30, `${C}:1789`],
        [60, `${G}:1789`],
      ],
    )
    const [final] = line.finals
    assert.deepEqual(final?.message, MESSAGE)
    assert.deepEqual(final?.destination, DESTINATION.address)
    assert.equal(final?.rotation, 1)
    assert.equal(final?.size, REGULAR)
    assert.equal(line.count(A, 'mix_forwarded_total'), 1)
    assert.equal(line.count(G, 'mix_final_total'), 1)
    assert.equal(line.node(A).mixing.pool, 0)
  })

  it('drops replays at every hop, in the same turn and after a kill', async () => {
    const frame = line.frame(route(), DELAYS)
    line.node(A).mixing.receive(frame)
    line.node(A).mixing.receive(frame)
    assert.equal(line.dropped(A, 'replay'), 1)
    await line.sim.runFor(millis(100))
    for (const [index, ip] of [B, C, G].entries()) {
      line.node(ip).mixing.receive(line.arrivals[index]?.frame as MixFrame)
      assert.equal(line.dropped(ip, 'replay'), 1, ip)
      await line.restart(ip, ip === G ? { gateway: true, forwards: false } : {})
      line.node(ip).mixing.receive(line.arrivals[index]?.frame as MixFrame)
      assert.equal(line.dropped(ip, 'replay'), 1, `${ip} after a kill`)
    }
    await line.sim.runFor(millis(100))
    assert.equal(line.finals.length, 1)
  })

  it('has the tag on disk before the packet leaves, whenever it is killed', async () => {
    for (let steps = 0; steps < 12; steps++) {
      const frame = line.frame(route(), [millis(1), millis(1), millis(1)])
      const before = line.arrivals.length
      line.node(A).mixing.receive(frame)
      for (let i = 0; i < steps; i++) await line.sim.step()
      await line.restart(A)
      const left = line.arrivals.slice(before).some(({ to }) => to === `${B}:1789`)
      line.node(A).mixing.receive(frame)
      if (left) assert.equal(line.dropped(A, 'replay'), 1)
    }
  })

  it('takes packets of the rotation it has a key for, and says which it has not', async () => {
    line.node(A).mixing.receive(line.frame(route(), DELAYS, 2))
    assert.equal(line.dropped(A, 'expired-key'), 1)
    line.node(A).mixing.receive(line.frame(route(), DELAYS, 0))
    assert.equal(line.node(A).mixing.pool, 1)
  })

  it('keeps the old key for one epoch after the switch, then its packets are expired', async () => {
    const { keys, guard, mixing } = line.node(A)
    const flagged = line.frame(route(), DELAYS, 1)
    const unflagged = line.frame(route(), DELAYS, 0)
    const [late, lateUnflagged] = [line.frame(route(), DELAYS, 1), line.frame(route(), DELAYS, 0)]
    await line.sim.complete(guard.open(6))
    await line.sim.complete(keys.apply({ current: 6, announceNext: false, keepPrevious: true }))
    mixing.receive(flagged)
    mixing.receive(unflagged)
    mixing.receive(line.frame(route(), DELAYS, 2))
    assert.equal(mixing.pool, 3)
    mixing.receive(flagged)
    assert.equal(line.dropped(A, 'replay'), 1)
    await line.sim.complete(keys.apply({ current: 6, announceNext: false, keepPrevious: false }))
    await line.sim.complete(guard.drop(5))
    mixing.receive(late)
    mixing.receive(lateUnflagged)
    assert.equal(line.dropped(A, 'expired-key'), 1)
    assert.equal(line.dropped(A, 'mac'), 1)
  })

  it('sends to nodes of the network only', async () => {
    await line.restart(A, { allows: ({ ip }) => ip === C })
    line.node(A).mixing.receive(line.frame(route(), DELAYS))
    line.node(A).mixing.receive(line.frame([line.hop(A), line.hop(C), line.hop(G)], DELAYS.slice(0, 2)))
    await line.sim.runFor(millis(15))
    assert.deepEqual(
      line.arrivals.map(({ to }) => to),
      [`${C}:1789`],
    )
    assert.equal(line.dropped(A, 'next-hop-unknown'), 1)
    const { mixing } = line.node(A)
    mixing.forward({ ip: B, port: 1 }, line.frame(route(), DELAYS))
    assert.equal(line.dropped(A, 'next-hop-unknown'), 2)
    mixing.forward({ ip: C, port: 1 }, line.frame(route(), DELAYS))
    assert.equal(line.arrivals.at(-1)?.to, `${C}:1`)
  })

  it('holds nothing longer than ten seconds, and what asks for no delay not at all', async () => {
    const start = line.sim.clock.monotonic()
    line.node(A).mixing.receive(line.frame(route(), [seconds(40), millis(0), seconds(10)]))
    await line.sim.runFor(seconds(60))
    assert.deepEqual(
      line.arrivals.map(({ at }) => Math.round(at - start)),
      [10_000, 10_000, 20_000],
    )
    assert.equal(line.count(A, 'mix_excessive_delay_total'), 1)
    assert.equal(line.count(C, 'mix_excessive_delay_total'), 0)
  })

  it('drops what its roles do not take', async () => {
    const toMix = line.frame([line.hop(A)], [])
    line.node(A).mixing.receive(toMix)
    assert.equal(line.dropped(A, 'not-final'), 1)
    const through = line.frame([line.hop(G), line.hop(A)], [millis(1)])
    line.node(G).mixing.receive(through)
    assert.equal(line.dropped(G, 'not-forwarding'), 1)
    const address = new Uint8Array(32)
    line.node(A).mixing.receive(line.frame([line.hop(A), { ...line.hop(B), address }], [millis(1)]))
    assert.equal(line.dropped(A, 'next-hop-malformed'), 1)
  })

  it('has a bounded pool', async () => {
    await line.restart(A, { params: { delayQueueCapacity: 2 } })
    for (let i = 0; i < 4; i++) line.node(A).mixing.receive(line.frame(route(), DELAYS))
    assert.equal(line.node(A).mixing.pool, 2)
    assert.equal(line.dropped(A, 'delay-queue-full'), 2)
  })

  it('survives random bytes and damaged packets, and counts them', async () => {
    const random = line.sim.random.stream('noise')
    const { mixing } = line.node(A)
    const junk: Uint8Array[] = [
      new Uint8Array(2413),
      new Uint8Array(2413).fill(255),
      new Uint8Array(0),
      new Uint8Array(100),
    ]
    for (let i = 0; i < 40; i++) junk.push(random.bytes(2413))
    for (const packet of junk)
      for (const rotation of [0, 1, 2] as const) mixing.receive({ size: REGULAR, rotation, packet })
    for (const at of [0, 40, 60, 340]) {
      const damaged = line.frame(route(), DELAYS)
      damaged.packet[at] = (damaged.packet[at] as number) ^ 1
      mixing.receive(damaged)
    }
    const counted = Object.entries(line.node(A).meter.snapshot()).filter(([name]) => name.startsWith('mix_dropped'))
    assert.equal(
      counted.reduce((sum, [, value]) => sum + value, 0),
      junk.length * 3 + 4,
    )
    assert.equal(line.dropped(A, 'expired-key'), junk.length)
    const tagged = line.frame(route(), DELAYS)
    tagged.packet[1000] = (tagged.packet[1000] as number) ^ 1
    mixing.receive(tagged)
    await line.sim.runFor(seconds(1))
    assert.equal(line.dropped(G, 'payload'), 1)
    assert.equal(line.finals.length, 0)
  })

  it('lets nothing leave that it could not log', async () => {
    const { mixing, guard } = line.node(A)
    guard.flush = () => false
    mixing.receive(line.frame(route(), DELAYS))
    await line.sim.runFor(seconds(1))
    assert.deepEqual(line.arrivals, [])
    assert.equal(line.dropped(A, 'replay-log'), 1)
  })

  it('empties its pool when it stops, for a moment', async () => {
    const { mixing } = line.node(A)
    mixing.receive(line.frame(route(), [millis(100), millis(0), millis(0)]))
    const stopped = mixing.stop()
    mixing.receive(line.frame(route(), DELAYS))
    assert.equal(line.dropped(A, 'stopping'), 1)
    const start = line.sim.clock.monotonic()
    await line.sim.complete(stopped)
    assert.equal(line.finals.length, 1)
    assert.ok(line.sim.clock.monotonic() - start < 200)

    const other = line.node(B).mixing
    other.receive(
      line.frame(
        [B, C, G].map((ip) => line.hop(ip)),
        [seconds(9), millis(0)],
      ),
    )
    await line.sim.complete(other.stop())
    assert.equal(line.dropped(B, 'stopping'), 1)
    await line.sim.runFor(seconds(20))
    assert.equal(line.finals.length, 1)
    await line.sim.complete(line.node(C).mixing.stop())
  })
})
