import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { newRewarding } from './accounts.ts'
import { ONE, type Percent, parseDecimal, plus, ratio, whole } from './decimal.ts'
import { drawWeight } from './draw.ts'
import {
  delegatorShare,
  expectedIncome,
  explainEpoch,
  type NodeSituation,
  rewardInRole,
  selectionWeight,
} from './estimate.ts'
import { deriveParams, endInterval, type RewardingParams } from './rewards.ts'

const INTERVAL = 720
const LENGTHS = { epochsInInterval: INTERVAL, epochsInDay: 24 }
/** Nym's main network, tokenomics part 8. */
const PARAMS = deriveParams(
  {
    rewardPool: parseDecimal('166613455567357.391753168447944888'),
    stakingSupply: parseDecimal('61194672938727.325886595653401629'),
    stakingSupplyScaleFactor: parseDecimal('0.07342892'),
    sybilResistance: parseDecimal('0.3'),
    activeSetWorkFactor: whole(10),
    intervalPoolEmission: parseDecimal('0.02'),
    rewardedSet: { entryGateways: 80, exitGateways: 100, mixnodes: 60, standby: 0 },
  },
  INTERVAL,
)
const WITH_STANDBY: RewardingParams = deriveParams(
  { ...PARAMS, rewardedSet: { entryGateways: 50, exitGateways: 50, mixnodes: 60, standby: 80 } },
  INTERVAL,
)
const nym = (amount: number) => BigInt(amount) * 1_000_000n

const situation = (pledge: number, delegated: number, more: Partial<NodeSituation> = {}): NodeSituation => ({
  stake: { operator: whole(nym(pledge)), delegates: whole(nym(delegated)) },
  costs: { profitMargin: ratio(20, 100), intervalOperatingCost: nym(800) },
  performance: ONE,
  ...more,
})

const situations = fc
  .record({
    pledge: fc.integer({ min: 100, max: 600_000 }),
    delegated: fc.integer({ min: 0, max: 600_000 }),
    margin: fc.integer({ min: 0, max: 100 }),
    cost: fc.integer({ min: 0, max: 20_000 }),
    performance: fc.integer({ min: 0, max: 100 }),
  })
  .map(({ pledge, delegated, margin, cost, performance }) =>
    situation(pledge, delegated, {
      costs: { profitMargin: ratio(margin, 100), intervalOperatingCost: nym(cost) },
      performance: ratio(performance, 100),
    }),
  )

describe('income', () => {
  it('is the published example to the last digit', () => {
    // tokenomics part 9, row 12
    const split = rewardInRole(PARAMS, situation(100, 250_000), 'active', INTERVAL)
    assert.equal(split.operator, parseDecimal('3803539.263763606584491088'))
    assert.equal(split.delegates, parseDecimal('10748216.178253474956295287'))
  })

  it('is a mean over roles, and days and intervals are so many epochs', () => {
    const node = situation(20_000, 200_000)
    const always = expectedIncome(WITH_STANDBY, node, { active: ONE, standby: 0n }, LENGTHS)
    const half = expectedIncome(WITH_STANDBY, node, { active: ratio(1, 2), standby: ratio(1, 4) }, LENGTHS)
    assert.deepEqual(always.epoch, always.whenActive)
    assert.equal(half.epoch.operator, half.whenActive.operator / 2n + half.whenStandby.operator / 4n)
    assert.equal(half.day.operator, half.epoch.operator * 24n)
    assert.equal(half.interval.delegates, half.epoch.delegates * 720n)
    assert.ok(half.whenStandby.operator > 0n && half.whenStandby.operator < half.whenActive.operator)
  })

  it('of delegators is shared by what each has', () => {
    const { stake } = situation(100, 1_000)
    assert.equal(delegatorShare(whole(500), stake, nym(250)), whole(125))
    assert.equal(delegatorShare(whole(500), { operator: whole(1), delegates: 0n }, nym(250)), 0n)
  })

  it('never falls with performance, for the operator or for delegators', () => {
    fc.assert(
      fc.property(situations, fc.integer({ min: 0, max: 99 }), (node, percent) => {
        const at = (performance: Percent) => rewardInRole(PARAMS, { ...node, performance }, 'active', INTERVAL)
        const [worse, better] = [at(ratio(percent, 100)), at(ratio(percent + 1, 100))]
        // Costs are scaled by performance too: what is left for the rest grows with it.
        assert.ok(better.operator >= worse.operator)
        assert.ok(better.delegates >= worse.delegates)
        assert.ok(
          selectionWeight(node.stake, ratio(percent + 1, 100), PARAMS.stakeSaturationPoint) >=
            selectionWeight(node.stake, ratio(percent, 100), PARAMS.stakeSaturationPoint),
        )
      }),
    )
  })

  it('has the weight that the draw has', () => {
    fc.assert(
      fc.property(situations, ({ stake, performance }) => {
        const candidate = {
          nodeId: 1,
          stake: plus(stake.operator, stake.delegates),
          performance,
          capabilities: 15,
          eligible: true,
          bondedAt: 0n,
        }
        const point = PARAMS.stakeSaturationPoint
        assert.equal(selectionWeight(stake, performance, point), drawWeight(candidate, point))
      }),
    )
  })

  it('of a coin delegated falls where a node has more than it needs', () => {
    const perCoin = (delegated: number) =>
      (rewardInRole(PARAMS, situation(100, delegated), 'active', INTERVAL).delegates * ONE) / whole(nym(delegated))
    assert.ok(perCoin(300_000) < perCoin(250_000))
    assert.ok(perCoin(600_000) < perCoin(300_000))
  })
})

describe('why an epoch paid less', () => {
  it('adds up to the difference, whatever the reasons', () => {
    const roles = fc.constantFrom('active', 'standby', 'none')
    fc.assert(
      fc.property(situations, roles, fc.boolean(), (node, role, later) => {
        const now = later
          ? endInterval(WITH_STANDBY, { removed: whole(nym(2_000_000)), added: 0n }, INTERVAL)
          : WITH_STANDBY
        const told = explainEpoch(now, node, role, INTERVAL, WITH_STANDBY)
        const lost = told.losses.reduce((sum, { amount }) => sum + amount, 0n)
        assert.equal(told.best - lost, told.earned)
        const paid = rewardInRole(now, node, role, INTERVAL)
        assert.deepEqual(told.split, paid)
        assert.equal(plus(paid.operator, paid.delegates), told.earned)
        for (const { cause, amount } of told.losses) assert.ok(amount > 0n || cause === 'emission', cause)
        assert.equal(
          told.losses.some(({ cause }) => cause === 'not-drawn'),
          role === 'none' && node.performance > 0n,
        )
      }),
    )
  })

  it('names each cause where it is the only one', () => {
    const full = 254_978
    const causes = (node: NodeSituation, role: 'active' | 'standby' | 'none' = 'active', before = WITH_STANDBY) =>
      explainEpoch(WITH_STANDBY, node, role, INTERVAL, before).losses.map(({ cause }) => cause)
    assert.deepEqual(causes(situation(full, 0)), [])
    assert.deepEqual(causes(situation(full, 0, { performance: ratio(9, 10) })), ['performance'])
    assert.deepEqual(causes(situation(1_000, full)), ['pledge'])
    assert.deepEqual(causes(situation(1_000, 1_000)), ['pledge', 'stake'])
    assert.deepEqual(causes(situation(full, 0), 'standby'), ['standby'])
    assert.deepEqual(causes(situation(full, 0), 'none'), ['not-drawn'])
    const richer = deriveParams({ ...WITH_STANDBY, rewardPool: whole(nym(170_000_000)) }, INTERVAL)
    assert.deepEqual(causes(situation(full, 0), 'active', richer), ['emission'])
    const poorer = deriveParams({ ...WITH_STANDBY, rewardPool: whole(nym(160_000_000)) }, INTERVAL)
    const [gain] = explainEpoch(WITH_STANDBY, situation(full, 0), 'active', INTERVAL, poorer).losses
    assert.ok(gain !== undefined && gain.amount < 0n)
  })

  it('says what of the cost is uncovered, and how much stake is idle', () => {
    const poor = explainEpoch(PARAMS, situation(100, 1), 'active', INTERVAL)
    assert.equal(poor.split.operator, poor.earned)
    assert.equal(poor.split.delegates, 0n)
    assert.equal(poor.uncoveredCost, ratio(nym(800), INTERVAL) - poor.earned)
    assert.equal(poor.idleStake, 0n)
    const crowded = explainEpoch(PARAMS, situation(100, 509_856), 'active', INTERVAL)
    assert.equal(crowded.uncoveredCost, 0n)
    assert.ok(crowded.idleStake > ratio(49, 100) && crowded.idleStake < ratio(51, 100))
    assert.equal(crowded.weight, ONE)
    assert.equal(explainEpoch(PARAMS, situation(100, 1), 'none', INTERVAL).uncoveredCost, 0n)
  })

  it('is for a node as the ledger has it', () => {
    const costs = { profitMargin: ratio(20, 100), intervalOperatingCost: nym(800) }
    const node = newRewarding(nym(1_000), costs, 7)
    assert.ok(explainEpoch(PARAMS, { stake: node, costs: node, performance: ONE }, 'active', INTERVAL).earned > 0n)
  })
})
