// What somebody might try: to enter twice, to overflow, to clog the queue, to take what is not theirs; and what a large epoch costs.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeFunctionData } from 'viem'
import { contract, Evm, refused } from '../support/evm.ts'
import { bondArguments, GOVERNANCE, MixnetFixture, NYM, ONE } from '../support/mixnet.ts'

const operator = (n: number) => Evm.address(10_000 + n)
const delegator = (n: number) => Evm.address(50_000 + n)
const mallory = Evm.address(3)
const U64 = 2n ** 64n - 1n

/** Tokens stand behind every number: pledges, delegations, rewards, what is owed, and the pool. */
async function assertSolvent(fixture: MixnetFixture, people: readonly `0x${string}`[], waiting = 0n): Promise<void> {
  const [removed, added] = await fixture.read<[bigint, bigint]>('poolChange')
  const { rewardPool } = await fixture.read<{ rewardPool: bigint }>('rewardingParams')
  let liabilities = rewardPool - removed + added + (await fixture.read<bigint>('unallocated')) + waiting * ONE
  const last = await fixture.read<number>('lastNodeId')
  for (let nodeId = 1; nodeId <= last; nodeId++) {
    const { operator: stake, delegates } = await fixture.rewardingOf(nodeId)
    liabilities += stake + delegates
  }
  for (const who of people) liabilities += (await fixture.read<bigint>('owed', [who])) * ONE
  const balance = (await fixture.balanceOf(fixture.mixnet)) * ONE
  assert.ok(balance >= liabilities, `${balance} for ${liabilities}`)
}

/** A contract that acts for many, with the tokens it needs. */
async function crowdOf(fixture: MixnetFixture, tokens: bigint): Promise<`0x${string}`> {
  const crowd = await fixture.evm.deploy('CrowdMock', [fixture.token, fixture.mixnet])
  await fixture.fund(crowd, tokens)
  return crowd
}

describe('entering again', () => {
  const { abi } = contract('Mixnet')
  const attacks = ['beginEpochTransition', 'rewardNodes', 'reconcileEpochEvents', 'claim', 'withdrawOperatorReward']
  const call = (functionName: string) =>
    encodeFunctionData({ abi, functionName, args: /rewardNodes|reconcile/.test(functionName) ? [1] : [] })

  // Each ends with `Entered` if the call comes through.
  it('gets nowhere while the scores are asked', async () => {
    const fixture = await MixnetFixture.create({ performanceName: 'HostileMock' })
    await fixture.bond(operator(1))
    await fixture.settle()
    await fixture.setNodes([1])
    for (const attack of attacks) {
      await fixture.evm.send(fixture.scores, 'prepare', [fixture.mixnet, call(attack), [1]])
      const logs = await fixture.nextEpoch()
      assert.deepEqual(
        logs.map(({ name }) => name),
        ['NodeRewarded'],
      )
    }
    await assertSolvent(fixture, [operator(1)])
  })

  it('gets nowhere while the set is asked', async () => {
    for (const attack of [...attacks, 'advanceEpoch']) {
      const fixture = await MixnetFixture.create({ rewardedSetName: 'HostileMock' })
      await fixture.bond(operator(1))
      await fixture.evm.send(fixture.set, 'prepare', [fixture.mixnet, call(attack), [1]])
      await fixture.endEpoch()
      await fixture.send('beginEpochTransition')
      await fixture.send('rewardNodes', [1])
      assert.deepEqual(await fixture.read('epochState'), [2, 1, 1])
    }
  })
})

describe('numbers that are too large', () => {
  it('are refused, or find no tokens', async () => {
    const fixture = await MixnetFixture.create()
    await fixture.bond(operator(1))
    await fixture.fund(mallory, 1000n * NYM)
    await refused(fixture.send('bond', bondArguments(99, U64), mallory), 'ERC20InsufficientBalance')
    await refused(fixture.send('delegate', [1, U64], mallory), 'OutOfRange', 'amount')
    await refused(fixture.send('delegate', [1, 2n ** 56n], mallory), 'OutOfRange', 'amount')
    await refused(fixture.send('delegate', [1, 2n ** 56n - 1n], mallory), 'ERC20InsufficientBalance')
    await refused(fixture.send('pledgeMore', [U64], operator(1)), 'OutOfRange', 'amount')
    await refused(fixture.send('decreasePledge', [U64], operator(1)), 'BelowMinimumPledge')
    await refused(fixture.send('fundPool', [U64], mallory), 'ERC20InsufficientBalance')
    const costs = { profitMargin: U64, intervalOperatingCost: U64 }
    await refused(fixture.send('updateCostParams', [costs], operator(1)), 'OutOfRange')
    await refused(fixture.send('delegate', [0xffff_ffff, 1n], mallory), 'NotBonded')
    await refused(fixture.send('undelegate', [0], mallory), 'NoDelegation')
    await refused(fixture.send('updateIntervalConfig', [0xffff_ffff, 0, true], GOVERNANCE), 'OutOfRange')
    // Nobody's stake would move any more.
    await refused(fixture.send('updateIntervalConfig', [1, 0xffff_ffff, true], GOVERNANCE), 'OutOfRange')
    await refused(fixture.send('updateIntervalConfig', [100_001, 3600, true], GOVERNANCE), 'OutOfRange')
    await fixture.send('updateIntervalConfig', [100_000, 366 * 86_400, true], GOVERNANCE)
    assert.equal(await fixture.read('isIntervalOver'), false)
    assert.deepEqual(await fixture.read('pendingEvents'), [0n, 0n])
  })

  it('do not hinder a delegation from leaving that has doubled, where official code would overflow', async () => {
    const fixture = await MixnetFixture.create({
      rewarding: {
        rewardedSet: { entryGateways: 1, exitGateways: 1, mixnodes: 3, standby: 0 },
        intervalPoolEmission: ONE,
      },
      epochsInInterval: 2,
    })
    const stake = 9_000_000n * NYM
    await fixture.bond(operator(1), 1_000_000n * NYM)
    await fixture.delegate(1, delegator(1), stake)
    await fixture.settle()
    await fixture.setNodes([1])
    for (let epoch = 0; epoch < 3; epoch++) await fixture.nextEpoch()
    const earned = await fixture.read<bigint>('pendingDelegatorReward', [1, delegator(1)])
    assert.ok(earned > stake * ONE)
    await fixture.send('undelegate', [1], delegator(1))
    await fixture.nextEpoch()
    assert.ok((await fixture.read<bigint>('owed', [delegator(1)])) >= stake + earned / ONE)
    await fixture.send('unbond', [], operator(1))
    await fixture.nextEpoch()
    await fixture.send('claim', [], operator(1))
    await fixture.send('claim', [], delegator(1))
    await assertSolvent(fixture, [])
  })
})

describe('a clogged queue', () => {
  it('of 600 tiny delegations is worked off in pieces, each within a block, and the epoch goes on', async () => {
    const fixture = await MixnetFixture.create()
    await fixture.bond(operator(1))
    const crowd = await crowdOf(fixture, 600n)
    await fixture.evm.send(crowd, 'delegate', [1, 600, 1n])
    const others = 60
    for (let i = 0; i < others; i++) await fixture.delegate(1, delegator(i), 1n)
    await fixture.endEpoch()
    await fixture.send('beginEpochTransition')
    let calls = 0
    for (; (await fixture.read<[number]>('epochState'))[0] === 2; calls++) {
      const { gasUsed } = await fixture.reconcile(250)
      assert.ok(gasUsed < 30_000_000n, `${gasUsed}`)
    }
    assert.equal(calls, 3)
    await fixture.advance()
    assert.equal((await fixture.rewardingOf(1)).uniqueDelegations, 1 + others)
    assert.equal((await fixture.read<{ amount: bigint }>('delegationOf', [1, crowd])).amount, 600n)
    await assertSolvent(fixture, [])
  })
})

describe('nobody', () => {
  it('takes what is not theirs: all leave, and what stays is the pool and dust', async () => {
    const fixture = await MixnetFixture.create()
    const people = [1, 2, 3].map(operator).concat([1, 2, 3, 4].map(delegator))
    for (let n = 1; n <= 3; n++) await fixture.bond(operator(n), BigInt(n) * 1_000_000_007n)
    for (let n = 1; n <= 4; n++) {
      for (const nodeId of [1, 2, 3]) await fixture.delegate(nodeId, delegator(n), BigInt(n) * 333_333_331n)
    }
    await assertSolvent(fixture, people, 3n * 10n * 333_333_331n)
    await fixture.settle()
    await fixture.setNodes([1, 2, 3])
    for (let epoch = 0; epoch < 5; epoch++) {
      await fixture.evm.send(fixture.scores, 'setEverybody', [ONE - BigInt(epoch) * 17_000_000_000_000_003n])
      await fixture.nextEpoch()
      await assertSolvent(fixture, people)
      await fixture.send('withdrawDelegatorReward', [1], delegator((epoch % 4) + 1))
    }
    for (const nodeId of [1, 2, 3])
      for (let n = 1; n <= 4; n++) await fixture.send('undelegate', [nodeId], delegator(n))
    for (let n = 1; n <= 3; n++) await fixture.send('unbond', [], operator(n))
    await fixture.nextEpoch()
    await assertSolvent(fixture, people)
    for (const who of people) await fixture.send('claim', [], who)
    const [removed] = await fixture.read<[bigint, bigint]>('poolChange')
    const { rewardPool } = await fixture.read<{ rewardPool: bigint }>('rewardingParams')
    const left = (await fixture.balanceOf(fixture.mixnet)) * ONE - (rewardPool - removed)
    assert.ok(left >= 0n && left < 100n * ONE, `${left}`)
  })
})

describe('an epoch of a thousand nodes', () => {
  it('is rewarded in pieces that fit a block, for at most 25,000 gas a node', async () => {
    const fixture = await MixnetFixture.create({
      rewarding: { rewardedSet: { entryGateways: 200, exitGateways: 200, mixnodes: 300, standby: 300 } },
    })
    const count = 1000
    const crowd = await crowdOf(fixture, BigInt(count) * 200n * NYM)
    for (let n = 0; n < count; n += 250) await fixture.evm.send(crowd, 'bond', [250, 200n * NYM])
    for (let n = 1; n <= 10; n++) await fixture.delegate(n, delegator(0), 1_000n * NYM)
    await fixture.settle()
    await fixture.setNodes(Array.from({ length: count }, (_, n) => ({ nodeId: n + 1, standby: n >= 700 })))
    await fixture.nextEpoch()

    /** Of a node, once its accounts have been written before. */
    const perNode: bigint[] = []
    const epoch = async () => {
      await fixture.endEpoch()
      await fixture.send('beginEpochTransition')
      for (let done = 0; done < count; done += 250) {
        const { gasUsed } = await fixture.send('rewardNodes', [250])
        assert.ok(gasUsed < 30_000_000n)
        perNode.push(gasUsed / 250n)
      }
      await fixture.reconcile()
      await fixture.advance()
    }
    await epoch()
    assert.ok(
      perNode.every((gas) => gas <= 25_000n),
      perNode.join(' '),
    )

    console.log(`gas a rewarded node: ${perNode.join(' ')}`)
  })
})

it('a node costs the same to reward whoever delegates to it', async () => {
  const fixture = await MixnetFixture.create()
  const nodes = [1, 2, 3]
  for (const n of nodes) await fixture.bond(operator(n))
  for (const n of nodes) await fixture.delegate(n, delegator(0), 1_000n * NYM)
  await fixture.settle()
  await fixture.setNodes(nodes)
  await fixture.nextEpoch()
  await fixture.nextEpoch()

  const rewardOne = async () => {
    await fixture.endEpoch()
    await fixture.send('beginEpochTransition')
    const { gasUsed } = await fixture.send('rewardNodes', [nodes.length])
    await fixture.reconcile()
    await fixture.advance()
    return gasUsed
  }
  const before = await rewardOne()
  for (let i = 1; i <= 40; i++) await fixture.delegate(1, delegator(i), 10n * NYM)
  await rewardOne()
  const after = await rewardOne()
  const difference = after > before ? after - before : before - after
  assert.ok(difference < 100n, `${before} with one delegator, ${after} with forty more`)
})
