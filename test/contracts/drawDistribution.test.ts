/**
 * The draw by exponential keys has the distribution of the official sampling: Efraimidis and Spirakis, key u^(1/w), the n largest,
 * in four stages (tokenomics 7.3). Fixed seeds, so these tests say the same each time.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type DrawNode,
  drawSet,
  drawWeight,
  negativeLog2,
  ROLE,
  type SetSizes,
} from '../../src/protocol/economy/draw.ts'
import { keccak256, ONE, plainNode, START, seedOf } from './drawSetting.ts'

const ROUNDS = 20_000
const SATURATION = 1000n * ONE

/** Of 0 to 1; mulberry32, which is good enough to sample with. */
function uniform(state: number): () => number {
  let s = state
  return () => {
    s = (s + 0x6d2b79f5) | 0
    let t = Math.imul(s ^ (s >>> 15), 1 | s)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** As the official API does it, with doubles. */
function officialDraw(nodes: readonly DrawNode[], wanted: SetSizes, random: () => number): Map<number, number> {
  const roles = new Map<number, number>()
  const choose = (n: number, role: number, capable: (node: DrawNode) => boolean) => {
    const keys = nodes
      .filter((node) => !roles.has(node.nodeId) && capable(node))
      .map((node) => ({ node, key: random() ** (1e18 / Number(drawWeight(node, SATURATION))) }))
      .sort((a, b) => b.key - a.key)
    for (const { node } of keys.slice(0, n)) roles.set(node.nodeId, role)
  }
  choose(wanted.entryGateways, ROLE.entryGateway, ({ capabilities }) => (capabilities & 2) !== 0)
  choose(wanted.exitGateways, ROLE.exitGateway, ({ capabilities }) => (capabilities & 12) !== 0)
  choose(wanted.mixnodes, ROLE.layer1, ({ capabilities }) => (capabilities & 1) !== 0)
  choose(wanted.standby, ROLE.standby, ({ capabilities }) => capabilities !== 0)
  return roles
}

const wanted = { entryGateways: 2, exitGateways: 2, mixnodes: 3, standby: 2 }
const capabilities = [1, 2, 3, 4, 5, 7, 15, 10, 1, 7, 6, 3]
const nodes = capabilities.map((able, i) =>
  plainNode(i + 1, {
    capabilities: able,
    stake: BigInt([40, 90, 200, 350, 500, 700, 900, 1000, 1500, 60, 120, 800][i]!) * ONE,
    performance: BigInt([100, 99, 98, 97, 100, 95, 99, 90, 100, 100, 98, 92][i]!) * 10n ** 16n,
  }),
)

const mixesAsOne = (role: number): number => (role === ROLE.layer2 || role === ROLE.layer3 ? ROLE.layer1 : role)

test('every node has every role as often as in the official draw (chi-square per node, 20,000 draws each)', () => {
  const [ours, theirs] = [new Map<string, number>(), new Map<string, number>()]
  const count = (into: Map<string, number>, nodeId: number, role: number) =>
    into.set(`${nodeId} ${role}`, (into.get(`${nodeId} ${role}`) ?? 0) + 1)
  const random = uniform(2026)
  for (let round = 0; round < ROUNDS; round++) {
    const { roles } = drawSet({ seed: seedOf(round), nodes, wanted, saturationPoint: SATURATION, keccak256 })
    const official = officialDraw(nodes, wanted, random)
    for (const { nodeId } of nodes) {
      count(ours, nodeId, mixesAsOne(roles.get(nodeId) ?? ROLE.none))
      count(theirs, nodeId, official.get(nodeId) ?? ROLE.none)
    }
  }
  for (const { nodeId } of nodes) {
    // Two samples of one distribution over at most 5 roles: at most 4 degrees of freedom. 23.5 is passed by chance once in 10,000.
    let chiSquare = 0
    for (const role of [ROLE.entryGateway, ROLE.exitGateway, ROLE.layer1, ROLE.standby, ROLE.none]) {
      const [a, b] = [ours.get(`${nodeId} ${role}`) ?? 0, theirs.get(`${nodeId} ${role}`) ?? 0]
      if (a + b > 0) chiSquare += (a - b) ** 2 / (a + b)
    }
    assert.ok(chiSquare < 23.5, `node ${nodeId}: ${chiSquare}`)
  }
})

test('the first of a draw is each one’s with the chance of its share of the weights (chi-square against the exact shares)', () => {
  const one = { entryGateways: 1, exitGateways: 0, mixnodes: 0, standby: 0 }
  const all = nodes.map((node) => ({ ...node, capabilities: 2 }))
  const weights = all.map((node) => Number(drawWeight(node, SATURATION)))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const counts = new Map<number, number>()
  for (let round = 0; round < ROUNDS; round++) {
    const { roles } = drawSet({
      seed: seedOf(round + 50_000),
      nodes: all,
      wanted: one,
      saturationPoint: SATURATION,
      keccak256,
    })
    for (const [nodeId, role] of roles) if (role !== ROLE.none) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1)
  }
  const chiSquare = weights.reduce((sum, weight, i) => {
    const expected = (ROUNDS * weight) / total
    return sum + ((counts.get(i + 1) ?? 0) - expected) ** 2 / expected
  }, 0)
  // 11 degrees of freedom; passed by chance once in 10,000.
  assert.ok(chiSquare < 37.4, `${chiSquare}`)
})

test('a mix is in each layer as often as in the others, and layers are even', () => {
  const mixes = Array.from({ length: 9 }, (_, i) => plainNode(i + 1, { capabilities: 1 }))
  const sizes = { entryGateways: 0, exitGateways: 0, mixnodes: 9, standby: 0 }
  const rounds = 6_000
  const first = [0, 0, 0]
  for (let round = 0; round < rounds; round++) {
    const { roles } = drawSet({
      seed: seedOf(round),
      nodes: mixes,
      wanted: sizes,
      saturationPoint: SATURATION,
      keccak256,
    })
    const layers = [1, 2, 3].map((layer) => [...roles.values()].filter((role) => role === layer).length)
    assert.deepEqual(layers, [3, 3, 3])
    first[roles.get(1)! - 1]! += 1
  }
  const chiSquare = first.reduce((sum, n) => sum + (n - rounds / 3) ** 2 / (rounds / 3), 0)
  assert.ok(chiSquare < 18.4, `${chiSquare}: 2 degrees of freedom, once in 10,000`)
})

test('weights of nothing are chosen only to fill up', () => {
  const zero = [1, 2, 3].map((nodeId) => plainNode(nodeId, { performance: 0n, capabilities: 2 }))
  const some = [4, 5].map((nodeId) => plainNode(nodeId, { stake: 1n, performance: ONE / 2n, capabilities: 2 }))
  const good = [6].map((nodeId) => plainNode(nodeId, { capabilities: 2 }))
  for (let round = 0; round < 200; round++) {
    const sizes = { entryGateways: 2, exitGateways: 0, mixnodes: 0, standby: 0 }
    const input = { seed: seedOf(round), wanted: sizes, saturationPoint: SATURATION, keccak256 }
    const { roles } = drawSet({ ...input, nodes: [...zero, ...good] })
    assert.equal(roles.get(6), ROLE.entryGateway)
    assert.equal([...roles.values()].filter((role) => role === ROLE.entryGateway).length, 2)
    // So small a weight that it is 0 as a Decimal is one of nothing, as there.
    assert.equal(drawSet({ ...input, nodes: [...some, ...good] }).roles.get(6), ROLE.entryGateway)
  }
})

test('late, unbonding and silent nodes have no role; nodes out of order are refused', () => {
  const odd = [
    plainNode(1, { eligible: false }),
    plainNode(2, { capabilities: 0 }),
    plainNode(3),
    plainNode(4, { bondedAt: START + 1n }),
    plainNode(5, { bondedAt: START + 1n }),
  ]
  const input = { seed: seedOf(1), wanted, saturationPoint: SATURATION, keccak256, bondedBefore: START }
  const { roles, choices } = drawSet({ ...input, nodes: odd })
  assert.deepEqual(
    [...roles],
    [
      [1, ROLE.none],
      [2, ROLE.none],
      [3, ROLE.entryGateway],
    ],
  )
  assert.deepEqual([...choices], [ROLE.none, ROLE.none, ROLE.entryGateway])
  assert.throws(() => drawSet({ ...input, nodes: [odd[1]!, odd[0]!] }), { code: 'MALFORMED' })
})

test('the logarithm is at most one step of 2^-32 above the true one', () => {
  const random = uniform(7)
  for (let i = 0; i < 20_000; i++) {
    const u = (BigInt(Math.floor(random() * 2 ** 32)) << 96n) | BigInt(Math.floor(random() * 2 ** 32))
    if (u === 0n) continue
    const truth = 128 - Math.log2(Number(u))
    const off = Number(negativeLog2(u)) / 2 ** 32 - truth
    // Doubles near 128 have steps of 2^-46.
    assert.ok(off > -(2 ** -44) && off < 2 ** -32 + 2 ** -38, `${u}: ${off * 2 ** 32} steps`)
  }
})
