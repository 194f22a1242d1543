import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import type { EpochRole } from '../../protocol/wire/directory/skimmedNodes.ts'
import { type Assignment, assignRoles, type Candidate } from './rewardedSet.ts'

const NONE = { mixnode: false, entry: false, exitNr: false, exitIpr: false }
const mix = (nodeId: number, wish: Partial<Candidate> = {}): Candidate => ({
  nodeId,
  roles: { ...NONE, mixnode: true },
  ...wish,
})
const entry = (nodeId: number, wish: Partial<Candidate> = {}): Candidate => ({
  nodeId,
  roles: { ...NONE, entry: true },
  ...wish,
})
const exit = (nodeId: number): Candidate => ({ nodeId, roles: { ...NONE, entry: true, exitNr: true, exitIpr: true } })
const all = (nodeId: number, wish: Partial<Candidate> = {}): Candidate => ({
  nodeId,
  roles: { mixnode: true, entry: true, exitNr: true, exitIpr: true },
  ...wish,
})

function assign(candidates: readonly Candidate[], epochId = 24, earlier = new Map<number, EpochRole>()): Assignment {
  return assignRoles({ epochId, candidates, earlier, crypto })
}
const layers = ({ set }: Assignment): readonly (readonly number[])[] => [set.layer1, set.layer2, set.layer3]

describe('the rewarded set', () => {
  it('gives every kind of node its place', () => {
    const { set, problem } = assign([mix(1), mix(2), mix(3), entry(4), exit(5), { nodeId: 6, roles: NONE }])
    assert.equal(problem, undefined)
    assert.deepEqual([set.entryGateways, set.exitGateways, set.standby], [[4], [5], []])
    assert.deepEqual([...set.layer1, ...set.layer2, ...set.layer3].sort(), [1, 2, 3])
    assert.equal(set.epochId, 24)
  })

  it('follows the layers of the bonded file', () => {
    const assignment = assign([mix(1, { layer: 2 }), mix(2, { layer: 2 }), mix(3), mix(4), entry(5)])
    assert.deepEqual(assignment.set.layer2, [1, 2])
    assert.equal(assignment.problem, undefined)
    // A wish that the node cannot fulfil is none.
    assert.deepEqual(assign([entry(1, { layer: 1 })]).set.entryGateways, [1])
  })

  it('follows roles of the bonded file where the node can', () => {
    const { set } = assign([
      all(1, { role: 'entry' }),
      all(2, { role: 'mix' }),
      all(3, { role: 'standby' }),
      mix(4, { role: 'entry' }),
    ])
    assert.deepEqual([set.entryGateways, set.standby], [[1], [3]])
    assert.equal(set.layer1.length + set.layer2.length + set.layer3.length, 2)
  })

  it('makes a network of four nodes that can do everything', () => {
    const assignment = assign([all(1), all(2), all(3), all(4)])
    assert.equal(assignment.problem, undefined)
    assert.deepEqual(
      layers(assignment).map((layer) => layer.length),
      [1, 1, 1],
    )
    assert.equal(assignment.set.exitGateways.length, 1)
  })

  it('says what is missing', () => {
    assert.match(assign([]).problem ?? '', /layer 1 has no node/)
    assert.match(assign([mix(1, { layer: 1 }), mix(2, { layer: 3 }), entry(3)]).problem ?? '', /layer 2/)
    assert.match(assign([mix(1), mix(2), mix(3)]).problem ?? '', /no gateway/)
    // The last gateway does not mix.
    assert.match(assign([all(1), mix(2), mix(3)]).problem ?? '', /layer 3/)
  })

  it('deals the layers anew in each epoch', () => {
    const nodes = Array.from({ length: 12 }, (_, i) => mix(i + 1))
    const texts = [1, 2, 3, 4, 5].map((epochId) => JSON.stringify(layers(assign(nodes, epochId))))
    assert.equal(new Set(texts).size, 5)
  })

  it('gives a node that was away its role again', () => {
    const nodes = [mix(1), mix(2), mix(3), mix(4), mix(5), mix(6), entry(7)]
    const before = assign(nodes)
    const without = assign(nodes.slice(1), 24, new Map(before.roles))
    const after = assign(nodes, 24, new Map(without.roles))
    assert.deepEqual(after.set, before.set)
  })

  it('property: layers are balanced, nobody has two places, order does not matter', () => {
    const count = fc.integer({ min: 3, max: 40 })
    fc.assert(
      fc.property(count, fc.nat(1000), fc.nat(5), (mixes, epochId, gateways) => {
        const nodes = [
          ...Array.from({ length: mixes }, (_, i) => mix(i + 1)),
          ...Array.from({ length: gateways }, (_, i) => entry(100 + i)),
        ]
        const assignment = assign(nodes, epochId)
        const sizes = layers(assignment).map((layer) => layer.length)
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1)
        const { epochId: _, ...lists } = assignment.set
        const ids = Object.values(lists).flat()
        assert.equal(new Set(ids).size, ids.length)
        assert.equal(ids.length, nodes.length)
        assert.deepEqual(assign([...nodes].reverse(), epochId).set, assignment.set)
      }),
      { numRuns: 60 },
    )
  })
})
