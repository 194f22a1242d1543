/**
 * The head of an HTTP/1.1 response (RFC 9112), and how long the body behind it is. Strict where leniency has been an attack: a
 * client and a server that disagree on where a message ends take a part of one answer for another. @module
 */
import { malformed } from '../../foundation/base/errors.ts'

export interface HeaderField {
  /** In lower case. */
  readonly name: string
  /** Bytes as code units, without white space around. */
  readonly value: string
}

export interface ResponseHead {
  readonly version: '1.0' | '1.1'
  /** 100 to 599: what a `Response` can say. */
  readonly status: number
  readonly reason: string
  readonly fields: readonly HeaderField[]
}

export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' }
  /** All until the connection ends, which therefore has to end in order. */
  | { readonly kind: 'close' }

/** Node takes 16 KiB and browsers 256; pages with many policies and cookies need more than Node's. */
export const MAX_HEAD_BYTES: number = 64 * 1024
const MAX_FIELDS = 512

const WHAT = 'HTTP response'
const CR = 13
const LF = 10
// RFC 9110 5.6.2
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// RFC 9112 4; the space before an empty reason is missing more often than not.
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?$/
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const DIGITS = /^[0-9]{1,15}$/

/** Where the head ends, empty line included; undefined where it does not end in `bytes`. */
export function headEnd(bytes: Uint8Array, from = 0): number | undefined {
  for (let at = bytes.indexOf(LF, Math.max(from - 3, 0)); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] === CR && bytes[at - 2] === LF && bytes[at - 3] === CR) return at + 1
  }
  return undefined
}

/** `bytes` up to and with the empty line. Throws MALFORMED. */
export function parseResponseHead(bytes: Uint8Array): ResponseHead {
  if (bytes.length > MAX_HEAD_BYTES) throw malformed(WHAT, 'headers too long')
  const [first, fields] = splitHead(bytes)
  const match = STATUS_LINE.exec(first)
  if (match === null) throw malformed(WHAT, 'status line')
  return {
    version: match[1] === '0' ? '1.0' : '1.1',
    status: Number(match[2]),
    reason: match[3] ?? '',
    fields: parseFields(fields),
  }
}

/** Lines of `name: value`. Throws MALFORMED. */
export function parseFields(lines: readonly string[]): readonly HeaderField[] {
  if (lines.length > MAX_FIELDS) throw malformed(WHAT, 'too many headers')
  return lines.map((line) => {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0))
    // A continuation (obsolete, RFC 9112 5.2) begins with white space, and one between name and colon hides a header from
    // whoever is less strict: neither is a token.
    if (!TOKEN.test(name)) throw malformed(WHAT, 'header name')
    const value = trimmed(line.slice(colon + 1))
    if (!FIELD_VALUE.test(value)) throw malformed(WHAT, 'header value')
    return { name: name.toLowerCase(), value }
  })
}

/** RFC 9112 6.3, without what smuggling is made of: two lengths, or a length and chunks. Throws MALFORMED. */
export function framingOf(method: string, { version, status, fields }: ResponseHead): Framing {
  const codings = listOf(fields, 'transfer-encoding').map((coding) => coding.toLowerCase())
  const lengths = listOf(fields, 'content-length')
  if (codings.length > 0 && lengths.length > 0) throw malformed(WHAT, 'a length and chunks')
  if (codings.length > 0 && version === '1.0') throw malformed(WHAT, 'chunks in HTTP/1.0')
  if (codings.length > 0 && (codings.length > 1 || codings[0] !== 'chunked')) throw malformed(WHAT, 'transfer coding')
  const [length] = lengths
  // The same length said twice is forgiven by RFC 9110 8.6; proxies do it.
  if (length !== undefined && (!DIGITS.test(length) || lengths.some((other) => other !== length))) {
    throw malformed(WHAT, 'content length')
  }
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return { kind: 'none' }
  if (codings.length > 0) return { kind: 'chunked' }
  if (length === undefined) return { kind: 'close' }
  return { kind: 'length', length: Number(length) }
}

/** Whether another request may follow, as far as the head says. */
export function staysOpen({ version, status, fields }: ResponseHead): boolean {
  const options = listOf(fields, 'connection').map((option) => option.toLowerCase())
  if (options.includes('close')) return false
  // A body that must not be there would be read as the next answer.
  if (status === 204 && fields.some(({ name }) => name === 'content-length' || name === 'transfer-encoding'))
    return false
  return version === '1.1' || options.includes('keep-alive')
}

/** The server's hint of how long it keeps an idle connection. */
export function keepAliveSeconds({ fields }: ResponseHead): number | undefined {
  for (const parameter of listOf(fields, 'keep-alive')) {
    const match = /^timeout *= *([0-9]{1,9})$/i.exec(parameter)
    if (match !== null) return Number(match[1])
  }
  return undefined
}

/** The elements of a list header, over all lines of it; an empty line counts as an element, so that no empty length passes. */
export function listOf(fields: readonly HeaderField[], name: string): readonly string[] {
  return fields
    .filter((field) => field.name === name)
    .flatMap(({ value }) => value.split(','))
    .map(trimmed)
}

/** Spaces and tabs only. An expression for both ends takes squared time for a value that is full of them. */
function trimmed(value: string): string {
  let start = 0
  let end = value.length
  while (start < end && isWhite(value.charCodeAt(start))) start++
  while (end > start && isWhite(value.charCodeAt(end - 1))) end--
  return value.slice(start, end)
}

function isWhite(unit: number): boolean {
  return unit === 32 || unit === 9
}

function splitHead(bytes: Uint8Array): readonly [string, readonly string[]] {
  const text = latin1(bytes)
  if (!text.endsWith('\r\n\r\n')) throw malformed(WHAT, 'headers without an end')
  const [first = '', ...fields] = text.slice(0, -4).split('\r\n')
  return [first, fields]
}

/** Each byte a code unit: what header values are. `TextDecoder` reads its `latin1` as Windows-1252. */
export function latin1(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096))
  return text
}
