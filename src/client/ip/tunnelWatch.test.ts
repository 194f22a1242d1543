import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { HandClock } from '../../foundation/platform/handClock.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { TunnelWatch } from './tunnelWatch.ts'

const STEP = millis(50)
const { random } = new Simulation({ seed: 'watch', crypto: nodeProvider })

function setUp({ answers = false, slot = millis(0) }: { answers?: boolean; slot?: Millis } = {}) {
  const clock = new HandClock()
  const client = { isOpen: true, loops: { sent: 0, returned: 0 } }
  const made = { probes: [] as number[], silentAt: [] as number[] }
  const watch: TunnelWatch = new TunnelWatch({
    clock,
    random: random.stream('watch'),
    client,
    slot,
    probe: () => {
      made.probes.push(clock.monotonic())
      if (answers) clock.after(millis(400), () => watch.heard(false))
    },
    silent: () => made.silentAt.push(clock.monotonic()),
  })
  /** A program that sends twice a second. */
  const run = (duration: Millis, meanwhile: () => void = () => {}) => {
    for (let at = 0; at < duration; at += STEP) {
      if (at % 500 === 0) watch.sent()
      meanwhile()
      clock.advance(STEP)
    }
  }
  return { ...made, clock, client, watch, run }
}

test('silence is found out within fourteen seconds, told once, and not before four probes', () => {
  const { run, probes, silentAt, clock } = setUp()
  run(seconds(14))
  assert.equal(probes.length, 4)
  assert.equal(silentAt.length, 1)
  assert.ok((silentAt[0] as number) >= 8_000)
  run(minutes(1))
  assert.equal(silentAt.length, 1)
  assert.equal(probes.length, 4, 'what is lost is not kept')
  assert.equal(clock.pending <= 1, true, 'nothing of it is left but what the test itself began')
})

test('a program that is never answered makes the router answer every ten seconds at most, on average', () => {
  const { run, probes, silentAt } = setUp({ answers: true })
  run(minutes(10))
  assert.deepEqual(silentAt, [])
  // And those that keep the address.
  assert.ok(probes.length <= 60 + 30 + 5, `${probes.length}`)
})

test('two tunnels are not asked at the same times', () => {
  const [one, two] = [setUp(), setUp()]
  for (const { run } of [one, two]) run(seconds(14))
  assert.notDeepEqual(one.probes, two.probes)
})

test('while the gateway is away nothing is asked and nothing concluded; once it is back it takes eleven seconds', () => {
  const { run, probes, silentAt, client } = setUp()
  client.isOpen = false
  run(minutes(2))
  assert.ok(probes.length <= 8, 'only what keeps the address')
  assert.deepEqual(silentAt, [])
  client.isOpen = true
  run(seconds(13))
  assert.equal(silentAt.length, 1)
})

test('while loop cover goes out and none comes back, it may be us who hear nothing', () => {
  const { run, silentAt, client } = setUp()
  run(minutes(2), () => {
    client.loops = { ...client.loops, sent: client.loops.sent + 1 }
  })
  assert.deepEqual(silentAt, [])
  run(seconds(26), () => {
    client.loops = { sent: client.loops.sent + 1, returned: client.loops.returned + 1 }
  })
  assert.equal(silentAt.length, 1)
})

test('who sends nothing finds out all the same, and a slow stream is given time', () => {
  const idle = setUp()
  idle.clock.advance(seconds(45))
  assert.equal(idle.silentAt.length, 1)
  const slow = setUp({ slot: millis(2_500) })
  slow.run(seconds(30))
  assert.deepEqual(slow.silentAt, [])
})

test('stopped, it does nothing more', () => {
  const { watch, clock, probes, run } = setUp()
  run(seconds(5))
  const before = probes.length
  watch.stop()
  clock.advance(minutes(5))
  assert.equal(probes.length, before)
})

test('an address that nobody uses is kept for as long as it is there', () => {
  const { clock, probes, silentAt } = setUp({ answers: true })
  clock.advance(minutes(10))
  assert.ok(probes.length >= 24 && probes.length <= 40, `${probes.length}`)
  assert.deepEqual(silentAt, [])
})

test('silence after an answer is silence', () => {
  const { watch, run, silentAt } = setUp()
  watch.sent()
  watch.heard(true)
  run(seconds(14))
  assert.equal(silentAt.length, 1)
})

test('only a probe that was all that was answered makes it patient, and what others say makes it quick again', () => {
  const { watch, clock, probes } = setUp()
  const untilProbe = (): number => {
    const [began, before] = [clock.monotonic(), probes.length]
    watch.sent()
    while (probes.length === before) clock.advance(STEP)
    return clock.monotonic() - began
  }
  // An answer to a question for an address, or a refusal.
  watch.heard(false)
  assert.ok(untilProbe() <= 3_800)
  watch.heard(false)
  assert.ok(untilProbe() >= 7_500)
  watch.heard(true)
  assert.ok(untilProbe() <= 3_800)
})

test('where the gateway goes away with the last probe, nothing is concluded; once it is back all four are asked anew', () => {
  const { run, probes, silentAt, client } = setUp()
  while (probes.length < 4) run(STEP)
  client.isOpen = false
  run(seconds(10))
  assert.deepEqual(silentAt, [])
  client.isOpen = true
  const before = probes.length
  while (probes.length < before + 2) run(STEP)
  client.isOpen = false
  run(seconds(4))
  client.isOpen = true
  const again = probes.length
  while (silentAt.length === 0) run(STEP)
  assert.equal(probes.length, again + 4)
})

test('loop cover that came back before the silence says nothing of it', () => {
  const { run, silentAt, client } = setUp()
  client.loops = { sent: 5, returned: 5 }
  run(seconds(30), () => {
    client.loops = { ...client.loops, sent: client.loops.sent + 1 }
  })
  assert.deepEqual(silentAt, [])
})
