import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Millis, millis } from '../../foundation/base/units.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { DelayQueue } from './delayQueue.ts'

const simulation = () => new Simulation({ seed: 'delays', crypto: nullProvider })

const limits = (capacity: number) => ({ capacity, longestDelay: millis(10_000) })

describe('delay queue', () => {
  it('releases each item when its delay is over, equal times in order of arrival', async () => {
    const delays = fc.array(fc.record({ at: fc.nat(50), delay: fc.nat(50) }), { maxLength: 200 })
    await fc.assert(
      fc.asyncProperty(delays, async (items) => {
        const sim = simulation()
        const released: { index: number; at: number }[] = []
        const queue = new DelayQueue<number>(sim.clock, limits(1000), (index) =>
          released.push({ index, at: sim.clock.monotonic() }),
        )
        const held: { index: number; due: number }[] = []
        for (const [index, { at, delay }] of items.entries()) {
          sim.clock.after(millis(at), () => {
            held.push({ index, due: at + delay })
            assert.equal(queue.hold(index, millis(delay)), true)
          })
        }
        await sim.runFor(millis(200))
        const expected = held.toSorted((a, b) => a.due - b.due).map(({ index, due }) => ({ index, at: due }))
        assert.deepEqual(released, expected)
        assert.equal(queue.length, 0)
        assert.equal(sim.pendingCount, 0)
      }),
      { numRuns: 60 },
    )
  })

  it('refuses what does not fit', async () => {
    const sim = simulation()
    const released: number[] = []
    const queue = new DelayQueue<number>(sim.clock, limits(3), (item) => released.push(item))
    const taken = [1, 2, 3, 4].map((item) => queue.hold(item, millis(10 - item)))
    assert.deepEqual(taken, [true, true, true, false])
    await sim.runFor(millis(7.5))
    assert.deepEqual(released, [3])
    assert.equal(queue.hold(5, millis(100)), true)
    await sim.runFor(millis(1000))
    assert.deepEqual(released, [3, 2, 1, 5])
  })

  it('is filled by long delays for those who ask for them only', () => {
    const queue = new DelayQueue<number>(simulation().clock, limits(1000), () => {})
    let longTaken = 0
    let shortTaken = 0
    for (let i = 0; i < 5000; i++) if (queue.hold(i, millis(10_000))) longTaken++
    for (let i = 0; i < 400; i++) if (queue.hold(i, millis(15))) shortTaken++
    assert.equal(longTaken, 501, 'half of the places')
    assert.equal(shortTaken, 400)
  })

  it('takes items while it releases others', async () => {
    const sim = simulation()
    const released: [number, number][] = []
    const queue: DelayQueue<number> = new DelayQueue(sim.clock, limits(10), (item) => {
      released.push([item, sim.clock.monotonic()])
      if (item < 4) queue.hold(item + 1, millis(item))
    })
    queue.hold(1, millis(5))
    await sim.runFor(millis(100))
    assert.deepEqual(released, [
      [1, 5],
      [2, 6],
      [3, 8],
      [4, 11],
    ])
  })

  it('releases nothing once cleared', async () => {
    const sim = simulation()
    const released: number[] = []
    const queue = new DelayQueue<number>(sim.clock, limits(10), (item) => released.push(item))
    queue.hold(1, millis(5))
    queue.clear()
    await sim.runFor(millis(100))
    assert.deepEqual(released, [])
    queue.hold(2, millis(5))
    await sim.runFor(millis(100))
    assert.deepEqual(released, [2])
  })

  it('does not spin where timers fire early', () => {
    const pending: { at: number; run: () => void }[] = []
    let now = 0
    let timers = 0
    const clock: Clock = {
      now: () => millis(now),
      monotonic: () => millis(now),
      after(delay: Millis, run) {
        timers++
        pending.push({ at: now + Math.round(delay), run })
        return { cancel() {} }
      },
      soon() {},
    }
    const released: number[] = []
    const queue = new DelayQueue<number>(clock, limits(10), (item) => released.push(item))
    queue.hold(1, millis(10.4))
    queue.hold(2, millis(10.45))
    now = 10
    pending.shift()?.run()
    assert.deepEqual(released, [1])
    assert.equal(timers, 2)
    pending.shift()?.run()
    assert.deepEqual(released, [1, 2])
  })
})
