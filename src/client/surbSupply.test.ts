import assert from 'node:assert/strict'
import { test } from 'node:test'
import { millis } from '../foundation/base/units.ts'
import { type Holder, ReplyKeys } from './replyKeys.ts'
import { SurbSupply } from './surbSupply.ts'

const holder = (number: number): Holder => ({
  recipient: { identity: new Uint8Array(32), encryptionKey: new Uint8Array(32), gateway: new Uint8Array(32) },
  senderTag: new Uint8Array(16),
  number,
})

function makeBench() {
  const unused = new Map<Holder, number>()
  const state = { now: 0, backlog: 0, canMake: true, isQuiet: true }
  const shipments: number[] = []
  const shippedTo: Holder[] = []
  let hasRoom: (() => void) | undefined
  const supply = new SurbSupply({
    params: { busyTarget: 300, maxAllowedRequest: 500 },
    now: () => millis(state.now),
    unused: (of) => unused.get(of) ?? 0,
    backlog: () => state.backlog,
    whenBacklogBelow: (_, run) => {
      hasRoom = run
    },
    isQuiet: () => state.isQuiet,
    capacity: (packets) => Math.floor((packets * 1604 - 23) / 460),
    ship: (to, surbs) => {
      if (!state.canMake) return 0
      shipments.push(surbs)
      shippedTo.push(to)
      state.backlog += Math.ceil((surbs * 460) / 1604)
      unused.set(to, (unused.get(to) ?? 0) + surbs)
      return surbs
    },
  })
  /** Gives everything queued its slots, until nothing more comes. */
  const drain = (): void => {
    for (let before = -1; before !== shipments.length; ) {
      before = shipments.length
      state.backlog = 0
      supply.replenish()
    }
  }
  /** All that waited has left. */
  const emptied = (): void => {
    state.backlog = 0
    const run = hasRoom
    hasRoom = undefined
    run?.()
  }
  return { supply, unused, state, shipments, shippedTo, drain, emptied }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

test('an idle client keeps a small stock there, and no more', () => {
  const { supply, unused, shipments, drain, state } = makeBench()
  const exit = holder(1)
  supply.keep(exit, 40)
  assert.ok(state.backlog <= 14, 'ships ahead of its slots only a little')
  drain()
  assert.ok((unused.get(exit) as number) > 37 && (unused.get(exit) as number) <= 40)
  state.now += 3_600_000
  drain()
  assert.ok(sum(shipments) <= 40)
  supply.keep(exit, 0)
  unused.set(exit, 0)
  drain()
  assert.ok(sum(shipments) <= 40)
})

test('the stock grows with the flow of answers, up to its bound, and shrinks when they cease', () => {
  const { supply, unused, state } = makeBench()
  const exit = holder(1)
  supply.keep(exit, 40)
  const use = (count: number, everyMs: number): void => {
    for (let i = 0; i < count; i++) {
      state.now += everyMs
      state.backlog = 0
      unused.set(exit, Math.max(0, (unused.get(exit) ?? 0) - 1))
      supply.used(exit)
    }
  }
  use(10, 1)
  assert.ok(supply.desired(exit) <= 60, 'ten packets are no download')
  use(1_000, 6)
  assert.equal(supply.desired(exit), 300)
  assert.ok((unused.get(exit) as number) > 280)
  state.now += 10_000
  assert.equal(supply.desired(exit), 40)
})

test('a holder that asks gets what it asked for, at most 500 unused, however often it asks', () => {
  const { supply, shipments, drain } = makeBench()
  const exit = holder(1)
  supply.asked(exit, 7)
  drain()
  assert.equal(sum(shipments), 7)
  for (let i = 0; i < 1_000; i++) {
    supply.asked(exit, 4_000_000_000)
    drain()
  }
  assert.equal(sum(shipments), 500)
})

test('two holders share the slots', () => {
  const { supply, unused, state } = makeBench()
  const exits = [holder(1), holder(2)]
  for (const exit of exits) supply.keep(exit, 290)
  for (let i = 0; i < 12; i++) {
    state.backlog = 0
    supply.replenish()
  }
  const [a, b] = exits.map((exit) => unused.get(exit) as number) as [number, number]
  assert.ok(Math.abs(a - b) <= 48, `${a} and ${b}`)
})

test('what a holder asks for adds up, since it asks only for what it has not asked for yet', () => {
  const { supply, shipments, drain, state } = makeBench()
  const exit = holder(1)
  state.backlog = 100
  supply.asked(exit, 10)
  supply.asked(exit, 40)
  drain()
  assert.equal(sum(shipments), 50)
  // What we promise by ourselves does not.
  state.backlog = 100
  const other = holder(2)
  supply.promise(other, 10)
  supply.promise(other, 10)
  drain()
  assert.equal(sum(shipments), 60)
})

test('where slots are few, who is being answered gets his SURBs before stocks are filled up, and who has fewest before others', () => {
  const { supply, unused, state, shippedTo, emptied } = makeBench()
  const [download, ...others] = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(holder) as [Holder, ...Holder[]]
  const spare = holder(10)
  state.backlog = 100
  supply.keep(spare, 40, true)
  for (const other of others) {
    unused.set(other, 3)
    supply.keep(other, 40)
    supply.asked(other, 10)
  }
  supply.keep(download, 40)
  supply.asked(download, 10)
  emptied()
  assert.equal(shippedTo[0], download)
  // All who asked are served; before any stock is filled up, it is the turn of who uses what he gets.
  for (let shipped = 1; shippedTo.length < 9; shipped++) {
    emptied()
    assert.ok(shippedTo.length > shipped, 'goes on as soon as there is room, and does not wait for a review')
  }
  for (let turns = 0; turns < 10; turns++) {
    unused.set(download, 0)
    supply.used(download)
    const before = shippedTo.length
    emptied()
    assert.equal(shippedTo[before], download)
  }
  state.now += 60_000
  while (state.backlog > 0) emptied()
  assert.equal(shippedTo.at(-1), spare)
})

test('what cannot be made now is made later', () => {
  const { supply, shipments, state, drain } = makeBench()
  state.canMake = false
  supply.asked(holder(1), 10)
  drain()
  state.canMake = true
  drain()
  assert.equal(sum(shipments), 10)
})

test('reply keys: each good once, bounded in number and age, and counted per holder', () => {
  const keys = new ReplyKeys(100, millis(1_000))
  const exit = holder(1)
  const digest = (n: number): Uint8Array => new Uint8Array(32).fill(n)
  for (let n = 0; n < 150; n++) keys.add(digest(n), Uint8Array.of(n), exit, millis(n))
  assert.equal(keys.size, 100)
  assert.equal(keys.unused(exit), 100)
  assert.equal(keys.take(digest(10)), undefined)
  assert.deepEqual(keys.take(digest(60))?.key, Uint8Array.of(60))
  assert.equal(keys.take(digest(60)), undefined)
  keys.outdate()
  assert.equal(keys.unused(exit), 0)
  assert.equal(keys.take(digest(61))?.holder, exit)
  keys.expire(millis(1_100))
  assert.equal(keys.size, 50)
  keys.expire(millis(5_000))
  assert.equal(keys.size, 0)
})

test('SURBs much older than one that came back are presumed lost, those of its own time are not', () => {
  const keys = new ReplyKeys(100, millis(1e6))
  const exit = holder(1)
  const digest = (n: number): Uint8Array => new Uint8Array(32).fill(n)
  for (let n = 0; n < 10; n++) keys.add(digest(n), Uint8Array.of(n), exit, millis(1_000 * n))
  keys.take(digest(7))
  assert.equal(keys.unused(exit), 6)
  // The presumption is about counting only: it can still be read.
  assert.notEqual(keys.take(digest(0)), undefined)
})
