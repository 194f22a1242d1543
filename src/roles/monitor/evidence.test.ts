import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { scoreEpoch } from './epochScores.ts'
import { decodeEvidence, type Evidence, encodeEvidence, type Observation, type SeenNode } from './evidence.ts'

const PLACES = ['outside', 'layer1', 'layer2', 'layer3', 'gateway'] as const

const someEvidence: fc.Arbitrary<Evidence> = fc
  .uniqueArray(fc.integer({ min: 1, max: 0xffff_ffff }), { minLength: 1, maxLength: 12 })
  .chain((ids) => {
    const id = fc.constantFrom(...ids)
    const second = fc.nat(3600)
    const route = fc.array(id, { minLength: 5, maxLength: 5 })
    const observation: fc.Arbitrary<Observation> = fc.oneof(
      fc.record({ kind: fc.constantFrom('out' as const, 'home' as const), second, route, delivered: fc.boolean() }),
      fc.record({ kind: fc.constant('login' as const), second, route: fc.tuple(id), delivered: fc.constant(false) }),
    )
    const config = fc.option(fc.nat(100), { nil: undefined })
    return fc.record({
      epochId: fc.nat(0xffff_ffff),
      startsAt: fc.nat(),
      nodes: fc
        .tuple(
          ...ids.map((nodeId) => fc.record({ nodeId: fc.constant(nodeId), place: fc.constantFrom(...PLACES), config })),
        )
        .map((nodes): SeenNode[] => nodes),
      observations: fc.array(observation, { maxLength: 40 }),
    })
  })

test('what is read is what was written, and in whatever order it was noted it has one encoding', () => {
  fc.assert(
    fc.property(someEvidence, (evidence) => {
      const bytes = encodeEvidence(evidence)
      const read = decodeEvidence(bytes)
      assert.equal(read.observations.length, evidence.observations.length)
      assert.deepEqual(encodeEvidence(read), bytes)
      const turned = {
        ...evidence,
        observations: [...evidence.observations].reverse(),
        nodes: [...evidence.nodes].reverse(),
      }
      assert.deepEqual(encodeEvidence(turned), bytes)
    }),
  )
})

test('a second encoding of the same is refused', () => {
  const nodes: SeenNode[] = [{ nodeId: 1, place: 'gateway', config: 100 }]
  const at = (second: number): Observation => ({ kind: 'login', second, route: [1], delivered: false })
  const bytes = encodeEvidence({ epochId: 1, startsAt: 0, nodes, observations: [at(1), at(2)] })
  const swapped = bytes.slice()
  swapped.set(bytes.subarray(-8), bytes.length - 16)
  swapped.set(bytes.subarray(-16, -8), bytes.length - 8)
  assert.throws(() => decodeEvidence(swapped), { code: 'MALFORMED' })
})

test('any bytes are evidence, whose scores are percents, or MALFORMED', () => {
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .tuple(someEvidence, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }))
      .map(([evidence, changes]) => {
        const bytes = encodeEvidence(evidence)
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
        return bytes
      }),
  )
  fc.assert(
    fc.property(hostile, (bytes) => {
      const evidence = tryDecode(() => decodeEvidence(bytes))
      if (isMixnetError(evidence)) return
      for (const { score, routing } of scoreEpoch(evidence).nodes) {
        for (const percent of [score, routing]) {
          assert.ok(
            percent === undefined || (Number.isInteger(percent) && percent >= 0 && percent <= 100),
            `${percent}`,
          )
        }
      }
    }),
    { numRuns: 300 },
  )
})
