/** Whole ledgers through every fault: what test/faults tries a part of. @module */
import { test } from 'node:test'
import { chainGoesBack, driversDie, EVERY_TRANSACTION, MOMENTS } from '../faults/ledgerFaults.ts'

test('drivers die before, in the middle of and after every transaction of an epoch', async () => {
  await driversDie({ seed: 'every-transaction', epochs: EVERY_TRANSACTION })
})

for (const keep of [true, false]) {
  test(`five blocks go back at every moment of an epoch, ${keep ? 'with' : 'without'} what was in them`, async () => {
    await chainGoesBack({ seed: `back-${keep}`, cases: MOMENTS.map((moment) => ({ moment, keep })) })
  })
}
