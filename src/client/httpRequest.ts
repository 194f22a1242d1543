/**
 * What a program asks of an HTTP proxy: a tunnel (CONNECT, RFC 9110 9.3.6), or one plain request in absolute form (RFC 9112 3.2.2), of
 * which this makes what the site is to read. Pure. @module
 */

import { destinationHost } from './destinationHost.ts'
import type { Destination } from './dialer.ts'
import { type Framing, framingOf } from './httpBody.ts'
import { encodeHttpHead, endToEnd, type HttpHead, parseHttpHead } from './httpHead.ts'

export type HttpRefusal = 'malformed' | 'version' | 'not-proxy' | 'scheme' | 'framing' | 'destination'

export type HttpRequest =
  | { readonly kind: 'connect'; readonly destination: Destination }
  | {
      readonly kind: 'forward'
      readonly destination: Destination
      readonly method: string
      /** For the site. */
      readonly head: Uint8Array
      readonly framing: Framing
    }
  | { readonly kind: 'refused'; readonly reason: HttpRefusal }

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP\/([0-9])\.([0-9])$/
const AUTHORITY = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]@]+))(?::([0-9]{0,5}))?$/
const ABSOLUTE = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)([^#]*)$/
const HTTP_PORT = 80
const MAX_PORT = 65_535

/** Whether a first line, with its end, can begin a request: SSH and others begin with letters too, and then wait. */
export const isRequestLine = (line: string): boolean => REQUEST_LINE.test(line.replace(/\r\n$/, ''))

/** `bytes`: a head with its empty line. */
export function parseHttpRequest(bytes: Uint8Array): HttpRequest {
  const head = parseHttpHead(bytes)
  const [, method, target, major, minor] = REQUEST_LINE.exec(head?.startLine ?? '') ?? []
  if (head === undefined || method === undefined || target === undefined) return refused('malformed')
  if (major !== '1' || (minor !== '0' && minor !== '1')) return refused('version')
  const framing = framingOf(head)
  // HTTP/1.0 has no chunks: who says so and sends them has been read in two ways before.
  if (framing === undefined || (minor === '0' && framing.kind === 'chunked')) return refused('framing')
  if (method === 'CONNECT') return connect(target, framing)
  return forward({ head, method, target, framing, minor })
}

function connect(target: string, framing: Framing): HttpRequest {
  // What follows the head is the tunnel's: there can be no body (RFC 9110 9.3.6).
  if (framing.kind !== 'length' || framing.bytes > 0) return refused('framing')
  const destination = destinationOf(target, undefined)
  return destination === undefined ? refused('destination') : { kind: 'connect', destination }
}

interface Plain {
  readonly head: HttpHead
  readonly method: string
  readonly target: string
  readonly framing: Framing
  readonly minor: string
}

function forward({ head, method, target, framing, minor }: Plain): HttpRequest {
  const [, scheme, authority = '', rest = ''] = ABSOLUTE.exec(target) ?? []
  // What a page in a browser can send to our port, and what was meant for a web server.
  if (scheme === undefined) return refused('not-proxy')
  if (scheme.toLowerCase() !== 'http') return refused('scheme')
  const destination = destinationOf(authority, HTTP_PORT)
  if (destination === undefined) return refused('destination')
  // RFC 9112 3.2.4: of an OPTIONS that names only the site, an asterisk is left.
  const path = rest === '' && method === 'OPTIONS' ? '*' : rest.startsWith('/') ? rest : `/${rest}`
  // The target counts, and not the Host field, which may say something else (RFC 9112 3.2.2). One request a connection: what a
  // program sends next is perhaps for another site.
  const fields = [
    { name: 'Host', value: authority },
    ...endToEnd(head).filter(({ name }) => name.toLowerCase() !== 'host'),
    { name: 'Connection', value: 'close' },
  ]
  const startLine = `${method} ${path} HTTP/1.${minor}`
  return { kind: 'forward', destination, method, head: encodeHttpHead({ startLine, fields }), framing }
}

/** Undefined also where it names a user, whose password would otherwise become part of a name to look up. */
function destinationOf(authority: string, defaultPort: number | undefined): Destination | undefined {
  const [, ipv6, name, digits = ''] = AUTHORITY.exec(authority) ?? []
  const host = destinationHost(ipv6 ?? name ?? '')
  const port = digits === '' ? defaultPort : Number(digits)
  if (host === undefined || host.includes(':') !== (ipv6 !== undefined)) return undefined
  return port === undefined || port < 1 || port > MAX_PORT ? undefined : { host, port }
}

const refused = (reason: HttpRefusal): HttpRequest => ({ kind: 'refused', reason })
