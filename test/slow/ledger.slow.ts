/** Whole ledgers through every fault: what test/faults tries a part of. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seconds } from '../../src/foundation/base/units.ts'
import { allPaid, checkRun } from '../faults/ledgerCheck.ts'
import { chainGoesBack, driversDie, EVERY_STEP, EVERY_TRANSACTION, HONEST, MOMENTS } from '../faults/ledgerFaults.ts'
import { LedgerRun } from '../faults/ledgerRun.ts'
import { lyingServer } from '../faults/lyingServer.ts'

test('drivers die before, in the middle of and after every step of an epoch', async () => {
  await driversDie({ seed: 'driver-sweep', epochs: EVERY_STEP })
})

test('drivers die before, in the middle of and after every transaction of an epoch', async () => {
  await driversDie({ seed: 'every-transaction', epochs: EVERY_TRANSACTION })
})

for (const keep of [true, false]) {
  test(`five blocks go back at every moment of an epoch, ${keep ? 'with' : 'without'} what was in them`, async () => {
    await chainGoesBack({ seed: `back-${keep}`, cases: MOMENTS.map((moment) => ({ moment, keep })) })
  })
}

test('both drivers are dead for some epochs', async () => {
  const run = await LedgerRun.start({ seed: 'both-dead', monitors: [HONEST, HONEST, HONEST] })
  await run.untilEpoch(28)
  const { epochId } = run
  for (const i of [0, 1]) run.simulation.crash(`driver-${i}`)
  await run.simulation.runFor(seconds(200))
  assert.equal(run.epochId, epochId)
  run.startDriver(1, run.simulation.restart('driver-1'))
  await run.untilEpoch(epochId + 5)
  const replay = await checkRun(run)
  // What nobody could measure is paid by what was measured before.
  for (let id = epochId; id < epochId + 4; id++) allPaid(replay, id)
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

test('without any monitor the last scores hold for a day of epochs, and nobody stands still', async () => {
  const run = await LedgerRun.start({
    seed: 'no-monitors',
    monitors: [HONEST, HONEST, HONEST].map((habit) => ({ ...habit, commits: (epochId: number) => epochId <= 28 })),
  })
  await run.untilEpoch(33)
  const replay = await checkRun(run)
  for (let epochId = 29; epochId < 32; epochId++) {
    assert.equal(replay.ended.get(epochId)?.scores?.scored, 0)
    assert.equal(replay.scoreOf(epochId, 5), replay.scoreOf(28, 5))
    allPaid(replay, epochId)
  }
})
