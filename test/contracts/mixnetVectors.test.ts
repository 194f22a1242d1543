// Vectors 1 to 5 and 11 to 16 of tokenomics part 9, to the last digit, played on the contract.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Evm } from '../support/evm.ts'
import { COSTS_A, type Costs, decimal, MixnetFixture, type MixnetOptions, NYM, ONE } from '../support/mixnet.ts'

const operator = Evm.address(10)
const alice = Evm.address(11)
const bob = Evm.address(12)

/** In set-up A a node that is bonded, with delegations in force, before the first epoch that rewards it. */
async function setUp(delegations: readonly (readonly [typeof alice, bigint])[] = []): Promise<MixnetFixture> {
  const fixture = await MixnetFixture.create()
  await fixture.bond(operator)
  for (const [owner, amount] of delegations) await fixture.delegate(1, owner, amount)
  await fixture.settle()
  await fixture.setNodes([1])
  return fixture
}

/** What the next epoch gives the node. */
async function rewards(fixture: MixnetFixture): Promise<{ operator: string; delegates: string }> {
  const [log] = (await fixture.nextEpoch()).filter(({ name }) => name === 'NodeRewarded')
  return {
    operator: decimal(log!.args.operatorReward as bigint),
    delegates: decimal(log!.args.delegatesReward as bigint),
  }
}

const unitReward = async (fixture: MixnetFixture) => decimal((await fixture.rewardingOf(1)).totalUnitReward)
const rewardOf = async (fixture: MixnetFixture, owner: string) =>
  decimal(await fixture.read<bigint>('pendingDelegatorReward', [1, owner]))

describe('vectors of the specification', () => {
  it('derives budget, saturation and work', async () => {
    const fixture = await MixnetFixture.create()
    const params = await fixture.read<{ epochRewardBudget: bigint; stakeSaturationPoint: bigint }>('rewardingParams')
    assert.equal(decimal(params.epochRewardBudget), '6944444444.444444444444444444')
    assert.equal(decimal(params.stakeSaturationPoint), '416666666666.666666666666666666')
    const [active, standby] = await fixture.read<[bigint, bigint]>('epochWorkFactors')
    assert.equal(decimal(active), '0.0087719298245614')
    assert.equal(decimal(standby), '0.00087719298245614')
  })

  it('1: a node alone', async () => {
    assert.deepEqual(await rewards(await setUp()), { operator: '1128452.541610435897435896', delegates: '0' })
  })

  it('2 and 16: a delegator, who then adds to it', async () => {
    const fixture = await setUp([[alice, 18_000_000_000n]])
    assert.deepEqual(await rewards(fixture), {
      operator: '1363716.856243171496953611',
      delegates: '1795950.260266049015866901',
    })
    assert.equal(await unitReward(fixture), '99775.014459224944328188')
    assert.equal(await rewardOf(fixture, alice), '1795950.260266048997907384')

    await fixture.delegate(1, alice, 2_000_000_000n)
    await fixture.settle()
    const { amount, cumulativeRewardRatio } = await fixture.read<{ amount: bigint; cumulativeRewardRatio: bigint }>(
      'delegationOf',
      [1, alice],
    )
    assert.equal(amount, 20_001_795_950n)
    assert.equal(decimal(cumulativeRewardRatio), '99775.014459224944328188')
    assert.equal(decimal((await fixture.rewardingOf(1)).operator), '10001363716.856243171514913128')
    await fixture.setNodes([1])
    assert.deepEqual(await rewards(fixture), {
      operator: '1387650.650736797488861325',
      delegates: '1998065.10118914296677174',
    })
    assert.equal(await rewardOf(fixture, alice), '1998065.101189142931478345')
  })

  it('3: who joins after the first epoch, and leaves after the third', async () => {
    const fixture = await setUp()
    await fixture.delegate(1, alice, 18_000_000_000n)
    await fixture.nextEpoch()
    assert.deepEqual(await rewards(fixture), {
      operator: '1363843.413584608173145556',
      delegates: '1795952.258744039137825818',
    })
    assert.equal(await unitReward(fixture), '99775.125485779951103683')
    assert.deepEqual(await rewards(fixture), {
      operator: '1364017.782444048630340511',
      delegates: '1796135.926946868814167029',
    })
    assert.equal(await unitReward(fixture), '199560.454760605995337331')
    assert.equal(await rewardOf(fixture, alice), '3592088.185690907916071958')
    await fixture.send('undelegate', [1], alice)
    await fixture.settle()
    assert.equal(await fixture.read('owed', [alice]), 18_003_592_088n)
    const { operator: left, delegates } = await fixture.rewardingOf(1)
    assert.equal(decimal(left), '10003856313.737639092736842852')
    assert.equal(delegates, 0n)
  })

  it('4: the operator withdraws', async () => {
    const fixture = await setUp([
      [alice, 18_000_000_000n],
      [bob, 4_000_000_000n],
    ])
    assert.deepEqual(await rewards(fixture), {
      operator: '1411087.100764731794871794',
      delegates: '2199961.032388663076923077',
    })
    assert.equal(await unitReward(fixture), '99998.228744939229569252')
    assert.equal((await fixture.send('withdrawOperatorReward', [], operator)).result, 1_411_087n)
    assert.equal(await fixture.balanceOf(operator), 1_411_087n)
    assert.deepEqual(await rewards(fixture), {
      operator: '1411113.000406794204418423',
      delegates: '2200183.387908444920700037',
    })
  })

  it('5: delegators withdraw', async () => {
    const fixture = await setUp([
      [alice, 18_000_000_000n],
      [bob, 4_000_000_000n],
    ])
    await fixture.nextEpoch()
    assert.equal(await rewardOf(fixture, alice), '1799968.117408906132246536')
    assert.equal((await fixture.send('withdrawDelegatorReward', [1], alice)).result, 1_799_968n)
    assert.deepEqual(await rewards(fixture), {
      operator: '1411250.190749266714782677',
      delegates: '2200004.051009688216703649',
    })
    assert.equal(await rewardOf(fixture, alice), '1799970.58830417697806612')
    assert.equal(await rewardOf(fixture, bob), '800026.37768526811427528')
    await fixture.send('withdrawDelegatorReward', [1], alice)
    await fixture.send('withdrawDelegatorReward', [1], bob)
    assert.equal(decimal((await fixture.rewardingOf(1)).delegates), '22000000000.00000000006903879')
  })
})

describe('vectors with the parameters of the main network', () => {
  const mainnet: MixnetOptions = {
    rewarding: {
      rewardPool: 166_613_455_567_357_391_753_168_447_944_888n,
      stakingSupply: 61_194_672_938_727_325_886_595_653_401_629n,
      stakingSupplyScaleFactor: 73_428_920_000_000_000n,
      rewardedSet: { entryGateways: 80, exitGateways: 100, mixnodes: 60, standby: 0 },
    },
  }

  async function first(pledge: bigint, delegated: bigint, costs: Costs, performance = ONE) {
    const fixture = await MixnetFixture.create(mainnet)
    await fixture.bond(operator, pledge * NYM, costs)
    if (delegated > 0n) await fixture.delegate(1, alice, delegated * NYM)
    await fixture.settle()
    await fixture.setNodes([1])
    await fixture.evm.send(fixture.scores, 'setScore', [1, performance])
    const { operator: ofOperator, delegates } = await rewards(fixture)
    return [ofOperator, delegates, await unitReward(fixture)]
  }

  it('8, 9: budget and saturation', async () => {
    const fixture = await MixnetFixture.create(mainnet)
    const params = await fixture.read<{ epochRewardBudget: bigint; stakeSaturationPoint: bigint }>('rewardingParams')
    assert.equal(decimal(params.epochRewardBudget), '4628151543.537705326476901331')
    assert.equal(decimal(params.stakeSaturationPoint), '254977803911.363857860815222506')
  })

  it('12: nearly saturated by delegations', async () => {
    assert.deepEqual(await first(100n, 250_000n, { profitMargin: ONE / 5n, intervalOperatingCost: 800n * NYM }), [
      '3803539.263763606584491088',
      '10748216.178253474956295287',
      '42992.864713013899825181',
    ])
  })

  it('13: nearly saturated by its pledge', async () => {
    assert.deepEqual(await first(250_000n, 0n, COSTS_A), ['18822311.692596938132358808', '0', '0'])
  })

  it('14: over-saturated, with losses', async () => {
    assert.deepEqual(
      await first(
        100n,
        500_000n,
        { profitMargin: ONE / 2n, intervalOperatingCost: 1000n * NYM },
        979_999_999_999_999_982n,
      ),
      ['7951299.601130405836298335', '6587553.468631842017597065', '13175.106937263684035194'],
    )
  })

  it('15: a reward below the costs', async () => {
    assert.deepEqual(await first(100n, 1n, { profitMargin: ONE / 5n, intervalOperatingCost: 800n * NYM }), [
      '5876.558575144840548894',
      '0',
      '0',
    ])
  })
})
