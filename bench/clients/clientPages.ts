/**
 * Serves the page of each client with the files its package consists of, and notes what a page loads. Both trust the certificate of
 * the test's site by the same means: their own list of authorities with ours in it. @module
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, extname } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parseCertificate } from '../../src/client/web/x509.ts'
import { withTestAuthority } from '../../test/browser/testAuthority.ts'

const PAGES = new URL('pages/', import.meta.url)
const MIX_FETCH = new URL('.', import.meta.resolve('@nymproject/mix-fetch'))
const CERTIFICATE = new URL('../../test/fixtures/tls/certificate.pem', import.meta.url)
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
}
/** Of the bench, not of a client. */
const OF_THE_BENCH: ReadonlyMap<string, string> = new Map([
  ['page.html', 'page.html'],
  ['measure.js', 'measure.js'],
  ['client.js', 'mixFetch.js'],
])
/** Bundled with the client, as its users do; mix-fetch is used as the plain files that it is published as, which its worker needs. */
const OUR_PAGE = 'client.js'

export type ClientFolder = 'starling' | 'mixFetch'

/** Of the files of a client that its page has loaded. */
export interface Shipped {
  readonly bytes: number
  readonly gzippedBytes: number
  readonly files: readonly string[]
}

export interface ClientPages {
  /** Where the page of a client is: http://localhost:port/folder/. */
  url(folder: ClientFolder): string
  /** What was loaded since the last time it was asked. */
  takeShipped(): Shipped
  close(): Promise<void>
}

export async function serveClientPages(): Promise<ClientPages> {
  const ours = await bundleOurs()
  const theirWasm = await withTestAuthority(await readFile(new URL('go_conn.wasm', MIX_FETCH)))
  const loaded = new Map<string, Uint8Array>()
  const zipped = new Map<string, number>()

  async function read(folder: ClientFolder, name: string): Promise<Uint8Array> {
    const isOurs = folder === 'starling'
    const own = OF_THE_BENCH.get(name)
    if (own !== undefined && !(isOurs && name === OUR_PAGE)) return await readFile(new URL(own, PAGES))
    const bytes = isOurs ? ours.get(name) : await fileOfMixFetch(name)
    if (bytes === undefined) throw new Error('no such file')
    loaded.set(name, bytes)
    return bytes
  }

  async function fileOfMixFetch(name: string): Promise<Uint8Array> {
    return name === 'go_conn.wasm' ? theirWasm : await readFile(new URL(name, MIX_FETCH))
  }

  const server = createServer(async (request, response) => {
    const [, folder = '', name = ''] = new URL(request.url ?? '/', 'http://localhost').pathname.split('/')
    const file = name === '' ? 'page.html' : name
    try {
      if (folder !== 'starling' && folder !== 'mixFetch') throw new Error('no such folder')
      const body = await read(folder, file)
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'text/plain' }).end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: (folder) => `http://localhost:${port}/${folder}/`,
    takeShipped() {
      const files = [...loaded]
      loaded.clear()
      const gzipped = files.map(([name, bytes]) => {
        const size = zipped.get(name) ?? gzipSync(bytes, { level: 9 }).length
        zipped.set(name, size)
        return size
      })
      return {
        bytes: files.reduce((sum, [, { length }]) => sum + length, 0),
        gzippedBytes: gzipped.reduce((sum, size) => sum + size, 0),
        files: files.map(([name]) => name),
      }
    },
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

interface Bundler {
  readonly bundlePage: (page: { readonly contents: string }) => Promise<{
    readonly files: readonly { readonly path: string; readonly contents: Uint8Array }[]
  }>
}

/** By file name. */
async function bundleOurs(): Promise<ReadonlyMap<string, Uint8Array>> {
  const { bundlePage } = (await import(new URL('../../scripts/bundle.mjs', import.meta.url).href)) as Bundler
  const script = await readFile(new URL('starling.js', PAGES), 'utf8')
  const { files } = await bundlePage({ contents: script.replace('./measure.js', './bench/clients/pages/measure.js') })
  return new Map(
    await Promise.all(
      files.map(async ({ path, contents }): Promise<[string, Uint8Array]> => {
        const name = basename(path).replace(/^page\.js$/, OUR_PAGE)
        return [name, name.startsWith('rootCertificates') ? await withOurAuthority(contents) : contents]
      }),
    ),
  )
}

/** The counterpart of `withTestAuthority`: one more authority in front of the others, in the form that make-roots.mjs writes. */
async function withOurAuthority(chunk: Uint8Array): Promise<Uint8Array> {
  const pem = await readFile(CERTIFICATE, 'utf8')
  const { subject, publicKey, notAfter } = parseCertificate(
    Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64'),
  )
  const until = Buffer.alloc(8)
  until.writeBigUInt64BE(BigInt(notAfter / 1000))
  const entry = Buffer.concat([until, sized(subject), sized(publicKey)])
  // Three of them are a whole number of base64 groups, whatever their length.
  const base64 = Buffer.concat([entry, entry, entry]).toString('base64')
  const text = Buffer.from(chunk).toString('utf8')
  const start = text.search(/[A-Za-z0-9+/]{100}/)
  if (start < 0) throw new Error('the chunk of authorities holds no base64 any more')
  return Buffer.from(text.slice(0, start) + base64 + text.slice(start))
}

function sized(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}
