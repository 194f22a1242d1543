import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Meter } from '../foundation/base/observe.ts'
import { millis, millisToNanos, nanos } from '../foundation/base/units.ts'
import { nullProvider } from '../foundation/crypto/nullProvider.ts'
import { Simulation } from '../foundation/platform/simulated/simulation.ts'
import type { PreparedPacket } from '../protocol/packet/prepare.ts'
import { type FragmentJob, FragmentSender } from './fragmentSender.ts'
import { LaneQueue } from './laneQueue.ts'
import { PendingAcks } from './pendingAcks.ts'
import type { Outgoing } from './sender.ts'
import { DEFAULT_TRAFFIC } from './trafficParams.ts'

const ID = { setId: 2 ** 31 - 1, position: 255 }
const FRAGMENT = { ...ID, total: 255, link: undefined, payload: new Uint8Array(0) }
const PREPARED: PreparedPacket = {
  packet: new Uint8Array(0),
  firstHop: { ip: '10.0.0.1', port: 1 },
  rotation: 1,
  expectedRoundTrip: millisToNanos(millis(100)),
  fragmentId: ID,
}

function makeBench() {
  const simulation = new Simulation({ seed: 'acks', crypto: nullProvider })
  const { clock, random } = simulation.host('client', { ips: ['10.0.0.1'] })
  const pending = new PendingAcks(clock, DEFAULT_TRAFFIC, new Meter())
  const lanes = new LaneQueue<Outgoing>(random.stream('lane'), 100)
  let wakes = 0
  const fragments = new FragmentSender({ lanes, pending, maxRetransmissions: 2, wake: () => wakes++ })
  /** Sends what waits, as the sender would; how many there were. */
  const sendAll = (): number => {
    let sent = 0
    for (let next = lanes.pop(); next !== undefined; next = lanes.pop()) {
      const prepared = next.prepare()
      if (prepared === undefined) continue
      next.sent(prepared)
      sent++
    }
    return sent
  }
  return { simulation, pending, lanes, fragments, sendAll, wakes: () => wakes }
}

const plainJob = (changes: Partial<FragmentJob> = {}): FragmentJob => ({
  fragment: FRAGMENT,
  lane: 'general',
  prepare: () => PREPARED,
  ...changes,
})

test('an ack stops the waiting; a second one is nobody’s', async () => {
  const { simulation, pending, fragments, sendAll, lanes } = makeBench()
  fragments.send(plainJob())
  assert.equal(sendAll(), 1)
  assert.equal(pending.inFlight, 1)
  assert.equal(pending.acknowledge({ setId: ID.setId, position: 254 }), false)
  assert.equal(pending.acknowledge(ID), true)
  assert.equal(pending.acknowledge(ID), false)
  assert.equal(pending.inFlight, 0)
  await simulation.runFor(millis(60_000))
  assert.equal(lanes.total, 0)
})

test('without an ack it is queued again after 1.5 times its round trip and 1.5 s, and in the end given up', async () => {
  const { simulation, pending, fragments, sendAll, lanes, wakes } = makeBench()
  fragments.send(plainJob())
  for (let transmission = 0; transmission < 3; transmission++) {
    assert.equal(sendAll(), 1)
    await simulation.runFor(millis(1_649))
    assert.equal(lanes.total, 0)
    await simulation.runFor(millis(1))
    assert.equal(lanes.length('retransmission'), transmission < 2 ? 1 : 0)
    assert.equal(pending.inFlight, 0)
  }
  assert.equal(pending.has(ID), false)
  // Queued three times, given up once: whenever the window moved, the sender heard of it.
  assert.equal(wakes(), 4)
})

test('acknowledged while it waits to be sent again, it is not sent again', async () => {
  const { simulation, pending, fragments, sendAll, lanes } = makeBench()
  let acquired = 0
  let discarded = 0
  const turns: (() => void)[] = []
  fragments.send(
    plainJob({
      acquire: (turn) => {
        acquired++
        turns.push(() => turn.queue())
        turn.queue()
      },
      discard: () => {
        discarded++
      },
    }),
  )
  sendAll()
  await simulation.runFor(millis(2_000))
  assert.equal(lanes.total, 1)
  pending.acknowledge(ID)
  assert.equal(sendAll(), 0)
  assert.deepEqual([acquired, discarded], [2, 1])
  await simulation.runFor(millis(10_000))
  assert.equal(lanes.total, 0)
  assert.equal(pending.inFlight, 0)
})

test('without a route it counts as sent and lost', async () => {
  const { simulation, fragments, sendAll, pending } = makeBench()
  let route = false
  fragments.send(plainJob({ prepare: () => (route ? PREPARED : undefined) }))
  assert.equal(sendAll(), 0)
  assert.equal(pending.inFlight, 1)
  await simulation.runFor(millis(1_600))
  route = true
  assert.equal(sendAll(), 1)
})

test('what cannot be acquired is given up at once', () => {
  const { fragments, pending, lanes } = makeBench()
  fragments.send(plainJob({ acquire: (turn) => turn.giveUp() }))
  assert.equal(lanes.total, 0)
  assert.equal(pending.has(ID), false)
})

test('stopped, it has no timer left', async () => {
  const { simulation, pending } = makeBench()
  const awaiting = { maxRetransmissions: 1, retransmit: () => assert.fail(), givenUp: () => assert.fail() }
  for (let position = 1; position < 100; position++) pending.sent({ setId: 5, position }, nanos(0), awaiting)
  pending.stop()
  assert.equal(pending.inFlight, 0)
  await simulation.runFor(millis(10_000))
})

test('acks that prove to have been late, not lost, are waited for longer; those in time bring the patience back', async () => {
  const { simulation, pending } = makeBench()
  let sent = 0
  let again = 0
  const first = 1.5 * 100 + DEFAULT_TRAFFIC.ackWaitAddition
  /** One fragment, whose ack comes after so long; whether it was to be sent again before. */
  const ackedAfter = async (wait: number): Promise<boolean> => {
    const before = again
    const id = { setId: ++sent, position: 0 }
    const awaiting = { maxRetransmissions: 60, retransmit: () => again++, givenUp() {} }
    pending.sent(id, PREPARED.expectedRoundTrip, awaiting)
    await simulation.runFor(millis(wait))
    assert.ok(pending.acknowledge(id))
    return again > before
  }
  assert.equal(await ackedAfter(2.5 * first), true)
  for (let i = 0; i < 6; i++) await ackedAfter(2.5 * first)
  assert.equal(await ackedAfter(2.5 * first), false)
  // However late they come, a lost one is noticed after four times the time.
  for (let i = 0; i < 20; i++) await ackedAfter(5 * first)
  assert.equal(await ackedAfter(4.1 * first), true)
  for (let i = 0; i < 1_000; i++) await ackedAfter(1)
  assert.equal(await ackedAfter(1.1 * first), true)
  pending.stop()
})

test('a second ack of what was sent twice says that the first was late; a second ack of anything else says nothing', async () => {
  const { simulation, pending } = makeBench()
  const first = 1.5 * 100 + DEFAULT_TRAFFIC.ackWaitAddition
  let again = 0
  const awaiting = { maxRetransmissions: 60, retransmit: () => again++, givenUp() {} }
  const twice = async (setId: number): Promise<void> => {
    const id = { setId, position: 0 }
    pending.sent(id, PREPARED.expectedRoundTrip, awaiting)
    pending.sent(id, PREPARED.expectedRoundTrip, awaiting)
    assert.ok(pending.acknowledge(id))
    assert.equal(pending.acknowledge(id), false)
    assert.equal(pending.acknowledge(id), false)
  }
  const isPatient = async (setId: number): Promise<boolean> => {
    again = 0
    const id = { setId, position: 0 }
    pending.sent(id, PREPARED.expectedRoundTrip, awaiting)
    await simulation.runFor(millis(1.1 * first))
    pending.cancel(id)
    return again === 0
  }
  const once = { setId: 1, position: 0 }
  pending.sent(once, PREPARED.expectedRoundTrip, awaiting)
  for (let i = 0; i < 5; i++) pending.acknowledge(once)
  assert.equal(await isPatient(2), false)
  await twice(3)
  assert.equal(await isPatient(4), true)
  pending.stop()
})
