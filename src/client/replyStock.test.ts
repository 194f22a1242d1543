import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMixnetError } from '../foundation/base/errors.ts'
import { Meter } from '../foundation/base/observe.ts'
import { millis, minutes } from '../foundation/base/units.ts'
import { nullProvider } from '../foundation/crypto/nullProvider.ts'
import { Simulation } from '../foundation/platform/simulated/simulation.ts'
import type { RotationFlag } from '../protocol/packet/keyRotation.ts'
import { encodeNodeAddress } from '../protocol/packet/nodeAddress.ts'
import type { ReplySurb } from '../protocol/packet/replySurb.ts'
import { ReplyStock, type WaitingReply } from './replyStock.ts'
import type { Present } from './surbShelf.ts'
import { DEFAULT_TRAFFIC, type ReplyParams } from './trafficParams.ts'

const surbs = (count: number, rotation: RotationFlag = 1): ReplySurb[] =>
  Array.from({ length: count }, () => ({
    encryptionKey: new Uint8Array(16),
    rotation,
    surb: {
      header: new Uint8Array(348),
      firstHop: encodeNodeAddress({ ip: '10.0.0.1', port: 1789 }, 32),
      version: 259,
      keyMaterial: Array.from({ length: 4 }, () => new Uint8Array(16)),
    },
  }))

function makeBench(params: Partial<ReplyParams> = {}) {
  const simulation = new Simulation({ seed: 'stock', crypto: nullProvider })
  const { clock, random } = simulation.host('exit', { ips: ['10.0.0.1'] })
  const meter = new Meter()
  const requests: { tag: string; amount: number }[] = []
  const state: { present: Present } = { present: { epochId: 1, rotationFlag: 1 } }
  const stock = new ReplyStock({
    clock,
    random: random.stream('reply-lane'),
    params: { ...DEFAULT_TRAFFIC.replies, ...params },
    present: () => state.present,
    request: (tag, _surb, amount) => requests.push({ tag, amount }),
    meter,
  })
  const outcome = { sent: 0, abandoned: 0 }
  const reply = (lane = 'a', isNeeded = true): WaitingReply => ({
    lane,
    isNeeded: () => isNeeded,
    send: () => {
      outcome.sent++
    },
    abandon: () => {
      outcome.abandoned++
    },
  })
  const enqueue = (tag: string, count: number): void => {
    for (let i = 0; i < count; i++) stock.enqueue(tag, reply())
  }
  return { simulation, stock, requests, outcome, reply, enqueue, meter, state }
}

test('replies use SURBs down to the reserve, which pays for asking', () => {
  const { stock, requests, meter, outcome, enqueue } = makeBench()
  stock.add('t', surbs(12))
  assert.deepEqual(requests, [])
  enqueue('t', 30)
  // Ten replies, then the reserve asks: once when somebody waits, again when more wait than are coming.
  assert.deepEqual(
    requests.map(({ amount }) => amount),
    [10, 10],
  )
  assert.equal(outcome.sent, 10)
  assert.equal(meter.snapshot().client_reply_surbs, 0)
  stock.add('t', surbs(30))
  assert.equal(outcome.sent, 30)
})

test('an unknown sender cannot be answered; one that sent a message without SURBs can, later', () => {
  const { stock, outcome, enqueue } = makeBench()
  enqueue('nobody', 1)
  assert.equal(stock.has('nobody'), false)
  stock.add('t', [])
  enqueue('t', 1)
  assert.equal(outcome.sent, 0)
  stock.add('t', surbs(3))
  assert.equal(outcome.sent, 1)
})

test('a fragment acknowledged while it waited costs no SURB', () => {
  const { stock, outcome, meter, reply } = makeBench()
  stock.add('t', [])
  stock.enqueue('t', reply('a', false))
  stock.add('t', surbs(5))
  assert.equal(outcome.sent, 0)
  assert.equal(meter.snapshot().client_reply_surbs, 5)
})

test('asks again after 10 s of silence, five times; then the replies are lost', async () => {
  const { simulation, stock, requests, outcome, enqueue } = makeBench({ reserve: 10 })
  stock.add('t', surbs(10))
  // Idle for long: silence counts from when somebody waits.
  await simulation.runFor(minutes(60))
  enqueue('t', 5)
  await simulation.runFor(millis(9_000))
  assert.equal(requests.length, 1)
  await simulation.runFor(millis(50_000))
  assert.equal(requests.length, 6)
  assert.equal(outcome.abandoned, 0)
  await simulation.runFor(millis(20_000))
  assert.equal(outcome.abandoned, 5)
  assert.equal(stock.has('t'), false)
  assert.equal(simulation.pendingCount, 0)
})

test('who has nothing to ask with waits five minutes', async () => {
  const { simulation, stock, outcome, enqueue } = makeBench()
  stock.add('t', [])
  enqueue('t', 1)
  await simulation.runFor(millis(299_000))
  // Messages without SURBs are no sign of SURBs.
  stock.add('t', [])
  await simulation.runFor(millis(10_000))
  assert.equal(outcome.abandoned, 1)
})

test('sender tags without end, SURBs without end, and fragments that nobody fetches stay within bounds', () => {
  const { stock, meter, enqueue, outcome } = makeBench({ maxSenders: 50, maxSurbs: 1_000, maxWaiting: 300 })
  stock.add('friend', surbs(20))
  for (let i = 0; i < 20_000; i++) {
    stock.add(`tag ${i}`, i % 100 === 0 ? surbs(500) : surbs(3))
    if (i % 20 === 0) stock.add('friend', surbs(1))
    if (i % 50 !== 0) continue
    const { client_reply_senders, client_reply_surbs } = meter.snapshot() as Record<string, number>
    assert.ok((client_reply_senders as number) <= 50)
    assert.ok((client_reply_surbs as number) <= 1_000)
  }
  assert.ok(stock.has('friend'), 'one who is active is not pushed out by strangers')
  for (let i = 0; i < 40; i++) {
    stock.add(`lazy ${i}`, [])
    enqueue(`lazy ${i}`, 20)
  }
  const waiting = meter.snapshot().client_replies_waiting as number
  assert.ok(waiting <= 300)
  assert.equal(outcome.abandoned, 40 * 20 - waiting)
})

test('above the bound of SURBs who has more than an equal share loses the oldest, and nobody is forgotten', () => {
  const { stock, meter } = makeBench({ maxSurbs: 1_000, maxSenders: 200 })
  const { maxSenders, maxSurbs, reserve } = DEFAULT_TRAFFIC.replies
  for (let i = 0; i < 8; i++) stock.add(`small ${i}`, surbs(20))
  for (let i = 0; i < 12; i++) stock.add(`large ${i}`, surbs(300))
  const sizes = [...stock.senders].map(({ surbs }) => surbs.size)
  assert.deepEqual(sizes.slice(0, 8), new Array(8).fill(20))
  assert.ok(sizes.slice(8).every((size) => size >= 45))
  const { client_reply_surbs: held, ...counted } = meter.snapshot() as Record<string, number>
  assert.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    held,
  )
  assert.ok((held as number) <= 1_000)
  assert.equal(counted.client_surbs_discarded_total, 8 * 20 + 12 * 300 - (held as number))
  assert.equal(counted.client_reply_senders_forgotten_total, 0)
  // With all senders there may be, and the one that comes: an answer, and a request for more.
  assert.ok((0.9 * maxSurbs) / (maxSenders + 1) > reserve + 1)
})

test('sums stay true', () => {
  const { stock, meter, enqueue, reply } = makeBench()
  stock.add('t', surbs(10))
  enqueue('t', 20)
  stock.enqueue('t', reply('b'))
  stock.closeLane('t', 'a')
  assert.equal(meter.snapshot().client_replies_waiting, 1)
  assert.equal(stock.waiting('t', 'b'), 1)
  stock.add('t', surbs(8))
  stock.giveBack('t', surbs(1)[0] as ReplySurb)
  const { client_reply_surbs: left = 0 } = meter.snapshot()
  for (let i = 0; i < left; i++) assert.ok(stock.take('t'))
  assert.equal(stock.take('t'), undefined)
  stock.add('t', surbs(8))
  enqueue('t', 30)
  stock.forget('t')
  assert.equal(stock.has('t'), false)
  assert.deepEqual(
    [
      meter.snapshot().client_reply_surbs,
      meter.snapshot().client_replies_waiting,
      meter.snapshot().client_reply_senders,
    ],
    [0, 0, 0],
  )
  stock.add('t', surbs(8))
  stock.stop()
  assert.equal(meter.snapshot().client_reply_surbs, 0)
})

test('who waits to reply is let go when the sender is forgotten, and turned away when all stops', async () => {
  const { simulation, stock, enqueue } = makeBench()
  stock.add('t', [])
  stock.add('u', [])
  enqueue('t', 100)
  const waiting = stock.whenBelow('t', 'a', 10)
  await simulation.runFor(minutes(6))
  await waiting
  assert.equal(stock.has('t'), false)
  enqueue('u', 100)
  const stopped = stock.whenBelow('u', 'a', 10)
  stock.stop()
  await assert.rejects(stopped, (error) => isMixnetError(error, 'STOPPED'))
})

test('when keys rotate, senders in touch lately are asked for fresh SURBs', async () => {
  const { simulation, stock, requests, meter, state } = makeBench()
  stock.add('idle', surbs(40))
  await simulation.runFor(minutes(10))
  stock.add('active', surbs(40))
  state.present = { epochId: 2, rotationFlag: 2 }
  stock.rotated()
  assert.deepEqual(requests, [{ tag: 'active', amount: 40 }])
  const stocked = () => meter.snapshot().client_reply_surbs
  assert.equal(stocked(), 79)
  stock.add('active', surbs(40, 2))
  state.present = { epochId: 3, rotationFlag: 2 }
  stock.rotated()
  assert.equal(stocked(), 40)
})

test('a fragment sent again does not wait behind ten connections for its SURB, nor do they wait for many of those', () => {
  const { stock } = makeBench()
  stock.add('t', [])
  const lanes: string[] = []
  const waits = (lane: string): void => {
    const noted = { lane, isNeeded: () => true, send: () => lanes.push(lane), abandon() {} }
    stock.enqueue('t', noted)
  }
  for (let i = 0; i < 200; i++) waits(`connection:${i % 10}`)
  for (let i = 0; i < 100; i++) waits('retransmission')
  for (let i = 0; i < 100; i++) stock.add('t', surbs(i === 0 ? 3 : 1))
  const again = lanes.filter((lane) => lane === 'retransmission').length
  assert.ok(again > 35 && again < 70, `${again} of ${lanes.length}`)
})

test('a request that is given up for want of SURBs is not counted on: the next SURB asks anew', () => {
  const { stock, requests, enqueue } = makeBench()
  stock.add('t', surbs(1))
  enqueue('t', 5)
  assert.equal(requests.length, 1)
  stock.unanswered('t', 10)
  stock.add('t', surbs(1))
  assert.equal(requests.length, 2)
})
