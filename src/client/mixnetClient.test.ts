import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMixnetError } from '../foundation/base/errors.ts'
import { type Millis, millis, minutes } from '../foundation/base/units.ts'
import { nodeProvider } from '../foundation/crypto/nodeProvider.ts'
import type { Topology } from '../network/topology/topology.ts'
import { encodeMessage } from '../protocol/packet/message.ts'
import { createClientKeys } from './keys.ts'
import { type TestClient, TestMixnet } from './mixnet.support.test.ts'
import { DEFAULT_TRAFFIC, SERVICE_TRAFFIC } from './trafficParams.ts'

const isAborted = (error: unknown): boolean => isMixnetError(error, 'ABORTED')
const isStopped = (error: unknown): boolean => isMixnetError(error, 'STOPPED')

const filled = (size: number): Uint8Array => new Uint8Array(size).fill(size & 0xff)
const sizesOf = ({ received }: TestClient): number[] => received.map(({ data }) => data.length).sort((a, b) => a - b)
const gauge = ({ meter }: TestClient, name: string): number => meter.snapshot()[name] as number

/** Answers every message with as many bytes as its first four say. */
function echo(service: TestClient): void {
  service.client.onMessage(async (message) => {
    service.received.push(message)
    const size = new DataView(message.data.buffer, message.data.byteOffset).getUint32(0)
    await service.client.reply({ to: message.sender as string, data: filled(size) })
  })
}

function asking(size: number): Uint8Array {
  const question = new Uint8Array(100)
  new DataView(question.buffer).setUint32(0, size)
  return question
}

for (const loss of [0, 0.01, 0.05, 0.2]) {
  test(`messages of every size arrive exactly once: ${100 * loss} % loss, duplicates, reordering`, async () => {
    const mixnet = new TestMixnet({ seed: `sizes ${loss}`, loss, duplicates: 0.05 })
    const alice = mixnet.client()
    const bob = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
    const sizes = [0, 1, 1582, 1583, 1584, 5_000, 20_000, 1_000_000]
    for (const size of sizes)
      await mixnet.simulation.complete(alice.client.send({ to: bob.client.address, data: filled(size) }))
    await mixnet.until(() => bob.received.length === sizes.length)
    await mixnet.simulation.runFor(millis(20_000))
    assert.deepEqual(sizesOf(bob), sizes)
    for (const { data } of bob.received) assert.ok(data.every((byte) => byte === (data.length & 0xff)))
    // No packet, and so no reply SURB, was sent twice.
    assert.equal(mixnet.replays, 0)
    assert.equal(mixnet.refused, 0)
    // Acks stop retransmissions.
    assert.equal(gauge(alice, 'client_unacknowledged'), 0)
    assert.equal(gauge(alice, 'client_queued'), 0)
    if (loss === 0) assert.equal(gauge(alice, 'client_retransmitted_total'), 0)
  })

  test(`answers arrive exactly once, whatever their size: ${100 * loss} % loss`, async () => {
    const mixnet = new TestMixnet({ seed: `answers ${loss}`, loss, duplicates: 0.05 })
    const alice = mixnet.client()
    const exit = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
    echo(exit)
    const sizes = [1, 1_000, 30_000, 200_000]
    // Nothing is supplied ahead: the exit has three SURBs, and must ask.
    for (const size of sizes) await alice.client.send({ to: exit.client.address, data: asking(size) })
    await mixnet.until(() => alice.received.length === sizes.length)
    await mixnet.simulation.runFor(millis(20_000))
    assert.deepEqual(sizesOf(alice), sizes)
    for (const { repliedBy } of alice.received) assert.deepEqual(repliedBy, exit.client.address)
    assert.equal(mixnet.replays, 0)
    assert.equal(gauge(exit, 'client_unacknowledged'), 0)
    assert.equal(gauge(exit, 'client_replies_waiting'), 0)
  })
}

test('the same with real cryptography', async () => {
  const mixnet = new TestMixnet({ seed: 'real', crypto: nodeProvider, loss: 0.05 })
  const alice = mixnet.client()
  const exit = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
  echo(exit)
  await alice.client.send({ to: exit.client.address, data: asking(20_000) })
  await mixnet.until(() => alice.received.length === 1)
  assert.ok(alice.received[0]?.data.every((byte) => byte === (20_000 & 0xff)))
  assert.equal(mixnet.refused, 0)
})

test('a message that fills its packets can be answered all the same', async () => {
  const mixnet = new TestMixnet({ seed: 'full' })
  const alice = mixnet.client()
  const exit = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
  echo(exit)
  const question = new Uint8Array(1_604 - 23)
  question.set(asking(500))
  await alice.client.send({ to: exit.client.address, data: question })
  await mixnet.until(() => alice.received.length === 1, millis(3_000))
})

test('what is accepted while the link is down, or there is no topology, leaves later; nothing is spent meanwhile', async () => {
  for (const traffic of [DEFAULT_TRAFFIC, SERVICE_TRAFFIC]) {
    const mixnet = new TestMixnet({ seed: 'down' })
    const topology = mixnet.topology.current()
    const alice = mixnet.client({ traffic })
    const exit = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
    echo(exit)
    const ask = (): Promise<void> => alice.client.send({ to: exit.client.address, data: asking(10_000) })
    await ask()
    alice.link.cut()
    await mixnet.simulation.runFor(minutes(3))
    await ask()
    await mixnet.simulation.runFor(minutes(3))
    alice.link.open()
    await mixnet.until(() => alice.received.length === 2, millis(10_000))
    mixnet.setTopology(undefined)
    await ask()
    const sent = alice.link.sentAt.length
    await mixnet.simulation.runFor(minutes(3))
    assert.equal(alice.link.sentAt.length, sent)
    mixnet.setTopology(topology)
    await mixnet.until(() => alice.received.length === 3, millis(10_000))
    assert.equal(gauge(alice, 'client_given_up_total'), 0)
  }
})

test('a full link loses nothing', async () => {
  for (const traffic of [DEFAULT_TRAFFIC, SERVICE_TRAFFIC]) {
    const mixnet = new TestMixnet({ seed: 'full link' })
    const alice = mixnet.client({ traffic })
    const exit = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
    echo(exit)
    for (let i = 0; i < 40; i++) {
      alice.link.isFull = i % 2 === 0
      exit.link.isFull = i % 3 === 0
      if (i < 10) await alice.client.send({ to: exit.client.address, data: asking(9_000) })
      await mixnet.simulation.runFor(millis(100))
    }
    exit.link.isFull = false
    await mixnet.until(() => alice.received.length === 10, millis(20_000))
    assert.equal(mixnet.replays, 0)
    assert.equal(gauge(exit, 'client_retransmitted_total'), 0)
  }
})

test('many senders at once do not overfill the queue', async () => {
  const mixnet = new TestMixnet({ seed: 'herd' })
  const alice = mixnet.client({ traffic: { ...DEFAULT_TRAFFIC, queueCapacity: 100 } })
  const bob = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
  const sends = Array.from({ length: 100 }, (_, i) =>
    alice.client.send({ to: bob.client.address, data: filled(5 * 1_604 - 2), lane: `lane ${i}`, anonymous: false }),
  )
  let most = 0
  await mixnet.until(() => {
    most = Math.max(most, gauge(alice, 'client_queued'))
    return bob.received.length === 100
  })
  await Promise.all(sends)
  // Each is let in while there is room for one packet.
  assert.ok(most < 105, `${most}`)
})

test('a send that waits ends when aborted; a lane that is closed forgets what it held', async () => {
  const mixnet = new TestMixnet({ seed: 'abort' })
  const alice = mixnet.client()
  const bob = mixnet.client({ gateway: 1 })
  const to = bob.client.address
  await alice.client.send({ to, data: filled(300_000), lane: 'a' })
  const abort = new AbortController()
  const waiting = alice.client.send({ to, data: filled(10), lane: 'a', signal: abort.signal })
  abort.abort()
  await assert.rejects(waiting, isAborted)
  await alice.client.send({ to, data: filled(20), lane: 'b' })
  alice.client.closeLane('a')
  assert.equal(alice.client.laneLength('a'), 0)
  await mixnet.until(() => bob.received.length === 1)
  await mixnet.simulation.runFor(millis(10_000))
  assert.deepEqual(sizesOf(bob), [20])
})

test('a closed lane gives the SURBs it held back', async () => {
  const mixnet = new TestMixnet({ seed: 'back' })
  const alice = mixnet.client()
  const exit = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
  alice.client.supply(exit.client.address)
  await alice.client.send({ to: exit.client.address, data: asking(1) })
  await mixnet.simulation.runFor(millis(5_000))
  const [question] = exit.received
  const stock = gauge(exit, 'client_reply_surbs')
  exit.link.cut()
  await exit.client.reply({ to: question?.sender as string, data: filled(16_000), lane: 'a' })
  assert.equal(gauge(exit, 'client_reply_surbs'), stock - 10)
  assert.equal(exit.client.laneLength('a', question?.sender), 10)
  exit.client.closeLane('a', question?.sender)
  assert.equal(gauge(exit, 'client_reply_surbs'), stock)
})

test('stopping ends every wait and leaves nothing running, in every state', async () => {
  const states: Record<string, (alice: TestClient, to: TestClient) => readonly Promise<unknown>[]> = {
    idle: () => [],
    'link down': (alice) => {
      alice.link.cut()
      return []
    },
    'sends waiting': (alice, to) =>
      [400_000, 1, 2].map((size) => alice.client.send({ to: to.client.address, data: filled(size) })).slice(1),
    'replies waiting': (alice) => {
      const to = alice.received[0]?.sender as string
      return [400_000, 1, 2].map((size) => alice.client.reply({ to, data: filled(size) })).slice(1)
    },
  }
  for (const [state, prepare] of Object.entries(states)) {
    const mixnet = new TestMixnet({ seed: state })
    const alice = mixnet.client()
    const bob = mixnet.client({ gateway: 1 })
    bob.client.supply(alice.client.address)
    await bob.client.send({ to: alice.client.address, data: filled(9) })
    await mixnet.simulation.runFor(millis(2_000))
    const waits = prepare(alice, bob).map((wait) => assert.rejects(wait, isStopped))
    await mixnet.simulation.runFor(millis(100))
    const stopped = alice.client.stop()
    assert.equal(alice.client.stop(), stopped)
    await stopped
    await Promise.all(waits)
    assert.ok(alice.link.closed)
    await bob.client.stop()
    assert.equal(mixnet.listeners, 0)
    await mixnet.simulation.runFor(millis(1_000))
    assert.equal(mixnet.simulation.pendingCount, 0, state)
    await assert.rejects(alice.client.send({ to: bob.client.address, data: filled(1) }), isStopped)
    await assert.rejects(alice.client.reply({ to: 'x', data: filled(1) }), isStopped)
    await assert.rejects(alice.client.whenLaneBelow('general', 0), isStopped)
    alice.client.supply(bob.client.address)
    alice.client.closeLane('general')
  }
})

test('stopping from inside a message handler', async () => {
  const mixnet = new TestMixnet({ seed: 'inside' })
  const alice = mixnet.client()
  const bob = mixnet.client({ gateway: 1 })
  let messages = 0
  bob.client.onMessage(() => {
    messages++
    void bob.client.stop()
  })
  for (let i = 0; i < 5; i++) await alice.client.send({ to: bob.client.address, data: filled(i) })
  await mixnet.simulation.runFor(millis(3_000))
  await alice.client.stop()
  await mixnet.simulation.runFor(millis(60_000))
  assert.equal(messages, 1)
  assert.equal(mixnet.simulation.pendingCount, 0)
})

test('an answer to nobody', async () => {
  const mixnet = new TestMixnet({ seed: 'nobody' })
  const alice = mixnet.client()
  await assert.rejects(alice.client.reply({ to: 'nobody', data: filled(1) }), (error) =>
    isMixnetError(error, 'NO_REPLY_BLOCKS'),
  )
})

test('an exit that restarts and loses its stock is answered with fresh SURBs', async () => {
  const mixnet = new TestMixnet({ seed: 'restart' })
  const alice = mixnet.client()
  const keys = createClientKeys(mixnet.crypto, mixnet.simulation.random.stream('exit keys'))
  const options = { gateway: 1, traffic: SERVICE_TRAFFIC, keys }
  const before = mixnet.client(options)
  alice.client.supply(before.client.address)
  await mixnet.simulation.runFor(millis(10_000))
  assert.equal(gauge(before, 'client_reply_surbs'), 40)
  await before.client.stop()
  const exit = mixnet.client(options)
  echo(exit)
  await alice.client.send({ to: exit.client.address, data: asking(100_000) })
  await mixnet.until(() => alice.received.length === 1, millis(6_000))
})

test('when keys rotate, SURBs are replaced on both sides and answers go on', async () => {
  const mixnet = new TestMixnet({ seed: 'rotation' })
  const first = mixnet.topology.current() as Topology
  const alice = mixnet.client()
  const exit = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
  echo(exit)
  const { address } = exit.client
  alice.client.supply(address)
  await alice.client.send({ to: address, data: asking(1) })
  await mixnet.simulation.runFor(millis(10_000))
  const used = (): number => gauge(alice, 'client_sent_total{kind="real"}')
  const before = used()
  // Alice made 82 or so for the old rotation, under the pseudonym in use and the spare: all are replaced, in the place of cover.
  mixnet.setTopology({ ...first, epochId: 25, rotationId: 2, rotationFlag: 2 })
  await mixnet.simulation.runFor(millis(10_000))
  assert.ok(used() - before >= 12, `${used() - before}`)
  // An epoch later the old ones are gone at the exit.
  mixnet.setTopology({ ...first, epochId: 26, rotationId: 2, rotationFlag: 2 })
  await alice.client.send({ to: address, data: asking(1) })
  await mixnet.simulation.runFor(millis(3_000))
  const stock = gauge(exit, 'client_reply_surbs')
  assert.ok(stock >= 2 * 38 && stock < 2 * 100, `${stock}`)
  await alice.client.send({ to: address, data: asking(100_000) })
  await mixnet.until(() => alice.received.length === 3, millis(5_000))
})

test('what is said under different isolation keys comes from different senders, and each is stocked before it speaks', async () => {
  const mixnet = new TestMixnet({ seed: 'isolation' })
  const alice = mixnet.client()
  const exit = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
  echo(exit)
  const { address } = exit.client
  alice.client.supply(address)
  await mixnet.simulation.runFor(millis(5_000))
  const ask = async (key: string): Promise<{ sender: string | undefined; took: number }> => {
    const as = alice.client.hold(address, key)
    const before = mixnet.simulation.clock.monotonic()
    const answers = alice.received.length
    // Some twenty packets: more than the SURBs that travel with the question.
    await alice.client.send({ to: address, data: asking(30_000), as })
    await mixnet.until(() => alice.received.length > answers)
    const took = mixnet.simulation.clock.monotonic() - before
    alice.client.release(as)
    await mixnet.simulation.runFor(millis(5_000))
    return { sender: exit.received.at(-1)?.sender, took }
  }
  const [first, second, again] = [await ask('a.example:443'), await ask('b.example:443'), await ask('a.example:443')]
  assert.notEqual(first.sender, second.sender)
  assert.equal(first.sender, again.sender)
  // Nobody had to ask for SURBs first, which takes a round trip more.
  for (const { took } of [first, second, again]) assert.ok(took < 500, `${took} ms`)
  // Who comes back after a while is somebody else.
  await mixnet.simulation.runFor(minutes(6))
  const later = await ask('a.example:443')
  assert.notEqual(later.sender, first.sender)
  assert.ok(later.took < 500)
})

test('a conversation keeps its sender however long it pauses', async () => {
  const mixnet = new TestMixnet({ seed: 'isolation, held' })
  const alice = mixnet.client()
  const exit = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
  echo(exit)
  const { address } = exit.client
  const as = alice.client.hold(address, 'a.example:443')
  for (let i = 0; i < 2; i++) {
    await alice.client.send({ to: address, data: asking(10), as })
    await mixnet.until(() => alice.received.length === i + 1)
    await mixnet.simulation.runFor(minutes(20))
  }
  assert.equal(new Set(exit.received.map(({ sender }) => sender)).size, 1)
})

test('after a move, what is asked is answered at the new gateway, whether the old one is gone or keeps what comes', async () => {
  for (const inboxes of [false, true]) {
    const mixnet = new TestMixnet({ seed: 'move', inboxes })
    const alice = mixnet.client()
    const exit = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
    echo(exit)
    alice.client.supply(exit.client.address)
    await alice.client.send({ to: exit.client.address, data: asking(10) })
    await mixnet.simulation.runFor(millis(5_000))
    let moves = 0
    alice.client.onMoved(() => moves++)
    alice.link.cut()
    await mixnet.simulation.runFor(millis(1_000))
    alice.link.open()
    assert.equal(moves, 0)
    alice.link.cut()
    alice.link.open(mixnet.gateways[2]?.identity)
    assert.equal(moves, 1)
    await alice.client.send({ to: exit.client.address, data: asking(100_000) })
    // Without one round of waiting for acks that do not come: no SURB of the old gateway is used for it.
    await mixnet.until(() => alice.received.length === 2, millis(3_000))
    assert.equal(mixnet.stored, 0)
    const [before, after] = exit.received
    assert.notEqual(before?.sender, after?.sender)
    await mixnet.simulation.runFor(millis(10_000))
    assert.ok(gauge(exit, 'client_reply_surbs') > 2 * 38, 'the new pseudonym has a stock of its own')
  }
})

test('a conversation keeps its pseudonym over a move, with SURBs that lead to the new gateway', async () => {
  const mixnet = new TestMixnet({ seed: 'conversation', inboxes: true })
  const alice = mixnet.client()
  const exit = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
  echo(exit)
  const to = exit.client.address
  const as = alice.client.hold(to)
  const ask = (size: number): Promise<void> => alice.client.send({ to, as, data: asking(size) })
  await ask(10)
  await mixnet.simulation.runFor(millis(5_000))
  const old = gauge(exit, 'client_reply_surbs')
  alice.link.open(mixnet.gateways[2]?.identity)
  // Nobody said anything: the exit could not ask for SURBs that lead to where we are.
  await mixnet.simulation.runFor(millis(3_000))
  assert.ok(gauge(exit, 'client_reply_surbs') >= old + 10)
  // Twice, and the second answer finds none of the old ones left.
  await ask(1_604 * old)
  await mixnet.simulation.runFor(millis(3_000))
  assert.ok(mixnet.stored > 0)
  await ask(100_000)
  await mixnet.until(() => alice.received.length === 2, millis(5_000))
  assert.equal(new Set(exit.received.map(({ sender }) => sender)).size, 1)
  alice.client.release(as)
  alice.client.release(as)
})

test('who knows a client’s address cannot make it send SURBs to whom it is anonymous', async () => {
  const mixnet = new TestMixnet({ seed: 'confirm' })
  const alice = mixnet.client({ traffic: SERVICE_TRAFFIC })
  const exit = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
  await alice.client.send({ to: exit.client.address, data: asking(1) })
  await mixnet.simulation.runFor(millis(3_000))
  const stock = gauge(exit, 'client_reply_surbs')
  // The exit guesses that its sender is Alice, and asks her directly. As data of a plain message it is but data.
  const request = { kind: 'surbRequest', recipient: exit.client.address, amount: 50 } as const
  const data = encodeMessage({ kind: 'reply', content: request })
  await exit.client.send({ to: alice.client.address, data, anonymous: false })
  await mixnet.simulation.runFor(millis(3_000))
  assert.equal(gauge(exit, 'client_reply_surbs'), stock)
})

test('equal seeds, equal instants: a watcher of the main stream sees no difference between work and rest', async () => {
  const run = async (work: boolean): Promise<readonly number[]> => {
    const mixnet = new TestMixnet({ seed: 'watched' })
    const alice = mixnet.client()
    const exit = mixnet.client({ gateway: 1, traffic: SERVICE_TRAFFIC })
    echo(exit)
    const until = async (end: Millis): Promise<void> => mixnet.simulation.runFor(end)
    await until(millis(1_000))
    if (work) {
      alice.client.supply(exit.client.address)
      await alice.client.send({ to: exit.client.address, data: asking(100_000) })
      await alice.client.send({ to: exit.client.address, data: asking(10), lane: 'b' })
    }
    await until(millis(5_000))
    if (work) assert.equal(alice.received.length, 2)
    return alice.link.sentAt
  }
  assert.deepEqual(await run(true), await run(false))
})
