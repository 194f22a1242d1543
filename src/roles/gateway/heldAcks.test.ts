import assert from 'node:assert/strict'
import { it } from 'node:test'
import { millis } from '../../foundation/base/units.ts'
import { HandClock } from '../../foundation/platform/handClock.ts'
import { HeldAcks } from './heldAcks.ts'

it('acks leave a fixed time after arrival, however soon their message was safe, or at once where that took longer', () => {
  const clock = new HandClock()
  const acks = new HeldAcks(clock)
  const left: [string, number][] = []
  const start = clock.monotonic()
  const leave = (name: string) => () => left.push([name, clock.monotonic() - start])
  acks.at(start + 250, leave('offline'))
  clock.advance(millis(40))
  acks.at(start + 250, leave('online'))
  clock.advance(millis(960))
  acks.at(start + 250, leave('asleep'))
  assert.deepEqual(left, [
    ['offline', 250],
    ['online', 250],
    ['asleep', 1000],
  ])
  acks.at(clock.monotonic() + 250, leave('at the end'))
  acks.flush()
  assert.deepEqual(left.at(-1), ['at the end', 1000])
  assert.equal(clock.pending, 0)
})
