/** The crowd of test/faults/paying.test.ts for longer, from several seeds, and over midnight. @module */
import { describe, it } from 'node:test'
import { millis, minutes } from '../../src/foundation/base/units.ts'
import { payingRun } from '../faults/payingRun.ts'

const SEEDS = ['1', '2', '3', '4', '5', '6']
/** Two minutes before a midnight. */
const LATE = millis(Date.UTC(2026, 0, 1, 23, 58))

describe('two hundred clients that pay, while everything crashes', () => {
  for (const seed of SEEDS) {
    it(`seed ${seed}`, async (test) => {
      const report = await payingRun({ seed, clients: 200, whole: 3, duration: minutes(5) })
      test.diagnostic(JSON.stringify(report))
    })
  }

  it('over midnight', async (test) => {
    const report = await payingRun({ seed: 'midnight', clients: 200, whole: 3, duration: minutes(4), startAt: LATE })
    test.diagnostic(JSON.stringify(report))
  })
})
