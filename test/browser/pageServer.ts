/**
 * Serves pages and, beside each, the files of the official package that it uses: unmodified, as plain files; or the page with our
 * package in its place. @module
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { basename, extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { withTestAnchor, withTestAuthority, withTestRoot } from './testAuthority.ts'
import { testCertificate } from './tlsProxy.ts'

const PAGES = new URL('pages/', import.meta.url)
const SDK = new URL('.', import.meta.resolve('@nymproject/sdk'))
const MIX_FETCH = new URL('.', import.meta.resolve('@nymproject/mix-fetch'))
/** The same package as published later, under another name so that both can be there. */
const MIX_FETCH_2 = new URL('.', import.meta.resolve('mix-fetch-2'))
/** Its page runs the script of the earlier one's, and has an import map for what the package imports by name. */
const BESIDE_MIX_FETCH_2 = {
  'page.js': new URL('mixFetch/page.js', PAGES),
  'tunnel.js': new URL('mixTunnel/tunnel.js', PAGES),
  'mix-tunnel.js': new URL(import.meta.resolve('@nymproject/mix-tunnel')),
  'mix-dns.js': new URL(import.meta.resolve('@nymproject/mix-dns')),
  'mix-websocket.js': new URL(import.meta.resolve('@nymproject/mix-websocket')),
}

/** The script of each folder is a user's; of a drop-in it is the official package's user's, with another import. */
export type PageFolder =
  | 'sdk'
  | 'mixFetch'
  | 'mixFetchTestAuthority'
  | 'mixTunnel'
  | 'mixTunnelTestAuthority'
  | 'starling'
  | 'starlingWorkers'
  | 'credentials'
  | 'credentialsWithoutWorkers'
  | 'sdkDropIn'
  | 'mixFetchDropIn'
  | 'mixFetchDropInTestAuthority'

interface Folder {
  readonly pages: URL
  /** Scripts of ours beside the page's, as they stand. */
  readonly scripts?: readonly string[]
  /** Of the package as published: its workers are named relative to the page, so page and package share a folder. */
  readonly home?: URL
  /** Files of other places beside it. */
  readonly others?: Readonly<Record<string, URL>>
  /** Ours is bundled, the page's script along with it where it names a package of ours in place of the official one's file. */
  readonly dropIn?: string
  /** The page's script is bundled with what it imports of the sources. */
  readonly fromSources?: true
  /** Its policy lets nothing be a worker. */
  readonly noWorkers?: true
  /** Not as published: it trusts our certificate. */
  readonly testAuthority?: true
}

const ofSdk = new URL('sdk/', PAGES)
const ofMixFetch = new URL('mixFetch/', PAGES)
const ofMixTunnel = new URL('mixTunnel/', PAGES)
const ofCredentials = new URL('credentials/', PAGES)
const FOLDERS: Readonly<Record<PageFolder, Folder>> = {
  sdk: { pages: ofSdk, home: SDK },
  mixFetch: { pages: ofMixFetch, home: MIX_FETCH },
  mixFetchTestAuthority: { pages: ofMixFetch, home: MIX_FETCH, testAuthority: true },
  mixTunnel: { pages: ofMixTunnel, home: MIX_FETCH_2, others: BESIDE_MIX_FETCH_2 },
  mixTunnelTestAuthority: { pages: ofMixTunnel, home: MIX_FETCH_2, others: BESIDE_MIX_FETCH_2, testAuthority: true },
  starling: { pages: new URL('starling/', PAGES) },
  starlingWorkers: {
    pages: new URL('starlingWorkers/', PAGES),
    scripts: ['worker.js', 'serviceWorker.js', 'client.js'],
  },
  credentials: { pages: ofCredentials, fromSources: true },
  credentialsWithoutWorkers: { pages: ofCredentials, fromSources: true, noWorkers: true },
  sdkDropIn: { pages: ofSdk, dropIn: 'starling-mixnet/sdk' },
  mixFetchDropIn: { pages: ofMixFetch, dropIn: 'starling-mixnet/mix-fetch' },
  mixFetchDropInTestAuthority: { pages: ofMixFetch, dropIn: 'starling-mixnet/mix-fetch', testAuthority: true },
}
/** Ours must do without `unsafe-eval`, `wasm-unsafe-eval`, inline scripts and workers. */
const WORKERS = "worker-src 'self'"
const OUR_POLICY = `default-src 'none'; script-src 'self'; ${WORKERS}; img-src data:; connect-src 'self'`
const PLAIN = 'http://127.0.0.1:* ws://127.0.0.1:* ws:'
/** Browsers take sockets to this machine for safe wherever a page came from, so that they would open plain ones here and not elsewhere. */
const SECURE = 'https: wss:'
const [HTML, SCRIPT] = ['page.html', 'page.js']
const OFFICIAL_FILE = "'./index.js'"
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
}

export interface PageServer {
  /** http://localhost:port, which browsers hold for a secure context, as WebCrypto wants it; or https. */
  readonly origin: string
  close(): Promise<void>
}

export async function servePages(): Promise<PageServer> {
  return await serve(createServer(answer(`${OUR_POLICY} ${PLAIN}`)), 'http')
}

/** The same by https, with the fixture's certificate. No page there may open anything plain, official ones neither. */
export async function serveSecurePages(): Promise<PageServer> {
  const listener = answer(`${OUR_POLICY} ${SECURE}`, `connect-src 'self' ${SECURE}`)
  return await serve(createHttpsServer(await testCertificate(), listener), 'https')
}

function answer(ours: string, official?: string): RequestListener {
  return async (request, response) => {
    const [, folder = '', name = ''] = new URL(request.url ?? '/', 'http://localhost').pathname.split('/')
    const file = name === '' ? HTML : name
    try {
      const found = FOLDERS[folder as PageFolder]
      const body = await (found.home === undefined
        ? readOurs(folder, found, file)
        : readOfficial(found, found.home, file))
      const policy = found.home === undefined ? withWorkers(ours, found) : official
      const headers = policy === undefined ? {} : { 'content-security-policy': policy }
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'text/plain', ...headers }).end(body)
    } catch {
      response.writeHead(404).end()
    }
  }
}

const withWorkers = (policy: string, { noWorkers }: Folder) =>
  noWorkers ? policy.replace(WORKERS, "worker-src 'none'") : policy

async function serve(server: Server, scheme: 'http' | 'https'): Promise<PageServer> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `${scheme}://localhost:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** Official files that hold the list of authorities. */
const TRUSTING: Readonly<Record<string, (bytes: Uint8Array) => Promise<Uint8Array>>> = {
  'go_conn.wasm': withTestAuthority,
  'mix-tunnel.js': withTestRoot,
}

async function readOfficial({ pages, others, testAuthority }: Folder, home: URL, file: string): Promise<Uint8Array> {
  const bytes = await readFile(others?.[file] ?? new URL(file, file === HTML || file === SCRIPT ? pages : home))
  if (!testAuthority) return bytes
  return await (TRUSTING[file]?.(bytes) ?? bytes)
}

async function readOurs(name: string, folder: Folder, file: string): Promise<Uint8Array> {
  const isPlain =
    file === SCRIPT
      ? folder.dropIn === undefined && folder.fromSources === undefined
      : file === HTML || folder.scripts?.includes(file) === true
  if (isPlain) return await readFile(new URL(file, folder.pages))
  if (name === 'starling' && file === 'cases.js') return await bundleCases()
  const bundled = bundles.get(name) ?? bundleOurs(folder)
  bundles.set(name, bundled)
  const contents = (await bundled).get(file)
  if (contents === undefined) throw new Error('no such file')
  return contents
}

type Files = readonly { readonly path: string; readonly contents: Uint8Array }[]
type Bundle<Options> = (options: Options) => Promise<{ readonly files: Files }>
interface Bundler {
  readonly bundlePackage: Bundle<void>
  readonly bundlePage: Bundle<{ readonly contents: string; readonly plugins: readonly Plugin[] }>
}
interface WorkerBundler {
  readonly bundleServiceWorker: Bundle<void>
}

/** Of each folder, by file name: made from the sources, once. */
const bundles = new Map<string, Promise<ReadonlyMap<string, Uint8Array>>>()

async function bundleOurs({
  pages,
  scripts,
  dropIn,
  fromSources,
  testAuthority,
}: Folder): Promise<ReadonlyMap<string, Uint8Array>> {
  const bundler = (script: string) => import(new URL(`../../scripts/${script}`, import.meta.url).href)
  const { bundlePackage, bundlePage } = (await bundler('bundle.mjs')) as Bundler
  const plugins = testAuthority ? [trustingTests] : []
  const contents = fromSources
    ? await readFile(new URL(SCRIPT, pages), 'utf8')
    : dropIn && (await withImport(pages, dropIn))
  const { files: forPages } = contents === undefined ? await bundlePackage() : await bundlePage({ contents, plugins })
  const { bundleServiceWorker } = (await bundler('bundle-service-worker.mjs')) as WorkerBundler
  const { files: forWorkers } = scripts === undefined ? { files: [] } : await bundleServiceWorker()
  const files = [...forPages, ...forWorkers]
  return new Map(files.map(({ path, contents }) => [basename(path), contents]))
}

/** The page of the official package, and nothing changed but what it imports. */
async function withImport(pages: URL, dropIn: string): Promise<string> {
  const [before, after, ...more] = (await readFile(new URL(SCRIPT, pages), 'utf8')).split(OFFICIAL_FILE)
  if (after === undefined || more.length > 0) throw new Error(`the page does not import ${OFFICIAL_FILE} once`)
  return `${before}'${dropIn}'${after}`
}

const trustingTests: Plugin = {
  name: 'trusting-tests',
  setup({ onLoad }) {
    onLoad({ filter: /rootCertificates\.generated\.ts$/ }, async ({ path }) => {
      const { ROOT_CERTIFICATES } = (await import(path)) as { readonly ROOT_CERTIFICATES: string }
      return { contents: `export const ROOT_CERTIFICATES = '${await withTestAnchor(ROOT_CERTIFICATES)}'` }
    })
  },
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
