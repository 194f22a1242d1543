/** The official Rust SDK 1.21.6 and the official sdk 1.4.1 in Chromium, both unmodified, as partners over our network. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { noChromium } from '../browser/chromium.ts'
import type { OfficialPage, PageEvent } from '../browser/officialPage.ts'
import { decodeSdkPayload, encodeSdkPayload } from '../browser/sdkPayload.ts'
import { Stage } from '../browser/stage.ts'
import { buildSdkClient, SdkClient } from './sdkClient.ts'

const program = await buildSdkClient()
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

describe('official Rust SDK and official page', { skip: program.skip || noChromium, timeout: 600_000 }, () => {
  let stage: Stage
  let page: OfficialPage
  let pageAddress: string
  let rust: SdkClient
  let rustAddress: string

  before(async () => {
    stage = await Stage.start(26500)
    assert.ok(program.skip === false)
    rust = new SdkClient(program.path, stage.network.directoryUrl)
    rustAddress = await rust.connect()
    page = await stage.open('sdk')
    pageAddress = await page.call('connect', stage.options)
  })

  after(async () => {
    await page?.close()
    await rust?.stop()
    await stage?.stop()
  })

  it('the page is written to, raw and in its envelope', async () => {
    const raw = randomBytes(20_000)
    const payload = randomBytes(1500)
    await rust.send(pageAddress, raw)
    await page.messages(1, (event: PageEvent) => event.kind === 'raw' && event.payload === base64(raw))
    await rust.send(pageAddress, encodeSdkPayload({ mimeType: 'application/octet-stream', headers: 'h', payload }))
    const [message] = await page.messages(1, (event) => event.kind === 'binary' && event.payload === base64(payload))
    assert.equal(message?.headers, 'h')
  })

  it('the page writes, and is answered through its reply SURBs', async () => {
    await page.call('sendText', rustAddress, 'to Rust')
    const [text] = await rust.messages(1, ({ data }) => Buffer.from(data).includes('to Rust'))
    assert.equal(new TextDecoder().decode(decodeSdkPayload(text?.data as Uint8Array).payload), 'to Rust')
    const question = randomBytes(30)
    await page.call('sendRaw', rustAddress, base64(question), 12)
    const [message] = await rust.messages(1, ({ data }) => Buffer.compare(data, question) === 0)
    for (const size of [100, 60_000]) {
      const answer = randomBytes(size)
      await rust.reply(message?.tag as string, answer)
      await page.messages(1, (event) => event.kind === 'raw' && event.payload === base64(answer))
    }
  })
})
