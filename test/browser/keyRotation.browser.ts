/** Official clients that stay while the network's Sphinx keys change under them. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { seconds } from '../../src/foundation/base/units.ts'
import { noChromium } from './chromium.ts'
import { requestThrough, setUpMixFetch } from './mixFetch.ts'
import { SITE } from './network.ts'
import { Stage } from './stage.ts'

it('official clients stay in the network over two changes of its keys', {
  skip: noChromium,
  timeout: 600_000,
}, async () => {
  // Keys of three epochs, half a minute. The clients ask for the network every five minutes unless they are told otherwise.
  const stage = await Stage.start(26150, { epochLength: seconds(10), validityEpochs: 3 })
  const clientOverride = { topology: { topologyRefreshRateMs: 1000 } }
  try {
    const [sdk, mixFetch] = [await stage.open('sdk'), await stage.open('mixFetch')]
    const address = await sdk.call<string>('connect', { ...stage.options, clientOverride })
    await setUpMixFetch(mixFetch, stage, { clientOverride })
    const rotation = async () => (await stage.network.look()).keyRotation
    const first = await rotation()
    for (let i = 0; (await rotation()) < first + 2; i++) {
      const text = `message ${i}`
      await sdk.call('sendText', address, text)
      await sdk.messages(1, ({ kind, payload }) => kind === 'text' && payload === text)
      const answer = await requestThrough(mixFetch, `${SITE}/hello?who=${i}`, { mode: 'unsafe-ignore-cors' })
      assert.equal(answer.error, undefined)
      assert.equal(answer.status, 200)
    }
    const texts = sdk.received.filter(({ kind }) => kind === 'text').map(({ payload }) => payload)
    assert.deepEqual(texts, [...new Set(texts)])
  } finally {
    await stage.stop()
  }
})
