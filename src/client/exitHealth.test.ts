import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seconds } from '../foundation/base/units.ts'
import { HandClock } from '../foundation/platform/handClock.ts'
import { ExitHealth } from './exitHealth.ts'

function setUp() {
  const clock = new HandClock()
  const state = { loops: { sent: 0, returned: 0 }, isOpen: true, probes: 0, silences: 0 }
  const health = new ExitHealth({
    clock,
    loops: () => ({ ...state.loops }),
    isOpen: () => state.isOpen,
    probe: () => state.probes++,
    silent: () => state.silences++,
  })
  const unanswered = (times: number, waited = seconds(30)) => {
    for (let i = 0; i < times; i++) health.unanswered(waited)
  }
  return { clock, state, health, unanswered }
}

test('an exit that leaves three streams in a row unanswered, and then a question, is silent', () => {
  const { clock, state, unanswered } = setUp()
  unanswered(2)
  assert.equal(state.probes, 0)
  unanswered(5)
  assert.equal(state.probes, 1)
  clock.advance(seconds(14))
  assert.equal(state.silences, 0)
  clock.advance(seconds(1))
  assert.equal(state.silences, 1)
  unanswered(3)
  clock.advance(seconds(45))
  assert.deepEqual([state.probes, state.silences], [1, 1], 'the same again so soon')
  clock.advance(seconds(15))
  unanswered(3)
  clock.advance(seconds(15))
  assert.deepEqual([state.probes, state.silences], [2, 2])
})

test('a stream that waits in silence is enough to ask, where nothing else came meanwhile', () => {
  const { clock, state, health } = setUp()
  health.heard()
  clock.advance(seconds(9))
  health.suspicious()
  assert.equal(state.probes, 0, 'it lives')
  clock.advance(seconds(1))
  health.suspicious()
  health.suspicious()
  assert.equal(state.probes, 1)
  health.heard()
  clock.advance(seconds(60))
  assert.equal(state.silences, 0)
  health.suspicious()
  clock.advance(seconds(15))
  assert.deepEqual([state.probes, state.silences], [2, 1])
})

test('one that answers the question is not: it is the destinations that swallow connections', () => {
  const { clock, state, health, unanswered } = setUp()
  unanswered(3)
  health.heard()
  clock.advance(seconds(60))
  assert.equal(state.silences, 0)
  assert.equal(clock.pending, 0)
})

test('any answer in between begins anew; who gave up soon proves nothing', () => {
  const { state, health, unanswered } = setUp()
  unanswered(2)
  health.heard()
  unanswered(2)
  unanswered(10, seconds(4))
  assert.equal(state.probes, 0)
})

test('our own deafness is not its silence', () => {
  const { clock, state, health, unanswered } = setUp()
  state.isOpen = false
  unanswered(5)
  assert.equal(state.probes, 0, 'without a gateway')
  state.isOpen = true
  unanswered(3)
  state.isOpen = false
  clock.advance(seconds(15))
  assert.equal(state.silences, 0, 'the gateway went meanwhile')
  state.isOpen = true
  unanswered(3)
  state.loops.sent += 100
  clock.advance(seconds(15))
  assert.equal(state.silences, 0, 'nothing at all comes back')
  unanswered(3)
  state.loops.sent += 100
  state.loops.returned += 60
  clock.advance(seconds(15))
  assert.equal(state.silences, 1, 'our cover does')
  unanswered(3)
  health.forget()
  assert.equal(clock.pending, 0)
})
