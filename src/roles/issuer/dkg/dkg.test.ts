/** Members that are honest, and the keys they make. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loadMclBls } from '../../../foundation/crypto/mclBls.ts'
import { checkKeys, keysOf, payWith, Stage } from './support.test.ts'

describe('honest members', () => {
  for (const [n, t] of [
    [1, 1],
    [2, 2],
    [3, 2],
    [5, 3],
    [7, 4],
    [7, 7],
  ] as const) {
    it(`${t} of ${n}: one key, everybody's share, books that pay`, async () => {
      const stage = new Stage({ n, t, delay: (draw) => draw() * 300 })
      const keys = keysOf(await stage.play())
      assert.equal(keys.size, n)
      const engine = stage.credentials()
      await checkKeys(engine, keys)
      await payWith(engine, [...keys.values()].reverse())
    })
  }

  it('on the curve', async () => {
    const stage = new Stage({ n: 3, t: 2, bls: await loadMclBls() })
    const keys = keysOf(await stage.play())
    assert.equal(keys.size, 3)
    const engine = stage.credentials()
    await checkKeys(engine, keys)
    await payWith(engine, [...keys.values()].slice(1))
  })

  it('with indices that have gaps, and one that comes late but in time', async () => {
    const stage = new Stage({ n: 3, t: 2, indices: [2, 9, 40], behaviour: { 9: { late: 9_000 } } })
    const keys = keysOf(await stage.play())
    assert.deepEqual([...keys.keys()], [2, 9, 40])
    await checkKeys(stage.credentials(), keys)
  })

  it('need no deadline where all are there: every phase ends with its last word', async () => {
    const stage = new Stage({ n: 5, t: 3 })
    const began = stage.simulation.clock.now()
    await stage.play()
    assert.ok(stage.simulation.clock.now() - began < 5_000)
  })
})
