/**
 * mix-fetch 2.1.1, mix-dns and mix-websocket 0.2.1 in Chromium, over mix-tunnel 0.2.1, unmodified: they know only IP packets, and the address
 * of one directory, which is compiled in. The browser leads that address to ours, by https and with our answers to CORS; gateway and packet
 * router they find there. passt carries the packets to servers on this machine. Authorities are compiled in as well: where a site shall be
 * believed, the key of one of them is ours, and nothing else is changed. @module
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { BrowserContext } from 'playwright-core'
import { NO_PASST, OWN_ADDRESS } from '../../src/roles/exit/ip/passtSupport.test.ts'
import { noChromium } from './chromium.ts'
import { type MixFetchAnswer, requestThrough } from './mixFetch.ts'
import { count, SECURE_SITE, SITE } from './network.ts'
import type { Packets } from './networkProcess.ts'
import type { OfficialPage } from './officialPage.ts'
import type { PageFolder } from './pageServer.ts'
import { pattern, sha256 } from './site.ts'
import { Stage } from './stage.ts'

const MEGABYTE = 1_000_000
/** States of a WebSocket. */
const [OPEN, CLOSED] = [1, 3]
/** Less than eight packets: of what it writes at once, mix-tunnel loses what is beyond, and sends it again 5 s later. */
const SOCKET_BYTES = 10_000
/** TCP in a page, over mixes, on a machine that may be busy. */
const DOWNLOAD_LIMIT_MS = 240_000
/** Official routers of version 10 come with nodes from 1.37.0 on; with this one clients ask in version 9. */
const BEFORE_VERSION_10 = '1.31.0'

describe('official mix-fetch 2.1.1, over IP packets', { skip: noChromium || NO_PASST, timeout: 900_000 }, () => {
  let stage: Stage
  let page: OfficialPage
  let packets: Packets

  before(async () => {
    stage = await Stage.startTunnels(28_000, OWN_ADDRESS)
    packets = stage.network.packets as Packets
    page = await opened()
  })
  after(() => stage?.stop())

  /** With a tunnel of its own. */
  const opened = async (person?: BrowserContext, folder: PageFolder = 'mixTunnel'): Promise<OfficialPage> => {
    const one = await stage.open(folder, person)
    await one.call('setUp', { debug: true, primaryDns: packets.nameServer, fallbackDns: packets.nameServer })
    return one
  }
  const named = (path: string, port = packets.ports.http): string => `${SITE}:${port}${path}`
  const secure = (path: string, scheme = 'https'): string =>
    `${scheme}://${new URL(SECURE_SITE).hostname}:${packets.ports.https}${path}`
  const request = (url: string, init: Readonly<Record<string, unknown>> = {}, by = page) =>
    requestThrough(by, url, init, DOWNLOAD_LIMIT_MS)
  const textOf = ({ error, body }: MixFetchAnswer): string => {
    assert.equal(error, undefined)
    return new TextDecoder().decode(body)
  }
  /** A socket that a server sends everything back to. */
  const echoes = async (by: OfficialPage, url: string): Promise<void> => {
    const earlier = by.received.length
    const mine = () => by.received.slice(earlier)
    assert.equal(await by.call('openSocket', url), OPEN)
    const texts = Array.from({ length: 20 }, (_, i) => `line ${i}`)
    const bytes = Buffer.from(pattern(SOCKET_BYTES)).toString('base64')
    for (const text of texts) await by.call('sendText', text)
    await by.call('sendBytes', bytes)
    await by.messages(1, (event) => event.kind === 'binary' && mine().includes(event))
    assert.deepEqual(
      mine().map(({ payload }) => payload),
      [...texts, bytes],
    )
    await by.call('closeSocket')
    await by.messages(1, (event) => event.payload === 'closed' && mine().includes(event))
  }
  const isPattern = ({ error, body }: MixFetchAnswer, bytes: number): void => {
    assert.equal(error, undefined)
    assert.equal(body?.length, bytes)
    assert.equal(sha256(body as Uint8Array), sha256(pattern(bytes)))
  }

  it('finds gateway and packet router in our directory, and asks in version 10', async () => {
    await page.says(/auto-discovered IPR \(v1\.37\.0\)/)
    await page.says(/allocated IPv4: 10\.0\.\d+\.\d+, IPv6: fc00::[0-9a-f]+, MTU: Some\(1500\)/)
    assert.ok((await stage.network.look()).tlsConnections > 0, 'by wss')
    assert.deepEqual(await page.call('state'), { state: 'ready' })
  })

  it('gets, by name and by address; follows a redirect, and reports a 404', async () => {
    assert.equal(textOf(await request(named('/hello?who=named'))), 'hello named')
    assert.equal(
      textOf(await request(`http://${OWN_ADDRESS}:${packets.ports.http}/hello?who=numbered`)),
      'hello numbered',
    )
    assert.equal(textOf(await request(named('/moved'))), 'hello moved')
    assert.equal((await request(named('/missing'))).status, 404)
  })

  it('posts a body with headers, of one packet and of many', async () => {
    for (const bytes of [10, 100_000]) {
      const body = randomBytes(bytes)
      const headers = { 'content-type': 'application/x-birds', 'x-starling': 'yes' }
      const answer = await request(named('/upload'), { method: 'POST', headers, bodyBase64: body.toString('base64') })
      const expected = { bytes, sha256: sha256(body), type: 'application/x-birds', header: 'yes' }
      assert.deepEqual(JSON.parse(textOf(answer)), expected)
    }
  })

  it('downloads a megabyte, unchanged', async () => {
    isPattern(await request(named(`/bytes?count=${MEGABYTE}`)), MEGABYTE)
  })

  it('makes requests at once', async () => {
    const names = Array.from({ length: 5 }, (_, i) => `visitor ${i}`)
    const answers = await Promise.all(names.map((name) => request(named(`/hello?who=${encodeURIComponent(name)}`))))
    assert.deepEqual(
      answers.map(textOf),
      names.map((name) => `hello ${name}`),
    )
  })

  it('is told at once where nobody listens, what the policy forbids and which names do not exist, and goes on', async () => {
    assert.match((await request(`http://${OWN_ADDRESS}:2/`)).error as string, /TCP connection failed/)
    const refused = async () => count(await stage.network.look(), 'ip_dropped_total{reason="destination-policy"}')
    const before = await refused()
    assert.match((await request(`http://${OWN_ADDRESS}:24/`)).error as string, /TCP connection failed/)
    assert.ok((await refused()) > before)
    assert.match((await request('http://nobody.invalid/')).error as string, /DNS error/)
    assert.equal(textOf(await request(named('/hello'))), 'hello nobody')
  })

  it('resolves names, and says of others that they do not exist', async () => {
    const { hostname } = new URL(SITE)
    assert.deepEqual(await page.call('resolveName', hostname), { address: OWN_ADDRESS })
    const { error } = await page.call<{ readonly error?: string }>('resolveName', 'nobody.invalid')
    assert.match(error as string, /DNS error/)
  })

  it('opens a WebSocket, which gets what it sent in order, text and bytes', async () => {
    await echoes(page, `ws://${new URL(SITE).hostname}:${packets.ports.http}/`)
  })

  it('says where no WebSocket is', async () => {
    assert.equal(await page.call('openSocket', `ws://${OWN_ADDRESS}:2/`), CLOSED)
    await page.messages(1, ({ kind, payload }) => kind === 'raw' && /TCP connection failed/.test(payload))
  })

  it('refuses the site of an authority that only bears the name of one it knows: TLS ends in the page', async () => {
    const before = (await stage.network.look()).visits.length
    assert.match((await request(secure('/hello'))).error as string, /invalid peer certificate: BadSignature/)
    assert.equal(await page.call('openSocket', secure('/', 'wss')), CLOSED)
    await page.messages(1, ({ kind, payload }) => kind === 'raw' && /BadSignature/.test(payload))
    assert.equal((await stage.network.look()).visits.length, before)
  })

  it('a client of version 9 and one of version 10 at once, each with an address of its own', async (t) => {
    const person = await stage.person()
    t.after(() => person.close())
    // Somebody whose directory says that the node is older. The package asks from a worker.
    await person.route('https://validator.nymtech.net/**/nym-nodes/described*', async (route) => {
      const { pathname, search } = new URL(route.request().url())
      const { origin } = new URL(stage.network.directoryUrl)
      const body = await (await fetch(`${origin}${pathname}${search}`)).text()
      const headers = { 'content-type': 'application/json', 'access-control-allow-origin': '*' }
      await route.fulfill({ headers, body: body.replaceAll('"1.37.0"', `"${BEFORE_VERSION_10}"`) })
    })
    const older = await opened(person)
    await older.says(new RegExp(`auto-discovered IPR \\(v${BEFORE_VERSION_10}\\)`))
    const addresses = await Promise.all([page, older].map((one) => one.says(/allocated IPv4/)))
    assert.match(addresses[0] as string, /MTU: Some\(1500\)/)
    assert.match(addresses[1] as string, /MTU: None/)
    assert.notEqual(...(addresses.map((line) => /10\.0\.\d+\.\d+/.exec(line)?.[0]) as [string, string]))
    assert.equal(count(await stage.network.look(), 'ip_clients'), 2)
    const bytes = 100_000
    const answers = [page, older].map((by) => request(named(`/bytes?count=${bytes}`), {}, by))
    for (const answer of await Promise.all(answers)) isPattern(answer, bytes)
  })

  it('believes the site of an authority that it knows: a megabyte by https, unchanged, and a WebSocket by wss', async (t) => {
    const person = await stage.person()
    t.after(() => person.close())
    const trusting = await opened(person, 'mixTunnelTestAuthority')
    assert.equal(textOf(await request(secure('/hello?who=secret'), {}, trusting)), 'hello secret')
    isPattern(await request(secure(`/bytes?count=${MEGABYTE}`), {}, trusting), MEGABYTE)
    await echoes(trusting, secure('/', 'wss'))
  })

  it('ends its tunnel', async () => {
    await page.call('disconnect')
    assert.deepEqual(await page.call('state'), { state: 'shutdown' })
  })
})
