import assert from 'node:assert/strict'
import { test } from 'node:test'
import { minutes } from '../../foundation/base/units.ts'
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
  for (let i = 0; i < 20; i++) assert.equal(choice.fresh([one, two, ours], ENTRIES), two)
  choice.silent(two)
  assert.equal(choice.fresh([one, two, ours], ENTRIES), undefined)
  choice.silent(ours)
  assert.equal(choice.again([ours], ENTRIES), undefined)
  clock.advance(minutes(60))
  assert.ok(choice.fresh([one], ENTRIES) !== undefined)
})

test('three are left for new ones within an hour; after that only those that were silent are tried, longest ago first', () => {
  const { clock, choice } = setUp()
  const all = Array.from({ length: 9 }, (_, i) => routerAt(i + 1))
  const left: Recipient[] = []
  for (let next = choice.fresh(all, ENTRIES); next !== undefined; next = choice.fresh(all, ENTRIES)) {
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
