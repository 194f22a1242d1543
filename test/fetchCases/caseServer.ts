/** Behaves as each case says: one server for all of them, for http and https on one port. No tests here. @module */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { ALL_CASES } from './allCases.ts'
import type { Visit } from './fetchCase.ts'

export const CASE_HOST = 'demo.starling'
export const OTHER_HOST = 'other.starling'

const TLS = new URL('../fixtures/tls/', import.meta.url)
const CLIENT_HELLO = 0x16
const COMPRESS = {
  gzip: gzipSync,
  deflate: deflateSync,
  'deflate-raw': deflateRawSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
} as const

export interface CaseServer {
  readonly endpoint: { readonly host: string; readonly port: number }
  close(): Promise<void>
}

/** Of one run of one case: URLs begin with the number of the case and a word that the runner made up. */
interface Run {
  visits: number
  readonly sockets: Socket[]
  readonly asked: Map<string, PromiseWithResolvers<void>>
}

export async function serveCases(): Promise<CaseServer> {
  const runs = new Map<string, Run>()
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const [, key = '', number = '', path = '/'] = /^(\/(\d+)\/\w+)(.*)$/.exec(request.url ?? '') ?? []
    const found = ALL_CASES[Number(number)]
    if (found?.serve === undefined) return void response.writeHead(500).end('no such case')
    const run = runs.get(key) ?? { visits: 0, sockets: [], asked: new Map() }
    runs.set(key, run)
    askedOf(run, path).resolve()
    const visit = visitOf({ request, response, path, key, run })
    Promise.resolve()
      .then(() => found.serve?.(visit))
      .catch((error: unknown) => response.writableEnded || response.destroy(error as Error))
  }
  const [key, cert] = await Promise.all(['key.pem', 'certificate.pem'].map((name) => readFile(new URL(name, TLS))))
  // The tests of kept connections say themselves when those end.
  const options = { keepAliveTimeout: 600_000, requestTimeout: 0 }
  const plain = createHttpServer(options, serve)
  const secure = createHttpsServer({ ...options, key, cert }, serve)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    socket.once('data', (first) => {
      socket.pause()
      socket.unshift(first)
      const to = first[0] === CLIENT_HELLO ? secure : plain
      to.emit('connection', socket)
      process.nextTick(() => socket.resume())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function askedOf({ asked }: Run, path: string): PromiseWithResolvers<void> {
  const found = asked.get(path) ?? Promise.withResolvers<void>()
  asked.set(path, found)
  return found
}

interface Arrival {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly path: string
  readonly key: string
  readonly run: Run
}

function visitOf({ request, response, path, key, run }: Arrival): Visit {
  const { socket } = request
  if (!run.sockets.includes(socket)) run.sockets.push(socket)
  return {
    request,
    response,
    path,
    number: ++run.visits,
    connection: run.sockets.indexOf(socket) + 1,
    async body() {
      const chunks: Uint8Array[] = []
      for await (const chunk of request) chunks.push(chunk)
      return Buffer.concat(chunks).toString('latin1')
    },
    raw: (text) => new Promise((resolve) => socket.write(Buffer.from(text, 'latin1'), () => resolve())),
    end: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    compressed: (coding, data) => COMPRESS[coding](data),
    asked: (wanted) => askedOf(run, wanted).promise,
    elsewhere: (there) => `http://${OTHER_HOST}${key}${there}`,
    closed: () => new Promise((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve()))),
  }
}
