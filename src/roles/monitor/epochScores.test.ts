import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scoreEpoch } from './epochScores.ts'
import type { Evidence, Observation, SeenNode } from './evidence.ts'

const MIXES = [1, 2, 3, 4, 5, 6]
const NODES: SeenNode[] = [
  ...MIXES.map((nodeId): SeenNode => ({ nodeId, place: `layer${(((nodeId - 1) % 3) + 1) as 1 | 2 | 3}`, config: 100 })),
  { nodeId: 10, place: 'gateway', config: 100 },
  { nodeId: 11, place: 'gateway', config: 100 },
  { nodeId: 20, place: 'outside', config: 100 },
]

/** Every route the same number of times; `delivers` says which of so many arrive. */
function routes(times: number, delivers: (route: readonly number[], n: number) => boolean): Observation[] {
  const observations: Observation[] = []
  for (const first of [10, 11])
    for (const one of [1, 4])
      for (const two of [2, 5])
        for (const three of [3, 6])
          for (const last of [10, 11])
            for (let n = 0; n < times; n++) {
              const route = [first, one, two, three, last]
              observations.push({ kind: 'out', second: n, route, delivered: delivers(route, n) })
            }
  return observations
}

const evidenceOf = (observations: Observation[], nodes = NODES): Evidence => ({
  epochId: 1,
  startsAt: 0,
  nodes,
  observations,
})
const scoresOf = (evidence: Evidence): Record<number, number | undefined> =>
  Object.fromEntries(scoreEpoch(evidence).nodes.map(({ nodeId, score }) => [nodeId, score]))

test('what is lost by one node is that node’s alone', () => {
  const scores = scoresOf(evidenceOf(routes(20, (route, n) => !route.includes(5) || n % 4 !== 0)))
  assert.deepEqual(scores, { 1: 100, 2: 100, 3: 100, 4: 100, 5: 75, 6: 100, 10: 100, 11: 100, 20: undefined })
})

test('a gateway that delivers nothing to its clients loses the half that it delivers', () => {
  const { nodes } = scoreEpoch(evidenceOf(routes(20, (route) => route[4] !== 11)))
  const gateway = nodes.find(({ nodeId }) => nodeId === 11)
  assert.equal(gateway?.score, 50)
  assert.deepEqual(
    gateway?.capacities.map(({ capacity, probability }) => [capacity, Math.round(probability * 100)]).sort(),
    [
      ['entry', 100],
      ['exit', 0],
    ],
  )
})

test('a link’s loss is shared by its ends, by the packets that took it', () => {
  const { nodes, links } = scoreEpoch(evidenceOf(routes(20, ([, one, two]) => !(one === 4 && two === 5))))
  assert.deepEqual(
    links.map(({ from, to, percent }) => [from, to, percent]),
    [[4, 5, 0]],
  )
  // Half of each end's packets took it, and each end bears half of that.
  for (const { nodeId, score } of nodes) {
    if (nodeId !== 20) assert.equal(score, nodeId === 4 || nodeId === 5 ? 75 : 100, `${nodeId}`)
  }
})

test('config is a factor, and 0 needs no measurement', () => {
  const nodes = NODES.map((node) => {
    if (node.nodeId === 1) return { ...node, config: 80 }
    if (node.nodeId === 2) return { ...node, config: undefined }
    return node.nodeId === 20 ? { ...node, config: 0 } : node
  })
  const scores = scoresOf(
    evidenceOf(
      routes(20, (route, n) => !route.includes(1) || n % 2 === 0),
      nodes,
    ),
  )
  assert.equal(scores[1], 40)
  assert.equal(scores[2], undefined)
  assert.equal(scores[20], 0)
})

test('a node outside of the set is measured, and whoever carried its tests gains and loses nothing by it', () => {
  const inside = routes(10, (route, n) => !route.includes(3) || n % 10 !== 0)
  const outside = routes(10, (_, n) => n % 2 === 0).map((one) => ({
    ...one,
    route: [one.route[0] as number, 20, ...one.route.slice(2)],
  }))
  const before = scoresOf(evidenceOf(inside))
  const after = scoresOf(evidenceOf([...inside, ...outside]))
  assert.deepEqual({ ...after, 20: undefined }, before)
  assert.ok(Math.abs((after[20] ?? 0) - 53) <= 2, `${after[20]}`)
})

test('closed doors count against both capacities of the gateway', () => {
  const login: Observation = { kind: 'login', second: 1, route: [11], delivered: false }
  const open = routes(20, () => true).filter(({ route }) => route[0] !== 11 && route[4] !== 11)
  const scores = scoresOf(evidenceOf([...open, ...Array.from({ length: 100 }, () => login)]))
  assert.equal(scores[11], 0)
  assert.equal(scores[10], 100)
})

test('too few packets are no opinion', () => {
  assert.deepEqual(
    new Set(Object.values(scoresOf(evidenceOf(routes(1, () => true).slice(0, 9))))),
    new Set([undefined]),
  )
})
