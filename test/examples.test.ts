/** The examples that run on Node, and docs/guides/wallet.md, as they stand: against one network, as `npm start` makes it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { codeBlocks } from './support/guides.ts'
import { Starling } from './support/starling.ts'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const GUIDE_DIRECTORY = 'http://127.0.0.1:8080/api'
const LIMIT = { timeout: 60_000 }

it('the policy of the example pages allows the worker that keeps time while they are hidden, and no more', async () => {
  const { serveExample } = (await import(new URL('../examples/serve.mjs', import.meta.url).href)) as {
    serveExample(name: string, port: number): Promise<{ url: string; close(): Promise<void> }>
  }
  const { url, close } = await serveExample('chat', 0)
  try {
    const policy = (await fetch(url)).headers.get('content-security-policy') ?? ''
    assert.match(policy, /worker-src 'self' blob:;/)
    assert.match(policy, /script-src 'self';/)
  } finally {
    await close()
  }
})

describe('examples on Node', { timeout: 240_000 }, () => {
  let folder: string
  let network: Starling
  let directory: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'starling-'))
    const ports = ['--directory-port', '27400', '--socks-port', '27405', '--status-port', '27406']
    network = new Starling(['up', '--json', '--data', folder, ...ports])
    const [{ url }] = await Promise.all([network.event('directory'), network.event('proxy')])
    directory = url
  })
  after(async () => {
    await network?.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  })

  async function output(...args: string[]): Promise<string> {
    const env = { ...process.env, DIRECTORY: directory }
    const { stdout } = await run(process.execPath, ['-C', 'starling-source', ...args], { cwd: ROOT, env, ...LIMIT })
    return stdout
  }

  it('node-script: a question, an answer, a web site', async () => {
    const said = await output('examples/node-script/main.ts')
    assert.match(said, /^bob hears {4}What time is it\?\nalice hears {2}Half past nine\.\nthe site saw 127\.0\.\d/)
    assert.match(said, /answer begins {3}200/)
  })

  for (const library of ['undici', 'axios']) {
    it(`${library}: an application changed by one line`, async () => {
      const said = await output(`examples/${library}/app.ts`)
      assert.match(said, /^200 \{\s+bytes: 12,/)
      assert.match(said, library === 'undici' ? /^Hello\. This is a web site/m : /^HOST_UNKNOWN Check the spelling/m)
    })
  }

  it('the wallet guide, by itself and with viem', async () => {
    const [own, viem, failing, ...others] = (await codeBlocks('wallet.md')).filter(({ info }) => /^ts\b/.test(info))
    assert.ok(own && viem && failing && others.length === 0)
    const says = async (program: string) => {
      assert.ok(program.includes(GUIDE_DIRECTORY))
      const text = program.replaceAll(GUIDE_DIRECTORY, directory)
      return await output('--input-type=module-typescript', '--eval', text)
    }
    const wei = (ether: number) => `${BigInt(ether) * 10n ** 18n}n`
    const lines = [`0x01${'a'.repeat(38)} ${wei(0x01aa)}`, `0x02${'b'.repeat(38)} ${wei(0x02bb)}`]
    assert.equal(await says(own.text), `${lines.join('\n')}\n`)
    assert.equal(await says(viem.text), `${wei(0x01aa)}\n`)
    assert.equal(await says(failing.text), 'HOST_UNKNOWN you Check the spelling of the host name.\n')
    const given = /^given up by the wallet itself DOMException \[TimeoutError\]/
    assert.match(await says(failing.text.replace('20_000', '1')), given)
  })
})
