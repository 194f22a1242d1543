/**
 * Clients of passt by the hundred, a few at a time. What the first rounds leave is compiled code and addresses that rest: 1 MB after 500 clients, 1.5 after 5,000,
 * and less than at the start after 9,000, when code that was not used any more had been let go. So it is what comes later that may not grow.
 * @module
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { NO_PASST } from '../../src/roles/exit/ip/passtSupport.test.ts'
import { usedBytes } from '../hostile/simulatedNetwork.ts'
import { churn } from '../support/passtChurn.ts'

const ROUND = 500
/** For each client of the later rounds: an address rests for two minutes, in 40 bytes. One client that stayed would be 13 kB. */
const NOISE_BYTES = 600

it('hundreds of connects and disconnects leave no process, file or memory', {
  skip: NO_PASST,
  timeout: 900_000,
}, async (t) => {
  const used = await churn([ROUND, ROUND, ROUND, ROUND, ROUND], usedBytes)
  t.diagnostic(`used bytes after each ${ROUND}: ${used.join(', ')}`)
  const [, , half = 0, , end = 0] = used
  assert.ok(end - half < 2 * ROUND * NOISE_BYTES, `${used}`)
})
