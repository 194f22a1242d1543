/** Epoch drivers die before, in the middle of and after every kind of transaction of an epoch; others take over. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Trace } from '../../src/foundation/platform/simulated/trace.ts'
import { A_FEW_STEPS, driversDie, HONEST } from './ledgerFaults.ts'
import { LedgerRun, type Write } from './ledgerRun.ts'

test('a driver dies before, in the middle of or after a step of an epoch, and another takes over', async () => {
  await driversDie({ seed: 'driver-sweep', epochs: A_FEW_STEPS })
})

test('equal seeds give equal traces', async () => {
  const digests: string[] = []
  for (let i = 0; i < 2; i++) {
    const trace = new Trace()
    const death = ({ epochId, step }: Write) => (epochId === 25 && step === 'draw' ? ('midway' as const) : undefined)
    const run = await LedgerRun.start({ seed: 'equal', monitors: [HONEST], trace, death })
    await run.untilEpoch(26)
    digests.push(`${run.chain.head.hash} ${trace.digest()}`)
  }
  assert.equal(digests[0], digests[1])
})
