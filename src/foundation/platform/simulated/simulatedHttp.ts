/** HTTP between simulated hosts: the handler is called, and nothing is parsed. What it waits for must be simulated too. @module */
import { concat, utf8 } from '../../base/bytes.ts'
import { MixnetError } from '../../base/errors.ts'
import { Admission } from '../admission.ts'
import type { Endpoint, HttpHandler, HttpListener, HttpListenOptions, HttpRequest, HttpResponse } from '../net.ts'
import { settleOnce } from './dial.ts'
import type { Life } from './life.ts'
import { ephemeralPort, type Network } from './network.ts'
import { endpointOfUrl } from './simulatedWebSocket.ts'

/** What headers and TCP/IP add to a body, roughly. */
const HEADER_BYTES = 400
const OPENING_BYTES = 40

interface Accept {
  readonly maxBodyBytes: number
  readonly handler: HttpHandler
  /** False where there are too many. */
  enter(exchange: Exchange, host: string): boolean
  leave(exchange: Exchange): void
}

/** A request on its way through a server; breaks off where the server dies or closes. */
class Exchange {
  readonly gone: AbortController = new AbortController()
  readonly #onBroken: () => void

  constructor(onBroken: () => void) {
    this.#onBroken = onBroken
  }

  sever(): void {
    if (this.gone.signal.aborted) return
    this.gone.abort()
    this.#onBroken()
  }

  /** A request has a deadline of its own. */
  loseIfOn(): void {}
}

export function serveHttp(
  network: Network,
  life: Life,
  options: HttpListenOptions,
  handler: HttpHandler,
): Promise<HttpListener> {
  const { maxBodyBytes } = options
  return life.later(() => {
    const open = new Map<Exchange, () => void>()
    const admission = new Admission(options)
    const service = network.listen<Accept>(life, 'http', options, {
      maxBodyBytes,
      handler,
      enter(exchange, host) {
        const leave = admission.enter(host)
        if (leave === undefined) return false
        open.set(exchange, leave)
        life.connections.add(exchange)
        return true
      },
      leave(exchange) {
        open.get(exchange)?.()
        open.delete(exchange)
        life.connections.delete(exchange)
      },
    })
    const listener = life.listener(service, () => {
      for (const exchange of open.keys()) exchange.sever()
    })
    return {
      endpoint: listener.endpoint,
      close: () => listener.close(),
      get connections() {
        return admission.connections
      },
    }
  })
}

export function requestHttp(network: Network, life: Life, request: HttpRequest): Promise<HttpResponse> {
  const { url, timeout, signal } = request
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    return life.later(() => {
      throw new MixnetError('BAD_ARGUMENT', { argument: 'url' })
    })
  }
  const { host, port } = endpointOfUrl(new URL(url))
  const limits = { what: 'HTTP request', timeout, signal } as Parameters<typeof settleOnce>[1]
  return settleOnce<HttpResponse>(life, limits, (resolve, reject, isSettled) => {
    let path: ReturnType<Network['path']>
    try {
      path = network.path(life, host, undefined)
    } catch (error) {
      life.schedule(0, () => reject(error as MixnetError))
      return () => {}
    }
    const { there, back } = path
    const answer = (bytes: number, run: () => void) => back.transmit(bytes, 0, run)
    const closed = () =>
      answer(OPENING_BYTES, () => reject(new MixnetError('CONNECTION_CLOSED', { system: 'ECONNRESET' })))
    const exchange = new Exchange(closed)
    const peer: Endpoint = { host: path.localIp, port: ephemeralPort(life.machine) }
    // One round trip for TCP, one for the request.
    there.transmit(OPENING_BYTES, 0, () => {
      if (network.find(path, port, 'http') === undefined) {
        answer(OPENING_BYTES, () => reject(new MixnetError('CONNECTION_REFUSED', { system: 'ECONNREFUSED' })))
        return
      }
      answer(OPENING_BYTES, () => {
        if (isSettled() || !life.alive) return
        there.transmit(HEADER_BYTES + (request.body?.length ?? 0), 0, () => {
          const service = network.find<Accept>(path, port, 'http')
          if (service === undefined || !service.accept.enter(exchange, peer.host)) {
            closed()
            return
          }
          exchange.gone.signal.addEventListener('abort', () => service.accept.leave(exchange), { once: true })
          serve(service.accept, request, peer, exchange.gone.signal).then((response) => {
            service.accept.leave(exchange)
            if (exchange.gone.signal.aborted || !service.life.alive) return
            if (response === 'too long') {
              const limit = { what: 'response body', maxBodyBytes: request.maxBodyBytes }
              answer(request.maxBodyBytes, () => reject(new MixnetError('MESSAGE_TOO_LONG', limit)))
            } else {
              answer(HEADER_BYTES + response.body.length, () => resolve(response))
            }
          })
        })
      })
    })
    return () => {
      there.transmit(OPENING_BYTES, 0, () => exchange.gone.abort())
    }
  })
}

async function serve(
  accept: Accept,
  request: HttpRequest,
  peer: Endpoint,
  gone: AbortSignal,
): Promise<HttpResponse | 'too long'> {
  const { url, method = 'GET', headers = {}, body, maxBodyBytes } = request
  const sent = body === undefined ? undefined : utf8(body)
  if (sent !== undefined && sent.length > accept.maxBodyBytes) return bodyless(413)
  const hasBody = sent !== undefined && method !== 'GET'
  try {
    const content = hasBody ? { body: sent as Uint8Array<ArrayBuffer> } : {}
    const response = await accept.handler(new Request(url, { method, headers, signal: gone, ...content }), peer)
    const contents = await readBody(response, maxBodyBytes, gone)
    if (contents === undefined) return 'too long'
    return { status: response.status, contentType: response.headers.get('content-type') ?? '', body: contents }
  } catch {
    // As on Node: handlers report their own failures.
    return bodyless(500)
  }
}

function bodyless(status: number): HttpResponse {
  return { status, contentType: '', body: new Uint8Array(0) }
}

/** undefined where it is longer than allowed. An endless body goes on until the signal comes. */
async function readBody({ body }: Response, maxBytes: number, gone: AbortSignal): Promise<Uint8Array | undefined> {
  if (body === null) return new Uint8Array(0)
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader()
  const stop = () => {
    reader.cancel().catch(() => {})
  }
  gone.addEventListener('abort', stop, { once: true })
  const chunks: Uint8Array[] = []
  let length = 0
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    length += part.value.length
    if (length > maxBytes) {
      stop()
      return undefined
    }
    chunks.push(part.value)
  }
  gone.removeEventListener('abort', stop)
  return concat(...chunks)
}
