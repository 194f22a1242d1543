/** Our own client in Chromium's workers, under the same policy as in pages: a dedicated worker, and a service worker. @module */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { noChromium } from './chromium.ts'
import { SECURE_SITE, SITE } from './network.ts'
import type { OfficialPage } from './officialPage.ts'
import { Stage } from './stage.ts'

const wsOf = (site: string) => `${site.replace(/^http/, 'ws')}/`

describe("the Starling client in Chromium's workers", { skip: noChromium, timeout: 300_000 }, () => {
  let stage: Stage
  let page: OfficialPage
  let options: Record<string, unknown>

  before(async () => {
    stage = await Stage.start(26_600)
    const ca = await readFile(new URL('../fixtures/tls/certificate.pem', import.meta.url), 'utf8')
    options = { directory: stage.network.directoryUrl, ca }
    page = await stage.open('starlingWorkers')
  })
  after(() => stage?.stop())

  for (const [kind, start] of [
    ['dedicated', 'startDedicated'],
    ['service', 'startService'],
  ] as const) {
    const ask = <T>(name: string, ...args: readonly unknown[]) => page.call<T>('ask', kind, name, ...args)

    it(`${kind} worker: connects, sends, fetches over http and https, opens WebSockets, and says what went wrong`, async () => {
      await page.call(start)
      await ask('connect', { ...options, folder: kind })
      assert.equal(await ask('sendToSelf', 'a message'), 'a message')
      for (const site of [SITE, SECURE_SITE]) {
        assert.deepEqual(await ask('request', `${site}/hello?who=${kind}`), {
          status: 200,
          text: `hello ${kind}`,
          outcome: 'done',
        })
        assert.deepEqual(await ask('webSocket', wsOf(site), 'grüße'), {
          heard: 'grüße',
          failure: undefined,
          code: 1000,
          wasClean: true,
        })
      }
      assert.deepEqual(await ask('request', 'http://nowhere.invalid/'), { code: 'HOST_UNKNOWN' })
      const failed = await ask<{ failure: string }>('webSocket', 'ws://nowhere.invalid/', 'x')
      assert.equal(failed.failure, 'HOST_UNKNOWN')
    })

    it(`${kind} worker: without authorities of its own it has Mozilla's, and does not trust our site`, async () => {
      await ask('close')
      const { ca: _, ...others } = options
      await ask('connect', { ...others, folder: kind })
      assert.deepEqual(await ask('request', `${SECURE_SITE}/hello`), { code: 'TLS_FAILED' })
    })
  }

  it('a service worker answers the fetches of its page through the mixnet', async () => {
    assert.deepEqual(await page.call('fetchIntercepted', `${SITE}/hello?who=page`), { status: 200, text: 'hello page' })
  })
})
