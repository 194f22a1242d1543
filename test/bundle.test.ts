/** What a page is given: how much of it, what must not be in it, and that it does what its source does. @module */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { BridgeExit } from '../src/client/bridgeExit.test.ts'
import { hostile } from '../src/client/web/hostileTls.test.ts'
import { keyPem, made } from '../src/client/web/madeCertificates.test.ts'
import type { createWebFetch } from '../src/client/web/webFetch.ts'
import { cleanUp, DatedClock, secure } from '../src/client/web/webSupport.test.ts'
import { nodeRandom } from '../src/foundation/platform/node/nodeRandom.ts'

interface Bundled {
  readonly files: readonly { readonly path: string; readonly contents: Uint8Array; readonly text: string }[]
  readonly metafile: { readonly inputs: Readonly<Record<string, unknown>> }
}

const SCRIPT = new URL('../scripts/bundle.mjs', import.meta.url)
const folder = mkdtempSync(join(tmpdir(), 'starling-bundle-'))
let bundled: Bundled
let dropIns: readonly Bundled[]
let create: typeof createWebFetch

before(async () => {
  const { bundle } = (await import(SCRIPT.href)) as { bundle: (options?: { name: string }) => Promise<Bundled> }
  bundled = await bundle()
  dropIns = [await bundle({ name: 'mix-fetch' }), await bundle({ name: 'sdk' })]
  for (const { path, contents } of bundled.files) writeFileSync(join(folder, basename(path)), contents)
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  const entry = (await import(pathToFileURL(join(folder, 'starling.js')).href)) as { createWebFetch: typeof create }
  create = entry.createWebFetch
})
afterEach(cleanUp)
after(() => rmSync(folder, { recursive: true }))

describe('the bundle for browsers', () => {
  test('is small, and what only https needs comes later', () => {
    const zipped = (pattern: RegExp, { files } = bundled) =>
      files
        .filter(({ path }) => pattern.test(basename(path)))
        .reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0)
    for (const each of [bundled, ...dropIns]) assert.ok(zipped(/^(?!rootCertificates)/, each) <= 120 * 1024)
    assert.ok(zipped(/^rootCertificates/) > 0)
    assert.ok(zipped(/^tlsStream/) > 0)
  })

  test('holds nothing of Node, and of the TLS library neither its authorities nor its way past the mixnet', () => {
    const inputs = [bundled, ...dropIns].flatMap(({ metafile }) => Object.keys(metafile.inputs))
    for (const absent of [
      /undici/,
      /@peculiar/,
      /reflect-metadata/,
      /micro-rsa-dsa-dh/,
      /tls\/lib\/crypto\/webcrypto/,
      /noble.*node_modules/,
    ]) {
      assert.deepEqual(
        inputs.filter((path) => absent.test(path)),
        [],
        String(absent),
      )
    }
    for (const { text, path } of [bundled, ...dropIns].flatMap(({ files }) => files)) {
      assert.doesNotMatch(text, /BEGIN CERTIFICATE-----[\sA-Za-z0-9+/]{100}/, path)
      assert.doesNotMatch(text, /Failed to fetch certificate|caIssuers/, path)
      assert.doesNotMatch(text, /from ?"(?:node:|crypto|undici)/, path)
    }
  })

  test('speaks TLS, and only to whom it should', async () => {
    const root = made({ name: 'root', authority: true })
    const leaf = made({ name: 'leaf', by: root, dns: ['demo.starling'] })
    const right = await secure((_, response) => response.end('secret'), { key: keyPem(leaf.keys), cert: leaf.pem })
    const wrong = await hostile({ certificate: leaf, signature: 'left out' })
    const clock = new DatedClock()
    const ask = async (route: typeof right, ca: string): Promise<string> => {
      const client = create({ clock, random: nodeRandom }, { dialer: new BridgeExit(clock, () => route), ca })
      try {
        return await (await client.fetch('https://demo.starling/')).text()
      } finally {
        await client.close()
      }
    }
    assert.equal(await ask(right, root.pem), 'secret')
    const refused = { code: 'TLS_FAILED' }
    await assert.rejects(ask(right, made({ name: 'root', authority: true }).pem), refused)
    await assert.rejects(ask(wrong, root.pem), refused)
  })
})
