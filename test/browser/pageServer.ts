/** Serves pages and, beside each, the files of the official package that it uses: unmodified, as plain files. @module */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname } from 'node:path'
import { withTestAuthority } from './testAuthority.ts'

const PAGES = new URL('pages/', import.meta.url)
const SDK = new URL('.', import.meta.resolve('@nymproject/sdk'))
const MIX_FETCH = new URL('.', import.meta.resolve('@nymproject/mix-fetch'))

export type PageFolder = 'sdk' | 'mixFetch' | 'mixFetchTestAuthority'

/** By the folder of the URL. The packages' workers are named relative to the page, so page and package share a folder. */
const FOLDERS: ReadonlyMap<string, { readonly pages: URL; readonly home: URL }> = new Map([
  ['sdk', { pages: new URL('sdk/', PAGES), home: SDK }],
  ['mixFetch', { pages: new URL('mixFetch/', PAGES), home: MIX_FETCH }],
  // The one that is not as published: it trusts our certificate.
  ['mixFetchTestAuthority', { pages: new URL('mixFetch/', PAGES), home: MIX_FETCH }],
] satisfies [PageFolder, { readonly pages: URL; readonly home: URL }][])
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
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'text/plain' }).end(body)
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

async function read(folder: string, file: string): Promise<Uint8Array> {
  const found = FOLDERS.get(folder)
  if (found === undefined) throw new Error('no such folder')
  const { pages, home } = found
  const bytes = await readFile(new URL(file, PAGE_FILES.includes(file) ? pages : home))
  return folder === 'mixFetchTestAuthority' && file === 'go_conn.wasm' ? await withTestAuthority(bytes) : bytes
}
