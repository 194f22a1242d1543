/** Chains that stall, go back, are away or lied about: rewards stay right, the set valid, and the directory never goes back. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seconds } from '../../src/foundation/base/units.ts'
import { allPaid, checkRun } from './ledgerCheck.ts'
import { chainGoesBack, HONEST } from './ledgerFaults.ts'
import { EPOCH, LedgerRun } from './ledgerRun.ts'
import { lyingServer } from './lyingServer.ts'

test('five blocks go back in the middle of an epoch’s end, with and without what was in them', async () => {
  await chainGoesBack({
    seed: 'reorganised',
    cases: [
      { moment: 'reward', keep: false },
      { moment: 'draw', keep: true },
      { moment: 'advance', keep: false },
      { moment: 'reveals', keep: false },
    ],
  })
})

test('a chain that stalls for three epochs catches up, each epoch paid once by the last scores', async () => {
  const run = await LedgerRun.start({ seed: 'stalled', monitors: [HONEST, HONEST, HONEST] })
  await run.untilEpoch(28)
  await run.simulation.runFor(seconds(30))
  const { epochId } = run
  run.chain.stalled = true
  await run.simulation.runFor((3 * EPOCH) as never)
  assert.equal(run.epochId, epochId, 'an epoch that nobody ends goes on')
  run.chain.stalled = false
  // Its clock jumps ahead, not back.
  await run.untilEpoch(epochId + 4, seconds(150))
  await run.untilEpoch(epochId + 6)
  const replay = await checkRun(run)
  for (let id = epochId; id < epochId + 5; id++) allPaid(replay, id)
  // Secrets that could not be revealed because the chain stood still cost nobody anything.
  assert.deepEqual(replay.exclusions, [])
})

test('a driver whose server lies does no harm, and nobody’s server answers for a while', async () => {
  const run = await LedgerRun.start({ seed: 'liar', monitors: [HONEST, HONEST, HONEST], drivers: 1 })
  const liar = await lyingServer(run)
  run.startDriver(1, run.host('driver-1'), [liar.url])
  for (const lie of ['stale', 'zeros', 'swallows', 'garbage', 'errors'] as const) {
    liar.lie = lie
    await run.untilEpoch(run.epochId + 1)
  }
  liar.lie = undefined
  const { epochId } = run
  run.chain.refusal = () => ({ code: -32000, message: 'overloaded' })
  await run.simulation.runFor(seconds(100))
  assert.equal(run.epochId, epochId)
  run.chain.refusal = undefined
  await run.untilEpoch(epochId + 3)
  const replay = await checkRun(run)
  for (let id = 28; id + 3 < run.epochId; id++) allPaid(replay, id)
  assert.ok(liar.told > 50, `${liar.told} lies`)
})
