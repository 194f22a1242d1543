import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { scoreEpoch } from './epochScores.ts'
import { decodeEvidence, encodeEvidence, type Observation, type SeenNode } from './evidence.ts'
import { explainScore, formatExplanation, type MonitorOpinion } from './scoreExplanation.ts'

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest())
const NODES: SeenNode[] = [1, 2, 3, 4, 5, 6, 7].map((nodeId) => ({
  nodeId,
  place: nodeId === 7 ? 'gateway' : `layer${(((nodeId - 1) % 3) + 1) as 1 | 2 | 3}`,
  config: 100,
}))

function evidence(delivers: (route: readonly number[], n: number) => boolean, epochId = 9): Uint8Array {
  const observations: Observation[] = []
  for (const one of [1, 4])
    for (const two of [2, 5])
      for (const three of [3, 6])
        for (let n = 0; n < 40; n++) {
          const route = [7, one, two, three, 7]
          observations.push({ kind: 'out', second: n, route, delivered: delivers(route, n) })
        }
  return encodeEvidence({ epochId, startsAt: 0, nodes: NODES, observations })
}

function opinion(name: string, bytes: Uint8Array, changes: Partial<MonitorOpinion> = {}): MonitorOpinion {
  const score = scoreEpoch(decodeEvidence(bytes)).nodes.find(({ nodeId }) => nodeId === 5)?.score
  return { name, stake: 100n, score, standing: 'counted', evidenceHash: sha256(bytes), evidence: bytes, ...changes }
}

const explain = (opinions: readonly MonitorOpinion[], percent = 75) =>
  explainScore({ nodeId: 5, epochId: 9, median: { percent, epochId: 9 }, opinions, sha256 })

const halfBad = evidence((route, n) => !route.includes(5) || n % 4 !== 0)

test('honest monitors agree with their evidence, and the page says where it hurts', () => {
  const explanation = explain([opinion('one', halfBad, { stake: 300n }), opinion('two', halfBad)])
  assert.deepEqual(
    explanation.monitors.map(({ weight, evidence, score }) => [weight, evidence, score]),
    [
      [75, 'agrees', 75],
      [25, 'agrees', 75],
    ],
  )
  const [first] = explanation.monitors
  assert.equal(first?.packets, 160)
  assert.deepEqual(
    first?.neighbours.map(({ nodeId, side, packets, lost }) => [nodeId, side, packets, lost]),
    [
      [1, 'before', 80, 20],
      [3, 'behind', 80, 20],
      [4, 'before', 80, 20],
      [6, 'behind', 80, 20],
    ],
  )
  assert.match(explanation.nextSteps[0] ?? '', /whoever the neighbour is/)
  const text = formatExplanation(explanation, (id) => `<${id}>`)
  assert.match(text, /^<5> in epoch 9: score 75 %\n/)
  assert.match(text, /160 packets through it: hands on 75 % \(\d+ to \d+ %\), config 100 %/)
})

test('a bad link is named', () => {
  const explanation = explain([
    opinion(
      'one',
      evidence(([, one, two]) => !(one === 4 && two === 5)),
    ),
  ])
  assert.deepEqual(
    explanation.monitors[0]?.badLinks.map(({ from, to }) => [from, to]),
    [[4, 5]],
  )
  assert.match(formatExplanation(explanation), /bad link node 4 → node 5: 0 % of 80 packets/)
  assert.match(explanation.nextSteps[0] ?? '', /One link/)
})

test('evidence that lies is named and used for nothing', () => {
  const clean = evidence(() => true)
  const cases: [Partial<MonitorOpinion>, string][] = [
    [{ score: 3 }, 'disagrees'],
    [{ evidence: clean }, 'wrong-hash'],
    [{ evidence: new Uint8Array(8), evidenceHash: sha256(new Uint8Array(8)) }, 'unreadable'],
    [{ evidence: undefined }, 'unavailable'],
    [{ evidenceHash: undefined }, 'unavailable'],
  ]
  const old = evidence(() => true, 8)
  cases.push([{ evidence: old, evidenceHash: sha256(old) }, 'of-another-epoch'])
  for (const [changes, state] of cases) {
    const explanation = explain([opinion('liar', halfBad, changes)])
    assert.equal(explanation.monitors[0]?.evidence, state)
    if (state !== 'disagrees') assert.equal(explanation.monitors[0]?.recomputed, undefined)
    if (state !== 'unavailable')
      assert.ok(
        explanation.nextSteps.some((step) => step.includes('liar')),
        state,
      )
    assert.ok(formatExplanation(explanation).length > 0)
  }
})

test('who does not count has no weight, and is shown', () => {
  const out = opinion('out', halfBad, { standing: 'excluded', stake: 1000n })
  const explanation = explain([opinion('in', halfBad), out])
  assert.deepEqual(
    explanation.monitors.map(({ weight }) => weight),
    [100, 0],
  )
  assert.match(formatExplanation(explanation), /out {2}75 % {2}weight 0 % {2}\(excluded/)
})

test('an earlier score, no score, no monitors', () => {
  const earlier = explainScore({ nodeId: 5, epochId: 9, median: { percent: 80, epochId: 7 }, opinions: [], sha256 })
  assert.match(formatExplanation(earlier), /score 80 %, of epoch 7[\s\S]*There are no monitors/)
  const none = explainScore({ nodeId: 5, epochId: 9, median: undefined, opinions: [], sha256 })
  assert.match(none.nextSteps[0] ?? '', /Is the node bonded/)
})
