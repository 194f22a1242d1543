/**
 * Whether official apps still join: the sdk connects and gets a message, mix-fetch gets a page, both in real Chromium. The rest of
 * what docs/compatibility.md lists is in the other files here: npm run test:browser.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { noChromium } from './chromium.ts'
import { requestThrough, setUpMixFetch } from './mixFetch.ts'
import { SITE } from './network.ts'
import { Stage } from './stage.ts'

it('official sdk and mix-fetch join a local network', { skip: noChromium, timeout: 240_000 }, async () => {
  const stage = await Stage.start(26000)
  try {
    const [sdk, mixFetch] = [await stage.open('sdk'), await stage.open('mixFetch')]
    const address = await sdk.call<string>('connect', stage.options)
    await sdk.call('sendText', address, 'to myself')
    const [message] = await sdk.messages(1, ({ kind }) => kind === 'text')
    assert.equal(message?.payload, 'to myself')
    await setUpMixFetch(mixFetch, stage)
    const answer = await requestThrough(mixFetch, `${SITE}/hello?who=page`, { mode: 'unsafe-ignore-cors' })
    assert.equal(answer.error, undefined)
    assert.equal(new TextDecoder().decode(answer.body), 'hello page')
  } finally {
    await stage.stop()
  }
})
