/** Chains that stall, go back, are away or lied about: rewards stay right, the set valid, and the directory never goes back. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { millis, seconds } from '../../src/foundation/base/units.ts'
import { allPaid, checkRun } from '../faults/ledgerCheck.ts'
import { chainGoesBack, HONEST } from '../faults/ledgerFaults.ts'
import { EPOCH, LedgerRun } from '../faults/ledgerRun.ts'

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

test('a node that speaks for the first time once secrets are known stops neither the draw nor the topology to check', async () => {
  const run = await LedgerRun.start({ seed: 'late-speaker', monitors: [HONEST], crowd: 1 })
  await run.untilEpoch(29)
  const epochId = run.epochId
  await run.complete(run.bond(12))
  const { epochStart, epochLength } = run.network.snapshot
  const late = (epochStart + 0.85 * epochLength) * 1000 - run.simulation.clock.now()
  await run.simulation.runFor(millis(late))
  await run.complete(run.announce(12, 1789))
  await run.untilEpoch(epochId + 3)
  const replay = await checkRun(run)
  assert.ok(replay.sets.get(epochId + 1)?.has(13), 'bonded in time')
  for (const id of [epochId, epochId + 1, epochId + 2]) assert.equal(run.bundles.get(id), true, `topology of ${id}`)
})

test('a node that announces between two calls of a draw, often, changes nothing that anybody checks', async () => {
  let calls = 0
  const run: LedgerRun = await LedgerRun.start({
    seed: 'between-calls',
    monitors: [HONEST],
    crowd: 0,
    drivers: 1,
    onWritten: ({ epochId, step }) => {
      if (epochId !== 27 || step !== 'draw' || ++calls > 1) return
      void (async () => {
        for (let i = 0; i < 6; i++) await run.announce(0, 1790 + i)
      })().catch(() => {})
    },
  })
  await run.untilEpoch(29)
  assert.equal(calls, 3)
  await checkRun(run)
  assert.equal(run.bundles.get(28), true)
})
