import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DkgEngine } from '../../protocol/credentials/dkgEngine.ts'
import type { AggregatedList, CredentialEngine } from '../../protocol/credentials/engine.ts'
import { commitmentsOnce, listsOnce } from './computedOnce.ts'

const KEY = new Uint8Array(680).fill(1)

describe('what issuers of one process compute once', () => {
  it('is a list that could be put together, and no other', async () => {
    const answers: AggregatedList[] = [
      { kind: 'refused', culprits: [2] },
      { kind: 'aggregated', signatures: new Uint8Array(96) },
    ]
    const engine = {
      aggregateList: async () => answers.shift() ?? assert.fail('asked again'),
    } as unknown as CredentialEngine
    const { aggregateList } = listsOnce(engine)
    assert.equal((await aggregateList({ kind: 'coins' }, KEY, [])).kind, 'refused')
    const both = await Promise.all([1, 2].map(() => aggregateList({ kind: 'coins' }, KEY, [])))
    assert.deepEqual(
      both.map(({ kind }) => kind),
      ['aggregated', 'aggregated'],
    )
    await assert.rejects(async () => aggregateList({ kind: 'dates', expiration: 86_400 }, KEY, []))
    await assert.rejects(async () => aggregateList({ kind: 'coins' }, new Uint8Array(680), []))
  })

  it('is told apart by all that it depends on, and made again where it failed', async () => {
    const asked: unknown[][] = []
    const commitmentHolds = async (...args: unknown[]): Promise<boolean> => {
      asked.push(args)
      if (asked.length === 1) throw new Error('the first time')
      return true
    }
    const engine = commitmentsOnce({ commitmentHolds } as unknown as DkgEngine)
    const other = new Uint8Array(680)
    await assert.rejects(engine.commitmentHolds('feldman', 3, KEY))
    for (const _ of [1, 2]) {
      await engine.commitmentHolds('feldman', 3, KEY)
      await engine.commitmentHolds('pedersen', 3, KEY)
      await engine.commitmentHolds('feldman', 2, KEY)
      await engine.commitmentHolds('feldman', 3, other)
      await engine.commitmentHolds('feldman', 3, KEY, other)
    }
    assert.equal(asked.length, 6)
  })
})
