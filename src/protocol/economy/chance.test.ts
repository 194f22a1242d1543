import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { drawChances, type WeighedNode } from './chance.ts'

const node = (weight: number, roles: 'all' | 'entry' | 'mix' = 'all'): WeighedNode => ({
  weight,
  entry: roles !== 'mix',
  exit: roles === 'all',
  mix: roles !== 'entry',
})
const sizes = (entryGateways: number, exitGateways: number, mixnodes: number, standby: number) => ({
  entryGateways,
  exitGateways,
  mixnodes,
  standby,
})
const near = (value: number | undefined, expected: number) =>
  assert.ok(value !== undefined && Math.abs(value - expected) < 1e-6, `${value} is not ${expected}`)

describe('the chance to be drawn', () => {
  it('of equals is equal, and fills every role', () => {
    const chances = drawChances(
      Array.from({ length: 10 }, () => node(3)),
      sizes(2, 2, 3, 1),
    )
    for (const { entry, exit, mix, standby } of chances) {
      near(entry, 0.2)
      near(exit, 0.2)
      near(mix, 0.3)
      near(standby, 0.1)
    }
  })

  it('is certain where there are places for all, and nothing for roles a node does not have', () => {
    const [mix, entry] = drawChances([node(1, 'mix'), node(1e-9, 'entry')], sizes(80, 100, 60, 0))
    near(mix?.mix, 1)
    near(mix?.entry, 0)
    near(entry?.entry, 1)
  })

  it('adds up to the places, and never falls with the weight', () => {
    const nodes = Array.from({ length: 60 }, (_, index) => node((index + 1) / 60))
    const chances = drawChances(nodes, sizes(10, 10, 12, 0))
    near(
      chances.reduce((sum, { entry }) => sum + entry, 0),
      10,
    )
    near(
      chances.reduce((sum, { mix }) => sum + mix, 0),
      12,
    )
    const active = chances.map(({ entry, exit, mix }) => entry + exit + mix)
    for (const [index, chance] of active.entries()) {
      assert.ok(chance > 0 && chance <= 1)
      if (index > 0) assert.ok(chance > (active[index - 1] ?? 0))
    }
  })

  it('of the weightless is what is left over', () => {
    const chances = drawChances([node(1), node(0), node(0)], sizes(2, 1, 3, 0))
    near(chances[0]?.entry, 1)
    near(chances[1]?.entry, 0.5)
    near(chances[1]?.exit, 0.5)
    assert.deepEqual(drawChances([], sizes(1, 1, 3, 0)), [])
  })
})
