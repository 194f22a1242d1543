/**
 * `fetch` through an exit where there is neither undici nor Node's TLS: pages, workers, service workers, Deno, Bun. The exit sees
 * which host is asked, and of https nothing else. @module
 */
import { MixnetError, malformed } from '../../foundation/base/errors.ts'
import { type Millis, seconds } from '../../foundation/base/units.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import type { Dialer } from '../dialer.ts'
import type { ByteStream } from './byteStream.ts'
import { ACCEPT_ENCODING } from './decompression.ts'
import type { HttpAnswer } from './http1Connection.ts'
import { Http1Pool, type Origin } from './http1Pool.ts'
import { isIdempotent, requestHead } from './http1Request.ts'
import { type Hop, isRedirect, MAX_REDIRECTS, redirected } from './redirects.ts'
import { RequestLimits } from './requestLimits.ts'
import type { TlsOptions } from './tlsStream.ts'
import { anchorsOf, defaultAnchors } from './trustAnchors.ts'
import { signalsOf, type WebRequest, webRequest } from './webRequest.ts'
import { headersOf, webResponse } from './webResponse.ts'

export interface WebFetchOptions {
  readonly dialer: Dialer
  /** From the call to the last byte of the body. Default 60 s. */
  readonly timeout?: Millis
  /** PEM of the only authorities to trust, for services with their own. Default: Mozilla's, as Node comes with them. */
  readonly ca?: string
  /** Default 6. */
  readonly maxConnectionsPerOrigin?: number
  /** Sent where a request names none. */
  readonly userAgent?: string
}

export interface WebRequestInit extends RequestInit {
  /** Overrides the timeout of all requests. */
  readonly timeout?: Millis
}

export interface WebFetch extends AsyncDisposable {
  /**
   * As the global one. Rejects with a MixnetError (EXIT_REFUSED, HOST_UNKNOWN, TLS_FAILED, TIMEOUT …), or with the reason of the
   * caller's signal where that was aborted; reading the body throws the same. URLs are absolute; `mode`, `credentials`, `cache`,
   * `referrer` and `keepalive` say nothing here, for there is no page, no cookie jar and no cache behind it.
   */
  readonly fetch: (input: string | URL | Request, init?: WebRequestInit) => Promise<Response>
  /** Ends all requests with STOPPED and every connection. */
  close(): Promise<void>
}

const TIMEOUT = seconds(60)
const CONNECTIONS_PER_ORIGIN = 6
// What the largest crowd begins with; some servers refuse a request without any. The runtime's own would name the browser.
const USER_AGENT = 'Mozilla/5.0'

export function createWebFetch(
  { clock, random }: Pick<ClientWorld, 'clock' | 'random'>,
  options: WebFetchOptions,
): WebFetch {
  const { userAgent = USER_AGENT, timeout = TIMEOUT, dialer, ca } = options
  const given = ca === undefined ? undefined : anchorsOf(ca)
  const anchors = async () => given ?? (await defaultAnchors())
  const running = new Set<RequestLimits>()
  const pool = new Http1Pool({
    clock,
    open: (origin) => {
      const stream = dialer.open({ host: origin.host, port: origin.port })
      const tls = { clock, random: random.stream('tls'), host: origin.host, anchors }
      return {
        ready: origin.secure ? secured(stream, tls) : Promise.resolve(stream),
        abandon: (e) => stream.destroy(e),
      }
    },
    generation: () => dialer.generation?.() ?? 0,
    perOrigin: options.maxConnectionsPerOrigin ?? CONNECTIONS_PER_ORIGIN,
  })
  let closed = false

  async function ask(hop: Hop, limits: RequestLimits): Promise<Asked> {
    const { method, url, body } = hop
    const head = requestHead({ ...hop, userAgent, acceptEncoding: ACCEPT_ENCODING, bodyLength: body?.length })
    for (let again = body === undefined && isIdempotent(method); ; again = false) {
      const connection = await pool.acquire(originOf(url), limits)
      const over = Promise.withResolvers<void>()
      over.promise.then(limits.onStop((reason) => connection.abort(reason)))
      try {
        const exchange = connection.exchange({ method, head, body, over: over.resolve })
        return { answer: await limits.until(exchange), over: over.promise }
      } catch (error) {
        // The server closed a kept connection while the request was on its way: asking again is what browsers do.
        if (!again || !connection.closedUnanswered) throw error
      }
    }
  }

  async function follow({ hop: first, redirect }: WebRequest, limits: RequestLimits): Promise<Response> {
    let hop = first
    for (let redirects = 0; ; redirects++) {
      const { answer, over } = await ask(hop, limits)
      const { status, fields } = answer.head
      const location = headersOf(fields).get('location')
      if (redirect === 'manual' || !isRedirect(status, location)) {
        const response = webResponse(answer, hop, redirects > 0)
        over.then(() => finished(limits))
        return response
      }
      if (redirect === 'error') throw malformed('HTTP response', 'redirect')
      if (redirects === MAX_REDIRECTS) throw malformed('HTTP response', 'too many redirects')
      // Its body mostly came along, and then the connection can be used again; else it is given up.
      await limits.until(new Promise<void>((resolve) => clock.soon(resolve)))
      answer.body?.cancel().catch(() => {})
      hop = redirected(hop, status, location)
    }
  }

  function finished(limits: RequestLimits): void {
    limits.finish()
    running.delete(limits)
  }

  return {
    async fetch(input, init = {}) {
      if (closed) throw new MixnetError('STOPPED')
      const limits = new RequestLimits({ clock, limit: init.timeout ?? timeout, signals: signalsOf(input, init) })
      running.add(limits)
      try {
        limits.check()
        return await follow(await limits.until(webRequest(input, init)), limits)
      } catch (error) {
        limits.stop(error)
        running.delete(limits)
        abandon(init.body ?? (input as Partial<Request>).body, error)
        throw error
      }
    },
    async close() {
      closed = true
      const stopped = new MixnetError('STOPPED')
      for (const limits of [...running]) limits.stop(stopped)
      running.clear()
      pool.close(stopped)
    },
    async [Symbol.asyncDispose]() {
      await this.close()
    },
  }
}

/** Whoever makes a stream is told that nobody will read it; where somebody began to, he tells. */
function abandon(body: unknown, reason: unknown): void {
  if (body instanceof ReadableStream && !body.locked) body.cancel(reason).catch(() => {})
}

interface Asked {
  readonly answer: HttpAnswer
  /** The connection is done with it. */
  readonly over: Promise<void>
}

/** TLS is a chunk of its own in a bundle: a page that asks for no https never loads it. */
async function secured(stream: ByteStream, options: TlsOptions): Promise<ByteStream> {
  const { TlsStream } = await import('./tlsStream.ts')
  return await TlsStream.over(stream, options)
}

function originOf({ protocol, hostname, port }: URL): Origin {
  const secure = protocol === 'https:'
  return { secure, host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? (secure ? 443 : 80) : Number(port) }
}
