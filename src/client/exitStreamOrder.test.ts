import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concat, utf8 } from '../foundation/base/bytes.ts'
import { HandClock, turn } from '../foundation/platform/handClock.ts'
import { pattern, scripted } from './streamSupport.test.ts'

const EMPTY = new Uint8Array(0)

type Step =
  | { readonly kind: 'deliver'; readonly index: number }
  | { readonly kind: 'pause' | 'resume' | 'attach' | 'write' | 'end' | 'destroy' | 'turn' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('deliver' as const), index: fc.nat(11) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('pause', 'resume', 'attach', 'write', 'turn') }) as fc.Arbitrary<Step>,
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('end', 'destroy') }) as fc.Arbitrary<Step> },
)

test('any order of messages and calls: a prefix in order, one end, one close, last, and nothing left behind', async () => {
  const messages = Array.from({ length: 12 }, (_, index) => ({
    sequence: BigInt(index),
    closed: index === 11,
    data: index % 5 === 0 ? EMPTY : utf8(`<${index}>`),
  }))
  const whole = concat(...messages.map(({ data }) => data))
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = new HandClock()
      const script = scripted(clock)
      const { stream, events } = script
      let attached = false
      for (const { kind, ...rest } of steps) {
        if (kind === 'deliver') stream.receive(messages[(rest as { index: number }).index] as (typeof messages)[0])
        else if (kind === 'write') stream.write(pattern(120)).catch(() => {})
        else if (kind === 'turn') await turn()
        else if (kind !== 'attach') stream[kind]()
        else if (!attached) {
          attached = true
          script.attach()
        }
      }
      await turn()
      const received = concat(...script.received)
      assert.deepEqual(received, whole.subarray(0, received.length))
      assert.ok(events.filter((event) => event === 'end').length <= 1)
      const closings = events.filter((event) => event.startsWith('close'))
      assert.ok(closings.length <= 1)
      if (closings.length === 1) assert.ok(events.at(-1)?.startsWith('close'))
      if (events.includes('end')) assert.deepEqual(received, whole)
      assert.deepEqual(
        script.sent.map(({ sequence }) => sequence),
        script.sent.map((_, index) => BigInt(index)),
        'no gap and no repetition towards the exit',
      )
      stream.destroy()
      if (!attached) script.attach()
      await turn()
      assert.equal(events.filter((event) => event.startsWith('close')).length, 1)
      assert.equal(script.memory.bytes, 0)
      assert.equal(clock.pending, 0)
      assert.notEqual(script.finished, undefined)
    }),
    { numRuns: 300 },
  )
})
