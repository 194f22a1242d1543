/** The web site that official clients fetch from: one of each kind of answer, and a WebSocket that sends back. @module */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { testCertificate } from './tlsProxy.ts'

export interface Site {
  readonly http: { readonly host: string; readonly port: number }
  readonly https: { readonly host: string; readonly port: number }
  /** Every request, in the order of arrival: method and path, and the address it came from. */
  readonly visits: readonly { readonly what: string; readonly from: string }[]
  close(): Promise<void>
}

/** Byte i is i modulo 251. */
export const pattern = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => i % 251)

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** `host`: an address of this machine. `certificate`: prefix of its files' names. */
export async function serveSite(host: string, certificate?: string): Promise<Site> {
  const visits: { readonly what: string; readonly from: string }[] = []
  const listener: RequestListener = (request, response) => {
    visits.push({ what: `${request.method} ${request.url}`, from: request.socket.remoteAddress ?? '' })
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://site')
    const text = (status: number, body: string, headers: Record<string, string> = {}) =>
      response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(body)
    if (pathname === '/hello') return text(200, `hello ${searchParams.get('who') ?? 'nobody'}`)
    if (pathname === '/open') return text(200, 'for every page', { 'access-control-allow-origin': '*' })
    if (pathname === '/moved') return text(302, '', { location: '/hello?who=moved' })
    if (pathname === '/bytes') {
      const body = pattern(Number(searchParams.get('count')))
      return response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(body)
    }
    if (pathname === '/upload') {
      const hash = createHash('sha256')
      let bytes = 0
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        hash.update(chunk)
      })
      return request.on('end', () => {
        const { 'content-type': type = '', 'x-starling': header = '' } = request.headers
        text(200, JSON.stringify({ bytes, sha256: hash.digest('hex'), type, header }))
      })
    }
    return text(404, 'there is no such page')
  }
  const servers: Server[] = [createServer(listener), createHttpsServer(await testCertificate(certificate), listener)]
  for (const server of servers) {
    new WebSocketServer({ server }).on('connection', (socket) => {
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    })
  }
  const [http, https] = await Promise.all(servers.map((server) => listen(server, host)))
  return {
    http: http as Site['http'],
    https: https as Site['https'],
    visits,
    async close() {
      await Promise.all(
        servers.map(async (server) => {
          const closed = once(server, 'close')
          server.close()
          server.closeAllConnections()
          await closed
        }),
      )
    },
  }
}

async function listen(server: Server, host: string): Promise<{ readonly host: string; readonly port: number }> {
  server.listen(0, host)
  await once(server, 'listening')
  return { host, port: (server.address() as AddressInfo).port }
}
