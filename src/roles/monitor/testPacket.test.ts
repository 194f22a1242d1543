import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Meter } from '../../foundation/base/observe.ts'
import { millis, type Nanos, nanos, seconds } from '../../foundation/base/units.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { SimulatedRandom } from '../../foundation/platform/simulated/simulatedRandom.ts'
import type { NodeDescriptor, Topology } from '../../network/topology/topology.ts'
import { prepareLoopCover } from '../../protocol/packet/cover.ts'
import { encodeNodeAddress } from '../../protocol/packet/nodeAddress.ts'
import type { MixnetPacket } from '../../protocol/packet/prepare.ts'
import { REGULAR } from '../../protocol/packet/sizes.ts'
import { splitSurbAck } from '../../protocol/packet/surbAck.ts'
import { KEY_SEEDS_VERSION } from '../../protocol/sphinx/constants.ts'
import { type Final, type Forward, openHeader } from '../../protocol/sphinx/unwrap.ts'
import type { Observation } from './evidence.ts'
import { prepareTestPacket, type TestPacket } from './testPacket.ts'
import { type Test, TestTracker } from './testTracker.ts'

const random = new SimulatedRandom('test-packet', 'test').stream('all')
const secrets = [1, 2, 3, 4].map(() => random.bytes(32))
const nodes = secrets.map((secret, i): NodeDescriptor => {
  const address = { ip: `10.0.0.${i + 1}`, port: 1789 }
  const hop = { address: encodeNodeAddress(address, 32), publicKey: crypto.x25519Base(secret) }
  return { nodeId: i + 1, address, hop } as unknown as NodeDescriptor
})
const encryptionSecret = random.bytes(32)
const address = {
  identity: crypto.ed25519PublicKey(random.bytes(32)),
  encryptionKey: crypto.x25519Base(encryptionSecret),
  gateway: new Uint8Array(32),
}
const sender = { address, ackKey: random.bytes(16) }
const topology = { rotationFlag: 'even' } as unknown as Topology
const MEAN = millis(15)

const testPacket = (number = 1): TestPacket =>
  prepareTestPacket(crypto, random, {
    topology,
    out: nodes,
    home: nodes,
    sender,
    recipient: address,
    number,
    packetDelay: MEAN,
    ackDelay: MEAN,
  })

function cover(): MixnetPacket {
  const delays = nodes.map((): Nanos => nanos(15_000_000))
  const route = nodes.map(({ hop }) => hop)
  return prepareLoopCover(crypto, random, {
    sender,
    route,
    delays,
    ackRoute: route,
    ackDelays: delays,
    size: REGULAR,
    version: KEY_SEEDS_VERSION,
    rotation: topology.rotationFlag,
  })
}

/** What each node on the way sees, and what the gateway gets. */
function seen(packet: Uint8Array): { readonly forwards: Forward[]; readonly final: Final } {
  const forwards: Forward[] = []
  let current = packet
  for (const secret of secrets) {
    const opened = openHeader(crypto, secret, current)
    assert.equal(opened.kind, 'opened')
    const unwrapped = opened.unwrap()
    if (unwrapped.kind === 'final') return { forwards, final: unwrapped }
    assert.equal(unwrapped.kind, 'forward')
    forwards.push(unwrapped)
    current = unwrapped.packet
  }
  return assert.fail('no final hop')
}

test('on its way and at its gateway a test is like loop cover in all but random bytes', () => {
  const [tested, covered] = [testPacket(), cover()]
  assert.equal(tested.packet.length, covered.packet.length)
  assert.deepEqual(tested.firstHop, covered.firstHop)
  assert.equal(tested.rotation, covered.rotation)
  const [one, other] = [seen(tested.packet), seen(covered.packet)]
  assert.deepEqual(
    one.forwards.map(({ packet, nextAddress }) => [packet.length, nextAddress.slice()]),
    other.forwards.map(({ packet, nextAddress }) => [packet.length, nextAddress.slice()]),
  )
  assert.deepEqual(one.final.destination, other.final.destination)
  assert.equal(one.final.message.length, other.final.message.length)
  const [ours, theirs] = [splitSurbAck(one.final.message), splitSurbAck(other.final.message)]
  assert.deepEqual(ours.ack.nextHop, theirs.ack.nextHop)
  assert.equal(ours.ack.packet.length, theirs.ack.packet.length)
  assert.equal(ours.data.length, theirs.data.length)
})

test('its delays are exponential with the mean of clients', () => {
  const delays = Array.from({ length: 300 }, () =>
    seen(testPacket().packet).forwards.map(({ delay }) => delay / 1e6),
  ).flat()
  const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length
  // 900 draws: a standard error of half a millisecond.
  assert.ok(Math.abs(mean - MEAN) < 2.5, `${mean}`)
  const aboveMean = delays.filter((delay) => delay > MEAN).length / delays.length
  assert.ok(Math.abs(aboveMean - Math.exp(-1)) < 0.08, `${aboveMean}`)
})

test('only the whole packet, once, in time, at its session is an arrival; the rest is counted', () => {
  const settled: Observation[] = []
  const meter = new Meter()
  const tracker = new TestTracker({
    crypto,
    most: 8,
    deadline: () => seconds(20),
    settled: (_, observations) => settled.push(...observations),
    meter,
  })
  const packets = [1, 2, 3, 4, 5].map((number) => ({ number, packet: testPacket(number) }))
  for (const { number, packet } of packets) {
    const { variant, key } = packet
    const route = [10, 1, 2, 3, 11]
    const sentAt = millis(number)
    const one: Test = { sentAt, second: 0, epochId: 1, number, variant, key, from: 1, to: 2, out: route, home: route }
    tracker.sent(one)
  }
  const pushed = packets.map(({ packet }) => splitSurbAck(seen(packet.packet).final.message).data.slice())
  const [whole, late, changed, elsewhere, lost] = pushed as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  tracker.arrived(2, whole, millis(100))
  tracker.arrived(2, whole, millis(101))
  changed[100] = (changed[100] as number) ^ 1
  tracker.arrived(2, changed, millis(100))
  tracker.arrived(1, elsewhere, millis(100))
  tracker.arrived(
    2,
    lost.map((byte) => byte ^ 0xff),
    millis(100),
  )
  tracker.acknowledged(2, 1, millis(100))
  tracker.acknowledged(1, 1, millis(100))
  tracker.acknowledged(1, 1, millis(100))
  tracker.acknowledged(1, 77, millis(100))
  // The gateway says that it has the fifth, and does not hand it over.
  tracker.acknowledged(1, 5, millis(100))
  tracker.arrived(2, late, millis(20_003))
  tracker.review(millis(30_000))
  assert.deepEqual(
    settled.map(({ kind, delivered }) => `${kind} ${delivered}`),
    ['out true', 'home true', 'out false', 'out false', 'out false', 'out false', 'home true'],
  )
  assert.equal(meter.snapshot().monitor_odd_total, 7)
  tracker.arrived(2, late, millis(30_001))
  assert.equal(meter.snapshot().monitor_odd_total, 8)
  assert.equal(meter.snapshot().monitor_tests_waiting, 0)
})
