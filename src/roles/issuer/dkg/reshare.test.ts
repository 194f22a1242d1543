/** Old members hand their key on to new ones: other shares, the same master key. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toHex } from '../../../foundation/base/bytes.ts'
import { isMixnetError } from '../../../foundation/base/errors.ts'
import { loadMclBls } from '../../../foundation/crypto/mclBls.ts'
import type { AgreedKeys } from '../agreedKeys.ts'
import { TakesAnyConstant } from './careless.test.ts'
import { storeAgreedKeys } from './keyFile.ts'
import {
  type Behaviour,
  checkKeys,
  type Ended,
  faultsOf,
  keysOf,
  lying,
  outcomeOf,
  payWith,
  type Rehearsal,
  Stage,
} from './support.test.ts'

async function firstKeys(indices: readonly number[], t: number, more: Partial<Rehearsal> = {}) {
  const stage = new Stage({ n: indices.length, t, indices, ...more })
  return keysOf(await stage.play())
}
const masterOf = (keys: ReadonlyMap<number, AgreedKeys>): string =>
  toHex([...keys.values()][0]?.masterKey ?? assert.fail('no keys'))

async function handOn(
  previous: ReadonlyMap<number, AgreedKeys>,
  indices: readonly number[],
  t: number,
  behaviour: Readonly<Record<number, Behaviour>> = {},
  more: Partial<Rehearsal> = {},
): Promise<{ stage: Stage; ends: Map<number, Ended>; keys: Map<number, AgreedKeys> }> {
  const stage = new Stage({ n: indices.length, t, indices, previous, behaviour, seed: 'reshare', ...more })
  const ends = await stage.play()
  return { stage, ends, keys: keysOf(ends) }
}

const silent: Behaviour = { say: () => [] }

describe('resharing', () => {
  for (const [what, from, t, to, u] of [
    ['the set grows', [1, 2, 3], 2, [1, 2, 3, 4, 5], 3],
    ['the set shrinks', [1, 2, 3, 4, 5], 3, [2, 4, 5], 2],
    ['nobody stays', [1, 2, 3], 2, [4, 5, 6, 7], 3],
    ['everybody stays, only the shares change', [1, 2, 3], 2, [1, 2, 3], 2],
    ['from one to one', [1], 1, [2], 1],
  ] as const) {
    it(`${what}: the master key is the same, and books of the new ones pay`, async () => {
      const old = await firstKeys(from, t)
      const { stage, ends, keys } = await handOn(old, to, u)
      assert.deepEqual([...keys.keys()], [...to])
      assert.equal(masterOf(keys), masterOf(old))
      const engine = stage.credentials()
      await checkKeys(engine, keys)
      await payWith(engine, [...keys.values()].reverse())
      for (const [index, { own, epochId }] of keys) {
        assert.equal(epochId, 8)
        assert.notDeepEqual(own.secretKey.expose(), old.get(index)?.own.secretKey.expose())
      }
      for (const index of from) {
        if (!(to as readonly number[]).includes(index)) assert.equal(outcomeOf(ends, index).kind, 'retired')
      }
    })
  }

  it('on the curve', async () => {
    const bls = await loadMclBls()
    const old = await firstKeys([1, 2, 3], 2, { bls })
    const { stage, keys } = await handOn(old, [2, 3, 4], 2, {}, { bls })
    assert.equal(masterOf(keys), masterOf(old))
    await checkKeys(stage.credentials(), keys)
    await payWith(stage.credentials(), [...keys.values()].slice(1))
  })

  it('old shares and new ones make nothing together', async () => {
    const old = await firstKeys([1, 2, 3], 2)
    const { stage, keys } = await handOn(old, [1, 2, 3], 2)
    const [oldOne, newOne] = [old.get(1), keys.get(2)]
    assert.ok(oldOne && newOne)
    const engine = stage.credentials()
    const mixed = await engine.aggregateKeys([
      { index: 1, key: await engine.verificationKey(oldOne.own.secretKey.expose()) },
      { index: 2, key: await engine.verificationKey(newOne.own.secretKey.expose()) },
    ])
    assert.notEqual(toHex(mixed), masterOf(old))
  })

  it('t old members are enough, fewer are not', async () => {
    const old = await firstKeys([1, 2, 3, 4, 5], 3)
    const enough = await handOn(old, [6, 7, 8], 2, { 1: silent, 4: silent })
    assert.equal(masterOf(enough.keys), masterOf(old))
    assert.deepEqual(faultsOf(enough.ends, 6), ['1 silent', '4 silent'])
    const few = await handOn(old, [6, 7, 8], 2, { 1: silent, 4: silent, 5: silent })
    const end = few.ends.get(6) ?? assert.fail()
    assert.ok('error' in end && isMixnetError(end.error, 'ISSUERS_UNAVAILABLE'))
  })

  it('a new member that is silent has no share; the others go on', async () => {
    const old = await firstKeys([1, 2, 3], 2)
    const { ends, keys } = await handOn(old, [4, 5, 6], 2, { 5: silent })
    assert.equal(masterOf(keys), masterOf(old))
    assert.deepEqual([...keys.keys()], [4, 6])
    assert.deepEqual(
      keys.get(4)?.members.map(({ index }) => index),
      [4, 6],
    )
    assert.deepEqual(faultsOf(ends, 4), ['5 silent'])
  })

  it('an old member that deals another secret than its own is left out and named', async () => {
    const old = await firstKeys([1, 2, 3], 2)
    const behaviour = { 2: { engine: lying((honest) => ({ draw: (t) => honest.draw(t) })) } }
    const careless = await handOn(old, [4, 5, 6], 2, behaviour, {
      judge: (session, engine) => new TakesAnyConstant(session, engine),
    })
    assert.equal(careless.keys.size, 0, 'the key that comes out is another one')

    const { ends, keys } = await handOn(old, [4, 5, 6], 2, behaviour)
    assert.equal(masterOf(keys), masterOf(old))
    assert.deepEqual(faultsOf(ends, 4), ['2 bad-deal'])
  })

  it('an old member that gives one a wrong share must show a right one, or is left out', async () => {
    const old = await firstKeys([1, 2, 3], 2)
    const cheats = lying((honest) => ({
      shares: async (kind, polynomials, indices) =>
        (await honest.shares(kind, polynomials, indices)).map((one, i) =>
          indices[i] === 5 ? one.map((byte, at) => (at === 0 ? byte ^ 1 : byte)) : one,
        ),
    }))
    const { ends, keys } = await handOn(old, [4, 5, 6], 2, { 2: { engine: cheats } })
    assert.equal(masterOf(keys), masterOf(old))
    assert.deepEqual([...keys.keys()], [4, 5, 6])
    assert.deepEqual(faultsOf(ends, 5), ['2 bad-answer'])
  })

  it('is of the key that its members have, and not of one that others put into the plan', async () => {
    const own = await firstKeys([1, 2, 3], 2)
    const previous = await firstKeys([6, 7, 8], 2, { seed: 'another' })
    const stage = new Stage({ n: 3, t: 2, previous, seed: 'reshare' })
    for (const [index, keys] of own) {
      await stage.simulation.complete(storeAgreedKeys(stage.world(index).files, '/dkg', keys))
    }
    const ends = await stage.play()
    for (const index of own.keys()) {
      const end = ends.get(index) ?? assert.fail()
      assert.ok('error' in end && isMixnetError(end.error, 'CONFIG_INVALID'))
    }
  })

  it('does not begin from an epoch whose keys are not those of its master key', async () => {
    const old = await firstKeys([1, 2, 3], 2)
    const stranger = (await firstKeys([1, 2, 3], 2, { seed: 'another' })).get(1)
    const changed = new Map(
      [...old].map(([index, keys]) => [
        index,
        {
          ...keys,
          members: keys.members.map((one) => (one.index === 3 ? { ...one, key: stranger?.masterKey ?? one.key } : one)),
        },
      ]),
    )
    const { ends } = await handOn(changed, [4, 5, 6], 2)
    for (const end of ends.values()) assert.ok('error' in end && isMixnetError(end.error, 'CONFIG_INVALID'))
  })
})
