import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Meter } from '../../foundation/base/observe.ts'
import { millis, minutes } from '../../foundation/base/units.ts'
import { type Fragment, splitMessage } from './fragments.ts'
import { REASSEMBLER_DEFAULTS, Reassembler, type ReassemblerLimits } from './reassembly.ts'
import { type PacketSize, REGULAR } from './sizes.ts'
import { SeededStream } from './support.test.ts'

/** So small that a few thousand bytes already make linked sets. */
const TINY: PacketSize = { ...REGULAR, plaintextBytes: 437 + 16 }
const NOW = millis(1000)

function fragment(setId: number, position: number, total: number, more: Partial<Fragment> = {}): Fragment {
  return { setId, position, total, link: undefined, payload: Uint8Array.of(position), ...more }
}

function reassembler(limits: Partial<ReassemblerLimits> = {}) {
  const meter = new Meter()
  const subject = new Reassembler({ ...REASSEMBLER_DEFAULTS, ...limits }, meter)
  const dropped = (reason: string) => meter.snapshot()[`reassembly_dropped_total{reason="${reason}"}`]
  return { subject, dropped, meter }
}

/** Fragment 1 to 255 of a set with links. */
function fullSet(setId: number, previous?: number, next?: number): Fragment[] {
  return Array.from({ length: 255 }, (_, i) => {
    const position = i + 1
    const link =
      position === 1 && previous !== undefined
        ? ({ direction: 'previous', setId: previous } as const)
        : position === 255 && next !== undefined
          ? ({ direction: 'next', setId: next } as const)
          : undefined
    return fragment(setId, position, 255, { link })
  })
}

describe('reassembly', () => {
  it('any order with duplicates gives the message once, and nothing stays behind', () => {
    const shuffled = fc
      .tuple(fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 1, max: 2 ** 30 }))
      .chain(([length, seed]) => {
        const message = new SeededStream(seed).bytes(length)
        const fragments = splitMessage(message, TINY, new SeededStream(seed + 2))
        const again = fc.subarray(fragments, { maxLength: Math.min(fragments.length, 20) })
        return again.chain((duplicates) =>
          fc
            .shuffledSubarray([...fragments, ...duplicates], { minLength: fragments.length + duplicates.length })
            .map((sent) => ({ message, sent })),
        )
      })
    fc.assert(
      fc.property(shuffled, ({ message, sent }) => {
        const { subject } = reassembler()
        const complete = sent.map((piece) => subject.accept(piece, NOW)).filter(({ kind }) => kind === 'complete')
        assert.deepEqual(complete, [{ kind: 'complete', message }])
        assert.equal(subject.openSets, 0)
        assert.equal(subject.heldBytes, 0)
      }),
      { numRuns: 40 },
    )
  })

  it('keeps its own copy', () => {
    const { subject } = reassembler()
    const payload = Uint8Array.of(1, 2)
    subject.accept(fragment(1, 1, 2, { payload }), NOW)
    payload.fill(9)
    const outcome = subject.accept(fragment(1, 2, 2, { payload: Uint8Array.of(3) }), NOW)
    assert.deepEqual(outcome, { kind: 'complete', message: Uint8Array.of(1, 2, 3) })
  })

  it('ignores what comes after completion, for as long as it remembers', () => {
    const { subject, dropped } = reassembler({ rememberedSets: 2 })
    for (const id of [1, 2]) assert.equal(subject.accept(fragment(id, 1, 1), NOW).kind, 'complete')
    assert.deepEqual(subject.accept(fragment(1, 1, 1), NOW), { kind: 'dropped', reason: 'finished' })
    assert.equal(dropped('finished'), 1)
    subject.accept(fragment(3, 1, 1), NOW)
    assert.equal(subject.accept(fragment(1, 1, 1), NOW).kind, 'complete')
  })

  it('refuses a fragment that disagrees about the size of its set', () => {
    const { subject } = reassembler()
    subject.accept(fragment(1, 1, 3), NOW)
    assert.deepEqual(subject.accept(fragment(1, 2, 2), NOW), { kind: 'dropped', reason: 'contradiction' })
    assert.deepEqual(subject.accept(fragment(1, 1, 3), NOW), { kind: 'dropped', reason: 'duplicate' })
  })

  it('a set expires after its last new fragment, not its first', () => {
    const { subject, dropped } = reassembler({ setLifetime: minutes(30) })
    subject.accept(fragment(1, 1, 3), minutes(0))
    subject.accept(fragment(1, 2, 3), minutes(20))
    subject.accept(fragment(1, 2, 3), minutes(45))
    subject.expire(minutes(49.9))
    assert.equal(subject.openSets, 1)
    subject.expire(minutes(50))
    assert.deepEqual([subject.openSets, subject.heldBytes, dropped('expired')], [0, 0, 1])
    assert.equal(subject.accept(fragment(1, 3, 3), minutes(51)).kind, 'pending')
  })

  it('a finished set waits for its neighbours while they make progress', () => {
    const { subject } = reassembler()
    for (const piece of fullSet(1, undefined, 2)) subject.accept(piece, minutes(0))
    for (const piece of fullSet(2, 1, 3)) subject.accept(piece, minutes(20))
    const last = fragment(3, 1, 1, { link: { direction: 'previous', setId: 2 } })
    const outcome = subject.accept(last, minutes(40))
    assert.equal(outcome.kind, 'complete')
    assert.equal(subject.openSets, 0)
  })

  it('never holds more sets than it may: the one that waited longest goes', () => {
    const { subject, dropped } = reassembler({ maxSets: 2 })
    for (const id of [1, 2]) subject.accept(fragment(id, 1, 3), NOW)
    subject.accept(fragment(1, 2, 3), NOW)
    subject.accept(fragment(3, 1, 3), NOW)
    assert.deepEqual([subject.openSets, dropped('evicted')], [2, 1])
    assert.equal(subject.accept(fragment(1, 3, 3), NOW).kind, 'complete')
  })

  it('never holds more bytes than it may, whatever comes', () => {
    const anyFragment = fc
      .record({
        setId: fc.integer({ min: 1, max: 20 }),
        total: fc.integer({ min: 1, max: 255 }),
        at: fc.nat({ max: 254 }),
        link: fc.option(fc.integer({ min: 1, max: 20 })),
        bytes: fc.nat({ max: 3000 }),
      })
      .map(({ setId, total, at, link, bytes }) => {
        const position = (at % total) + 1
        const direction = position === 1 ? 'previous' : 'next'
        const linked = link !== null && link !== setId && (position === 1 || position === 255)
        return fragment(setId, position, total, {
          link: linked ? { direction, setId: link } : undefined,
          payload: new Uint8Array(bytes),
        })
      })
    fc.assert(
      fc.property(fc.array(anyFragment, { maxLength: 80 }), (sent) => {
        const { subject } = reassembler({ maxBytes: 12_000, maxSets: 5, rememberedSets: 4 })
        for (const [i, piece] of sent.entries()) {
          subject.accept(piece, minutes(i))
          assert.ok(subject.heldBytes >= 0 && subject.heldBytes <= 12_000)
          assert.ok(subject.openSets <= 5)
        }
        subject.expire(minutes(1000))
        assert.deepEqual([subject.openSets, subject.heldBytes], [0, 0])
      }),
      { numRuns: 100 },
    )
  })

  it('refuses a fragment that alone is too large', () => {
    const { subject, dropped } = reassembler({ maxBytes: 5000 })
    const outcome = subject.accept(fragment(1, 1, 2, { payload: new Uint8Array(5000) }), NOW)
    assert.deepEqual(outcome, { kind: 'dropped', reason: 'too-large' })
    assert.equal(dropped('too-large'), 1)
  })

  it('links that disagree, or close a ring, are dropped and not followed forever', () => {
    const { subject } = reassembler()
    for (const piece of fullSet(1)) subject.accept(piece, NOW)
    assert.equal(subject.openSets, 0)
    const rings = [fullSet(2, 4, 3), fullSet(3, 2, 4), fullSet(4, 3, 2)].flat()
    const outcomes = rings.map((piece) => subject.accept(piece, NOW))
    assert.deepEqual(outcomes.at(-1), { kind: 'dropped', reason: 'contradiction' })
    const { subject: other } = reassembler()
    for (const piece of fullSet(5, undefined, 6)) other.accept(piece, NOW)
    assert.deepEqual(other.accept(fragment(6, 1, 1), NOW).kind, 'complete')
    const stray = fragment(7, 1, 1, { link: { direction: 'previous', setId: 5 } })
    assert.deepEqual(other.accept(stray, NOW), { kind: 'dropped', reason: 'contradiction' })
  })
})
