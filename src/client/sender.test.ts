import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Meter } from '../foundation/base/observe.ts'
import { type Millis, millis, nanos } from '../foundation/base/units.ts'
import { nullProvider } from '../foundation/crypto/nullProvider.ts'
import type { Clock } from '../foundation/platform/clock.ts'
import { Simulation } from '../foundation/platform/simulated/simulation.ts'
import type { PreparedPacket } from '../protocol/packet/prepare.ts'
import { LaneQueue } from './laneQueue.ts'
import { type Outgoing, Sender, type SenderOptions } from './sender.ts'

const PACKET: PreparedPacket = {
  packet: new Uint8Array(0),
  firstHop: { ip: '10.0.0.1', port: 1 },
  rotation: 1,
  expectedRoundTrip: nanos(0),
  fragmentId: { setId: 1, position: 1 },
}

interface Bench {
  readonly simulation: Simulation
  readonly lanes: LaneQueue<Outgoing>
  readonly sender: Sender
  /** Virtual times of packets that left, and whether each was real. */
  readonly left: { at: number; real: boolean }[]
  readonly state: { open: boolean; full: boolean; inFlight: number; prepared: number }
  queue(count: number): void
}

function makeBench(options: Partial<SenderOptions> = {}): Bench {
  const simulation = new Simulation({ seed: 'sender', crypto: nullProvider })
  const { clock, random } = simulation.host('client', { ips: ['10.0.0.1'] })
  const lanes = new LaneQueue<Outgoing>(random.stream('lane'), 4096)
  const left: Bench['left'] = []
  const state = { open: true, full: false, inFlight: 0, prepared: 0 }
  const cover = { ...PACKET }
  const sender = new Sender({
    clock,
    random,
    params: { mainStreamInterval: millis(20), loopCoverInterval: undefined, unacknowledgedWindow: 256 },
    lanes,
    transmit: (packet) => {
      if (!state.full) left.push({ at: clock.monotonic(), real: packet !== cover })
      return !state.full
    },
    canTransmit: () => state.open,
    prepareCover: () => cover,
    unacknowledged: () => state.inFlight,
    meter: new Meter(),
    ...options,
  })
  const item: Outgoing = {
    prepare: () => {
      state.prepared++
      return { ...PACKET }
    },
    sent: () => {
      state.inFlight++
    },
    discard() {},
  }
  return {
    simulation,
    lanes,
    sender,
    left,
    state,
    queue: (count) => {
      for (let i = 0; i < count; i++) lanes.push('general', item)
      sender.wake()
    },
  }
}

const NO_MAIN = { mainStreamInterval: undefined, loopCoverInterval: undefined, unacknowledgedWindow: 256 }

test('the main stream is Poisson: exponential gaps, whatever is sent', async () => {
  const bench = makeBench()
  bench.sender.start()
  for (let round = 0; round < 20; round++) {
    if (round % 2 === 0) bench.queue(200)
    await bench.simulation.runFor(millis(10_000))
  }
  const gaps = bench.left.slice(1).map(({ at }, i) => at - (bench.left[i]?.at as number))
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  assert.ok(Math.abs(mean - 20) < 0.6, `mean ${mean}`)
  // Kolmogorov–Smirnov at 1 %.
  const sorted = gaps.toSorted((a, b) => a - b)
  const distance = Math.max(...sorted.map((gap, i) => Math.abs((i + 0.5) / sorted.length - (1 - Math.exp(-gap / 20)))))
  assert.ok(distance < 1.63 / Math.sqrt(sorted.length), `distance ${distance}`)
})

test('equal instants with and without real packets; cover exactly where none waits', async () => {
  const idle = makeBench()
  const busy = makeBench()
  idle.sender.start()
  busy.sender.start()
  busy.queue(30)
  await idle.simulation.runFor(millis(2_000))
  await busy.simulation.runFor(millis(2_000))
  assert.deepEqual(
    busy.left.map(({ at }) => at),
    idle.left.map(({ at }) => at),
  )
  assert.equal(
    busy.left.findIndex(({ real }) => !real),
    30,
  )
  assert.equal(busy.left.filter(({ real }) => real).length, 30)
})

test('after a stall the stream goes on, without a burst; short lags are made up for', async () => {
  let skew = 0
  const lag = (clock: Clock): Clock => ({
    ...clock,
    monotonic: () => millis(clock.monotonic() + skew),
    after: (delay: Millis, run) => clock.after(delay, run),
  })
  const simulation = new Simulation({ seed: 'stall', crypto: nullProvider })
  const world = simulation.host('client', { ips: ['10.0.0.1'] })
  const bench = makeBench({ clock: lag(world.clock) })
  bench.sender.start()
  await simulation.runFor(millis(1_000))
  const before = bench.left.length
  skew += 60_000
  await simulation.runFor(millis(100))
  const after = bench.left.length - before
  assert.ok(after <= 12, `${after} packets in 100 ms after a minute's sleep`)
  await simulation.runFor(millis(1_000))
  assert.ok(bench.left.length - before > 30)
})

test('nothing leaves its lane while the link is down, and nothing is prepared', async () => {
  for (const params of [undefined, NO_MAIN]) {
    const bench = makeBench(params && { params })
    bench.state.open = false
    bench.sender.start()
    bench.queue(10)
    await bench.simulation.runFor(millis(5_000))
    assert.equal(bench.lanes.total, 10)
    assert.equal(bench.state.prepared, 0)
    bench.state.open = true
    bench.sender.wake()
    await bench.simulation.runFor(millis(2_000))
    assert.equal(bench.left.filter(({ real }) => real).length, 10)
  }
})

test('what a full link did not take goes first when it takes again, without spinning', async () => {
  const bench = makeBench({ params: NO_MAIN })
  bench.state.full = true
  bench.sender.start()
  bench.queue(10)
  await bench.simulation.runFor(millis(1_000))
  bench.queue(10)
  await bench.simulation.runFor(millis(1_000))
  assert.ok(bench.state.prepared <= 101, `prepared ${bench.state.prepared} times in 2 s`)
  assert.equal(bench.state.inFlight, 0)
  bench.state.full = false
  await bench.simulation.runFor(millis(100))
  assert.equal(bench.left.length, 20)
  assert.equal(bench.state.inFlight, 20)
})

test('without a main stream packets leave at once, up to the window, and go on when it moves', async () => {
  const bench = makeBench({ params: NO_MAIN })
  bench.sender.start()
  bench.queue(1_000)
  await bench.simulation.runFor(millis(1))
  assert.equal(bench.left.length, 256)
  bench.state.inFlight -= 100
  await bench.simulation.runFor(millis(1_000))
  assert.equal(bench.left.length, 256)
  bench.sender.wake()
  await bench.simulation.runFor(millis(1))
  assert.equal(bench.left.length, 356)
  assert.ok(bench.simulation.pendingCount === 0, 'an idle sender has no timer')
})

test('loop cover runs beside, at its own pace', async () => {
  const bench = makeBench({ params: { ...NO_MAIN, loopCoverInterval: millis(200) } })
  bench.sender.start()
  await bench.simulation.runFor(millis(200_000))
  assert.ok(Math.abs(bench.left.length - 1_000) < 100, `${bench.left.length}`)
})

test('stopped from inside anything it calls, it leaves no timer behind', async () => {
  for (const params of [undefined, NO_MAIN, { ...NO_MAIN, loopCoverInterval: millis(5) }]) {
    const bench = makeBench({
      ...(params && { params }),
      transmit: () => {
        bench.sender.stop()
        return false
      },
    })
    bench.sender.start()
    bench.queue(10)
    await bench.simulation.runFor(millis(1_000))
    assert.equal(bench.simulation.pendingCount, 0)
    bench.sender.wake()
    assert.equal(bench.simulation.pendingCount, 0)
  }
})
