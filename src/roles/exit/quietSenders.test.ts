/** Clients of a simulated mixnet that come and go, and what is left of them at an exit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExitConnections } from '../../client/exitConnections.ts'
import { type TestClient, TestMixnet } from '../../client/mixnet.support.test.ts'
import { ReplyStock } from '../../client/replyStock.ts'
import { SERVICE_TRAFFIC, type TrafficParams } from '../../client/trafficParams.ts'
import { utf8 } from '../../foundation/base/bytes.ts'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { millis, minutes, seconds } from '../../foundation/base/units.ts'
import { HandClock } from '../../foundation/platform/handClock.ts'
import type { Connection } from '../../foundation/platform/net.ts'
import { nodeRandom } from '../../foundation/platform/node/nodeRandom.ts'
import { encodeNodeAddress } from '../../protocol/packet/nodeAddress.ts'
import type { ReplySurb } from '../../protocol/packet/replySurb.ts'
import { DEFAULT_EXIT_PARAMS, type ExitParams } from './exitParams.ts'
import { NetworkRequester } from './networkRequester.ts'
import { forgetQuiet } from './quietSenders.ts'

import { BUILD, LOCAL_RULES } from './support.test.ts'

const SITE = '10.8.0.1'
/** As ExitConnections names it. */
const SITE_KEY = `site ${SITE}:80`
const QUIET: TrafficParams = { ...SERVICE_TRAFFIC, loopCoverInterval: undefined }
/** Less to carry: a spare pseudonym with ten SURBs instead of forty. */
const FRUGAL: TrafficParams = { ...QUIET, replies: { ...QUIET.replies, idleTarget: 10 } }
const { keepFor } = DEFAULT_EXIT_PARAMS.quietSenders

const SURB: ReplySurb = {
  encryptionKey: new Uint8Array(16),
  rotation: 1,
  surb: {
    header: new Uint8Array(348),
    firstHop: encodeNodeAddress({ ip: '10.0.0.1', port: 1789 }, 32),
    version: 259,
    keyMaterial: Array.from({ length: 4 }, () => new Uint8Array(16)),
  },
}
const surbs = (count: number): ReplySurb[] => new Array<ReplySurb>(count).fill(SURB)

interface Setting {
  readonly mixnet: TestMixnet
  readonly exit: TestClient
  readonly requester: NetworkRequester
  /** The site's connections. */
  readonly site: readonly Connection[]
  readonly left: () => { readonly senders: number; readonly surbs: number }
}

/** An exit, and a site that says what it is told. */
async function setUp(params: Partial<ExitParams> = {}): Promise<Setting> {
  const mixnet = new TestMixnet({ seed: 'quiet' })
  const exit = mixnet.client({ gateway: 1, traffic: QUIET })
  const { net } = mixnet.simulation.host('site', { ips: [SITE] })
  const site: Connection[] = []
  await mixnet.simulation.complete(
    net.listen({ host: '0.0.0.0', port: 80 }, (connection) => {
      site.push(connection)
      connection.attach({
        data: (bytes) => connection.write([bytes.slice()]),
        end: () => connection.end(),
        close() {},
      })
    }),
  )
  const requester = NetworkRequester.start(exit.world, {
    client: exit.client,
    rules: LOCAL_RULES,
    params: { ...DEFAULT_EXIT_PARAMS, ...params },
    build: BUILD,
    meter: exit.meter,
    log: silentLog,
  })
  const left = () => {
    const { client_reply_senders: senders, client_reply_surbs: surbs } = exit.meter.snapshot() as Record<string, number>
    return { senders: senders as number, surbs: surbs as number }
  }
  return { mixnet, exit, requester, site, left }
}

function comes({ mixnet, exit }: Setting) {
  const { client, world } = mixnet.client({ traffic: FRUGAL })
  const connections = new ExitConnections(world, { client, exit: exit.client.address, anonymous: true })
  return { client, connections }
}

/** Asks the site for an echo, and takes it. */
async function asks(connections: ExitConnections, text = 'hello'): Promise<void> {
  const over = Promise.withResolvers<void>()
  const stream = connections.open({ host: SITE, port: 80 })
  let heard = ''
  stream.attach({
    data(chunk) {
      heard += new TextDecoder().decode(chunk)
      if (heard.length === text.length) stream.end()
    },
    end() {},
    close: (error) => (error === undefined ? over.resolve() : over.reject(error)),
  })
  await stream.write(utf8(text))
  await over.promise
  assert.equal(heard, text)
}

test('a thousand clients come and go: what they left for answers goes with them', async () => {
  const setting = await setUp()
  const { mixnet, left } = setting
  for (let batch = 0; batch < 20; batch++) {
    const clients = Array.from({ length: 50 }, () => comes(setting))
    await mixnet.simulation.complete(Promise.all(clients.map(({ connections }) => asks(connections))))
    await mixnet.simulation.runFor(seconds(5))
    for (const { client } of clients) await client.stop()
  }
  assert.equal(setting.requester.connectionCount, 0)
  assert.ok(left().senders >= 1000 && left().surbs > 10_000, JSON.stringify(left()))
  await mixnet.simulation.runFor(millis(keepFor + seconds(5)))
  assert.deepEqual(left(), { senders: 0, surbs: 0 })
  assert.equal(setting.exit.meter.snapshot().client_reply_senders_forgotten_total, 0, 'no bound was reached')
})

test('who comes back under the same pseudonym, and believes that what it left is still there, is answered', async () => {
  const setting = await setUp()
  const { mixnet, exit, left } = setting
  const { client, connections } = comes(setting)
  client.hold(exit.client.address, SITE_KEY)
  await mixnet.simulation.complete(asks(connections))
  const tags = () => [...exit.client.senders].map(({ tag }) => tag)
  // In the meantime it leaves a spare.
  await mixnet.simulation.runFor(millis(keepFor - seconds(30)))
  const before = tags()
  assert.equal(before.length, 2)
  await mixnet.simulation.runFor(minutes(2))
  assert.deepEqual(left(), { senders: 0, surbs: 0 })
  await mixnet.simulation.complete(asks(connections, 'a'.repeat(60_000)))
  assert.ok(tags().some((tag) => before.includes(tag)))
})

test('who rests on an open connection is not forgotten, however long', async () => {
  const quietSenders = { ...DEFAULT_EXIT_PARAMS.quietSenders, keepFor: seconds(20) }
  const setting = await setUp({ quietSenders })
  const { mixnet, left } = setting
  const { connections } = comes(setting)
  const stream = connections.open({ host: SITE, port: 80 })
  await mixnet.simulation.complete(stream.opened)
  await mixnet.simulation.runFor(seconds(55))
  assert.equal(left().senders, 1, 'the spare has gone')
  stream.destroy()
  await mixnet.simulation.runFor(seconds(25))
  assert.deepEqual(left(), { senders: 0, surbs: 0 })
})

test('where there are too many, the longest quiet go first, and nobody who is connected', () => {
  const limits = { keepFor: minutes(30), keepForInCrowd: millis(8), maxSurbs: 100, maxSenders: 5 }
  const kept = new Map(
    [40, 40, 40, 10].map((size, i) => [
      `${i}`,
      { tag: `${i}`, surbs: { size }, waiting: { total: 0 }, lastTouched: millis(i) },
    ]),
  )
  const client = { senders: { [Symbol.iterator]: () => kept.values() }, forget: (tag: string) => kept.delete(tag) }
  const run = () => forgetQuiet(client, limits, millis(10), (tag) => tag === '0')
  run()
  assert.deepEqual([...kept.keys()], ['0', '2', '3'])
  for (const tag of ['4', '5', '6'])
    kept.set(tag, { tag, surbs: { size: 0 }, waiting: { total: 0 }, lastTouched: millis(9) })
  run()
  assert.deepEqual([...kept.keys()], ['0', '3', '4', '5', '6'])
  const { maxSurbs, maxSenders } = DEFAULT_EXIT_PARAMS.quietSenders
  assert.ok(maxSurbs < SERVICE_TRAFFIC.replies.maxSurbs && maxSenders < SERVICE_TRAFFIC.replies.maxSenders)
})

/** The stock of an exit with its own bounds, and a review of it. */
function realStock() {
  const clock = new HandClock()
  const meter = new Meter()
  const stock = new ReplyStock({
    clock,
    random: nodeRandom.stream('reply-lane'),
    params: SERVICE_TRAFFIC.replies,
    present: () => ({ epochId: 1, rotationFlag: 1 }),
    request() {},
    meter,
  })
  const outcome = { sent: 0, lost: 0 }
  const owes = (tag: string, fragments: number) => {
    const send = () => outcome.sent++
    const abandon = () => outcome.lost++
    for (let i = 0; i < fragments; i++) stock.enqueue(tag, { lane: 'a', isNeeded: () => true, send, abandon })
  }
  const client = {
    senders: { [Symbol.iterator]: () => stock.senders[Symbol.iterator]() },
    forget: stock.forget.bind(stock),
  }
  const isHoarder = (tag: string) => tag.startsWith('hoarder')
  const review = () => forgetQuiet(client, DEFAULT_EXIT_PARAMS.quietSenders, clock.monotonic(), isHoarder)
  const inStock = (tag: string) => [...stock.senders].find((sender) => sender.tag === tag)?.surbs.size
  return { clock, stock, outcome, owes, review, inStock }
}

for (const hoarders of [94, 126, 500]) {
  test(`${hoarders} who hoard SURBs on connections take nobody's answer, nor anything from who has few`, () => {
    const { clock, stock, outcome, owes, review, inStock } = realStock()
    stock.add('rests', surbs(40))
    clock.advance(seconds(5))
    stock.add('asks', surbs(3))
    owes('asks', 6)
    for (let i = 0; i < hoarders; i++) stock.add(`hoarder ${i}`, surbs(400))
    for (let second = 0; second < 30; second++) {
      clock.advance(seconds(1))
      review()
    }
    assert.equal(inStock('rests'), 40)
    assert.equal(outcome.lost, 0)
    stock.add('asks', surbs(8))
    assert.deepEqual(outcome, { sent: 6, lost: 0 })
    // Gone for good, it makes room before its time.
    clock.advance(minutes(5))
    owes('asks', 1)
    review()
    const held = [...stock.senders].reduce((sum, sender) => sum + sender.surbs.size, 0)
    assert.equal(inStock('rests'), held > DEFAULT_EXIT_PARAMS.quietSenders.maxSurbs ? undefined : 40)
    assert.notEqual(inStock('asks'), undefined)
  })
}

test('strangers without end do not have one forgotten who waits for its answer, until the SURBs for it ought to have come', () => {
  const { clock, stock, outcome, owes, review } = realStock()
  stock.add('asks', surbs(3))
  owes('asks', 6)
  for (let second = 1; second <= 6; second++) {
    for (let i = 0; i < 1_900; i++) stock.add(`stranger ${second} ${i}`, [])
    clock.advance(millis(990))
    review()
    assert.equal(outcome.lost, second < 6 ? 0 : 5)
  }
})

for (const [rhythm, every, limit] of [
  // A minute more, in which its last message waits for a reply SURB.
  ['much', millis(50), minutes(6)],
  ['little', seconds(20), minutes(5)],
  ['nothing', undefined, minutes(5)],
] as const) {
  test(`a client that is killed leaves its connection to a site that says ${rhythm} for minutes, not longer`, async () => {
    const setting = await setUp()
    const { mixnet, requester, site } = setting
    const { client, connections } = comes(setting)
    const stream = connections.open({ host: SITE, port: 80 })
    await mixnet.simulation.complete(stream.opened)
    const talk = () => {
      for (const connection of site) connection.write([new Uint8Array(1000)])
      if (every !== undefined && requester.connectionCount > 0) mixnet.simulation.clock.after(every, talk)
    }
    if (every !== undefined) talk()
    await mixnet.simulation.runFor(seconds(10))
    await client.stop()
    assert.equal(requester.connectionCount, 1)
    await mixnet.simulation.runFor(limit)
    assert.equal(requester.connectionCount, 0)
  })
}
