/** Epoch drivers die before, in the middle of and after every kind of transaction of an epoch; others take over. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seconds } from '../../src/foundation/base/units.ts'
import { Trace } from '../../src/foundation/platform/simulated/trace.ts'
import { allPaid, checkRun } from './ledgerCheck.ts'
import { driversDie, EVERY_STEP, HONEST } from './ledgerFaults.ts'
import { LedgerRun, type Write } from './ledgerRun.ts'

test('a driver dies before, in the middle of or after each step of an epoch, and another takes over', async () => {
  await driversDie({ seed: 'driver-sweep', epochs: EVERY_STEP })
})

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

test('equal seeds give equal traces', async () => {
  const digests: string[] = []
  for (let i = 0; i < 2; i++) {
    const trace = new Trace()
    const death = ({ epochId, step }: Write) => (epochId === 26 && step === 'draw' ? ('midway' as const) : undefined)
    const run = await LedgerRun.start({ seed: 'equal', monitors: [HONEST], trace, death })
    await run.untilEpoch(29)
    digests.push(`${run.chain.head.hash} ${trace.digest()}`)
  }
  assert.equal(digests[0], digests[1])
})
