/** Five hundred clients of passt, a few at a time. @module */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { NO_PASST } from '../../src/roles/exit/ip/passtSupport.test.ts'
import { usedBytes } from '../hostile/simulatedNetwork.ts'
import { churn } from '../support/passtChurn.ts'

it('five hundred connects and disconnects leave no process, file or memory', {
  skip: NO_PASST,
  timeout: 600_000,
}, async (t) => {
  const grown = await churn(500, usedBytes)
  t.diagnostic(`memory grew by ${grown} bytes`)
  assert.ok(grown < 4_000_000, `${grown}`)
})
