/** The head of an HTTP/1.1 request, in the order and the words of undici: over plain http a server must not tell our two clients apart by it. @module */
import { MixnetError } from '../../foundation/base/errors.ts'

export interface RequestHead {
  readonly method: string
  readonly url: URL
  /** What the caller asked for; of the connection and the length of the body it has no say. */
  readonly headers: Headers
  /** Names of headers in the order and the letters they were given in. `Headers` forgets both, and Node's client does not. */
  readonly spelling: readonly string[]
  readonly userAgent: string
  /** What `decompressed` can undo; empty where that is nothing. */
  readonly acceptEncoding: string
  /** Of the body; 'unknown' where only its end will tell. undefined: there is none. */
  readonly bodyLength: number | 'unknown' | undefined
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// `Headers` refuses what could begin a line of its own; a polyfill may not.
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const TARGET = /^\/[\x21-\x7e]*$/
/** The Fetch standard, "normalize a method". */
const NORMALIZED = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'])
/** Ask for tunnels or echo credentials; the Fetch standard forbids them. */
const FORBIDDEN_METHODS = new Set(['CONNECT', 'TRACE', 'TRACK'])
/** Whose second answer says what the first did. Of DELETE it is 404, and PUT may undo what somebody else did in between. */
const REPEATABLE = new Set(['GET', 'HEAD'])
/** Methods whose lack of a body is worth saying (RFC 9110 8.6). */
const EXPECT_BODY = new Set(['POST', 'PUT', 'PATCH'])
/** How the message is framed and the connection used is ours to say; two opinions on it are how requests are smuggled. */
const OURS = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Throws BAD_ARGUMENT. */
export function normalizeMethod(method: string): string {
  const upper = method.toUpperCase()
  if (!TOKEN.test(method) || FORBIDDEN_METHODS.has(upper)) throw new MixnetError('BAD_ARGUMENT', { argument: 'method' })
  return NORMALIZED.has(upper) ? upper : method
}

export function isRepeatable(method: string): boolean {
  return REPEATABLE.has(method)
}

/** Throws BAD_ARGUMENT for what would not stay on its line. */
export function requestHead(request: RequestHead): Uint8Array {
  const { method, url, headers, spelling, userAgent, acceptEncoding, bodyLength } = request
  const target = targetOf(url)
  if (!TARGET.test(target)) throw new MixnetError('BAD_ARGUMENT', { argument: 'URL' })
  const lines = [`${method} ${target} HTTP/1.1`, `host: ${url.host}`, 'connection: keep-alive']
  const add = (name: string, value: string): void => {
    if (!TOKEN.test(name) || !FIELD_VALUE.test(value)) throw new MixnetError('BAD_ARGUMENT', { argument: 'headers' })
    if (!OURS.has(name.toLowerCase())) lines.push(`${name}: ${value}`)
  }
  const given = new Map(spelling.map((name) => [name.toLowerCase(), name]))
  // A redirect may have taken some away.
  for (const [lower, name] of given) if (headers.has(lower)) add(name, headers.get(lower) as string)
  headers.forEach((value, name) => {
    if (!given.has(name)) add(name, value)
  })
  const unlessGiven = (name: string, value: string): void => {
    if (value !== '' && !headers.has(name)) lines.push(`${name}: ${value}`)
  }
  unlessGiven('accept', '*/*')
  unlessGiven('user-agent', userAgent)
  unlessGiven('accept-encoding', acceptEncoding)
  if (bodyLength === 'unknown') lines.push('transfer-encoding: chunked')
  else if (bodyLength !== undefined) lines.push(`content-length: ${bodyLength}`)
  else if (EXPECT_BODY.has(method)) lines.push('content-length: 0')
  return bytesOf(`${lines.join('\r\n')}\r\n\r\n`)
}

/** Path and query. `search` does not tell an empty query from none, and servers do. */
export function targetOf(url: URL): string {
  const withoutFragment = new URL(url)
  withoutFragment.hash = ''
  return withoutFragment.href.slice(url.origin.length)
}

/** One chunk of a body of unknown length. */
export function chunkOf(data: Uint8Array): readonly Uint8Array[] {
  return [bytesOf(`${data.length.toString(16)}\r\n`), data, CHUNK_END]
}

/** Behind the last chunk. */
export const LAST_CHUNK: Uint8Array = bytesOf('0\r\n\r\n')
const CHUNK_END = bytesOf('\r\n')

function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}
