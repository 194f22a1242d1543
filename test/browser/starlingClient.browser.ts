/** Our own client in real Chromium, under a strict content security policy: messages, fetch, what is kept, what goes wrong. @module */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../src/app/sdk/connect.ts'
import { formatRecipient } from '../../src/protocol/packet/recipient.ts'
import { noChromium } from './chromium.ts'
import { SECURE_SITE, SITE } from './network.ts'
import type { OfficialPage } from './officialPage.ts'
import { pattern } from './site.ts'
import { Stage } from './stage.ts'

interface Answer {
  readonly code?: string
  readonly status?: number
  readonly bytes?: number
  readonly sha256?: string
  readonly text?: string
}

const text = ({ text = '' }: Answer): string => Buffer.from(text, 'base64').toString()

describe('the Starling client in Chromium', { skip: noChromium, timeout: 300_000 }, () => {
  let stage: Stage
  let page: OfficialPage
  let options: Record<string, unknown>

  before(async () => {
    stage = await Stage.start(26_400)
    const ca = await readFile(new URL('../fixtures/tls/certificate.pem', import.meta.url), 'utf8')
    options = { directory: stage.network.directoryUrl, folder: 'me', passphrase: 'correct horse', ca }
    page = await stage.open('starling')
    await page.call('connect', options)
  })
  after(() => stage?.stop())

  const ask = (path: string, init: object = {}) => page.call<Answer>('request', path, init)

  it('sends and gets messages, and answers, with a client on Node', async () => {
    await using node = await connect({ directory: stage.network.directoryUrl })
    const count = 100
    const payloads = Array.from({ length: count }, (_, i) => `${i} ${randomBytes(i * 20).toString('hex')}`)
    for (const payload of payloads) {
      await page.call('send', formatRecipient(node.address), Buffer.from(payload).toString('base64'))
    }
    const received: string[] = []
    for await (const { data, sender } of node.messages()) {
      received.push(Buffer.from(data).toString())
      await node.reply(sender as string, `${Buffer.from(data)}!`)
      if (received.length === count) break
    }
    assert.deepEqual(received.toSorted(), payloads.toSorted())
    const answers = await page.messages(count, ({ kind }) => kind === 'binary')
    const texts = answers.map(({ payload }) => Buffer.from(payload, 'base64').toString())
    assert.deepEqual(texts.toSorted(), payloads.map((payload) => `${payload}!`).toSorted())
  })

  it('fetches: GET, POST, a megabyte, ten at once, 404, and https with the certificate checked in the page', async () => {
    assert.equal(text(await ask(`${SITE}/hello?who=page`)), 'hello page')
    assert.equal((await ask(`${SITE}/none`)).status, 404)
    const many = await Promise.all(Array.from({ length: 10 }, (_, i) => ask(`${SITE}/hello?who=${i}`)))
    assert.deepEqual(
      many.map(text),
      Array.from({ length: 10 }, (_, i) => `hello ${i}`),
    )
    assert.equal(text(await ask(`${SECURE_SITE}/hello?who=tls`)), 'hello tls')
    assert.equal(text(await ask(`${SITE}/moved`)), 'hello moved')
    const posted = await ask(`${SITE}/upload`, { method: 'POST', body: 'x'.repeat(20_000) })
    assert.equal(JSON.parse(text(posted)).bytes, 20_000)
    const megabyte = await ask(`${SITE}/bytes?count=1000000`)
    const expected = createHash('sha256').update(pattern(1_000_000)).digest('base64')
    assert.deepEqual([megabyte.bytes, megabyte.sha256], [1_000_000, expected])
  })

  it('loads nothing that pays where bandwidth is free, and asks nobody about it', async () => {
    const loaded = await page.call<readonly string[]>('loaded')
    assert.ok(loaded.some((url) => url.includes('/v1/')))
    assert.deepEqual(
      loaded.filter((url) => /webCredential|ecash/.test(url)),
      [],
    )
  })

  it('says what went wrong', async () => {
    assert.deepEqual(await ask('http://nowhere.invalid/'), { code: 'HOST_UNKNOWN' })
    assert.deepEqual(await ask('http://127.0.0.1:1/'), { code: 'BAD_ARGUMENT' })
    assert.deepEqual(await ask('https://site.starling/'), { code: 'TLS_FAILED' })
    assert.equal(await page.call('tryConnect', { directory: 'http://127.0.0.1:1/api' }), 'TOPOLOGY_UNAVAILABLE')
  })

  it('keeps its identity over a reload, under its passphrase and no other', async () => {
    const identity = await page.call<string>('identity')
    await page.reload()
    assert.equal(await page.call('tryConnect', { ...options, passphrase: 'wrong' }), 'KEY_FILE_UNREADABLE')
    await page.call('connect', options)
    assert.equal(await page.call('identity'), identity)
    const bytes = randomBytes(3_000)
    await page.call('sendToSelf', bytes.toString('base64'))
    const hash = createHash('sha256').update(bytes).digest('hex')
    const [message] = await page.messages(1, ({ payload }) => {
      return createHash('sha256').update(Buffer.from(payload, 'base64')).digest('hex') === hash
    })
    assert.ok(message)
  })
})
