// What operators, delegators and governance may do, when, and what refuses them; where several things are wrong, which is told first
// (tokenomics part 3).
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { Evm, type Outcome, refused } from '../support/evm.ts'
import {
  bondArguments,
  COSTS_A,
  decimal,
  GOVERNANCE,
  MixnetFixture,
  NYM,
  ONE,
  OPERATORS,
  PARAMS_A,
} from '../support/mixnet.ts'

const operator = Evm.address(10)
const alice = Evm.address(11)
const bob = Evm.address(12)
const carol = Evm.address(13)
const mallory = Evm.address(14)

const PLEDGE = 10_000_000_000n

let fixture: MixnetFixture
beforeEach(async () => {
  fixture = await MixnetFixture.create()
})

const told = ({ logs }: Outcome, event: string): unknown[] =>
  logs.filter(({ name }) => name === event).map(({ args }) => args)

/** Into the state in which nothing that moves stake is taken. */
async function beginTransition(): Promise<void> {
  await fixture.endEpoch()
  await fixture.send('beginEpochTransition')
}

describe('the token', () => {
  it('has a billion NYM of six decimals, none of which can be made or burnt', async () => {
    assert.equal(await fixture.evm.read(fixture.token, 'totalSupply'), 10n ** 15n)
    assert.equal(await fixture.evm.read(fixture.token, 'decimals'), 6)
  })
})

describe('deployment', () => {
  it('begins with the epoch it was told, at the time it was told', async () => {
    const begun = await MixnetFixture.create({ firstEpochId: 24, firstEpochStart: 1_600_000_000n })
    const interval = await begun.read<Record<string, unknown>>('interval')
    assert.deepEqual(interval, {
      id: 0,
      epochsInInterval: 720,
      currentEpochId: 0,
      totalElapsedEpochs: 24,
      epochLength: 3600,
      currentEpochStart: 1_600_000_000n,
    })
    assert.deepEqual(await begun.read('keyRotation'), [24, 0])
    assert.equal(await begun.read('isEpochOver'), true)
  })

  it('needs the tokens of its pool', async () => {
    await refused(MixnetFixture.create({ funded: PARAMS_A.rewardPool / ONE - 1n }), 'PoolNotFunded')
    await MixnetFixture.create({ funded: PARAMS_A.rewardPool / ONE + 1n })
  })

  it('refuses numbers that would stop it later', async () => {
    const set = PARAMS_A.rewardedSet
    for (const rewarding of [
      { rewardedSet: { ...set, mixnodes: 31 } },
      { rewardedSet: { ...set, mixnodes: 0 } },
      { rewardedSet: { ...set, entryGateways: 0 } },
      { rewardedSet: { ...set, exitGateways: 0 } },
      { rewardedSet: { ...set, standby: 0xffff_ffff } },
      // No transaction could put it in force.
      { rewardedSet: { ...set, standby: 3001 - set.entryGateways - set.exitGateways - set.mixnodes } },
      { stakingSupply: 0n },
      { stakingSupply: 2n ** 128n - 1n },
      { activeSetWorkFactor: ONE - 1n },
      { activeSetWorkFactor: 2n ** 128n - 1n },
      { sybilResistance: ONE + 1n },
      { intervalPoolEmission: ONE + 1n },
      { stakingSupplyScaleFactor: ONE + 1n },
    ])
      await refused(MixnetFixture.create({ rewarding }), 'OutOfRange')
    await refused(
      MixnetFixture.create({ rewarding: { rewardPool: 2n ** 128n - 1n }, funded: 10n ** 15n }),
      'OutOfRange',
    )
    await refused(MixnetFixture.create({ epochsInInterval: 0 }), 'OutOfRange', 'epochsInInterval')
    await refused(MixnetFixture.create({ epochsInInterval: 100_001 }), 'OutOfRange', 'epochsInInterval')
    for (const epochLength of [0, 9]) await refused(MixnetFixture.create({ epochLength }), 'OutOfRange', 'epochLength')
    // All who delegate or are bonded leave at the end of an epoch.
    await refused(MixnetFixture.create({ epochLength: 366 * 86_400 + 1 }), 'OutOfRange', 'epochLength')
    await refused(MixnetFixture.create({ keyValidityEpochs: 2 }), 'OutOfRange', 'keyValidityEpochs')
    for (const minimumPledge of [0n, 10n ** 13n + 1n])
      await refused(MixnetFixture.create({ operators: { minimumPledge } }), 'OutOfRange', 'minimumPledge')
    const minimumDelegation = 10n ** 12n + 1n
    await refused(MixnetFixture.create({ operators: { minimumDelegation } }), 'OutOfRange', 'minimumDelegation')
  })
})

describe('bonding', () => {
  it('takes the pledge and keeps the bond', async () => {
    const nodeId = await fixture.bond(operator)
    assert.equal(nodeId, 1)
    const bond = await fixture.read<Record<string, unknown>>('bondOf', [1])
    assert.equal((bond.owner as string).toLowerCase(), operator)
    assert.equal(bond.originalPledge, PLEDGE)
    assert.equal(bond.bondedAt, fixture.evm.now)
    assert.equal(bond.host, '127.0.0.1')
    assert.equal(bond.httpPort, 8080)
    assert.equal(await fixture.read('nodeIdOf', [operator]), 1)
    assert.equal(await fixture.read('nodeIdOfKey', [bond.identityKey]), 1)
    assert.equal(await fixture.read('bondedWord', [0n]), 2n)
    assert.equal(await fixture.read('signingNonce', [operator]), 1)
    assert.deepEqual(await fixture.rewardingOf(1), {
      operator: PLEDGE * ONE,
      delegates: 0n,
      totalUnitReward: 0n,
      profitMargin: ONE / 10n,
      intervalOperatingCost: 40n * NYM,
      lastRewardedEpoch: 0,
      uniqueDelegations: 0,
    })
    assert.equal(await fixture.balanceOf(operator), 0n)
  })

  it('tells the first of what is wrong', async () => {
    await fixture.bond(operator)
    await fixture.evm.send(fixture.proof, 'setAnswer', [false])
    const long = 'h'.repeat(256)
    const costly = { profitMargin: ONE + 1n, intervalOperatingCost: 0n }
    const bond = (args: unknown[], from = operator) => fixture.send('bond', args, from)
    await refused(bond(bondArguments(1, 1n, costly, long)), 'HostTooLong')
    await refused(bond(bondArguments(1, 1n, costly)), 'BelowMinimumPledge', OPERATORS.minimumPledge)
    await refused(bond(bondArguments(1, PLEDGE, costly)), 'OutOfRange', 'profitMargin')
    await refused(
      bond(bondArguments(1, PLEDGE, { profitMargin: 0n, intervalOperatingCost: 10n ** 15n + 1n })),
      'OutOfRange',
      'operatingCost',
    )
    await refused(bond(bondArguments(1, PLEDGE)), 'AlreadyBonded')
    await refused(bond(bondArguments(1, PLEDGE), alice), 'BadOwnershipSignature')
    await fixture.evm.send(fixture.proof, 'setAnswer', [true])
    await refused(bond(bondArguments(1, PLEDGE), alice), 'IdentityTaken')
    await refused(bond(bondArguments(2, PLEDGE), alice), 'ERC20InsufficientAllowance')
    assert.equal(await fixture.read('lastNodeId'), 1)
    assert.equal(await fixture.read('signingNonce', [alice]), 0)
  })

  it('takes the largest host, the smallest pledge, and goes on while an epoch ends', async () => {
    await beginTransition()
    await fixture.fund(alice, OPERATORS.minimumPledge)
    await fixture.send('bond', bondArguments(7, OPERATORS.minimumPledge, COSTS_A, 'h'.repeat(255)), alice)
    await fixture.send('updateHost', ['elsewhere', 0], alice)
  })

  it('shows the text to sign with the nonce that counts', async () => {
    const args = [operator, ...bondArguments(1, PLEDGE).slice(0, 5)]
    const before = await fixture.read('bondingPayload', args)
    await fixture.bond(operator)
    assert.notEqual(await fixture.read('bondingPayload', args), before)
  })

  it('keeps owner and key until the end of the epoch, and gives ids once', async () => {
    await fixture.bond(operator)
    await fixture.send('unbond', [], operator)
    await refused(fixture.send('bond', bondArguments(2, PLEDGE), operator), 'AlreadyBonded')
    await refused(fixture.send('bond', bondArguments(1, PLEDGE), alice), 'IdentityTaken')
    await fixture.settle()
    assert.equal(await fixture.read('nodeIdOf', [operator]), 0)
    assert.equal(await fixture.read('bondedWord', [0n]), 0n)
    await fixture.fund(alice, PLEDGE)
    assert.equal((await fixture.send('bond', bondArguments(1, PLEDGE), alice)).result, 2)
  })
})

describe('an operator', () => {
  beforeEach(async () => {
    await fixture.bond(operator)
  })

  it('moves its host whenever it likes, within the length', async () => {
    await fixture.send('updateHost', ['elsewhere', 9000], operator)
    assert.equal((await fixture.read<{ host: string }>('bondOf', [1])).host, 'elsewhere')
    await refused(fixture.send('updateHost', ['h'.repeat(256), 0], operator), 'HostTooLong')
    await refused(fixture.send('updateHost', ['h', 0], alice), 'NotBonded')
    await fixture.send('unbond', [], operator)
    await refused(fixture.send('updateHost', ['h', 0], operator), 'Unbonding')
  })

  it('pledges more from the next epoch', async () => {
    await fixture.fund(operator, 5n * NYM)
    await refused(fixture.send('pledgeMore', [5n * NYM], alice), 'NotBonded')
    await refused(fixture.send('pledgeMore', [0n], operator), 'OutOfRange', 'amount')
    const asked = await fixture.send('pledgeMore', [5n * NYM], operator)
    assert.deepEqual(told(asked, 'PledgeMoreRequested'), [{ nodeId: 1, amount: 5n * NYM }])
    assert.deepEqual(await fixture.read('pendingChangesOf', [1]), [1n, 0n])
    assert.equal((await fixture.read<{ originalPledge: bigint }>('bondOf', [1])).originalPledge, PLEDGE)
    for (const [fn, args] of [
      ['pledgeMore', [1n]],
      ['decreasePledge', [1n]],
      ['unbond', []],
    ] as const)
      await refused(fixture.send(fn, args, operator), 'PendingPledgeChange')
    await fixture.settle()
    assert.equal((await fixture.read<{ originalPledge: bigint }>('bondOf', [1])).originalPledge, PLEDGE + 5n * NYM)
    assert.equal((await fixture.rewardingOf(1)).operator, (PLEDGE + 5n * NYM) * ONE)
    assert.deepEqual(await fixture.read('pendingChangesOf', [1]), [0n, 0n])
  })

  it('takes back part of its pledge, not below the minimum', async () => {
    await refused(fixture.send('decreasePledge', [0n], operator), 'OutOfRange', 'amount')
    await refused(fixture.send('decreasePledge', [2n ** 64n - 1n], operator), 'BelowMinimumPledge')
    await refused(fixture.send('decreasePledge', [PLEDGE - 100n * NYM + 1n], operator), 'BelowMinimumPledge')
    const asked = await fixture.send('decreasePledge', [PLEDGE - 100n * NYM], operator)
    // Whoever delegates sees that the operator takes its own out before it is out.
    assert.deepEqual(told(asked, 'PledgeDecreaseRequested'), [{ nodeId: 1, amount: PLEDGE - 100n * NYM }])
    assert.equal(await fixture.read('owed', [operator]), 0n)
    await fixture.settle()
    assert.equal((await fixture.send('claim', [], operator)).result, PLEDGE - 100n * NYM)
    assert.equal(await fixture.balanceOf(operator), PLEDGE - 100n * NYM)
    await refused(fixture.send('claim', [], operator), 'NothingOwed')
  })

  it('changes its costs at the end of the interval, the last of several staying', async () => {
    const costs = (percent: bigint) => [{ profitMargin: (percent * ONE) / 100n, intervalOperatingCost: percent * NYM }]
    await refused(fixture.send('updateCostParams', costs(101n), operator), 'OutOfRange')
    const asked = await fixture.send('updateCostParams', costs(20n), operator)
    assert.deepEqual(told(asked, 'CostParamsRequested'), [{ nodeId: 1, ...costs(20n)[0] }])
    await fixture.send('updateCostParams', costs(30n), operator)
    assert.deepEqual(await fixture.read('pendingChangesOf', [1]), [0n, 2n])
    await fixture.settle()
    assert.deepEqual(await fixture.read('pendingEvents'), [0n, 2n])
    assert.equal((await fixture.rewardingOf(1)).profitMargin, ONE / 10n)
    fixture.evm.now += 720n * 3600n
    await fixture.settle()
    assert.deepEqual(await fixture.read('pendingEvents'), [0n, 0n])
    const { profitMargin, intervalOperatingCost } = await fixture.rewardingOf(1)
    assert.deepEqual([profitMargin, intervalOperatingCost], [(3n * ONE) / 10n, 30n * NYM])
  })

  it('may change its costs and leave: the change is dropped', async () => {
    await fixture.send('updateCostParams', [COSTS_A], operator)
    await fixture.send('unbond', [], operator)
    fixture.evm.now += 720n * 3600n
    await fixture.settle()
    assert.deepEqual(await fixture.read('pendingEvents'), [0n, 0n])
    assert.equal((await fixture.rewardingOf(1)).profitMargin, 0n)
  })

  it('leaves with pledge and rewards, once paid for its last epoch', async () => {
    await fixture.settle()
    await fixture.setNodes([1])
    await fixture.send('unbond', [], operator)
    for (const [fn, args] of [
      ['unbond', []],
      ['pledgeMore', [1n]],
      ['decreasePledge', [1n]],
      ['updateCostParams', [COSTS_A]],
      ['withdrawOperatorReward', []],
    ] as const)
      await refused(fixture.send(fn, args, operator), 'Unbonding')
    const [stake] = await fixture.read<{ eligible: boolean; operator: bigint }[]>('stakesOf', [[1]])
    assert.equal(stake!.eligible, false)
    await fixture.nextEpoch()
    assert.equal((await fixture.send('claim', [], operator)).result, PLEDGE + 1_128_452n)
    const [gone] = await fixture.read<{ operator: bigint; identityKey: string }[]>('stakesOf', [[1]])
    assert.deepEqual([gone!.operator, BigInt(gone!.identityKey)], [0n, 0n])
    assert.equal((await fixture.rewardingOf(1)).operator, 0n)
  })

  it('weighs nothing in the draw with stake that came once secrets are revealed, and everything in the next', async () => {
    const stakeOf = async () => {
      const [{ operator: own, delegates }] = await fixture.read<[{ operator: bigint; delegates: bigint }]>('stakesOf', [
        [1],
      ])
      return [own / ONE, delegates / ONE]
    }
    await fixture.settle()
    await fixture.fund(alice, 12n * NYM)
    await fixture.fund(operator, 3n * NYM)
    const { currentEpochStart } = await fixture.read<{ currentEpochStart: bigint }>('interval')
    fixture.evm.now = currentEpochStart + 2699n
    await fixture.send('delegate', [1, 5n * NYM], alice)
    fixture.evm.now += 1n
    await fixture.send('delegate', [1, 7n * NYM], alice)
    await fixture.send('pledgeMore', [3n * NYM], operator)
    fixture.evm.now = currentEpochStart + 3600n
    await fixture.send('beginEpochTransition')
    await fixture.send('reconcileEpochEvents', [10])
    const { operator: own, delegates } = await fixture.rewardingOf(1)
    assert.deepEqual([own / ONE, delegates / ONE], [PLEDGE + 3n * NYM, 12n * NYM])
    assert.deepEqual(await stakeOf(), [PLEDGE + 3n * NYM, 2n * NYM])
    await fixture.advance()
    await fixture.nextEpoch()
    assert.deepEqual(await stakeOf(), [PLEDGE + 3n * NYM, 12n * NYM])
  })

  it('weighs what it weighed before secrets were revealed, whatever comes and goes later', async () => {
    const weight = async () => {
      const [stake] = await fixture.read<[{ operator: bigint; delegates: bigint }]>('stakesOf', [[1]])
      return stake.operator + stake.delegates
    }
    await fixture.settle()
    await fixture.setNodes([1])
    await fixture.fund(alice, 5_000n * NYM)
    await fixture.fund(mallory, 5_000n * NYM)
    await fixture.send('delegate', [1, 50n * NYM], alice)
    await fixture.send('delegate', [1, 1n], mallory)
    await fixture.nextEpoch()
    const before = await weight()
    const { currentEpochStart } = await fixture.read<{ currentEpochStart: bigint }>('interval')
    fixture.evm.now = currentEpochStart + 2700n
    // Comes and goes at once: were it taken off, anybody could make any node weigh nothing, for a quarter of an hour's capital.
    await fixture.send('delegate', [1, 4_000n * NYM], mallory)
    await fixture.send('undelegate', [1], mallory)
    // Goes, and comes back.
    await fixture.send('undelegate', [1], alice)
    await fixture.send('delegate', [1, 1_000n * NYM], alice)
    assert.equal(await weight(), before)
    await fixture.send('withdrawOperatorReward', [], operator)
    assert.equal(await weight(), before)
    await fixture.setNodes([])
    await fixture.endEpoch()
    await fixture.send('beginEpochTransition')
    await fixture.send('reconcileEpochEvents', [10])
    assert.equal(await weight(), before)
    // Also between the calls of a draw.
    await fixture.send('withdrawDelegatorReward', [1], alice)
    assert.equal(await weight(), before)
    const { operator: own, delegates } = await fixture.rewardingOf(1)
    assert.deepEqual([own / ONE, delegates / ONE], [PLEDGE, 1_000n * NYM])
    await fixture.advance()
    assert.equal(await weight(), own + delegates)
  })

  it('weighs what it weighed before a standstill, in each of the epochs that are caught up', async () => {
    const weight = async () => {
      const [stake] = await fixture.read<[{ operator: bigint; delegates: bigint }]>('stakesOf', [[1]])
      return stake.operator + stake.delegates
    }
    const overdueEpoch = async () => {
      await fixture.send('beginEpochTransition')
      await fixture.send('reconcileEpochEvents', [10])
    }
    await fixture.setNodes([])
    await fixture.fund(mallory, 5_000n * NYM)
    const before = await weight()
    const { currentEpochStart } = await fixture.read<{ currentEpochStart: bigint }>('interval')
    // Nobody ended three epochs, and their seeds are known: of hashes alone.
    fixture.evm.now = currentEpochStart + 3n * 3600n + 100n
    await fixture.send('delegate', [1, 4_000n * NYM], mallory)
    await overdueEpoch()
    assert.equal(await weight(), before)
    await fixture.advance()
    await fixture.send('delegate', [1, 1_000n * NYM], mallory)
    for (let caughtUp = 0; caughtUp < 2; caughtUp++) {
      await overdueEpoch()
      assert.equal(await weight(), before)
      await fixture.advance()
    }
    assert.equal(await fixture.read('isEpochOver'), false)
    // In the epoch that runs it is stake as any other.
    assert.equal(await weight(), before + 5_000n * NYM * ONE)
  })

  it('withdraws what it earned, in any state, and nothing when there is nothing', async () => {
    assert.equal((await fixture.send('withdrawOperatorReward', [], operator)).result, 0n)
    await refused(fixture.send('withdrawOperatorReward', [], alice), 'NotBonded')
    await fixture.settle()
    await fixture.setNodes([1])
    await fixture.rewardEpoch()
    assert.equal(decimal(await fixture.read('pendingOperatorReward', [1])), '1128452.541610435897435896')
    assert.equal((await fixture.send('withdrawOperatorReward', [], operator)).result, 1_128_452n)
    assert.equal(await fixture.read('pendingOperatorReward', [1]), 0n)
  })

  it('can do nothing that moves stake while an epoch ends', async () => {
    await beginTransition()
    for (const [fn, args] of [
      ['pledgeMore', [1n]],
      ['decreasePledge', [1n]],
      ['updateCostParams', [COSTS_A]],
      ['unbond', []],
      ['delegate', [1, 1n]],
      ['undelegate', [1]],
    ] as const)
      await refused(fixture.send(fn, args, operator), 'EpochAdvancementInProgress')
  })
})

describe('a delegator', () => {
  beforeEach(async () => {
    await fixture.bond(operator)
  })

  it('delegates to a node that stays, from the next epoch', async () => {
    await fixture.fund(alice, 100n)
    await refused(fixture.send('delegate', [2, 0n], alice), 'BelowMinimumDelegation', 1n)
    await refused(fixture.send('delegate', [2, 1n], alice), 'NotBonded')
    await fixture.send('delegate', [1, 100n], alice)
    assert.equal((await fixture.rewardingOf(1)).delegates, 0n)
    assert.deepEqual(await fixture.read('pendingEvents'), [1n, 0n])
    const event = await fixture.read<Record<string, unknown>>('epochEventOf', [1n])
    assert.deepEqual(
      { ...event, owner: (event.owner as string).toLowerCase() },
      { kind: 0, nodeId: 1, amount: 100n, owner: alice },
    )
    await fixture.settle()
    assert.equal((await fixture.rewardingOf(1)).delegates, 100n * ONE)
    assert.equal((await fixture.rewardingOf(1)).uniqueDelegations, 1)
  })

  it('heeds the minimum', async () => {
    await fixture.send('updateOperatorsParams', [{ ...OPERATORS, minimumDelegation: 50n }], GOVERNANCE)
    await refused(fixture.delegate(1, alice, 49n), 'BelowMinimumDelegation', 50n)
    await fixture.delegate(1, alice, 50n)
  })

  it('gets its tokens back when the node left first, or leaves', async () => {
    await fixture.delegate(1, alice, 100n)
    await fixture.send('unbond', [], operator)
    await refused(fixture.delegate(1, bob, 5n), 'Unbonding')
    await fixture.settle()
    // It had come before the node asked to leave, but only just: it is in force, and hers to take back.
    assert.equal((await fixture.read<{ amount: bigint }>('delegationOf', [1, alice])).amount, 0n)
    assert.equal(await fixture.read('owed', [alice]), 100n)
  })

  it('undelegates from a node that is bonded, leaving or gone; the second request finds nothing', async () => {
    await refused(fixture.send('undelegate', [1], alice), 'NoDelegation')
    for (const owner of [alice, bob, carol]) await fixture.delegate(1, owner, 100n)
    await fixture.settle()
    await fixture.send('undelegate', [1], alice)
    await fixture.send('undelegate', [1], alice)
    await fixture.send('unbond', [], operator)
    await fixture.send('undelegate', [1], bob)
    await refused(fixture.send('withdrawDelegatorReward', [1], bob), 'Unbonding')
    await fixture.settle()
    await refused(fixture.send('withdrawDelegatorReward', [1], carol), 'NotBonded')
    await fixture.send('undelegate', [1], carol)
    await fixture.settle()
    for (const owner of [alice, bob, carol]) assert.equal((await fixture.send('claim', [], owner)).result, 100n)
  })

  it('earns nothing in the epoch in which it came, and is paid for the one in which it goes', async () => {
    await fixture.settle()
    await fixture.setNodes([1])
    await fixture.delegate(1, alice, 18_000_000_000n)
    await fixture.nextEpoch()
    assert.equal(await fixture.read('pendingDelegatorReward', [1, alice]), 0n)
    await fixture.send('undelegate', [1], alice)
    await fixture.nextEpoch()
    assert.equal(await fixture.read('owed', [alice]), 18_001_795_952n)
  })

  it('withdraws twice and gets it once', async () => {
    await fixture.delegate(1, alice, 18_000_000_000n)
    await fixture.settle()
    await fixture.setNodes([1])
    await fixture.nextEpoch()
    await refused(fixture.send('withdrawDelegatorReward', [1], bob), 'NoDelegation')
    assert.equal((await fixture.send('withdrawDelegatorReward', [1], alice)).result, 1_795_950n)
    assert.equal((await fixture.send('withdrawDelegatorReward', [1], alice)).result, 0n)
    assert.equal((await fixture.read<{ amount: bigint }>('delegationOf', [1, alice])).amount, 18_000_000_000n)
  })

  it('leaves dust to an operator that is gone, which is no bond again', async () => {
    await fixture.delegate(1, alice, 18_000_000_007n)
    await fixture.settle()
    await fixture.setNodes([1])
    await fixture.nextEpoch()
    await fixture.send('unbond', [], operator)
    await fixture.nextEpoch()
    await fixture.send('undelegate', [1], alice)
    await fixture.setNodes([1])
    const logs = await fixture.nextEpoch()
    assert.deepEqual(
      logs.map(({ name, args }) => [name, args.reason]),
      [['NodeNotRewarded', 0]],
    )
    const { operator: dust, delegates } = await fixture.rewardingOf(1)
    assert.ok(dust > 0n && dust < ONE)
    assert.equal(delegates, 0n)
    assert.equal((await fixture.read<{ eligible: boolean }[]>('stakesOf', [[1]]))[0]!.eligible, false)
  })
})

describe('governance', () => {
  const { epochRewardBudget: _b, stakeSaturationPoint: _s, ...rest } = PARAMS_A
  const params = (changes: Partial<typeof PARAMS_A>) => ({
    ...rest,
    epochRewardBudget: 0n,
    stakeSaturationPoint: 0n,
    ...changes,
  })
  const current = () => fixture.read<typeof PARAMS_A>('rewardingParams')

  it('is the only one to set anything, and only while an epoch runs', async () => {
    const calls = [
      ['updateRewardingParams', [params({}), true]],
      ['updateActiveSetDistribution', [20, 50, 30, true]],
      ['updateIntervalConfig', [720, 3600, true]],
      ['updateOperatorsParams', [OPERATORS]],
    ] as const
    for (const [fn, args] of calls) await refused(fixture.send(fn, args, operator), 'NotGovernance')
    await beginTransition()
    for (const [fn, args] of calls) await refused(fixture.send(fn, args, GOVERNANCE), 'EpochAdvancementInProgress')
  })

  it('cannot name a pool that no tokens stand behind', async () => {
    const { rewardPool } = PARAMS_A
    await refused(
      fixture.send('updateRewardingParams', [params({ rewardPool: rewardPool + 1n }), true], GOVERNANCE),
      'OutOfRange',
      'rewardPool',
    )
    await fixture.send('updateRewardingParams', [params({ rewardPool: rewardPool - ONE }), true], GOVERNANCE)
    assert.equal(await fixture.read('unallocated'), ONE)
    await fixture.send('updateRewardingParams', [params({ rewardPool }), true], GOVERNANCE)
    assert.equal(await fixture.read('unallocated'), 0n)
    // Nor one that has been paid out already.
    await fixture.bond(operator)
    await fixture.settle()
    await fixture.setNodes([1])
    await fixture.nextEpoch()
    await refused(
      fixture.send('updateRewardingParams', [params({ rewardPool: ONE }), true], GOVERNANCE),
      'OutOfRange',
      'rewardPool',
    )
  })

  it('changes rewards at once by force, else with the interval', async () => {
    await fixture.send('updateRewardingParams', [params({ sybilResistance: ONE / 2n }), false], GOVERNANCE)
    await fixture.settle()
    assert.equal((await current()).sybilResistance, PARAMS_A.sybilResistance)
    await fixture.send('updateRewardingParams', [params({ intervalPoolEmission: ONE / 25n }), true], GOVERNANCE)
    assert.equal(decimal((await current()).epochRewardBudget), '13888888888.888888888888888888')
    fixture.evm.now += 720n * 3600n
    await fixture.settle()
    assert.equal((await current()).sybilResistance, ONE / 2n)
  })

  it('leaves pool and supply as they come to be, where it says so', async () => {
    const keep = 2n ** 128n - 1n
    await fixture.fund(alice, 5n)
    await fixture.send('updateRewardingParams', [params({ rewardPool: keep, stakingSupply: keep }), false], GOVERNANCE)
    fixture.evm.now += 720n * 3600n
    await fixture.send('fundPool', [5n], alice)
    await fixture.settle()
    assert.equal((await current()).rewardPool, PARAMS_A.rewardPool + 5n * ONE)
    assert.equal((await current()).stakingSupply, PARAMS_A.stakingSupply)
  })

  it('shares the active set anew within the size of the rewarded one', async () => {
    await refused(fixture.send('updateActiveSetDistribution', [100, 100, 42, true], GOVERNANCE), 'OutOfRange')
    await refused(fixture.send('updateActiveSetDistribution', [100, 100, 41, true], GOVERNANCE), 'OutOfRange')
    await fixture.send('updateActiveSetDistribution', [100, 101, 39, false], GOVERNANCE)
    assert.equal((await current()).rewardedSet.standby, 140)
    await fixture.settle()
    assert.deepEqual((await current()).rewardedSet, { entryGateways: 100, exitGateways: 101, mixnodes: 39, standby: 0 })
    assert.equal(decimal((await current()).stakeSaturationPoint), '416666666666.666666666666666666')
    await fixture.send('updateActiveSetDistribution', [1, 1, 3, true], GOVERNANCE)
    assert.equal((await current()).rewardedSet.standby, 235)
  })

  it('drops a share of the active set that has become too large', async () => {
    await fixture.send('updateActiveSetDistribution', [100, 101, 39, false], GOVERNANCE)
    const small = { entryGateways: 1, exitGateways: 1, mixnodes: 3, standby: 0 }
    await fixture.send('updateRewardingParams', [params({ rewardedSet: small }), true], GOVERNANCE)
    await fixture.settle()
    assert.deepEqual((await current()).rewardedSet, small)
  })

  it('re-counts the epochs of an interval', async () => {
    for (let i = 0; i < 5; i++) await fixture.settle()
    await fixture.send('updateIntervalConfig', [3, 60, true], GOVERNANCE)
    const { id, currentEpochId, totalElapsedEpochs } = await fixture.read<Record<string, number>>('interval')
    assert.deepEqual([id, currentEpochId, totalElapsedEpochs], [1, 2, 5])
    assert.equal(decimal((await current()).epochRewardBudget), '1666666666666.666666666666666666')
    await refused(fixture.send('updateIntervalConfig', [0, 60, true], GOVERNANCE), 'OutOfRange')
    await refused(fixture.send('updateIntervalConfig', [3, 0, false], GOVERNANCE), 'OutOfRange')
  })

  it('brings costs into new ranges for good, when the node is next rewarded', async () => {
    await fixture.bond(operator)
    await fixture.settle()
    await fixture.send(
      'updateOperatorsParams',
      [{ ...OPERATORS, minimumProfitMargin: ONE / 5n, maximumOperatingCost: 10n * NYM }],
      GOVERNANCE,
    )
    assert.equal((await fixture.rewardingOf(1)).profitMargin, ONE / 10n)
    await fixture.setNodes([1])
    await fixture.nextEpoch()
    const { profitMargin, intervalOperatingCost } = await fixture.rewardingOf(1)
    assert.deepEqual([profitMargin, intervalOperatingCost], [ONE / 5n, 10n * NYM])
  })
})
