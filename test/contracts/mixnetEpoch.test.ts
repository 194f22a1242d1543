// The end of an epoch: four steps that anybody may take, in pieces of any size, and that nobody can take wrong (tokenomics 5).
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { Evm, refused } from '../support/evm.ts'
import { decimal, GOVERNANCE, MixnetFixture, ONE } from '../support/mixnet.ts'

const operator = (n: number) => Evm.address(100 + n)
const delegator = (n: number) => Evm.address(200 + n)
const anybody = Evm.address(9)

const IN_PROGRESS = 0
const REWARDING = 1
const RECONCILING = 2
const ROLE_ASSIGNMENT = 3

let fixture: MixnetFixture

const state = async () => (await fixture.read<readonly [number, number, number]>('epochState'))[0]
const step = (fn: string, ...args: unknown[]) => fixture.send(fn, args, anybody)

/** Bonded, in force, in the set. */
async function withNodes(count: number): Promise<void> {
  for (let n = 1; n <= count; n++) await fixture.bond(operator(n))
  await fixture.settle()
  await fixture.setNodes(Array.from({ length: count }, (_, index) => index + 1))
}

beforeEach(async () => {
  fixture = await MixnetFixture.create()
})

describe('the steps', () => {
  it('are taken by anybody, in order, once each', async () => {
    await withNodes(3)
    await fixture.delegate(1, delegator(1), 5n)
    await refused(step('beginEpochTransition'), 'EpochNotOver')
    await refused(step('rewardNodes', 1), 'WrongEpochState', IN_PROGRESS)
    await refused(step('reconcileEpochEvents', 1), 'WrongEpochState', IN_PROGRESS)
    await refused(fixture.advance(), 'WrongEpochState', IN_PROGRESS)

    await fixture.endEpoch()
    await step('beginEpochTransition')
    assert.deepEqual(await fixture.read('epochState'), [REWARDING, 0, 3])
    await refused(step('beginEpochTransition'), 'WrongEpochState', REWARDING)
    await refused(step('reconcileEpochEvents', 1), 'WrongEpochState', REWARDING)
    await refused(fixture.advance(), 'WrongEpochState', REWARDING)
    await refused(step('rewardNodes', 0), 'NothingToDo')

    await step('rewardNodes', 1)
    assert.deepEqual(await fixture.read('epochState'), [REWARDING, 1, 3])
    await step('rewardNodes', 0xffff_ffff)
    assert.equal(await state(), RECONCILING)
    await refused(step('rewardNodes', 1), 'WrongEpochState', RECONCILING)
    await refused(step('beginEpochTransition'), 'WrongEpochState', RECONCILING)
    await refused(fixture.advance(), 'WrongEpochState', RECONCILING)
    await refused(step('reconcileEpochEvents', 0), 'NothingToDo')

    await step('reconcileEpochEvents', 1)
    assert.equal(await state(), ROLE_ASSIGNMENT)
    await refused(step('reconcileEpochEvents', 1), 'WrongEpochState', ROLE_ASSIGNMENT)
    await refused(step('rewardNodes', 1), 'WrongEpochState', ROLE_ASSIGNMENT)
    await refused(step('beginEpochTransition'), 'WrongEpochState', ROLE_ASSIGNMENT)
    await refused(fixture.send('advanceEpoch', [], GOVERNANCE), 'NotRewardedSet')

    await fixture.advance()
    assert.equal(await state(), IN_PROGRESS)
    await refused(fixture.advance(), 'WrongEpochState', IN_PROGRESS)
    await refused(step('beginEpochTransition'), 'EpochNotOver')
  })

  it('need the scores first', async () => {
    await withNodes(1)
    await fixture.evm.send(fixture.scores, 'setSettled', [false])
    await fixture.endEpoch()
    await step('beginEpochTransition')
    await refused(step('rewardNodes', 1), 'ScoresNotSettled')
    await fixture.evm.send(fixture.scores, 'setSettled', [true])
    await step('rewardNodes', 1)
  })

  it('pass over rewards when nobody served, and over events when none wait', async () => {
    await fixture.endEpoch()
    await step('beginEpochTransition')
    assert.equal(await state(), RECONCILING)
    await step('reconcileEpochEvents', 0)
    assert.equal(await state(), ROLE_ASSIGNMENT)
  })

  it('come to the same in pieces of one as all at once', async () => {
    const found: unknown[] = []
    for (const limit of [1, 2, 0xffff_ffff]) {
      fixture = await MixnetFixture.create()
      await withNodes(5)
      for (let n = 1; n <= 5; n++) await fixture.delegate(n, delegator(n), BigInt(n) * 1_000_000_000n)
      await fixture.send('unbond', [], operator(2))
      await fixture.evm.send(fixture.scores, 'setScore', [3, (7n * ONE) / 10n])
      await fixture.endEpoch()
      await step('beginEpochTransition')
      while ((await state()) === REWARDING) await step('rewardNodes', limit)
      while ((await state()) === RECONCILING) await step('reconcileEpochEvents', limit)
      await fixture.advance()
      const nodes = await Promise.all([1, 2, 3, 4, 5].map((n) => fixture.rewardingOf(n)))
      found.push([nodes, await fixture.read('poolChange'), await fixture.read('owed', [operator(2)])])
    }
    assert.deepEqual(found[1], found[0])
    assert.deepEqual(found[2], found[0])
  })
})

describe('rewards', () => {
  it('pass by whom they cannot reach, and pay the others', async () => {
    await withNodes(3)
    await fixture.bond(operator(4))
    // 2 measured nothing, 4 came in this epoch, 9 does not exist, 1 stands in the set twice.
    await fixture.evm.send(fixture.scores, 'setScore', [2, 0n])
    await fixture.setNodes([1, 1, 2, 3, 4, 9])
    const logs = await fixture.rewardEpoch()
    assert.deepEqual(
      logs.map(({ name, args }) => [name, args.nodeId, args.reason]),
      [
        ['NodeRewarded', 1, undefined],
        ['NodeNotRewarded', 1, 2],
        ['NodeNotRewarded', 2, 1],
        ['NodeRewarded', 3, undefined],
        ['NodeNotRewarded', 4, 2],
        ['NodeNotRewarded', 9, 0],
      ],
    )
    assert.equal((await fixture.rewardingOf(2)).lastRewardedEpoch, 1)
    assert.equal(await state(), RECONCILING)
  })

  it('take a performance above all as all', async () => {
    await withNodes(1)
    await fixture.evm.send(fixture.scores, 'setScore', [1, 2n ** 63n])
    const [log] = await fixture.rewardEpoch()
    assert.equal(decimal(log!.args.operatorReward as bigint), '1128452.541610435897435896')
  })

  it('pay standby a tenth of the work', async () => {
    await withNodes(2)
    await fixture.setNodes([1, { nodeId: 2, standby: true }])
    const [active, standby] = await fixture.rewardEpoch()
    assert.ok((standby!.args.operatorReward as bigint) < (active!.args.operatorReward as bigint) / 5n)
    assert.equal(standby!.name, 'NodeRewarded')
  })

  it('stay within the budget when the set on hand is larger than the parameters have it', async () => {
    await withNodes(8)
    const small = { entryGateways: 1, exitGateways: 1, mixnodes: 3, standby: 2 }
    const params = await fixture.read<Record<string, unknown>>('rewardingParams')
    await fixture.send('updateRewardingParams', [{ ...params, rewardedSet: small }, true], GOVERNANCE)
    const [active, standby] = await fixture.read<[bigint, bigint]>('epochWorkFactors')
    assert.ok(8n * active <= ONE)
    // Active nodes in the places of those on standby: officially the sum of work would pass 1, and the epoch stand still.
    await fixture.setNodes([1, 2, 3, 4, 5, 6, 7, { nodeId: 8, standby: true }])
    const [more, less] = await fixture.read<[bigint, bigint]>('epochWorkFactors')
    assert.ok(7n * more + less <= ONE)
    assert.ok(standby > 0n)
    await fixture.nextEpoch()
  })

  it('never take more than the pool holds, whatever governance does to the interval', async () => {
    fixture = await MixnetFixture.create({
      rewarding: {
        rewardPool: 1_000_000_000n * ONE,
        stakingSupply: 1_000_000_000n * ONE,
        intervalPoolEmission: ONE,
        rewardedSet: { entryGateways: 1, exitGateways: 1, mixnodes: 3, standby: 0 },
      },
      epochsInInterval: 1,
    })
    await withNodes(5)
    await fixture.setNodes([1, 2, 3, 4, 5])
    // Each epoch of an interval of one may pay all there is. Then there come to be two of them, before the first is accounted for.
    await fixture.send('updateIntervalConfig', [2, 3600, true], GOVERNANCE)
    await fixture.send('updateIntervalConfig', [1, 3600, false], GOVERNANCE)
    for (let epoch = 0; epoch < 6; epoch++) {
      await fixture.nextEpoch()
      const [removed] = await fixture.read<[bigint, bigint]>('poolChange')
      const { rewardPool } = await fixture.read<{ rewardPool: bigint }>('rewardingParams')
      assert.ok(removed <= rewardPool)
      await fixture.send('updateIntervalConfig', [epoch % 2 === 0 ? 3 : 1, 3600, true], GOVERNANCE)
    }
    assert.equal(await state(), IN_PROGRESS)
  })
})

describe('the clock', () => {
  it('goes on from where the epoch ended, however late it is, and counts intervals', async () => {
    fixture = await MixnetFixture.create({ epochsInInterval: 3, firstEpochId: 42 })
    const start = fixture.evm.now
    fixture.evm.now += 10n * 3600n + 5n
    const seen: number[][] = []
    for (let n = 1n; n <= 10n; n++) {
      await fixture.nextEpoch()
      const i = await fixture.read<Record<string, number | bigint>>('interval')
      assert.equal(i.currentEpochStart, start + n * 3600n)
      seen.push([i.id as number, i.currentEpochId as number, i.totalElapsedEpochs as number])
    }
    assert.deepEqual(seen.slice(0, 4), [
      [0, 1, 43],
      [0, 2, 44],
      [1, 0, 45],
      [1, 1, 46],
    ])
    assert.equal(await fixture.read('isEpochOver'), false)
  })

  it('moves what was paid from the pool to the supply at the end of the interval, and adds what was given', async () => {
    fixture = await MixnetFixture.create({ epochsInInterval: 2 })
    await withNodes(1)
    await fixture.fund(anybody, 50_000_000n)
    await step('fundPool', 50_000_000n)
    await refused(step('fundPool', 0n), 'OutOfRange', 'amount')
    const before = await fixture.read<Record<string, bigint>>('rewardingParams')
    await fixture.rewardEpoch()
    const [removed, added] = await fixture.read<[bigint, bigint]>('poolChange')
    assert.ok(removed > 0n)
    assert.equal(added, 50_000_000n * ONE)
    await fixture.reconcile()
    await fixture.advance()
    const after = await fixture.read<Record<string, bigint>>('rewardingParams')
    assert.equal(after.rewardPool, before.rewardPool! - removed + added)
    assert.equal(after.stakingSupply, before.stakingSupply! + removed)
    assert.equal(after.epochRewardBudget, ((after.rewardPool / 2n) * 2n) / 100n)
    assert.equal(after.stakeSaturationPoint, after.stakingSupply / 240n)
    assert.deepEqual(await fixture.read('poolChange'), [0n, 0n])
  })
})
