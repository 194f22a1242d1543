/** The list of test/fetchCases in real Chromium, over a local network; and which pages the local websocket API lets in. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { Mixnet } from '../../src/client/mixnet.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { nodeWorld } from '../../src/foundation/platform/node/nodeWorld.ts'
import { ALL_CASES } from '../fetchCases/allCases.ts'
import { CASE_HOST, type CaseServer, OTHER_HOST, serveCases } from '../fetchCases/caseServer.ts'
import { expectedOf } from '../fetchCases/runCase.ts'
import { noChromium } from './chromium.ts'
import { OfficialPage } from './officialPage.ts'
import { servePages } from './pageServer.ts'
import { Stage } from './stage.ts'

/** An honest answer takes some tenths of a second, on a busy machine more. */
const DEADLINE_MS = 5_000

describe('in Chromium', { skip: noChromium }, () => {
  let server: CaseServer
  let stage: Stage
  let page: OfficialPage

  before(async () => {
    server = await serveCases()
    stage = await Stage.start(26_700, {}, { [CASE_HOST]: server.endpoint, [OTHER_HOST]: server.endpoint })
    const ca = await readFile(new URL('../fixtures/tls/certificate.pem', import.meta.url), 'utf8')
    page = await stage.open('starling')
    await page.call('connect', { directory: stage.network.directoryUrl, ca })
  })
  after(async () => {
    await stage?.stop()
    await server?.close()
  })

  for (const [number, { name }] of ALL_CASES.entries()) {
    it(`fetch: ${name}`, async () => {
      const settings = { host: CASE_HOST, otherHost: OTHER_HOST, word: 'chromium', deadline: DEADLINE_MS }
      assert.deepEqual(await page.call('runCase', number, settings), expectedOf(number, 'web'))
    })
  }

  it('the local websocket API takes a page of an origin that is named, and turns another away', async () => {
    await using mixnet = await Mixnet.connect(nodeWorld(nodeProvider), { directories: [stage.network.directoryUrl] })
    const api = await mixnet.localApi({ host: '127.0.0.1', port: 0, allowedOrigins: [stage.origin] })
    const elsewhere = await servePages()
    try {
      const url = `ws://127.0.0.1:${api.endpoint.port}`
      const stranger = await OfficialPage.open(await stage.person(), `${elsewhere.origin}/starling/`)
      assert.equal(await stranger.call('askLocalApi', url), 'refused')
      assert.equal(await page.call('askLocalApi', url), 'selfAddress')
      assert.equal(await stranger.call('askLocalApi', url), 'refused')
      await stranger.close()
    } finally {
      await elsewhere.close()
    }
  })
})
