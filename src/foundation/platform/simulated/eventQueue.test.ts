import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { EventQueue } from './eventQueue.ts'

/** What an event does when it happens: schedules others, then cancels the one that many places back. */
interface Plan {
  readonly delays: readonly number[]
  readonly cancel: number
}

it('happens by time, then by order of scheduling, whatever is scheduled and cancelled on the way', () => {
  const delay = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 5 }), fc.double({ min: 0, max: 5, noNaN: true }))
  const plan = fc.record({ delays: fc.array(delay, { maxLength: 4 }), cancel: fc.integer({ min: 0, max: 20 }) })
  fc.assert(
    fc.property(fc.array(plan, { minLength: 1, maxLength: 200 }), (plans: readonly Plan[]) => {
      const queue = new EventQueue()
      // The reference: everything ever scheduled, searched from front to back.
      const expected: { time: number; id: number; waits: boolean }[] = []
      const events: ReturnType<EventQueue['schedule']>[] = []
      const happened: number[] = []
      const schedule = (after: number) => {
        const id = events.length
        expected.push({ time: queue.now + after, id, waits: true })
        events.push(queue.schedule(after, () => happened.push(id), undefined))
      }
      schedule(0)
      for (const { delays, cancel } of plans) {
        for (const after of delays) schedule(after)
        const victim = events.length - 1 - cancel
        events[victim]?.cancel()
        const cancelled = expected[victim]
        if (cancelled) cancelled.waits = false
        const waiting = expected.filter(({ waits }) => waits).sort((a, b) => a.time - b.time || a.id - b.id)
        const [next] = waiting
        assert.equal(queue.nextTime(), next?.time)
        queue.next()?.start()
        assert.equal(happened.at(-1), next?.id ?? happened.at(-1))
        if (next) {
          next.waits = false
          assert.equal(queue.now, next.time)
        }
      }
    }),
    { numRuns: 100 },
  )
})

it('forgets cancelled events although they are far in the future', () => {
  const queue = new EventQueue()
  for (let i = 0; i < 100_000; i++) queue.schedule(1e9 + i, () => {}, undefined).cancel()
  assert.ok(queue.size < 5000, `${queue.size} remembered`)
})

it('does not keep the past of an instant that goes on', () => {
  const queue = new EventQueue()
  let longest = 0
  const again = () => void queue.schedule(0, again, undefined)
  again()
  again()
  for (let i = 0; i < 50_000; i++) {
    queue.next()?.start()
    longest = Math.max(longest, queue.size)
  }
  assert.equal(queue.now, 0)
  assert.ok(longest <= 3)
})
