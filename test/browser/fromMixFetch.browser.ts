/** docs/guides/from-mix-fetch.md, done as it says: its files, its page in Chromium, its program on Node. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, delimiter, dirname } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type CodeBlock, codeBlocks } from '../support/guides.ts'
import { launchChromium, noChromium } from './chromium.ts'
import { LocalNetwork, SITE } from './network.ts'
import { DEADLINE_MS } from './officialPage.ts'

const ROOT = new URL('../../', import.meta.url)
const PROGRAM = new URL('from-mix-fetch.mts', ROOT)
const GUIDE_DIRECTORY = 'http://127.0.0.1:8080/api'
const GUIDE_SITE = 'http://demo.starling/'

describe('from mix-fetch to Starling', { skip: noChromium, timeout: 240_000 }, () => {
  let network: LocalNetwork
  let blocks: readonly CodeBlock[]

  before(async () => {
    network = await LocalNetwork.start(27_300)
    blocks = await codeBlocks('from-mix-fetch.md')
    assert.deepEqual(
      blocks.map(({ info }) => info),
      ['diff', 'sh in the clone', 'html', 'ts', 'sh in the clone'],
    )
  })
  after(() => network?.stop())

  /** In the network of this test, and of a site that is there. */
  const here = (text: string): string => {
    assert.ok(text.includes(GUIDE_DIRECTORY) && text.includes(GUIDE_SITE))
    return text.replaceAll(GUIDE_DIRECTORY, network.directoryUrl).replaceAll(GUIDE_SITE, `${SITE}/hello?who=guide`)
  }
  const type = async (block: CodeBlock | undefined): Promise<string> => {
    const PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`
    const run = promisify(execFile)
    return (await run('sh', ['-c', block?.text ?? ''], { cwd: fileURLToPath(ROOT), env: { ...process.env, PATH } }))
      .stdout
  }

  it('in a page, with files that the clone makes', async () => {
    assert.match(await type(blocks[1]), / mix-fetch\.js$/m)
    const html = here(blocks[2]?.text ?? '')
    const server = createServer(async ({ url = '/' }, response) => {
      if (url === '/') {
        response.setHeader('content-type', 'text/html').end(html)
        return
      }
      const file = await readFile(new URL(`dist/web/${basename(url)}`, ROOT)).catch(() => undefined)
      response
        .setHeader('content-type', 'text/javascript')
        .writeHead(file === undefined ? 404 : 200)
        .end(file)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const browser = await launchChromium()
    try {
      const page = await browser.newPage()
      await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`)
      await page.getByText('HOST_UNKNOWN').waitFor({ timeout: DEADLINE_MS })
      const text = await page.locator('body').textContent()
      assert.equal(text?.trim(), '200 hello guide HOST_UNKNOWN you Check the spelling of the host name.')
    } finally {
      await browser.close()
      server.close()
      server.closeAllConnections()
    }
  })

  it('on Node', async () => {
    await writeFile(PROGRAM, here(blocks[3]?.text ?? ''))
    try {
      assert.equal(await type(blocks[4]), '200 hello guide\n')
    } finally {
      await rm(PROGRAM)
    }
  })

  it('changes one line of a page', () => {
    const lines = blocks[0]?.text.trim().split('\n') ?? []
    const [before = '', after = ''] = lines.map((line) => line.slice(1))
    assert.equal(before.replace('@nymproject/mix-fetch', 'starling-mixnet/mix-fetch'), after)
  })
})
