/** Clients of a packet router with passt itself: what is left of those that came and went, and what a killed engine ends. Left out without passt. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NO_PASST } from '../src/roles/exit/ip/passtSupport.test.ts'
import { usedBytes } from './hostile/simulatedNetwork.ts'
import { churn, engines, PasstRouter, until } from './support/passtChurn.ts'

describe('clients of passt', { skip: NO_PASST, timeout: 120_000 }, () => {
  it('that come and go leave no process, file or memory', async (t) => {
    // What is loaded and compiled at first stays.
    const [before = 0, after = 0] = await churn([8, 20], usedBytes)
    const grown = after - before
    t.diagnostic(`${grown} bytes`)
    assert.ok(grown < 2_000_000, `${grown}`)
  })

  it('whose engine is killed hear of it, others do not', async () => {
    const router = await PasstRouter.start()
    try {
      await router.connect('one')
      await until('its engine is there', () => engines().length === 1)
      const [killed] = engines()
      const other = await router.connect('other')
      process.kill(killed as number, 'SIGKILL')
      const told = await router.heard('one', 'unrequestedDisconnect')
      assert.ok(told.kind === 'unrequestedDisconnect')
      assert.deepEqual(told.reason, { kind: 'other', text: 'the way out has failed' })
      await router.echo('other', other)
      assert.equal(router.router.clientCount, 1)
      await router.echo('one', await router.connect('one'))
    } finally {
      await router.stop()
    }
  })
})
