/** An HTTP server on node:http that answers with a `Request → Response` handler, bounded against slow and greedy peers. @module */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { MixnetError } from '../../base/errors.ts'
import type { Millis } from '../../base/units.ts'
import { Admission } from '../admission.ts'
import type { HttpHandler, HttpListener, HttpListenOptions } from '../net.ts'
import { admitSockets, endpointOf, startListening } from './nodeTcp.ts'

const MAX_HEADER_BYTES = 16_384
/** A response leaves in pieces this long, each of which the peer must take within the request timeout. */
const WRITE_BYTES = 65_536
/** How often Node looks for requests that take too long. */
const CHECK_AT_MOST_EVERY_MS = 1000
/** Methods that the web's `Request` refuses to hold. */
const FORBIDDEN_METHODS = new Set(['CONNECT', 'TRACE', 'TRACK'])

export async function serveHttp(options: HttpListenOptions, handler: HttpHandler): Promise<HttpListener> {
  const { maxBodyBytes, requestTimeout } = options
  const limitMs = Math.max(1, Math.ceil(requestTimeout))
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: limitMs,
      requestTimeout: limitMs,
      keepAliveTimeout: limitMs,
      keepAliveTimeoutBuffer: 0,
      connectionsCheckingInterval: Math.min(CHECK_AT_MOST_EVERY_MS, Math.ceil(limitMs / 2)),
      noDelay: true,
    },
    (incoming, outgoing) => {
      answer(incoming, outgoing, { maxBodyBytes, requestTimeout, handler }).catch(() => outgoing.destroy())
    },
  )
  const admission = new Admission(options)
  const open = admitSockets(server, admission)
  const { endpoint, close } = await startListening(server, options, open)
  // Only now: a server that found its port taken never closes, and its sweeper would run for ever.
  const sweeper = setInterval(hangUpOnStalled(open, limitMs), Math.min(CHECK_AT_MOST_EVERY_MS, limitMs / 2)).unref()
  server.once('close', () => clearInterval(sweeper))
  return {
    endpoint,
    close,
    get connections() {
      return admission.connections
    },
  }
}

/**
 * Answers to requests that came all at once wait in Node's hands, where `drained` does not see them: whoever asks a thousand times
 * and reads nothing would otherwise keep the connection for ever, whether he says more or not.
 */
function hangUpOnStalled(open: ReadonlySet<Socket>, limitMs: number): () => void {
  let waiting = new Map<Socket, { readonly taken: number; readonly since: number }>()
  return () => {
    const now = performance.now()
    const still: typeof waiting = new Map()
    for (const socket of open) {
      if (socket.writableLength === 0) continue
      const taken = socket.bytesWritten - socket.writableLength
      const before = waiting.get(socket)
      if (before?.taken !== taken) still.set(socket, { taken, since: now })
      else if (now - before.since < limitMs) still.set(socket, before)
      else socket.destroy()
    }
    waiting = still
  }
}

interface Answering {
  readonly maxBodyBytes: number
  readonly requestTimeout: Millis
  readonly handler: HttpHandler
}

async function answer(incoming: IncomingMessage, outgoing: ServerResponse, how: Answering): Promise<void> {
  const gone = new AbortController()
  outgoing.once('close', () => gone.abort())
  outgoing.on('error', () => gone.abort())
  const url = urlOf(incoming)
  if (url === undefined) return refuse(outgoing, 400)
  if (FORBIDDEN_METHODS.has(incoming.method ?? '')) return refuse(outgoing, 405)
  // Refused by its announced length before a byte of it is read.
  if (Number(incoming.headers['content-length'] ?? 0) > how.maxBodyBytes) return refuse(outgoing, 413)
  const body = await readBody(incoming, how.maxBodyBytes)
  if (body === undefined) return refuse(outgoing, 413)
  let response: Response
  try {
    const peer = endpointOf(incoming.socket.remoteAddress, incoming.socket.remotePort)
    response = await how.handler(requestOf(incoming, url, body, gone.signal), peer)
  } catch {
    // Handlers report their own failures; the peer learns nothing of them.
    return refuse(outgoing, 500)
  }
  await send(response, outgoing, how.requestTimeout, gone.signal)
}

/** Answers without a body and ends the connection, whatever of the request is still on its way. */
function refuse(outgoing: ServerResponse, status: number): void {
  outgoing.writeHead(status, { connection: 'close', 'content-length': '0' }).end()
}

function urlOf({ url = '/', headers }: IncomingMessage): URL | undefined {
  const text = url.startsWith('/') ? `http://${headers.host ?? 'localhost'}${url}` : url
  return URL.canParse(text) ? new URL(text) : undefined
}

/** undefined where the body is longer than allowed. */
async function readBody(incoming: IncomingMessage, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > maxBytes) return undefined
    chunks.push(chunk)
  }
  const body = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    body.set(chunk, offset)
    offset += chunk.length
  }
  return body
}

function requestOf(incoming: IncomingMessage, url: URL, body: Uint8Array<ArrayBuffer>, signal: AbortSignal): Request {
  const headers = new Headers()
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value)
  }
  const method = incoming.method ?? 'GET'
  const bodyless = method === 'GET' || method === 'HEAD'
  return new Request(url, { method, headers, signal, ...(bodyless ? {} : { body }) })
}

async function send(response: Response, outgoing: ServerResponse, limit: Millis, gone: AbortSignal): Promise<void> {
  const headers: [string, string][] = [...response.headers]
  outgoing.writeHead(response.status, headers.flat())
  if (response.body === null || outgoing.req.method === 'HEAD') {
    await response.body?.cancel()
    outgoing.end()
    return
  }
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader()
  // A body may be endless (server-sent events): it stops when its reader does.
  const stop = () => void reader.cancel().catch(() => {})
  gone.addEventListener('abort', stop, { once: true })
  // What waits already leaves at once, so that a client of an endless body sees its first line.
  outgoing.flushHeaders()
  for (let part = await reader.read(); !part.done && !gone.aborted; part = await reader.read()) {
    for (let offset = 0; offset < part.value.length && !gone.aborted; offset += WRITE_BYTES) {
      const piece = part.value.subarray(offset, offset + WRITE_BYTES)
      if (!outgoing.write(piece)) await drained(outgoing, limit, gone)
    }
  }
  gone.removeEventListener('abort', stop)
  outgoing.end()
}

/** A peer that does not read what it asked for is cut off after `limit`. */
function drained(outgoing: ServerResponse, limit: Millis, gone: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (gone.aborted) return resolve()
    const finish = () => {
      clearTimeout(timer)
      outgoing.off('drain', finish)
      gone.removeEventListener('abort', finish)
      resolve()
    }
    const timer = setTimeout(() => reject(new MixnetError('TIMEOUT', { what: 'response' })), Math.ceil(limit)).unref()
    outgoing.once('drain', finish)
    gone.addEventListener('abort', finish, { once: true })
  })
}
