import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import type { Transmission } from '../../foundation/platform/simulated/link.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import type { World } from '../../foundation/platform/world.ts'
import { frameOf, pairOf } from './linkFixture.ts'
import { MixEgress } from './mixEgress.ts'
import { listenMix } from './mixIngress.ts'
import { LOOPBACK_EGRESS_PARAMS } from './mixLinkParams.ts'

const TO = { ip: '10.0.0.2', port: 1789 }
const RESPONDER = pairOf(5)

async function listenIn(world: World, noise: boolean) {
  const marks: number[] = []
  const meter = new Meter()
  await listenMix(world, {
    endpoint: { host: TO.ip, port: TO.port },
    ...(noise && { noise: { own: RESPONDER } }),
    requireNoise: (ip) => ip === '10.0.0.1',
    onFrame: (frame) => marks.push(frame.packet[0] as number),
    meter,
    log: silentLog,
  })
  return { marks, meter }
}

function egressOf(world: World, noise: boolean) {
  const meter = new Meter()
  const own = { own: pairOf(6), keyOf: (ip: string) => (ip === TO.ip ? RESPONDER.public : undefined) }
  const params = LOOPBACK_EGRESS_PARAMS
  return { meter, egress: new MixEgress(world, { params, meter, log: silentLog, ...(noise && { noise: own }) }) }
}

/** Sends at fixed instants over a link that cuts the stream anywhere; what arrived, and what an observer saw. */
async function run(seed: string, noise: boolean) {
  const seen: Transmission[] = []
  const simulation = new Simulation({
    seed,
    crypto: nodeProvider,
    shape: () => ({ latency: millis(10), jitter: millis(5), segmentBytes: 1500 }),
    observe: (transmission) => seen.push(transmission),
  })
  const { marks } = await simulation.complete(listenIn(simulation.host('b', { ips: [TO.ip] }), noise))
  const { egress } = egressOf(simulation.host('a', { ips: ['10.0.0.1'] }), noise)
  for (let mark = 0; mark < 100; mark++) {
    simulation.clock.after(millis(Math.floor(mark / 5) * 20), () => egress.send(TO, frameOf(mark)))
  }
  await simulation.runFor(seconds(5))
  return { marks, seen }
}

describe('links in a simulated network', () => {
  for (const noise of [false, true]) {
    test(`${noise ? 'Noise' : 'plain'}: everything arrives in order, and equal seeds give equal traces`, async () => {
      const first = await run('seed', noise)
      assert.deepEqual(
        first.marks,
        Array.from({ length: 100 }, (_, i) => i),
      )
      assert.deepEqual(await run('seed', noise), first)
      assert.notDeepEqual((await run('other', noise)).seen, first.seen)
    })
  }

  test('a peer that crashes and comes back is found again', async () => {
    const simulation = new Simulation({ seed: 'crash', crypto: nodeProvider })
    const before = await simulation.complete(listenIn(simulation.host('b', { ips: [TO.ip] }), true))
    const { egress, meter } = egressOf(simulation.host('a', { ips: ['10.0.0.1'] }), true)
    egress.send(TO, frameOf(1))
    await simulation.runFor(seconds(10))
    assert.deepEqual(before.marks, [1])
    simulation.crash('b')
    await simulation.runFor(seconds(1))
    egress.send(TO, frameOf(2))
    await simulation.runFor(millis(500))
    assert.deepEqual([egress.connections, egress.queuedFrames], [0, 1])
    const after = await simulation.complete(listenIn(simulation.restart('b'), true))
    await simulation.runFor(seconds(1))
    assert.deepEqual([after.marks, egress.connections], [[2], 1])
    assert.ok((meter.snapshot()['mix_egress_links_total{outcome="refused"}'] ?? 0) > 0)
  })

  test('behind a cut the connect times out, and the wait doubles up to its limit', async () => {
    const simulation = new Simulation({ seed: 'cut', crypto: nodeProvider })
    const { marks } = await simulation.complete(listenIn(simulation.host('b', { ips: [TO.ip] }), true))
    const { egress, meter } = egressOf(simulation.host('a', { ips: ['10.0.0.1'] }), true)
    const mend = simulation.partition(['a'], ['b'])
    const timeouts = (): number => meter.snapshot()['mix_egress_links_total{outcome="timeout"}'] ?? 0
    const instants: number[] = []
    let known = 0
    for (let i = 0; i < 600; i++) {
      egress.send(TO, frameOf(7))
      await simulation.runFor(millis(50))
      if (timeouts() > known) instants.push(i)
      known = timeouts()
    }
    // 1.5 s of connecting, and a wait of 0.25, 0.5, 1, 2, 4, 5, 5 s, in steps of 50 ms.
    const gaps = instants.slice(1).map((instant, i) => (instant - (instants[i] as number)) * 50 - 1500)
    assert.deepEqual(
      gaps.map((gap) => Math.round(gap / 250) * 250),
      [250, 500, 1000, 2000, 4000, 5000, 5000],
    )
    mend()
    await simulation.runFor(seconds(6))
    egress.send(TO, frameOf(8))
    await simulation.runFor(seconds(6))
    assert.equal(marks.at(-1), 8)
  })

  test('closing lets the peer take what is queued', async () => {
    const simulation = new Simulation({ seed: 'close', crypto: nodeProvider })
    const { marks } = await simulation.complete(listenIn(simulation.host('b', { ips: [TO.ip] }), false))
    const { egress } = egressOf(simulation.host('a', { ips: ['10.0.0.1'] }), false)
    egress.send(TO, frameOf(1))
    await simulation.runFor(seconds(1))
    for (let mark = 2; mark <= 40; mark++) egress.send(TO, frameOf(mark))
    await simulation.complete(egress.close())
    assert.equal(marks.length, 40)
  })
})
