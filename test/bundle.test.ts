/** What a page is given: how much of it, what must not be in it, and that it does what its source does. @module */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { loadPageEngine } from '../src/app/sdk/webCredentialEngine.ts'
import { BridgeExit } from '../src/client/bridgeExit.test.ts'
import { hostile } from '../src/client/web/hostileTls.test.ts'
import { keyPem, made } from '../src/client/web/madeCertificates.test.ts'
import type { createWebFetch } from '../src/client/web/webFetch.ts'
import { cleanUp, DatedClock, secure } from '../src/client/web/webSupport.test.ts'
import { nodeRandom } from '../src/foundation/platform/node/nodeRandom.ts'

interface File {
  readonly path: string
  readonly contents: Uint8Array
  readonly text: string
}

interface Bundled {
  readonly files: readonly File[]
  readonly metafile: { readonly inputs: Readonly<Record<string, unknown>> }
}

interface Bundler {
  readonly bundlePackage: () => Promise<Bundled>
  readonly bundlePage: (options: { readonly contents: string }) => Promise<Bundled>
  readonly loadedBy: (name: string, bundled: Bundled) => readonly File[]
}

const isCredential = (path: string) => basename(path).startsWith('webCredential')
const SCRIPT = new URL('../scripts/bundle.mjs', import.meta.url)
const folder = mkdtempSync(join(tmpdir(), 'starling-bundle-'))
const PAGE = "export { createWebFetch } from './src/client/web/webFetch.ts'"
let bundler: Bundler
let bundled: Bundled
let create: typeof createWebFetch

before(async () => {
  bundler = (await import(SCRIPT.href)) as Bundler
  bundled = await bundler.bundlePackage()
  const { files } = await bundler.bundlePage({ contents: PAGE })
  for (const { path, contents } of files) writeFileSync(join(folder, basename(path)), contents)
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  const page = (await import(pathToFileURL(join(folder, 'page.js')).href)) as { createWebFetch: typeof create }
  create = page.createWebFetch
})
afterEach(cleanUp)
after(() => rmSync(folder, { recursive: true }))

describe('the bundle for browsers', () => {
  test('is small, and what only https needs comes later', () => {
    for (const entry of ['starling', 'mix-fetch', 'sdk']) {
      const loaded = bundler.loadedBy(entry, bundled)
      const zipped = (pattern: RegExp) =>
        loaded
          .filter(({ path }) => pattern.test(basename(path)))
          .reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0)
      assert.ok(zipped(/^(?!rootCertificates|webCredential)/) <= 120 * 1024, entry)
      assert.ok(zipped(/^rootCertificates/) > 0, entry)
      assert.ok(zipped(/^tlsStream/) > 0, entry)
    }
  })

  test('holds nothing twice: the entries share what they have in common', () => {
    // What pays is whole, so that it takes nothing out of the client and its worker can be copied.
    const sizeOf = (files: readonly File[]) =>
      files.filter(({ path }) => !isCredential(path)).reduce((sum, { contents }) => sum + contents.length, 0)
    const whole = sizeOf(bundled.files)
    const one = sizeOf(bundler.loadedBy('starling', bundled))
    assert.ok(whole < 1.1 * one, `${whole} bytes, and ${one} of them are one entry's`)
  })

  test('has what pays in three files, one of which is a worker and needs no other', () => {
    const scripts = bundled.files.filter(({ path }) => isCredential(path) && path.endsWith('.js'))
    const found = ['webCredentialModule', 'webCredentialEngine', 'webCredentialWallet'].map((name) =>
      scripts.filter(({ path }) => basename(path).startsWith(name)),
    )
    assert.deepEqual([...found.map(({ length }) => length), scripts.length], [1, 1, 1, 3])
    const [engine, loader, wallet] = found.flat() as [File, File, File]
    const { path, text } = engine
    const { text: loadingText } = loader
    const zipped = [engine, loader, wallet].map(({ contents }) => gzipSync(contents, { level: 9 }).length / 1024)
    assert.ok(
      zipped.every((size, i) => size <= ([44, 5, 22][i] as number)),
      `${zipped} KB`,
    )
    assert.doesNotMatch(wallet.text, /\bmcl\b|WebAssembly/)
    assert.ok(wallet.text.includes(`import("./${basename(loader.path)}")`))
    // Only the client of our own loads it; what stands for the official packages cannot pay, as they cannot.
    const payers = ['starling', 'mix-fetch', 'sdk'].filter((entry) =>
      bundler.loadedBy(entry, bundled).some((file) => file === wallet),
    )
    assert.deepEqual(payers, ['starling'])
    assert.doesNotMatch(text, /\bimport\b|mcl|WebAssembly/)
    // As webpack and Vite look for it.
    assert.ok(loadingText.includes(`new Worker(new URL("./${basename(path)}",import.meta.url),{type:"module",`))
    assert.ok(loadingText.includes(`import("./${basename(path)}")`))
  })

  test('holds nothing of Node, and of the TLS library neither its authorities nor its way past the mixnet', () => {
    const inputs = Object.keys(bundled.metafile.inputs)
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
    for (const { text, path } of bundled.files) {
      assert.doesNotMatch(text, /BEGIN CERTIFICATE-----[\sA-Za-z0-9+/]{100}/, path)
      assert.doesNotMatch(text, /Failed to fetch certificate|caIssuers/, path)
      assert.doesNotMatch(text, /(?:from|import\() ?["'](?!\.\/)/, path)
    }
  })

  test('of a service worker pays with nothing to load later, and no worker of its own', async () => {
    const script = new URL('../scripts/bundle-service-worker.mjs', import.meta.url)
    const { bundleServiceWorker } = (await import(script.href)) as { bundleServiceWorker: Bundler['bundlePage'] }
    const contents =
      "export const pay = async () => (await import('./src/app/sdk/webCredentialEngine.ts')).loadPageEngine()"
    const { files } = await bundleServiceWorker({ contents })
    assert.equal(files.length, 1)
    const [{ text }] = files as [File]
    assert.doesNotMatch(text, /\bimport\b|\bnew Worker\b/)
    const path = join(folder, 'serviceWorker.js')
    writeFileSync(path, text)
    const { pay } = (await import(pathToFileURL(path).href)) as { readonly pay: typeof loadPageEngine }
    const engine = await pay()
    assert.equal((await engine.userKey(new Uint8Array(32))).length, 80)
    await engine.close()
    await assert.rejects(engine.userKey(new Uint8Array(32)), { code: 'STOPPED' })
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
