/** The pages of examples/, as their readers start them: `npm start`, `npm run example`, a browser. @module */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { Starling } from '../support/starling.ts'
import { launchChromium, noChromium } from './chromium.ts'

interface Served {
  readonly url: string
  close(): Promise<void>
}

const SERVE = new URL('../../examples/serve.mjs', import.meta.url)
const DEADLINE = { timeout: 60_000 }

describe('the example pages', { skip: noChromium, timeout: 300_000 }, () => {
  let folder: string
  let network: Starling
  let browser: Browser
  let context: BrowserContext
  let directory: string
  // Service workers cannot pay.
  let free: Starling | undefined
  const served: Served[] = []
  let wallet: string | undefined

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'starling-'))
    const ports = ['--directory-port', '26700', '--socks-port', '26705', '--status-port', '26706']
    network = new Starling(['up', '--json', '--data', folder, ...ports])
    const [{ url }] = await Promise.all([network.event('directory'), network.event('proxy')])
    directory = url
    browser = await launchChromium()
    context = await browser.newContext()
  })
  after(async () => {
    await browser?.close()
    for (const one of served) await one.close()
    await network?.stop()
    await free?.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  })

  async function open(name: string, context: BrowserContext, network = directory): Promise<Page> {
    const { serveExample } = (await import(SERVE.href)) as {
      serveExample: (name: string, port: number) => Promise<Served>
    }
    const one = await serveExample(name, 0)
    served.push(one)
    const page = await context.newPage()
    page.on('pageerror', (error) => assert.fail(error))
    await page.goto(`${one.url}?directory=${encodeURIComponent(network)}`)
    return page
  }

  it('chat: two tabs talk, and only one of them has an address', async () => {
    const host = await open('chat', context)
    await host.locator('#invitation').waitFor(DEADLINE)
    const [guest] = await Promise.all([context.waitForEvent('page'), host.locator('#link').click()])
    await guest.locator('#say').waitFor(DEADLINE)
    await guest.locator('#words').fill('Who is there?')
    await guest.locator('#words').press('Enter')
    await host.getByText('Who is there?').waitFor(DEADLINE)
    await host.locator('#words').fill('<b>A starling.</b>')
    await host.locator('#words').press('Enter')
    await guest.getByText('<b>A starling.</b>').waitFor(DEADLINE)
    assert.equal(await host.locator('li').count(), 2)
  })

  it('wallet: shows balances, each account asked for as somebody else', async () => {
    const page = await open('wallet', context)
    wallet = served.at(-1)?.url
    for (const account of [`0x01${'a'.repeat(38)}`, `0x02${'b'.repeat(38)}`]) {
      await page.locator('button:enabled').waitFor(DEADLINE)
      await page.locator('#account').fill(account)
      await page.locator('#account').press('Enter')
    }
    await page.getByText('426 ETH').waitFor(DEADLINE)
    await page.getByText('699 ETH').waitFor(DEADLINE)
  })

  it('service worker: answers the fetches of its page, and comes back as the same client when it was stopped', async () => {
    const ports = ['--directory-port', '26710', '--socks-port', '26715', '--status-port', '26716']
    free = new Starling(['up', '--free', '--json', '--data', join(folder, 'free'), ...ports])
    const [{ url }] = await Promise.all([free.event('directory'), free.event('proxy')])
    const page = await open('service-worker', context, url)
    const fetched = async (url: string) => {
      await page.locator('button:enabled').waitFor(DEADLINE)
      await page.locator('#url').fill(url)
      await page.locator('#url').press('Enter')
      const answer = page.locator('li').first()
      await answer.locator('div', { hasNotText: /^…$/ }).waitFor(DEADLINE)
      return await answer.locator('div').textContent()
    }
    const state = async (pattern: RegExp) => {
      const line = page.locator('#state', { hasText: pattern })
      await line.waitFor(DEADLINE)
      return /: (\w+)…$|as (\w+)…$/
        .exec((await line.textContent()) ?? '')
        ?.slice(1)
        .find((who) => who !== undefined)
    }
    assert.match((await fetched('http://demo.starling/')) ?? '', /^200 Hello\. This is a web site behind a mixnet\./)
    assert.match((await fetched('http://nowhere.invalid/')) ?? '', /^HOST_UNKNOWN: /)
    const client = await state(/^Connected, as /)

    const devtools = await context.newCDPSession(page)
    await devtools.send('ServiceWorker.enable')
    await devtools.send('ServiceWorker.stopAllWorkers')
    assert.match((await fetched('http://demo.starling/')) ?? '', /^200 Hello\./)
    assert.equal(
      await state(/^The browser had stopped the worker\. It has connected again, as the same client/),
      client,
    )

    // What a site sends is never a page of this origin.
    const address = `${served.at(-1)?.url}through/${encodeURIComponent('http://demo.starling/')}`
    assert.equal((await page.goto(address))?.status(), 404)
  })

  it('wallet: says what is wrong', async () => {
    const page = await context.newPage()
    await page.goto(`${wallet}?directory=http://127.0.0.1:1/api`)
    await page.locator('.wrong').waitFor({ timeout: 90_000 })
    assert.match((await page.locator('.wrong').textContent()) ?? '', /directory|topology/i)
  })
})
