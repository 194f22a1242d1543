/**
 * Status and counters for the operator of a process: `/status` as JSON, `/metrics` for Prometheus. A client with its proxy serves
 * nothing else; a node adds them to its API. For the machine itself only: counters tell who uses the mixnet, and when. @module
 */
import { canonicalIpText, formatIp, IPV4_BYTES, parseIp } from '../../foundation/base/ipAddress.ts'
import type { Meter } from '../../foundation/base/observe.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { Endpoint, HttpHandler, Listener } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import { plainPath } from '../../network/api/jsonApi.ts'
import { PROMETHEUS_TEXT, prometheusText } from './metrics.ts'

export interface StatusOptions extends Endpoint {
  readonly meter: Meter
  readonly status: () => Readonly<Record<string, unknown>>
}

const LIMITS = { maxConnections: 64, maxBodyBytes: 1024, requestTimeout: seconds(10) }

/** Throws ADDRESS_IN_USE. */
export function serveStatus(world: World, { host, port, meter, status }: StatusOptions): Promise<Listener> {
  return world.net.serveHttp({ host, port, ...LIMITS }, statusHandler({ meter, status }))
}

export function statusHandler({ meter, status }: Pick<StatusOptions, 'meter' | 'status'>): HttpHandler {
  return async (request) => {
    const { hostname, pathname } = new URL(request.url)
    if (!isPlainHost(hostname)) return refuse(403)
    if (request.method !== 'GET') return refuse(405)
    if (pathname === '/status') return Response.json({ ...status(), counters: meter.snapshot() })
    if (pathname === '/metrics')
      return new Response(await prometheusText(meter), { headers: { 'content-type': PROMETHEUS_TEXT } })
    return refuse(404)
  }
}

/**
 * Whether a request names the machine as a program on it would. A web page can make its own name point here and then read the
 * answer; it cannot make the browser send an IP.
 */
const isPlainHost = (hostname: string): boolean =>
  hostname === 'localhost' || parseIp(hostname.replace(/^\[|\]$/g, '')) !== undefined

/** Where a node's API shows its counters. `metrics/mixing` and `packets-stats` are Nym's, coarse, and for everybody. */
const COUNTER_PATHS = new Set(['/metrics', '/api/v1/metrics/prometheus'])

const NOT_YOURS = 'This is for programs on the machine itself, which ask by its address.\n'

/**
 * A node's API with `/status` added and its counters kept for those who may read them: how many packets a mix node holds at
 * this moment is what an observer outside would love to know.
 */
export function forOperator(
  api: HttpHandler,
  { mayRead, status }: { readonly mayRead: (peer: Endpoint) => boolean; readonly status: () => object },
): HttpHandler {
  return (request, peer) => {
    const { hostname, pathname } = new URL(request.url)
    // As the API reads it, or another spelling of a path would pass here and be answered there.
    const path = plainPath(pathname)
    const isCounters = COUNTER_PATHS.has(path)
    if (!isCounters && path !== '/status') return api(request, peer)
    if (!mayRead(peer) || !isPlainHost(hostname)) return new Response(NOT_YOURS, { status: 403 })
    return isCounters ? api(request, peer) : Response.json(status())
  }
}

/** Whether an address is of the machine itself. */
export function isLoopback(host: string): boolean {
  const bytes = parseIp(canonicalIpText(host))
  if (bytes === undefined) return false
  return bytes.length === IPV4_BYTES ? bytes[0] === 127 : formatIp(bytes) === '::1'
}

const refuse = (status: number): Response => new Response(null, { status })
