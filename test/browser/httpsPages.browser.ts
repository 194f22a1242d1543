/**
 * Pages that came by https: they may open wss and nothing else, and one gateway takes it, behind a TLS proxy. Official clients with
 * `forceTls`, as they want it; ours without, because they see where they are.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, afterEach, before, describe, it } from 'node:test'
import { noChromium } from './chromium.ts'
import { requestThrough, setUpMixFetch } from './mixFetch.ts'
import { SECURE_SITE, SITE } from './network.ts'
import type { OfficialPage } from './officialPage.ts'
import type { PageFolder } from './pageServer.ts'
import { Stage } from './stage.ts'

const OFFICIAL = { forceTls: true }

describe('pages that came by https', { skip: noChromium, timeout: 600_000 }, () => {
  let stage: Stage
  const opened: OfficialPage[] = []
  let options: { readonly directory: string; readonly ca: string }

  before(async () => {
    stage = await Stage.startSecure(27_800)
    const ca = await readFile(new URL('../fixtures/tls/certificate.pem', import.meta.url), 'utf8')
    options = { directory: stage.network.secure?.directoryUrl as string, ca }
  })
  after(() => stage?.stop())
  // Cover goes on where nobody looks any more.
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((page) => page.close()))
  })

  const open = async (folder: PageFolder) => {
    const page = await stage.open(folder)
    opened.push(page)
    return page
  }
  /** That `work` came to the gateway by wss. */
  const byWss = async <T>(work: () => Promise<T>): Promise<T> => {
    const before = (await stage.network.look()).tlsConnections
    const done = await work()
    assert.ok((await stage.network.look()).tlsConnections > before)
    return done
  }
  const sdkPage = async (folder: PageFolder, more: object) => {
    const page = await open(folder)
    return { page, address: await byWss(() => page.call<string>('connect', { ...stage.options, ...more })) }
  }
  const starlingPage = async () => {
    const page = await open('starling')
    await byWss(() => page.call('connect', options))
    return page
  }
  const textOf = async (page: OfficialPage, url: string) => {
    const { text } = await page.call<{ readonly text?: string }>('request', url)
    return Buffer.from(text ?? '', 'base64').toString()
  }

  it('the official sdk and our drop-in write to each other', async () => {
    const official = await sdkPage('sdk', OFFICIAL)
    const dropIn = await sdkPage('sdkDropIn', {})
    await official.page.call('sendText', dropIn.address, 'from an official page')
    await dropIn.page.call('sendText', official.address, 'from a drop-in')
    const [here] = await dropIn.page.messages(1, ({ kind }) => kind === 'text')
    const [there] = await official.page.messages(1, ({ kind }) => kind === 'text')
    assert.deepEqual([here?.payload, there?.payload], ['from an official page', 'from a drop-in'])
  })

  for (const [folder, more] of [
    ['mixFetch', OFFICIAL],
    ['mixFetchDropIn', {}],
  ] as const) {
    it(`${folder} fetches`, async () => {
      const page = await open(folder)
      await byWss(() => setUpMixFetch(page, stage, more))
      const answer = await requestThrough(page, `${SITE}/hello?who=${folder}`, { mode: 'unsafe-ignore-cors' })
      assert.equal(answer.error, undefined)
      assert.equal(new TextDecoder().decode(answer.body), `hello ${folder}`)
    })
  }

  it('our client sends and fetches', async () => {
    const page = await starlingPage()
    await page.call('sendToSelf', Buffer.from('a message').toString('base64'))
    const [message] = await page.messages(1, () => true)
    assert.equal(Buffer.from(message?.payload ?? '', 'base64').toString(), 'a message')
    for (const site of [SITE, SECURE_SITE]) assert.equal(await textOf(page, `${site}/hello?who=page`), 'hello page')
  })

  for (const [kind, start] of [
    ['dedicated', 'startDedicated'],
    ['service', 'startService'],
  ] as const) {
    it(`our client in a ${kind} worker fetches`, async () => {
      const page = await open('starlingWorkers')
      await page.call(start)
      await byWss(() => page.call('ask', kind, 'connect', { ...options, folder: kind }))
      const { text } = await page.call<{ readonly text: string }>('ask', kind, 'request', `${SITE}/hello?who=${kind}`)
      assert.equal(text, `hello ${kind}`)
    })
  }

  it('our client says at once that the gateway it is to use takes no wss', async () => {
    const gateway = stage.network.gateways.find((identity) => identity !== stage.network.secure?.gateway)
    const page = await open('starling')
    assert.equal(await page.call('tryConnect', { ...options, gateway }), 'GATEWAY_UNREACHABLE')
  })

  it('our client does as it is told otherwise, and the browser lets it open nothing', async () => {
    const before = (await stage.network.look()).tlsConnections
    const page = await open('starling')
    const tried = await page.call<string>('tryConnect', { ...options, forceTls: false, connectTimeout: 10_000 })
    assert.match(tried, /^(?:GATEWAY_UNREACHABLE|TIMEOUT)$/)
    assert.equal((await stage.network.look()).tlsConnections, before)
    await page.says(/Content Security Policy/)
  })
})
