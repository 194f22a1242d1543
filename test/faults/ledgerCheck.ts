/** Whether a ledger that went through something is what the rules make of it, and what its directory told was true. @module */
import assert from 'node:assert/strict'
import { seconds } from '../../src/foundation/base/units.ts'
import { ROLE, type Role } from '../../src/protocol/economy/draw.ts'
import { LedgerReplay } from './ledgerReplay.ts'
import type { LedgerRun, Told } from './ledgerRun.ts'

const NO_REWARDING = { operator: 0n, delegates: 0n, totalUnitReward: 0n, lastRewardedEpoch: 0, uniqueDelegations: 0 }

/** Compares everything, and gives what it was compared with. */
export async function checkRun(run: LedgerRun): Promise<LedgerReplay> {
  run.chain.stalled = true
  await run.simulation.runFor(seconds(1))
  const replay = LedgerReplay.of(run.deployment, await run.events(), (block) => run.chain.timeOf(block))
  await compareAccounts(run, replay)
  compareTold(run.told, replay)
  run.chain.stalled = false
  return replay
}

async function compareAccounts(run: LedgerRun, { state }: LedgerReplay): Promise<void> {
  const { ledger } = run
  const { results } = await run.complete(
    ledger.readAll([
      { contract: 'mixnet', fn: 'interval', args: [] },
      { contract: 'mixnet', fn: 'rewardingParams', args: [] },
      { contract: 'mixnet', fn: 'poolChange', args: [] },
      { contract: 'mixnet', fn: 'lastNodeId', args: [] },
      { contract: 'token', fn: 'balanceOf', args: [run.deployment.addresses.mixnet] },
    ]),
  )
  const [interval, params, poolChange, lastNodeId, balance] = results
  assert.deepEqual(interval, state.interval)
  assert.deepEqual(params, state.params)
  assert.deepEqual(poolChange, [state.poolChange.removed, state.poolChange.added])
  // The audit goes by what came after the deployment.
  assert.equal(balance, state.balance + run.deployment.params.rewardPool, 'coins')
  for (let nodeId = 1; nodeId <= lastNodeId; nodeId++) {
    const told = await run.complete(ledger.read('mixnet', 'rewardingOf', [nodeId]))
    const { operator, delegates, totalUnitReward, lastRewardedEpoch, uniqueDelegations } =
      state.rewarding.get(nodeId) ?? NO_REWARDING
    const expected = { operator, delegates, totalUnitReward, lastRewardedEpoch, uniqueDelegations }
    assert.deepEqual({ ...told, ...expected }, told, `accounts of ${nodeId}`)
    for (const [owner, delegation] of state.delegations.get(nodeId) ?? []) {
      const held = await run.complete(ledger.read('mixnet', 'delegationOf', [nodeId, owner as `0x${string}`]))
      assert.deepEqual(held, delegation)
    }
  }
}

/** It never goes back, and of each epoch it told in the end, and told all the time, what the chain has now. */
function compareTold(told: readonly Told[], { sets }: LedgerReplay): void {
  for (const [i, { epochId, set }] of told.entries()) {
    if (i > 0) assert.ok(epochId >= told[i - 1]!.epochId, 'the directory goes back')
    const roles = sets.get(epochId) ?? new Map<number, Role>()
    const of = (wanted: Role): number[] => [...roles].filter(([, role]) => role === wanted).map(([nodeId]) => nodeId)
    assert.deepEqual(set, {
      epochId,
      entryGateways: of(ROLE.entryGateway),
      exitGateways: of(ROLE.exitGateway),
      layer1: of(ROLE.layer1),
      layer2: of(ROLE.layer2),
      layer3: of(ROLE.layer3),
      standby: of(ROLE.standby),
    })
  }
}

/** That everybody in the set of that epoch was paid for it, and nobody else. A set may be smaller than wanted: exits that enter are no exits. */
export function allPaid({ rewards, sets }: LedgerReplay, epochId: number): void {
  const paid = [...(rewards.get(epochId)?.keys() ?? [])].sort((a, b) => a - b)
  const served = [...(sets.get(epochId) ?? [])].filter(([, role]) => role !== ROLE.none).map(([nodeId]) => nodeId)
  assert.deepEqual(paid, served, `paid for epoch ${epochId}`)
  assert.ok(paid.length >= 7)
}
