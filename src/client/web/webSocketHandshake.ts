/** The opening handshake of RFC 6455: an HTTP/1.1 request that asks for another protocol, and whether its answer agrees. @module */
import { toBase64 } from '../../foundation/base/base58.ts'
import { utf8 } from '../../foundation/base/bytes.ts'
import { MixnetError, malformed } from '../../foundation/base/errors.ts'
import { listOf, type ResponseHead } from './http1Head.ts'

export interface HandshakeRequest {
  /** http or https. */
  readonly url: URL
  readonly protocols: readonly string[]
  /** What the caller adds: an authorization, an origin. Nothing else tells the server where the request comes from. */
  readonly headers: Headers
  readonly userAgent: string
  /** 16 random bytes. */
  readonly nonce: Uint8Array
}

const WHAT = 'WebSocket handshake'
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const TARGET = /^\/[\x21-\x7e]*$/
/** Ours to say, as in any request. */
const OURS =
  /^(?:connection|content-length|expect|host|keep-alive|proxy-connection|sec-websocket-.*|te|trailer|transfer-encoding|upgrade)$/

/** Of a subprotocol's name. */
export const isToken = (text: string): boolean => TOKEN.test(text)

/** Throws BAD_ARGUMENT for what would not stay on its line. */
export function handshakeHead({ url, protocols, headers, userAgent, nonce }: HandshakeRequest): Uint8Array {
  const target = `${url.pathname}${url.search}`
  if (!TARGET.test(target)) throw new MixnetError('BAD_ARGUMENT', { argument: 'URL' })
  const lines = [`GET ${target} HTTP/1.1`, `host: ${url.host}`, 'connection: Upgrade', 'upgrade: websocket']
  headers.forEach((value, name) => {
    if (!TOKEN.test(name) || !FIELD_VALUE.test(value)) throw new MixnetError('BAD_ARGUMENT', { argument: 'headers' })
    if (!OURS.test(name)) lines.push(`${name}: ${value}`)
  })
  if (!headers.has('user-agent')) lines.push(`user-agent: ${userAgent}`)
  lines.push('sec-websocket-version: 13', `sec-websocket-key: ${toBase64(nonce)}`)
  if (protocols.length > 0) lines.push(`sec-websocket-protocol: ${protocols.join(', ')}`)
  const text = `${lines.join('\r\n')}\r\n\r\n`
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

/** What the server must answer to `nonce`: that it is one, and read this very request. */
export async function acceptOf(nonce: Uint8Array): Promise<string> {
  const { subtle } = globalThis.crypto ?? {}
  if (subtle === undefined) throw new MixnetError('INTERNAL', { why: 'no WebCrypto' }, { nextStep: NEEDS_WEBCRYPTO })
  return toBase64(new Uint8Array(await subtle.digest('SHA-1', utf8(toBase64(nonce) + GUID) as Uint8Array<ArrayBuffer>)))
}

const NEEDS_WEBCRYPTO = 'Serve the page over https or from localhost: elsewhere browsers offer no cryptography.'

/** The subprotocol, '' for none. Throws CONNECTION_REFUSED with the status of a server that does not want to, and MALFORMED. */
export function agreed(head: ResponseHead, accept: string, protocols: readonly string[]): string {
  const { status, version, fields } = head
  if (status !== 101) {
    const nextStep = `The server answered HTTP status ${status}: check the URL, and what it wants in \`headers\`.`
    throw new MixnetError('CONNECTION_REFUSED', { status }, { nextStep })
  }
  const only = (name: string): string | undefined => {
    const values = listOf(fields, name)
    if (values.length > 1) throw malformed(WHAT, name)
    return values[0]
  }
  if (version !== '1.1') throw malformed(WHAT, 'version')
  if (only('upgrade')?.toLowerCase() !== 'websocket') throw malformed(WHAT, 'upgrade')
  if (!listOf(fields, 'connection').some((option) => option.toLowerCase() === 'upgrade')) {
    throw malformed(WHAT, 'connection')
  }
  if (only('sec-websocket-accept') !== accept) throw malformed(WHAT, 'sec-websocket-accept')
  // None was offered.
  if (listOf(fields, 'sec-websocket-extensions').length > 0) throw malformed(WHAT, 'an extension nobody asked for')
  const protocol = only('sec-websocket-protocol')
  // As the WebSockets standard: whoever offers some wants one.
  const isRight = protocol === undefined ? protocols.length === 0 : protocols.includes(protocol)
  if (!isRight) throw malformed(WHAT, 'sec-websocket-protocol')
  return protocol ?? ''
}
