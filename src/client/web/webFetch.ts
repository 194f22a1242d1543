/**
 * `fetch` through an exit where there is neither undici nor Node's TLS: pages, workers, service workers, Deno, Bun. The exit sees
 * which host is asked, and of https nothing else. @module
 */
import { MixnetError, malformed } from '../../foundation/base/errors.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import type { Dialer } from '../dialer.ts'
import { expectRequest } from '../optionKinds.ts'
import { RequestLog } from '../requestLog.ts'
import type { Explanation, RequestTimeline } from '../requestTimeline.ts'
import { ACCEPT_ENCODING } from './decompression.ts'
import type { HttpAnswer } from './http1Connection.ts'
import { Http1Pool } from './http1Pool.ts'
import { isRepeatable, requestHead } from './http1Request.ts'
import { LATE_PARTS, type LateParts } from './lateParts.ts'
import { originOf } from './origin.ts'
import { type Hop, isRedirect, MAX_REDIRECTS, redirected } from './redirects.ts'
import { RequestLimits } from './requestLimits.ts'
import { WebConnector } from './webConnector.ts'
import { signalsOf, type WebRequest, webRequest } from './webRequest.ts'
import { headersOf, webResponse } from './webResponse.ts'
import { type WebSocketConstructor, WebSockets } from './webSocket.ts'

export interface WebFetchOptions {
  readonly dialer: Dialer
  /** From the call to the last byte of the body. Default 60 s. */
  readonly timeout?: Millis
  /** PEM of the only authorities to trust, for services with their own. Default: Mozilla's, as Node comes with them. */
  readonly ca?: string | undefined
  /** Default 6. Under each isolation key. */
  readonly maxConnectionsPerOrigin?: number
  /** For `explain`. Default: one of its own. */
  readonly log?: RequestLog
  /** Default: loaded when first needed. */
  readonly parts?: LateParts | undefined
  /** Sent where a request names none. */
  readonly userAgent?: string
}

export interface WebRequestInit extends RequestInit {
  /** Milliseconds, in the place of the timeout of all requests. */
  readonly timeout?: number
  /**
   * Requests with different keys share no connection and no pseudonym, so the exit cannot tell that one client makes both; requests
   * with the same key do, whatever sites they ask. Default: the site. Redirects stay under the key.
   */
  readonly isolation?: string
}

export interface WebFetch extends AsyncDisposable {
  /**
   * As the global one. Rejects with a MixnetError (EXIT_REFUSED, HOST_UNKNOWN, TLS_FAILED, TIMEOUT …), or with the reason of the
   * caller's signal where that was aborted; reading the body throws the same. URLs are absolute; `mode`, `credentials`, `cache`,
   * `referrer` and `keepalive` say nothing here, for there is no page, no cookie jar and no cache behind it.
   */
  readonly fetch: (input: string | URL | Request, init?: WebRequestInit) => Promise<Response>
  /** Ends with `close`, as all its requests do. */
  readonly WebSocket: WebSocketConstructor
  /** What happened to the request that gave that Response or error; without one, to the last that began. */
  explain(result?: unknown): Explanation | undefined
  /** Ends all requests with STOPPED and every connection. */
  close(): Promise<void>
}

const TIMEOUT = seconds(60)
const CONNECTIONS_PER_ORIGIN = 6
// What the largest crowd begins with; some servers refuse a request without any. The runtime's own would name the browser.
const USER_AGENT = 'Mozilla/5.0'

/** Throws BAD_ARGUMENT for authorities that cannot be read. */
export function createWebFetch(world: Pick<ClientWorld, 'clock' | 'random'>, options: WebFetchOptions): WebFetch {
  const { clock } = world
  const { userAgent = USER_AGENT, timeout = TIMEOUT, dialer, ca, parts = LATE_PARTS } = options
  const connector = new WebConnector(world, { dialer, ca, parts })
  const log = options.log ?? new RequestLog(() => clock.monotonic(), undefined)
  const running = new Set<RequestLimits>()
  const pool = new Http1Pool({
    clock,
    open: (purpose, line) => connector.open(purpose, line),
    generation: () => dialer.generation?.() ?? 0,
    perOrigin: options.maxConnectionsPerOrigin ?? CONNECTIONS_PER_ORIGIN,
  })
  const webSockets = new WebSockets({ world, log, open: (purpose, line) => connector.open(purpose, line) })
  let closed = false

  async function ask(hop: Hop, asking: Asking): Promise<Asked> {
    const { limits, timeline, isolation } = asking
    const { method, url, body } = hop
    const head = requestHead({ ...hop, userAgent, acceptEncoding: ACCEPT_ENCODING, bodyLength: body?.length })
    for (let again = body === undefined && isRepeatable(method); ; again = false) {
      const connection = await pool.acquire({ origin: originOf(url), isolation }, asking)
      const over = Promise.withResolvers<unknown>()
      over.promise.then(limits.onStop((reason) => connection.abort(reason)))
      try {
        const handedOver = () => timeline.reached('request-sent')
        const exchange = connection.exchange({ method, head, body, handedOver, over: over.resolve })
        const answer = await limits.until(exchange)
        timeline.answered(answer.head.status)
        return { answer, over: over.promise }
      } catch (error) {
        // The server closed a kept connection while the request was on its way: asking again is what browsers do.
        if (!again || !connection.closedUnanswered) throw error
        timeline.failed(error)
      }
    }
  }

  async function follow({ hop: first, redirect }: WebRequest, asking: Asking): Promise<Response> {
    const { limits } = asking
    let hop = first
    for (let redirects = 0; ; redirects++) {
      const { answer, over } = await ask(hop, asking)
      const { status, fields } = answer.head
      const location = headersOf(fields).get('location')
      if (redirect === 'manual' || !isRedirect(status, location)) {
        const response = webResponse(answer, hop, redirects > 0)
        over.then((failure) => finished(asking, failure))
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

  function finished({ limits, timeline, signals }: Asking, failure: unknown): void {
    limits.finish()
    running.delete(limits)
    if (failure !== undefined) {
      const aborted = signals.some((signal) => signal.aborted && signal.reason === failure)
      timeline.failed(failure, aborted ? 'ABORTED' : undefined)
      log.gave(failure, timeline)
    }
    timeline.finished()
  }

  return {
    async fetch(input, init = {}) {
      expectRequest(init)
      const timeline = log.begin()
      const signals = signalsOf(input, init)
      const limits = new RequestLimits({ clock, limit: millis(init.timeout ?? timeout), signals })
      const asking: Asking = { limits, timeline, signals, isolation: init.isolation }
      running.add(limits)
      try {
        if (closed) throw new MixnetError('STOPPED')
        limits.check()
        const response = await follow(await limits.until(webRequest(input, init, limits)), asking)
        log.gave(response, timeline)
        return response
      } catch (error) {
        limits.stop(error)
        finished(asking, error)
        abandon(init.body ?? (input as Partial<Request>).body, error)
        throw error
      }
    },
    WebSocket: webSockets.WebSocket,
    explain: (result) => log.explain(result),
    async close() {
      closed = true
      const stopped = new MixnetError('STOPPED')
      for (const limits of [...running]) limits.stop(stopped)
      running.clear()
      webSockets.close(stopped)
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

interface Asking {
  readonly limits: RequestLimits
  readonly timeline: RequestTimeline
  readonly signals: readonly AbortSignal[]
  readonly isolation: string | undefined
}

interface Asked {
  readonly answer: HttpAnswer
  /** The connection is done with it; with what it failed with, where it did. */
  readonly over: Promise<unknown>
}
