import assert from 'node:assert/strict'
import { test } from 'node:test'
import { millis, minutes, seconds } from '../../foundation/base/units.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { HandClock } from '../../foundation/platform/handClock.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import { RouterChoice } from './routerChoice.ts'

const { random } = new Simulation({ seed: 'routers', crypto: nodeProvider })
const bytes = (seed: number) => new Uint8Array(32).fill(seed)
const routerAt = (gateway: number, seed = gateway): Recipient => ({
  identity: bytes(seed),
  encryptionKey: bytes(seed),
  gateway: bytes(gateway),
})
const ENTRIES = { entry: bytes(100), guards: [bytes(100)] }

function setUp() {
  const clock = new HandClock()
  return { clock, choice: new RouterChoice(clock, random.stream('choice')) }
}

test('one that was silent is not chosen for an hour, and one at our entry never', () => {
  const { clock, choice } = setUp()
  const [one, two, ours] = [routerAt(1), routerAt(2), routerAt(100, 3)]
  choice.silent(one)
  assert.equal(choice.hasResting, false)
  for (let i = 0; i < 20; i++) assert.equal(choice.next([one, two, ours], ENTRIES), two)
  choice.silent(two)
  assert.equal(choice.next([one, two, ours], ENTRIES), undefined)
  choice.silent(ours)
  assert.equal(choice.again([ours], ENTRIES), undefined)
  clock.advance(minutes(60))
  assert.ok(choice.next([one], ENTRIES) !== undefined)
})

test('three are left for new ones within an hour; after that only those that were silent are tried, longest ago first', () => {
  const { clock, choice } = setUp()
  const all = Array.from({ length: 9 }, (_, i) => routerAt(i + 1))
  const left: Recipient[] = []
  for (let next = choice.next(all, ENTRIES); next !== undefined; next = choice.next(all, ENTRIES)) {
    left.push(next)
    choice.silent(next)
    clock.advance(minutes(1))
  }
  assert.equal(left.length, 4)
  for (let i = 0; i < 8; i++) {
    const next = choice.again(all, ENTRIES) as Recipient
    assert.equal(next, left[i % 4])
    choice.silent(next)
  }
})

test('one that takes nobody is left like a silent one, and by the same three changes', () => {
  const { choice } = setUp()
  const all = Array.from({ length: 9 }, (_, i) => routerAt(i + 1))
  const left = new Set<Recipient>()
  for (let next = choice.next(all, ENTRIES); next !== undefined; next = choice.next(all, ENTRIES)) {
    left.add(next)
    if (left.size % 2 === 0) choice.silent(next)
    else choice.refused(next)
  }
  assert.equal(left.size, 4)
})

test('the one in use is kept until it is left, is listed no more or is at our entry, and each of these is one of the changes', () => {
  const { clock, choice } = setUp()
  const all = Array.from({ length: 9 }, (_, i) => routerAt(i + 1))
  const first = choice.next(all, ENTRIES) as Recipient
  for (let i = 0; i < 20; i++) assert.equal(choice.next(all, ENTRIES), first)
  // As the router of another tunnel of ours that was slow to hear of it.
  choice.silent(all.find((one) => one !== first) as Recipient)
  assert.equal(choice.next(all, ENTRIES), first)
  const second = choice.next(
    all.filter((one) => one !== first),
    ENTRIES,
  ) as Recipient
  assert.notEqual(second, first)
  const third = choice.next(all, { entry: second.gateway, guards: [] }) as Recipient
  assert.notEqual(third, second)
  assert.equal(choice.next(all, ENTRIES), third, 'and none of them comes back')
  choice.silent(third)
  assert.equal(choice.next(all, ENTRIES), undefined)
  const again = choice.again(all, ENTRIES) as Recipient
  choice.took(again)
  clock.advance(minutes(59))
  assert.equal(choice.next(all, ENTRIES), again)
})

test('it rests for 5 s, and then twice as long each time, up to five minutes, until it takes us and is in use again', () => {
  const { clock, choice } = setUp()
  const full = routerAt(1)
  const rest = (): number => {
    choice.refused(full)
    let ms = 0
    for (; choice.again([full], ENTRIES) === undefined; ms += 50) {
      assert.ok(choice.hasResting)
      // Another of our tunnels, of the same crowd.
      choice.refused(full)
      clock.advance(millis(50))
    }
    assert.equal(choice.hasResting, false)
    return ms
  }
  const rests = Array.from({ length: 9 }, rest)
  for (const [i, mean] of [5, 10, 20, 40, 80, 160, 300, 300, 300].entries()) {
    const [took, least] = [rests[i] as number, seconds(mean) * 0.75]
    assert.ok(took >= least && took <= seconds(mean) * 1.25 + 50, `${took} ms instead of ${mean} s`)
  }
  choice.refused(full)
  choice.took(full)
  assert.equal(choice.again([full], ENTRIES), full, 'at once')
  assert.equal(choice.next([full, routerAt(2)], ENTRIES), full)
  assert.ok(rest() <= 6_300)
  choice.refused(full)
  // Found silent, it may be asked again as those are.
  choice.silent(full)
  assert.equal(choice.again([full], ENTRIES), full)
  assert.ok(rest() <= 6_300, 'as the first')
  choice.took(routerAt(2))
  assert.ok(choice.next([routerAt(2)], ENTRIES) !== undefined)
})

test('two clients that were refused together do not come back together', () => {
  const rest = (): number => {
    const { clock, choice } = setUp()
    choice.refused(routerAt(1))
    while (choice.hasResting) clock.advance(millis(1))
    return clock.monotonic()
  }
  assert.notEqual(rest(), rest())
})

test('the one that rests is passed over for one that does not', () => {
  const { clock, choice } = setUp()
  const [full, silent] = [routerAt(1), routerAt(2)]
  choice.refused(full)
  choice.silent(silent)
  assert.equal(choice.again([full, silent], ENTRIES), silent)
  clock.advance(seconds(7))
  assert.equal(choice.again([full, silent], ENTRIES), full)
  clock.advance(minutes(60))
  assert.equal(choice.again([full, silent], ENTRIES), undefined, 'after an hour they are as all')
})
