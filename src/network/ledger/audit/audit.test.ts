/** What governance decides, and with which costs nodes begin, as an audit finds it in events. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeFunctionData, keccak256 } from 'viem/utils'
import { ABIS } from '../abis.ts'
import { performanceAbi } from '../artifacts/performance.ts'
import type { Address, Hex } from '../chain.ts'
import { type DeploymentParams, localNetwork, participationOf } from '../deploymentParams.ts'
import type { AnyLedgerEvent } from '../ledger.ts'
import { Audit } from './audit.ts'
import { Difference } from './difference.ts'

const MIXNET: Address = '0x00000000000000000000000000000000000000AA'
const PERFORMANCE: Address = '0x00000000000000000000000000000000000000bb'
const OWNER: Address = '0x00000000000000000000000000000000000000cc'
const START = 1_000_000
const PARAMS: DeploymentParams = { ...localNetwork(START), firstEpochStart: START }
const { minimumPledge, minimumDelegation, minimumProfitMargin, maximumProfitMargin } = PARAMS
const { minimumOperatingCost, maximumOperatingCost } = PARAMS
const OPERATORS = {
  ...{ minimumPledge, minimumDelegation, minimumProfitMargin, maximumProfitMargin },
  ...{ minimumOperatingCost, maximumOperatingCost },
}

const operators = (pledge: bigint): Hex =>
  encodeFunctionData({
    abi: ABIS.mixnet,
    functionName: 'updateOperatorsParams',
    args: [{ ...OPERATORS, minimumPledge: pledge }],
  })
const interval = (epochLength: number, force: boolean): Hex =>
  encodeFunctionData({ abi: ABIS.mixnet, functionName: 'updateIntervalConfig', args: [24, epochLength, force] })
const tolerance = (points: number): Hex =>
  encodeFunctionData({
    abi: performanceAbi,
    functionName: 'updateParameters',
    args: [{ ...participationOf(PARAMS), tolerance: points }],
  })

/** Of one transaction in the first epoch. */
const PLACE = { block: 7, transactionHash: '0x01', blockHash: '0x02' }

function audit(events: readonly AnyLedgerEvent[]): Audit {
  const one = new Audit(
    {
      chainId: 1,
      params: PARAMS,
      addresses: { mixnet: MIXNET, performance: PERFORMANCE } as Readonly<Record<string, Address>> as never,
    },
    participationOf(PARAMS),
    (bytes) => keccak256(bytes, 'bytes'),
  )
  const facts = { times: new Map([[PLACE.block, START + 1]]), commitments: new Map() }
  for (const _ of one.take(events, facts)) assert.fail('no epoch ends')
  return one
}

const audited = (...told: readonly (readonly [target: Address, data: Hex] | 'ParamsChanged')[]): Audit =>
  audit(
    told.map((one, logIndex): AnyLedgerEvent => {
      const place = { ...PLACE, logIndex }
      return one === 'ParamsChanged'
        ? ({ ...place, contract: 'mixnet', event: one, args: {} } as never)
        : ({ ...place, contract: 'timelock', event: 'CallExecuted', args: { target: one[0], data: one[1] } } as never)
    }),
  )

test('what several calls of one transaction decide, at once or for later, each for itself', () => {
  // A batch, or proposals that somebody executes with a contract: anybody may.
  const { state } = audited(
    'ParamsChanged',
    [MIXNET, operators(7n)],
    [PERFORMANCE, tolerance(30)],
    'ParamsChanged',
    [MIXNET, interval(90, true)],
    [MIXNET, interval(120, false)],
  )
  assert.equal(state.operatorsParams.minimumPledge, 7n)
  assert.deepEqual([state.interval.epochLength, state.interval.epochsInInterval], [90, 24])
  assert.deepEqual(state.intervalEvents, [{ kind: 'intervalConfig', epochsInInterval: 24, epochLength: 120 }])
})

test('a call of another contract decides nothing in the mixnet', () => {
  const { state } = audited([PERFORMANCE, interval(90, true)])
  assert.equal(state.interval.epochLength, PARAMS.epochSeconds)
})

test('what governance cannot have decided, and what the mixnet should have told, are differences', () => {
  assert.throws(() => audited([MIXNET, interval(0, false)]), Difference)
  assert.throws(() => audited([MIXNET, interval(90, true)]), Difference)
  assert.throws(() => audited('ParamsChanged'), Difference)
})

test('a node bonded through a contract, of which no transaction tells the costs, is paid by the costs that it began with', () => {
  const costs = { profitMargin: maximumProfitMargin, intervalOperatingCost: maximumOperatingCost }
  const said = { owner: OWNER, identityKey: `0x${'07'.repeat(32)}`, host: 'h', httpPort: 0, pledge: minimumPledge }
  const bonded = (args: object): AnyLedgerEvent =>
    ({ ...PLACE, logIndex: 0, contract: 'mixnet', event: 'Bonded', args: { nodeId: 1, ...said, ...args } }) as never
  const { profitMargin, intervalOperatingCost } = audit([bonded(costs)]).state.rewarding.get(1) ?? {}
  assert.deepEqual({ profitMargin, intervalOperatingCost }, costs)
  assert.throws(() => audit([bonded({ ...costs, profitMargin: maximumProfitMargin + 1n })]), Difference)
})
