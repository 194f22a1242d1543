/**
 * Two hundred clients that pay, in a network of which every process is killed again and again: gateways, the exit, issuers, the faucet,
 * the directory, clients. Nobody is cut off who has tickets, nobody gets bytes without one, and all totals agree to the unit. For longer and
 * with more seeds: test/slow/paying.slow.ts. @module
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { seconds } from '../../src/foundation/base/units.ts'
import { payingRun } from './payingRun.ts'

it('tickets, grants and redemptions of two hundred clients agree after crashes of every role', async (test) => {
  const report = await payingRun({ seed: 'paying', clients: 200, whole: 2, duration: seconds(40) })
  assert.ok(report.redeemed > 0)
  test.diagnostic(JSON.stringify(report))
})
