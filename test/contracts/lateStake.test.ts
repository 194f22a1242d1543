// What weighs in the draw, by the contract and by the audit that plays its events again: stake that comes, goes and comes back while
// secrets are revealed and after, in any order, also in epochs that are caught up after a standstill.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AuditedMixnet } from '../../src/network/ledger/audit/auditedMixnet.ts'
import type { MixnetEvent } from '../../src/network/ledger/audit/mixnetEvents.ts'
import { newMixnet } from '../../src/protocol/economy/mixnetState.ts'
import { Evm, type Outcome, Reverted } from '../support/evm.ts'
import { COSTS_A, MixnetFixture, NYM, OPERATORS, PARAMS_A } from '../support/mixnet.ts'

const NODES = [1, 2]
const operatorOf = (nodeId: number) => Evm.address(100 + nodeId)
const delegators = [Evm.address(201), Evm.address(202), Evm.address(203)]

const action = fc.record({
  fn: fc.constantFrom(
    ...(['delegate', 'delegate', 'undelegate', 'undelegate', 'pledgeMore', 'withdrawOperatorReward'] as const),
    ...(['withdrawDelegatorReward', 'withdrawDelegatorReward'] as const),
  ),
  nodeId: fc.constantFrom(...NODES),
  who: fc.constantFrom(...delegators),
  amount: fc.bigInt(1n, 5000n * NYM),
})
/** Of one epoch: before the reveals, in them, while it ends, and before the draw; and for how long nobody was there before. */
const epoch = fc.record({
  actions: fc.array(fc.array(action, { maxLength: 5 }), { minLength: 4, maxLength: 4 }),
  standstill: fc.constantFrom(0n, 0n, 0n, 3000n, 9000n),
})

test('a stake weighs what the audit says, and what it weighed without all that came late', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(epoch, { minLength: 2, maxLength: 3 }), async (epochs) => {
      const fixture = await MixnetFixture.create()
      const { currentEpochStart, totalElapsedEpochs } = await fixture.read<{
        currentEpochStart: bigint
        totalElapsedEpochs: number
      }>('interval')
      const audit = new AuditedMixnet(
        newMixnet({
          firstEpochId: totalElapsedEpochs,
          firstEpochStart: currentEpochStart,
          epochsInInterval: 720,
          epochLength: 3600,
          params: PARAMS_A,
          operatorsParams: OPERATORS,
        }),
      )
      const served = {
        set: NODES.map((nodeId) => ({ nodeId, standby: false })),
        performanceOf: () => 10n ** 18n,
        settled: true,
      }
      const take = ({ logs }: Outcome): void => {
        for (const { name, args } of logs) {
          const event = { contract: 'mixnet', event: name, args } as unknown as MixnetEvent
          const facts = { time: fixture.evm.now, costs: COSTS_A, decided: undefined }
          if (name !== 'Transfer') audit.take(event, facts, served)
        }
      }
      const weights = async (): Promise<bigint[]> => {
        const stakes = await fixture.read<{ operator: bigint; delegates: bigint }[]>('stakesOf', [NODES])
        return stakes.map(({ operator, delegates }) => operator + delegates)
      }
      const audited = (): bigint[] =>
        NODES.map((nodeId) => {
          const { operator = 0n, delegates = 0n } = audit.state.rewarding.get(nodeId) ?? {}
          return operator + delegates - audit.lateStakeOf(nodeId)
        })
      const act = async (actions: (typeof epochs)[number]['actions'][number]): Promise<void> => {
        for (const { fn, nodeId, who, amount } of actions) {
          const by = fn === 'pledgeMore' || fn === 'withdrawOperatorReward' ? operatorOf(nodeId) : who
          const args = { delegate: [nodeId, amount], undelegate: [nodeId], pledgeMore: [amount] }[fn as 'delegate']
          const sent = fixture.send(fn, args ?? (fn === 'withdrawOperatorReward' ? [] : [nodeId]), by)
          const outcome = await sent.catch((error: unknown) => {
            if (error instanceof Reverted) return undefined
            throw error
          })
          if (outcome !== undefined) take(outcome)
        }
      }
      for (const nodeId of NODES) {
        const { evm } = fixture
        await fixture.fund(operatorOf(nodeId), 100_000n * NYM)
        const args = [
          `0x${String(nodeId).padStart(64, '0')}`,
          'host',
          1,
          COSTS_A,
          10_000n * NYM,
          `0x${'00'.repeat(32)}`,
        ]
        take(await fixture.send('bond', [...args, args[5]], operatorOf(nodeId)))
        assert.ok(evm.now > 0n)
      }
      for (const who of delegators) await fixture.fund(who, 100_000n * NYM)
      await fixture.setNodes(NODES)
      const until = (time: bigint): void => {
        if (fixture.evm.now < time) fixture.evm.now = time
      }
      for (const { actions, standstill } of epochs) {
        const [early, inReveals, ending, drawing] = actions
        const { currentEpochStart: start } = await fixture.read<{ currentEpochStart: bigint }>('interval')
        until(start + 10n)
        fixture.evm.now += standstill
        await act(early ?? [])
        until(start + 2700n)
        const before = await weights()
        await act(inReveals ?? [])
        assert.deepEqual(await weights(), before)
        until(start + 3600n)
        take(await fixture.send('beginEpochTransition'))
        take(await fixture.send('rewardNodes', [10]))
        await act(ending ?? [])
        take(await fixture.send('reconcileEpochEvents', [2]).catch(() => ({ logs: [] }) as unknown as Outcome))
        const [state] = await fixture.read<readonly [number]>('epochState')
        if (state === 2) take(await fixture.send('reconcileEpochEvents', [1000]))
        audit.finishReconciling(fixture.evm.now)
        const drawn = await weights()
        assert.deepEqual(drawn, audited())
        await act(drawing ?? [])
        assert.deepEqual(await weights(), drawn)
        assert.deepEqual(audited(), drawn)
        take(await fixture.evm.send(fixture.set, 'advance', [fixture.mixnet]))
      }
    }),
    { numRuns: 12 },
  )
})
