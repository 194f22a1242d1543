/**
 * Status and counters of a process that has no HTTP API of its own, such as a client with its proxy: `/status` as JSON,
 * `/metrics` for Prometheus. For the machine it runs on only: the counters tell how much somebody uses the mixnet. @module
 */
import { parseIp } from '../../foundation/base/ipAddress.ts'
import type { Meter } from '../../foundation/base/observe.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { Endpoint, HttpHandler, Listener } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import { prometheusText } from './metrics.ts'

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
    // A web page can make its own name point to this machine and then read the answer; it cannot make the browser send an IP.
    if (hostname !== 'localhost' && parseIp(hostname.replace(/^\[|\]$/g, '')) === undefined) return refuse(403)
    if (request.method !== 'GET') return refuse(405)
    if (pathname === '/status') return Response.json({ ...status(), counters: meter.snapshot() })
    if (pathname === '/metrics')
      return new Response(await prometheusText(meter), { headers: { 'content-type': 'text/plain; version=0.0.4' } })
    return refuse(404)
  }
}

const refuse = (status: number): Response => new Response(null, { status })
