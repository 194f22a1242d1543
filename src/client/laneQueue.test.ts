import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isMixnetError } from '../foundation/base/errors.ts'
import { SimulatedRandom } from '../foundation/platform/simulated/simulatedRandom.ts'
import { LaneQueue } from './laneQueue.ts'

const queueOf = <T>(capacity = 4096): LaneQueue<T> =>
  new LaneQueue<T>(new SimulatedRandom('lanes').stream('lane'), capacity)

const isAborted = (error: unknown): boolean => isMixnetError(error, 'ABORTED')
const isStopped = (error: unknown): boolean => isMixnetError(error, 'STOPPED')

test('each lane keeps its order, nothing is lost, lengths add up', () => {
  const operation = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), lane: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ kind: fc.constant('pop' as const), lane: fc.constant('') }),
    fc.record({ kind: fc.constant('clear' as const), lane: fc.constantFrom('a', 'b') }),
  )
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
      const queue = queueOf<{ lane: string; n: number }>()
      const model = new Map<string, number[]>([
        ['a', []],
        ['b', []],
        ['c', []],
      ])
      operations.forEach(({ kind, lane }, n) => {
        if (kind === 'push') {
          queue.push(lane, { lane, n })
          model.get(lane)?.push(n)
        } else if (kind === 'clear') {
          assert.deepEqual(
            queue.clear(lane).map((item) => item.n),
            model.get(lane),
          )
          model.set(lane, [])
        } else {
          const item = queue.pop()
          if (item === undefined) assert.ok([...model.values()].every((items) => items.length === 0))
          else assert.equal(item.n, model.get(item.lane)?.shift())
        }
        assert.equal(
          queue.total,
          [...model.values()].reduce((sum, items) => sum + items.length, 0),
        )
        for (const [name, items] of model) assert.equal(queue.length(name), items.length)
      })
    }),
    { numRuns: 200 },
  )
})

test('a short lane is not starved by long ones', () => {
  const queue = queueOf<string>()
  for (let lane = 0; lane < 20; lane++) for (let i = 0; i < 150; i++) queue.push(`bulk ${lane}`, 'bulk')
  queue.push('shell', 'shell')
  assert.equal(queue.pop(), 'shell')
})

test('short lanes share alike, whatever their length', () => {
  const queue = queueOf<string>()
  const counts = { a: 0, b: 0 }
  for (let i = 0; i < 2_000; i++) {
    while (queue.length('a') < 90) queue.push('a', 'a')
    if (queue.length('b') === 0) queue.push('b', 'b')
    counts[queue.pop() as 'a' | 'b']++
  }
  assert.ok(Math.abs(counts.a - counts.b) < 200, `${counts.a} and ${counts.b}`)
})

test('of long lanes, two thirds go to those that have sent most', () => {
  const queue = queueOf<number>(1e6)
  const counts = new Array<number>(12).fill(0)
  for (let i = 0; i < 6_000; i++) {
    for (let lane = 0; lane < 12; lane++) while (queue.length(String(lane)) < 120) queue.push(String(lane), lane)
    const lane = queue.pop() as number
    counts[lane] = (counts[lane] as number) + 1
  }
  const served = counts.toSorted((a, b) => b - a)
  const oldest = served.slice(0, 4).reduce((sum, count) => sum + count, 0)
  assert.ok(oldest > 0.7 * 6_000 && oldest < 0.87 * 6_000, `${oldest}`)
  assert.ok(served.every((count) => count > 50))
})

test('who waits for a lane is woken by that lane, or by room in the whole queue', async () => {
  const queue = queueOf<number>(10)
  for (let i = 0; i < 10; i++) queue.push(i < 5 ? 'a' : 'b', i)
  const woken: string[] = []
  const lane = queue.whenBelow('a', 2).then(() => woken.push('lane'))
  const room = queue.whenBelow('c', 2).then(() => woken.push('room'))
  queue.clear('b')
  await room
  assert.deepEqual(woken, ['room'])
  for (let i = 0; i < 3; i++) queue.pop()
  await lane
  assert.deepEqual(woken, ['room', 'lane'])
})

test('an aborted wait ends, and leaves no listener behind; neither does one that was served', async () => {
  const queue = queueOf<number>(1)
  queue.push('a', 1)
  let listeners = 0
  const abort = new AbortController()
  const { signal } = abort
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--
    remove(...args)
  }
  const served = queue.whenBelow('a', 0, signal)
  queue.pop()
  await served
  assert.equal(listeners, 0)
  queue.push('a', 1)
  const aborted = queue.whenBelow('a', 0, signal)
  abort.abort()
  await assert.rejects(aborted, isAborted)
  assert.equal(listeners, 0)
  await assert.rejects(queue.whenBelow('a', 0, signal), isAborted)
})

test('closing drops everything and turns away who waits, now and later', async () => {
  const queue = queueOf<number>(1)
  queue.push('a', 1)
  const waiting = queue.whenBelow('a', 0)
  queue.close()
  await assert.rejects(waiting, isStopped)
  await assert.rejects(queue.whenBelow('a', 0), isStopped)
  queue.push('a', 2)
  assert.equal(queue.total, 0)
  assert.equal(queue.pop(), undefined)
})
