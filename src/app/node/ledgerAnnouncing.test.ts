import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planNetwork } from '../testnet/layout.ts'
import { capabilitiesOf } from './ledgerAnnouncing.ts'

test('a node is drawn for the roles it says, and the exits of a small network for nothing but exits', () => {
  assert.deepEqual(
    (['mix', 'entry', 'exit'] as const).map((role) => capabilitiesOf([role])),
    [1, 2, 4],
  )
  assert.equal(capabilitiesOf(['entry', 'exit', 'mix']), 7)
  assert.equal(capabilitiesOf(['exit'], { routesPackets: true }), 12)
  assert.equal(capabilitiesOf(['entry'], { routesPackets: true }), 2)
  const plans = planNetwork({ mixNodes: 6, entries: 2, exits: 1 }, true)
  assert.deepEqual(
    plans.map(({ roles }) => capabilitiesOf(roles)),
    [1, 1, 1, 1, 1, 1, 2, 2, 4],
  )
})
