import assert from 'node:assert/strict'
import { it } from 'node:test'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { ONE, parseDecimal, ratio, truncate, whole } from '../../protocol/economy/decimal.ts'
import { deriveParams, type RewardingParams } from '../../protocol/economy/rewards.ts'
import { LabLedger } from './labLedger.ts'

/** tokenomics part 9, common set-up A. */
const A: RewardingParams = deriveParams(
  {
    rewardPool: whole(250_000_000_000_000n),
    stakingSupply: whole(100_000_000_000_000n),
    stakingSupplyScaleFactor: ONE,
    sybilResistance: ratio(3, 10),
    activeSetWorkFactor: whole(10),
    intervalPoolEmission: ratio(2, 100),
    rewardedSet: { entryGateways: 20, exitGateways: 50, mixnodes: 30, standby: 140 },
  },
  720,
)
const COSTS = { profitMargin: ratio(1, 10), intervalOperatingCost: 40_000_000n }
const ALL = { entry: true, exit: true, mix: true }
const [OPERATOR, ALICE] = [0, 1]

function opened() {
  const ledger = new LabLedger(A, 720, [10_000_000_000n, 18_000_000_000n])
  const node = ledger.bond(OPERATOR, 10_000_000_000n, COSTS, ALL)
  const epoch = () => {
    const payments = ledger.settleEpoch(() => ONE)
    ledger.advanceEpoch({ active: [node.id], standby: [] })
    return payments
  }
  return { ledger, node, epoch }
}

it('pays the published example: an epoch alone, then with a delegator who leaves', () => {
  const { ledger, node, epoch } = opened()
  // Bonded in this epoch: drawn for the next one.
  assert.deepEqual(epoch(), [])
  const coins = ledger.coins
  ledger.delegate(ALICE, node, 18_000_000_000n)
  // What is delegated works from the next epoch on.
  assert.equal(epoch()[0]?.operator, parseDecimal('1128452.541610435897435896'))
  const [second] = epoch()
  assert.equal(second?.operator, parseDecimal('1363843.413584608173145556'))
  assert.equal(second?.delegates, parseDecimal('1795952.258744039137825818'))
  ledger.undelegate(ALICE, node)
  epoch()
  assert.equal(ledger.wallet(ALICE), 18_003_592_088n)
  assert.equal(node.rewarding.delegates, 0n)
  assert.equal(node.rewarding.operator, parseDecimal('10003856313.737639092736842852'))
  assert.equal(ledger.coins, coins)
  assert.equal(truncate(ledger.removed), 1128452n + 1363843n + 1795952n + 1364017n + 1796135n + 2n)
})

it('unbonds behind the rewards of the epoch; delegators of a node that is gone get theirs', () => {
  const { ledger, node, epoch } = opened()
  epoch()
  ledger.delegate(ALICE, node, 1_000_000n)
  epoch()
  ledger.unbond(node)
  assert.equal(node.state, 'unbonding')
  assert.equal(epoch().length, 1)
  assert.equal(node.state, 'gone')
  assert.ok(ledger.wallet(OPERATOR) > 10_000_000_000n)
  assert.deepEqual(epoch(), [])
  ledger.undelegate(ALICE, node)
  epoch()
  assert.ok(ledger.wallet(ALICE) > 18_000_000_000n)
  assert.equal(node.delegations.size, 0)
})

it('refunds a delegation whose node leaves first', () => {
  const { ledger, node, epoch } = opened()
  ledger.delegate(ALICE, node, 1_000_000n)
  assert.equal(ledger.wallet(ALICE), 17_999_000_000n)
  ledger.unbond(node)
  epoch()
  assert.equal(ledger.wallet(ALICE), 18_000_000_000n)
})

it('takes new costs at the end of the interval, and a smaller pledge at the end of the epoch', () => {
  const { ledger, node, epoch } = opened()
  ledger.changeCosts(node, { ...COSTS, profitMargin: ONE })
  ledger.decreasePledge(node, 4_000_000_000n)
  epoch()
  assert.equal(ledger.wallet(OPERATOR), 4_000_000_000n)
  while (ledger.epoch < 719) epoch()
  assert.equal(node.rewarding.profitMargin, COSTS.profitMargin)
  const pool = ledger.params.rewardPool
  epoch()
  assert.equal(node.rewarding.profitMargin, ONE)
  assert.ok(ledger.params.rewardPool < pool)
  assert.equal(ledger.removed, 0n)
})

it('refuses what a strategy must not ask for', () => {
  const { ledger, node } = opened()
  const refused = (work: () => void) => assert.throws(work, (error) => isMixnetError(error, 'INTERNAL'))
  refused(() => ledger.bond(ALICE, 99_000_000n, COSTS, ALL))
  refused(() => ledger.delegate(ALICE, node, 18_000_000_001n))
  refused(() => ledger.delegate(ALICE, node, 0n))
  refused(() => ledger.decreasePledge(node, 9_900_000_001n))
  ledger.unbond(node)
  refused(() => ledger.unbond(node))
})
