/** A minute of a busy network in the simulator: test/simulation.test.ts has the short form, and what makes a run one that can be replayed. @module */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { simulateTestnet } from '../../src/app/testnet/simulatedTestnet.ts'
import { nullProvider } from '../../src/foundation/crypto/nullProvider.ts'
import { formatReport, isClean } from '../../src/lab/simulator/report.ts'

const SEED = process.env.SEED ?? '20261122'
const SECONDS = 60

it('60 virtual seconds, 1 % loss: every message and every request of fifty clients arrives', async () => {
  const report = await simulateTestnet({ seed: SEED, seconds: SECONDS, crypto: nullProvider })
  const story = `seed ${SEED}\n${formatReport(report)}`
  assert.ok(report.running.virtualSeconds >= SECONDS)
  assert.ok(report.messages > 1000 && report.replies > 400 && report.requests > 200, story)
  assert.ok(isClean(report), story)
})
