/**
 * Heads of HTTP/1 messages, RFC 9112 2 to 5, read strictly: where two readers may disagree about what a head says, one of them can be
 * told something that the other does not see. Pure. @module
 */
import { utf8 } from '../foundation/base/bytes.ts'

export interface HttpField {
  readonly name: string
  readonly value: string
}

export interface HttpHead {
  readonly startLine: string
  readonly fields: readonly HttpField[]
}

const MAX_FIELDS = 200
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const END = utf8('\r\n\r\n')
const [TAB, DELETE] = [0x09, 0x7f]
// As many arguments as any engine takes.
const PIECE = 4096

/**
 * RFC 9110 7.6.1, and what is older. Not Transfer-Encoding: the body passes in the form it came in, and what says how long it is must stay
 * with it.
 */
const HOP_BY_HOP = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'upgrade',
  'proxy-authorization',
  'proxy-authenticate',
  'proxy-authentication-info',
])
/** A Connection field that names these would make the message end elsewhere for the next reader. */
const NEVER_NAMED = new Set(['host', 'content-length', 'transfer-encoding'])

/** Where the body begins, or -1 while the head is not over. `from`: nothing before can be its end. */
export function headEnd(bytes: Uint8Array, from = 0): number {
  const [cr] = END as unknown as readonly [number]
  let at = bytes.indexOf(cr, Math.max(0, from - END.length + 1))
  while (at !== -1 && !END.every((byte, i) => bytes[at + i] === byte)) at = bytes.indexOf(cr, at + 1)
  return at === -1 ? -1 : at + END.length
}

/** A head with its empty line; undefined for what is none. */
export function parseHttpHead(bytes: Uint8Array): HttpHead | undefined {
  const text = latin1(bytes)
  if (!text.endsWith('\r\n\r\n')) return undefined
  const [startLine = '', ...lines] = text.slice(0, -4).split('\r\n')
  if (hasControl(startLine) || lines.length > MAX_FIELDS) return undefined
  const fields: HttpField[] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon)
    // A space before the colon, or a line that goes on, has been read differently by different readers.
    if (colon < 1 || !TOKEN.test(name) || hasControl(line)) return undefined
    fields.push({ name, value: line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '') })
  }
  return { startLine, fields }
}

export function encodeHttpHead({ startLine, fields }: HttpHead): Uint8Array {
  const lines = fields.map(({ name, value }) => `${name}: ${value}\r\n`)
  const text = `${startLine}\r\n${lines.join('')}\r\n`
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

/** The values of a field, in order. */
export function valuesOf({ fields }: HttpHead, name: string): readonly string[] {
  return fields.filter((field) => field.name.toLowerCase() === name).map(({ value }) => value)
}

/** Without what was meant for us and not for the other side. */
export function endToEnd(head: HttpHead): readonly HttpField[] {
  const named = valuesOf(head, 'connection').flatMap((value) => value.split(',').map((one) => one.trim().toLowerCase()))
  const gone = new Set([...HOP_BY_HOP, ...named.filter((name) => !NEVER_NAMED.has(name))])
  return head.fields.filter(({ name }) => !gone.has(name.toLowerCase()))
}

/** Values may be anything else (RFC 9110 5.5); bytes are characters here. */
function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if ((code < 0x20 && code !== TAB) || code === DELETE) return true
  }
  return false
}

/** A byte a character, whatever the bytes: TextDecoder's "latin1" is windows-1252 and would change some. */
function latin1(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += PIECE) text += String.fromCharCode(...bytes.subarray(at, at + PIECE))
  return text
}
