/** Our own client where gateways want to be paid: in real Chromium, under our pages' policy, and on Node. @module */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../src/app/sdk/connect.ts'
import { noChromium } from './chromium.ts'
import { SITE } from './network.ts'
import type { OfficialPage } from './officialPage.ts'
import { Stage } from './stage.ts'

interface Answer {
  readonly status?: number
  readonly text?: string
}

const greeting = ({ status, text = '' }: Answer) => [status, Buffer.from(text, 'base64').toString()]
const PAYING = /webCredential(?:Wallet|Engine|Module)/

describe('the Starling client in a network that wants to be paid', { skip: noChromium, timeout: 300_000 }, () => {
  let stage: Stage
  let directory: string

  before(async () => {
    stage = await Stage.startPaying(28_200)
    directory = stage.network.directoryUrl
  })
  after(() => stage?.stop())

  const asks = async (page: OfficialPage) => {
    const answer = await page.call<Answer>('request', `${SITE}/hello?who=payer`)
    assert.deepEqual(greeting(answer), [200, 'hello payer'])
  }
  const paying = async (page: OfficialPage) =>
    (await page.call<readonly string[]>('loaded')).filter((url) => PAYING.test(url))

  it('buys in a page that was told nothing of it, without a folder', async () => {
    const page = await stage.open('starling')
    assert.deepEqual(await paying(page), [])
    await page.call('connect', { directory })
    await asks(page)
    const events = await page.call<readonly string[]>('events')
    assert.ok(events.includes('book-bought') && events.includes('ticket-spent'), events.join())
    assert.ok((await paying(page)).some((url) => url.includes('webCredentialWallet')))
    await page.call('close')
  })

  it('keeps what a page bought in its folder, over a reload', async () => {
    const page = await stage.open('starling')
    const options = { directory, folder: 'me', tickets: { buy: 'faucet' } }
    await page.call('connect', options)
    await asks(page)
    await page.call('close')
    await page.reload()
    const [first, second] = stage.network.gateways as [string, string]
    // Another gateway knows nothing of what the first was paid.
    for (const gateway of [first, second]) {
      await page.call('connect', { ...options, gateway, tickets: { buy: 'never' } })
      await asks(page)
      await page.call('close')
    }
    const events = await page.call<readonly string[]>('events')
    assert.ok(events.includes('ticket-spent') && !events.includes('book-bought'), events.join())
  })

  it("buys nothing in a page that says 'never', and refuses what cannot be", async () => {
    const page = await stage.open('starling')
    const [gateway] = stage.network.gateways
    const never = { directory, gateway, tickets: { buy: 'never' } }
    assert.equal(await page.call('tryConnect', never), 'NO_TICKETS')
    assert.equal(await page.call('tryConnect', { ...never, tickets: { buy: 'often' } }), 'BAD_ARGUMENT')
  })

  it('buys in a worker, and is refused in a service worker, which can load nothing', async () => {
    const page = await stage.open('starlingWorkers')
    await page.call('startDedicated')
    await page.call('ask', 'dedicated', 'connect', { directory })
    const { status, text } = await page.call<Answer>('ask', 'dedicated', 'request', `${SITE}/hello?who=worker`)
    assert.deepEqual([status, text], [200, 'hello worker'])
    await page.call('ask', 'dedicated', 'close')
    await page.call('startService')
    const [gateway] = stage.network.gateways
    await assert.rejects(page.call('ask', 'service', 'connect', { directory, gateway }), /GATEWAY_REFUSED/)
  })

  it('buys on Node, with an engine in a thread', async () => {
    await using mixnet = await connect({ directory })
    const response = await mixnet.fetch(`${SITE}/hello?who=node`)
    assert.equal(await response.text(), 'hello node')
    assert.match((await mixnet.tickets.describe()).text, /^49 of 50 tickets left/)
  })
})
