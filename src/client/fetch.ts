/**
 * `fetch` through an exit, on Node: HTTP, pooling and redirects by undici, TLS by Node, the bytes through the mixnet. The exit
 * sees which host is asked, and of https nothing else. @module
 */
import {
  type Agent,
  type Dispatcher,
  FormData as UndiciFormData,
  Request as UndiciRequest,
  fetch as undiciFetch,
} from 'undici'
import { MixnetError, malformed } from '../foundation/base/errors.ts'
import { type Millis, millis, seconds } from '../foundation/base/units.ts'
import type { World } from '../foundation/platform/world.ts'
import type { Dialer } from './dialer.ts'
import { ExitConnector } from './exitConnector.ts'
import { explainFetchError, isClosedByPeer } from './fetchErrors.ts'
import { guardedBody } from './guardedBody.ts'
import { withoutTraces } from './headerTraces.ts'
import { IsolatedAgents } from './isolatedAgents.ts'
import { MixnetDispatcher } from './mixnetDispatcher.ts'
import { createNodeAgents, type NodeAgents } from './nodeAgents.ts'
import { expectRequest } from './optionKinds.ts'
import { RequestLifetime } from './requestLifetime.ts'
import { observed, RequestLog } from './requestLog.ts'
import type { Explanation, RequestTimeline } from './requestTimeline.ts'
import { withTimeline } from './watchedClients.ts'
import { badUrl, httpUrl } from './web/httpUrl.ts'
import { isIterable, streamOf } from './web/requestBody.ts'
import { type WebSocketConstructor, WebSockets } from './web/webSocket.ts'

export interface FetchOptions {
  readonly dialer: Dialer
  /** From the call to the last byte of the body. Default 60 s. */
  readonly timeout?: Millis
  /** PEM of the only authorities to trust, for services with their own. Default: those Node comes with. */
  readonly ca?: string | undefined
  /** Default 6. Under each isolation key. */
  readonly maxConnectionsPerOrigin?: number
  /** Named isolation keys whose connections are kept for later requests. Default 64. */
  readonly maxIdleKeys?: number
  /** For `explain`. Default: one of its own. */
  readonly log?: RequestLog
  /** Sent where a request names none. */
  readonly userAgent?: string
}

export interface MixnetRequestInit extends RequestInit {
  /** Milliseconds, in the place of the timeout of all requests. */
  readonly timeout?: number
  /**
   * Requests with different keys share no connection and no pseudonym, so the exit cannot tell that one client makes both; requests
   * with the same key do, whatever sites they ask. Default: the site. Redirects stay under the key.
   */
  readonly isolation?: string
}

export interface AdapterOptions {
  /** As of `fetch`. */
  readonly isolation?: string | undefined
  /** Of each request, from its beginning to the last byte of its answer. Milliseconds. Default: that of `fetch`. */
  readonly timeout?: number | undefined
}

/** What makes other HTTP libraries go through the exit. They live as long as what they come from. */
export interface HttpAdapters {
  /** For undici, and for Node's `fetch`. */
  readonly dispatcher: Dispatcher
  /** For `node:http` and `node:https`, axios, got. */
  readonly agent: NodeAgents
}

export interface MixnetFetch extends AsyncDisposable {
  /**
   * As the global one. Rejects with a TypeError whose `cause` is a MixnetError, with the reason of the caller's signal where
   * that was aborted; `explainFetchError` tells of any of them, and of what reading a body threw.
   */
  readonly fetch: (input: string | URL | Request, init?: MixnetRequestInit) => Promise<Response>
  adapters(options?: AdapterOptions): HttpAdapters
  /** Ends with `close`, as all its requests do. */
  readonly WebSocket: WebSocketConstructor
  /** What happened to the request that gave that Response or error, or is that ClientRequest; without one, to the last that began. */
  explain(result?: unknown): Explanation | undefined
  /** Ends all requests with STOPPED and every connection. */
  close(): Promise<void>
}

const TIMEOUT = seconds(60)
const TLS_HANDSHAKE_TIMEOUT = seconds(60)
const CONNECTIONS_PER_ORIGIN = 6
// What the largest crowd begins with; some servers refuse a request without any.
const USER_AGENT = 'Mozilla/5.0'

type Target = string | URL | UndiciRequest
type UndiciInit = Parameters<typeof undiciFetch>[1]

interface Running {
  readonly agent: Agent
  readonly lifetime: RequestLifetime
  readonly timeline: RequestTimeline
}

export function createFetch(world: Pick<World, 'clock' | 'random'>, options: FetchOptions): MixnetFetch {
  const { clock } = world
  const { dialer, ca, userAgent = USER_AGENT, timeout = TIMEOUT } = options
  const connector = new ExitConnector({ clock, dialer, ca, handshakeTimeout: TLS_HANDSHAKE_TIMEOUT })
  const maxConnectionsPerOrigin = options.maxConnectionsPerOrigin ?? CONNECTIONS_PER_ORIGIN
  const agents = new IsolatedAgents({
    connector,
    maxConnectionsPerOrigin,
    generation: () => dialer.generation?.() ?? 0,
    maxIdleKeys: options.maxIdleKeys,
  })
  const log = options.log ?? new RequestLog(() => clock.monotonic(), undefined)
  const webSockets = new WebSockets({ world, log, open: (purpose, line) => connector.opening(purpose, line) })
  let closed = false

  async function run(
    target: Target,
    init: MixnetRequestInit,
    { agent, lifetime, timeline }: Running,
  ): Promise<Response> {
    const { timeout: _, isolation: __, body, ...rest } = init
    let hops = 0
    const dispatcher = agent.compose((dispatch: Dispatcher['dispatch']) => (request, handler) => {
      const headers = withoutTraces(request.headers as Record<string, string>, userAgent)
      const watched = lifetime.watch(handler)
      const go = () => dispatch(withTimeline({ ...request, headers }, timeline), watched)
      if (hops++ === 0) return go()
      // The body of a redirect mostly came along with it: two turns later its connection is free for the next request.
      clock.soon(() => clock.soon(go))
      return true
    })
    const own = {
      ...rest,
      ...(body === undefined ? {} : { body: ownBody(body, lifetime.failed) }),
      signal: lifetime.signal,
      dispatcher,
    }
    const send = () => undiciFetch(target, own as UndiciInit) as Promise<unknown> as Promise<Response>
    try {
      return await send()
    } catch (error) {
      // The server closed a kept connection while the request was on its way: asking again is what browsers do.
      if (closed || lifetime.signal.aborted || !isClosedByPeer(error) || !isRepeatable(target, init)) throw error
      return await send()
    }
  }

  async function begin(
    input: string | URL | Request,
    init: MixnetRequestInit,
    timeline: RequestTimeline,
  ): Promise<Response> {
    let signals: readonly AbortSignal[] = []
    let lifetime: RequestLifetime | undefined
    try {
      const request = typeof input === 'string' || input instanceof URL ? undefined : input
      expectRequest(init)
      // As in the standard: a signal in `init` takes the place of the request's, null removes it.
      signals = [init.signal === undefined ? request?.signal : init.signal].filter(isSignal)
      expectUrl(request?.url ?? (input as string | URL))
      const { agent, release } = agents.acquire(init.isolation)
      const observer = observed(log, timeline, release)
      lifetime = new RequestLifetime({ clock, limit: millis(init.timeout ?? timeout), signals, observer })
      const target = request === undefined ? (input as string | URL) : ownRequest(request, lifetime.failed)
      // undici frees a connection a turn after the body's end: whoever asks again at once would open another.
      await new Promise<void>((resolve) => clock.soon(resolve))
      // Closed meanwhile: undici would only say that its agent is gone.
      if (closed) throw new MixnetError('STOPPED')
      const response = await run(target, init, { agent, lifetime, timeline }).catch((error: unknown) => {
        throw isOfRedirect(error) ? malformed('HTTP response', 'redirect') : error
      })
      lifetime.resolved()
      return response
    } catch (error) {
      const thrown = signals.some((signal) => signal.aborted) ? error : failed(error)
      timeline.failed(thrown)
      lifetime?.rejected()
      throw thrown
    }
  }

  return {
    async fetch(input, init = {}) {
      const timeline = log.begin()
      try {
        if (closed) throw failed(new MixnetError('STOPPED'))
        const response = await begin(input, init, timeline)
        log.gave(response, timeline)
        return response
      } catch (error) {
        timeline.failed(error)
        timeline.finished()
        log.gave(error, timeline)
        if (error instanceof Error) log.gave(error.cause, timeline)
        throw error
      }
    },
    WebSocket: webSockets.WebSocket,
    explain: (result) => log.explain(result),
    adapters({ isolation, timeout: limitMs = timeout } = {}) {
      expectRequest({ timeout: limitMs, isolation })
      const limit = millis(limitMs)
      return {
        dispatcher: new MixnetDispatcher({ clock, agents, log, isolation, limit, userAgent }),
        agent: createNodeAgents({ clock, connector, log, isolation, limit, maxConnectionsPerOrigin }),
      }
    },
    async close() {
      closed = true
      const stopped = new MixnetError('STOPPED')
      webSockets.close(stopped)
      const destroyed = agents.destroy(stopped)
      connector.close(stopped)
      await destroyed
    },
    async [Symbol.asyncDispose]() {
      await this.close()
    },
  }
}

/** What global fetch throws of a failure, with a cause that says which. */
function failed(error: unknown): TypeError {
  const message = error instanceof TypeError ? error.message : 'fetch failed'
  return new TypeError(message, { cause: explainFetchError(error) })
}

/** Throws BAD_ARGUMENT. undici says the same of a URL that the server sent us to: told apart by asking before. */
function expectUrl(url: string | URL): void {
  const parsed = URL.parse(url)
  if (parsed === null) throw badUrl('none')
  if (parsed.protocol === 'http:' || parsed.protocol === 'https:') httpUrl(parsed)
}

/** Of the URLs that undici finds wrong, the caller's was none: that one has been looked at. */
function isOfRedirect(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  if (!(cause instanceof Error)) return false
  return ('code' in cause && cause.code === 'ERR_INVALID_URL') || cause.message === 'bad port'
}

function isRepeatable(target: Target, init: MixnetRequestInit): boolean {
  const request = target instanceof UndiciRequest ? target : undefined
  const method = (init.method ?? request?.method ?? 'GET').toUpperCase()
  return (method === 'GET' || method === 'HEAD') && (init.body ?? request?.body ?? null) === null
}

function isSignal(signal: AbortSignal | null | undefined): signal is AbortSignal {
  return signal !== null && signal !== undefined
}

/** undici knows its own classes only; the runtime's are another copy of them. */
function ownRequest(request: Request, over: AbortSignal): UndiciRequest {
  const { method, body, redirect, signal } = request
  if (request.bodyUsed) throw new MixnetError('BAD_ARGUMENT', { argument: 'Request', why: 'its body was read before' })
  const init = { method, headers: [...request.headers], body: ownBody(body, over), redirect, signal, duplex: 'half' }
  return new UndiciRequest(request.url, init as ConstructorParameters<typeof UndiciRequest>[1])
}

function ownBody(body: RequestInit['body'], over: AbortSignal): unknown {
  if (body instanceof ReadableStream) return guardedBody(body, over)
  if (isIterable(body)) return guardedBody(streamOf(body), over)
  if (!(body instanceof FormData)) return body
  const form = new UndiciFormData()
  for (const [name, value] of body) form.append(name, value)
  return form
}
