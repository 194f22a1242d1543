/**
 * Whether official apps still join, and our drop-ins in the same pages: the sdk connects and a page of each writes to the other,
 * mix-fetch gets a page, all in real Chromium. The rest of what docs/compatibility.md lists is in the other files here: npm run
 * test:browser.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { noChromium } from './chromium.ts'
import { requestThrough, setUpMixFetch } from './mixFetch.ts'
import { SITE } from './network.ts'
import { Stage } from './stage.ts'

it('official sdk and mix-fetch join a local network, and so do our drop-ins', {
  skip: noChromium,
  timeout: 240_000,
}, async () => {
  const stage = await Stage.start(26000)
  try {
    const [official, dropIn] = [await stage.open('sdk'), await stage.open('sdkDropIn')]
    const to = await official.call<string>('connect', stage.options)
    const back = await dropIn.call<string>('connect', stage.options)
    await dropIn.call('sendText', to, 'from a drop-in')
    await official.call('sendText', back, 'from an official page')
    const [there] = await official.messages(1, ({ kind }) => kind === 'text')
    const [here] = await dropIn.messages(1, ({ kind }) => kind === 'text')
    assert.deepEqual([there?.payload, here?.payload], ['from a drop-in', 'from an official page'])
    for (const folder of ['mixFetch', 'mixFetchDropIn'] as const) {
      const mixFetch = await stage.open(folder)
      await setUpMixFetch(mixFetch, stage)
      const answer = await requestThrough(mixFetch, `${SITE}/hello?who=page`, { mode: 'unsafe-ignore-cors' })
      assert.equal(answer.error, undefined)
      assert.equal(new TextDecoder().decode(answer.body), 'hello page')
    }
  } finally {
    await stage.stop()
  }
})
