import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { SimulatedRandom } from '../../foundation/platform/simulated/simulatedRandom.ts'
import { drawChances } from '../../protocol/economy/chance.ts'
import { ONE } from '../../protocol/economy/decimal.ts'
import { CAPABILITY, drawSet as drawOfLedger, ROLE } from '../../protocol/economy/draw.ts'
import { type Candidate, drawSet } from './lottery.ts'

const candidate = (weight: bigint, more: Partial<Candidate> = {}): Candidate => ({
  weight,
  entry: true,
  exit: true,
  mix: true,
  ...more,
})
const random = () => new SimulatedRandom('lottery').stream('draw')

describe('the draw of the lab', () => {
  it('fills each role from those who offer it, nobody twice', () => {
    const nodes = Array.from({ length: 20 }, (_, index) =>
      candidate(ONE, { entry: index < 10, exit: index < 5, mix: index >= 10 }),
    )
    const { active, standby } = drawSet(nodes, { entryGateways: 6, exitGateways: 5, mixnodes: 3, standby: 4 }, random())
    const all = [...active, ...standby]
    assert.equal(new Set(all).size, all.length)
    assert.equal(
      active.slice(0, 6).every((index) => index < 10),
      true,
    )
    assert.equal(
      active.slice(-3).every((index) => index >= 10),
      true,
    )
    assert.equal(standby.length, 4)
  })

  it('takes the weightless only to fill up', () => {
    const nodes = [candidate(0n), candidate(1n), candidate(0n), candidate(ONE)]
    const sizes = { entryGateways: 2, exitGateways: 0, mixnodes: 0, standby: 1 }
    const stream = random()
    const filled = new Set<number>()
    for (let draw = 0; draw < 50; draw++) {
      const { active, standby } = drawSet(nodes, sizes, stream)
      assert.deepEqual([...active].sort(), [1, 3])
      filled.add(standby[0] ?? -1)
    }
    assert.deepEqual([...filled].sort(), [0, 2])
  })

  it('draws as often as the estimated chances say', () => {
    const nodes = Array.from({ length: 60 }, (_, index) =>
      candidate((ONE * BigInt(index + 1)) / 60n, { mix: index % 2 === 0, exit: index % 3 !== 0 }),
    )
    const sizes = { entryGateways: 12, exitGateways: 10, mixnodes: 9, standby: 5 }
    const chances = drawChances(
      nodes.map((node) => ({ ...node, weight: Number(node.weight) })),
      sizes,
    )
    const draws = 4_000
    const counts = nodes.map(() => ({ active: 0, standby: 0 }))
    const stream = random()
    const note = (of: 'active' | 'standby') => (index: number) => {
      const count = counts[index]
      if (count !== undefined) count[of]++
    }
    for (let draw = 0; draw < draws; draw++) {
      const drawn = drawSet(nodes, sizes, stream)
      drawn.active.forEach(note('active'))
      drawn.standby.forEach(note('standby'))
    }
    for (const [index, count] of counts.entries()) {
      const { entry, exit, mix, standby } = chances[index] ?? { entry: 0, exit: 0, mix: 0, standby: 0 }
      // The deviation of 4,000 draws is 0.008 at most; the approximation is off by about as much with sixty nodes.
      assert.ok(Math.abs(count.active / draws - (entry + exit + mix)) < 0.035, `${index}`)
      assert.ok(Math.abs(count.standby / draws - standby) < 0.035, `${index}`)
    }
  })

  it('draws as often as the ledger does from its seeds', () => {
    const nodes = Array.from({ length: 14 }, (_, index) =>
      candidate((ONE * BigInt(index + 1)) / 14n, { entry: index % 3 !== 0, exit: index % 3 === 0 }),
    )
    const sizes = { entryGateways: 2, exitGateways: 1, mixnodes: 3, standby: 2 }
    const candidates = nodes.map(({ weight, entry }, index) => ({
      nodeId: index + 1,
      stake: weight,
      performance: ONE,
      capabilities: CAPABILITY.mix | (entry ? CAPABILITY.entry : CAPABILITY.exitRequester),
      eligible: true,
      bondedAt: 0n,
    }))
    const draws = 1_000
    const [ours, theirs] = [nodes.map(() => 0), nodes.map(() => 0)]
    const stream = random()
    for (let draw = 0; draw < draws; draw++) {
      for (const index of drawSet(nodes, sizes, stream).active) ours[index] = (ours[index] ?? 0) + 1
      const seed = stream.bytes(32)
      const { roles } = drawOfLedger({
        seed,
        nodes: candidates,
        saturationPoint: ONE,
        wanted: sizes,
        keccak256: keccak_256,
      })
      for (const [nodeId, role] of roles) {
        if (role !== ROLE.standby && role !== ROLE.none) theirs[nodeId - 1] = (theirs[nodeId - 1] ?? 0) + 1
      }
    }
    for (const [index, count] of ours.entries()) {
      // Five deviations of the difference, each count having at most 0.016.
      assert.ok(Math.abs(count - (theirs[index] ?? 0)) / draws < 0.115, `${index}: ${count}, ${theirs[index]}`)
    }
  })
})
