/**
 * What the HTTP APIs of directory and nodes have in common: paths with and without a prefix and a slash at the end, JSON always,
 * refusals as `{"message"}`. A handler is `Request → Response`, so simulations call it without sockets. @module
 */
import { type Context, Hono } from 'hono'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import type { Endpoint, HttpListener, HttpListenOptions } from '../../foundation/platform/net.ts'
import { encodeRequestError } from '../../protocol/wire/directory/apiStatus.ts'
import type { JsonValue } from '../../protocol/wire/directory/json.ts'

/** An HTTP handler that does not care who asks. */
export type JsonHandler = (request: Request, peer?: Endpoint) => Promise<Response>

export type ErrorStatus = 400 | 401 | 403 | 404 | 413 | 422 | 429 | 500 | 501 | 503

export interface JsonApiOptions {
  /** `/api`: such paths mean the same without it. */
  readonly optionalPrefix?: string
  readonly log: Log
  /** How it says no. Default: `{"message"}`. */
  readonly refusal?: ((status: ErrorStatus, message: string) => Response) | undefined
}

/**
 * Connections of an HTTP port: an eighth of them for one address, so that it takes eight to keep everybody else out. A network on one
 * machine has all its nodes and programs at 127.0.0.1, and a proxy in front of a directory is one address as well: each needs a
 * connection for as long as an answer takes, milliseconds, and at most some ten at a time.
 */
export function httpLimits(
  meter: Meter,
  maxConnections: number,
): Required<Pick<HttpListenOptions, 'maxConnections' | 'maxPerAddress' | 'onRefused'>> {
  const help = 'Connections to the HTTP port closed at once'
  return {
    maxConnections,
    maxPerAddress: Math.ceil(maxConnections / 8),
    onRefused: (reason) => void meter.counter('http_connections_refused_total', help, { reason }).value++,
  }
}

export function measureHttp(meter: Meter, listener: HttpListener): void {
  meter.gauge('http_connections', 'Open connections of the HTTP port', () => listener.connections)
}

const CORS = { 'access-control-allow-origin': '*' }
const PREFLIGHT = {
  ...CORS,
  'access-control-allow-methods': 'GET, POST',
  'access-control-allow-headers': '*',
  // Every call of a browser is preflighted, because of its Content-Type.
  'access-control-max-age': '3600',
}
/** Readers go by the Content-Type of the answer, so JSON is right whichever of these they ask for. */
const OUTPUTS = ['json', 'yaml', 'bincode']
const JSON_TYPE = { 'content-type': 'application/json' }

export function jsonApi({ optionalPrefix, log, refusal = refuse }: JsonApiOptions): Hono {
  const app = new Hono({ getPath: (request) => plainPath(new URL(request.url).pathname, optionalPrefix) })
  app.use(async (context, next): Promise<Response | undefined> => {
    const output = context.req.query('output')
    if (output !== undefined && !OUTPUTS.includes(output)) return refusal(400, 'unknown output format')
    await next()
    return undefined
  })
  app.notFound(() => refusal(404, 'there is no such resource'))
  app.onError((error) => {
    if (isMixnetError(error, 'MALFORMED')) return refusal(400, error.message)
    log.error('api.failed', { code: isMixnetError(error) ? error.code : error.name })
    return refusal(500, 'internal error')
  })
  return app
}

export const answerText = (text: string, headers: Readonly<Record<string, string>> = {}): Response =>
  new Response(text, { headers: { ...JSON_TYPE, ...headers } })

export const answer = (value: JsonValue): Response => answerText(JSON.stringify(value))

export const refuse = (status: ErrorStatus, message: string): Response =>
  new Response(JSON.stringify(encodeRequestError(message)), { status, headers: JSON_TYPE })

/** For official readers of the issuers' API, whose refusals are text. */
export const refuseInText = (status: ErrorStatus, message: string): Response =>
  new Response(message, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } })

/** Lets pages of every site ask: nothing here is anybody's secret, and nothing goes by cookies. */
export async function forEveryPage(request: Request, ask: () => Response | Promise<Response>): Promise<Response> {
  const response = request.method === 'OPTIONS' ? new Response(null, { status: 204, headers: PREFLIGHT }) : await ask()
  for (const [name, value] of Object.entries(CORS)) response.headers.set(name, value)
  return response
}

/** A number in the path or the query; 'bad' where there is something else, undefined where there is nothing. */
export function numberParameter(text: string | undefined): number | 'bad' | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  return /^[0-9]{1,10}$/.test(text) && value <= 0xffff_ffff ? value : 'bad'
}

/** The body's text, or undefined where it is longer than `maxBytes` whatever the server in front allows. */
export async function boundedText(context: Context, maxBytes: number): Promise<string | undefined> {
  const announced = Number(context.req.header('content-length') ?? 0)
  if (announced > maxBytes) return undefined
  const text = await context.req.text()
  return text.length > maxBytes ? undefined : text
}

/** A path as the APIs read it: without the prefix, doubled slashes, and one at the end. */
export function plainPath(path: string, prefix?: string): string {
  const single = path.replace(/\/{2,}/g, '/')
  const bare =
    prefix !== undefined && (single === prefix || single.startsWith(`${prefix}/`))
      ? single.slice(prefix.length)
      : single
  return bare.length > 1 ? bare.replace(/\/$/, '') : bare || '/'
}
