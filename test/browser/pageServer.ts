/** Serves pages and, beside each, the files of the official package that it uses: unmodified, as plain files. @module */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { withTestAuthority } from './testAuthority.ts'

const PAGES = new URL('pages/', import.meta.url)
const SDK = new URL('.', import.meta.resolve('@nymproject/sdk'))
const MIX_FETCH = new URL('.', import.meta.resolve('@nymproject/mix-fetch'))

export type PageFolder = 'sdk' | 'mixFetch' | 'mixFetchTestAuthority' | 'starling'

/** By the folder of the URL. The packages' workers are named relative to the page, so page and package share a folder. */
const FOLDERS: ReadonlyMap<string, { readonly pages: URL; readonly home: URL }> = new Map([
  ['sdk', { pages: new URL('sdk/', PAGES), home: SDK }],
  ['mixFetch', { pages: new URL('mixFetch/', PAGES), home: MIX_FETCH }],
  // The one that is not as published: it trusts our certificate.
  ['mixFetchTestAuthority', { pages: new URL('mixFetch/', PAGES), home: MIX_FETCH }],
  ['starling', { pages: new URL('starling/', PAGES), home: PAGES }],
] satisfies [PageFolder, { readonly pages: URL; readonly home: URL }][])
/** Ours must do without `unsafe-eval`, `wasm-unsafe-eval`, inline scripts and workers. */
const OUR_POLICY =
  "default-src 'none'; script-src 'self'; img-src data:; connect-src http://127.0.0.1:* ws://127.0.0.1:* ws:"
const PAGE_FILES = ['page.html', 'page.js']
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
}

export interface PageServer {
  /** http://localhost:port: browsers hold it for a secure context, which WebCrypto wants. */
  readonly origin: string
  close(): Promise<void>
}

export async function servePages(): Promise<PageServer> {
  const server = createServer(async (request, response) => {
    const [, folder = '', name = ''] = new URL(request.url ?? '/', 'http://localhost').pathname.split('/')
    const file = name === '' ? 'page.html' : name
    try {
      const body = await read(folder, file)
      const policy = folder === 'starling' ? { 'content-security-policy': OUR_POLICY } : {}
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'text/plain', ...policy }).end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

interface Bundler {
  readonly bundle: () => Promise<{
    readonly files: readonly { readonly path: string; readonly contents: Uint8Array }[]
  }>
}

let bundled: Promise<ReadonlyMap<string, Uint8Array>> | undefined

/** Ours, by file name: made from the sources, once. */
async function bundleOurs(): Promise<ReadonlyMap<string, Uint8Array>> {
  const { bundle } = (await import(new URL('../../scripts/bundle.mjs', import.meta.url).href)) as Bundler
  return new Map((await bundle()).files.map(({ path, contents }) => [basename(path), contents]))
}

/** The cases of test/fetchCases, for our page to run. */
async function bundleCases(): Promise<Uint8Array> {
  const entry = fileURLToPath(new URL('../fetchCases/runCase.ts', import.meta.url))
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    write: false,
    logLevel: 'warning',
  })
  return outputFiles[0]?.contents ?? new Uint8Array(0)
}

async function read(folder: string, file: string): Promise<Uint8Array> {
  if (folder === 'starling' && file === 'cases.js') return await bundleCases()
  if (folder === 'starling' && !PAGE_FILES.includes(file)) {
    bundled ??= bundleOurs()
    const contents = (await bundled).get(file)
    if (contents === undefined) throw new Error('no such file')
    return contents
  }
  const found = FOLDERS.get(folder)
  if (found === undefined) throw new Error('no such folder')
  const { pages, home } = found
  const bytes = await readFile(new URL(file, PAGE_FILES.includes(file) ? pages : home))
  return folder === 'mixFetchTestAuthority' && file === 'go_conn.wasm' ? await withTestAuthority(bytes) : bytes
}
