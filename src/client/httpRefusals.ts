/** What the HTTP proxy says itself, for people and for programs that only look at the status. @module */
import { concat, EMPTY_BYTES, utf8 } from '../foundation/base/bytes.ts'
import type { ErrorCode, MixnetError } from '../foundation/base/errors.ts'
import { encodeHttpHead } from './httpHead.ts'
import type { HttpRefusal } from './httpRequest.ts'

/** Every other code is 502: somewhere behind us it did not work. */
const STATUS_BY_CODE: Partial<Record<ErrorCode, number>> = {
  EXIT_REFUSED: 403,
  EXIT_UNREACHABLE: 504,
  TIMEOUT: 504,
  QUEUE_FULL: 503,
}
const BAD_GATEWAY = 502

const REFUSALS: Readonly<Record<HttpRefusal | 'too-long', readonly [status: number, text: string]>> = {
  malformed: [400, 'This is no HTTP request.'],
  'too-long': [431, 'The request line and its fields are too long.'],
  version: [505, 'This proxy speaks HTTP/1.0 and HTTP/1.1.'],
  'not-proxy': [
    400,
    'This is a proxy of the mixnet (HTTP, SOCKS5, SOCKS4), not a web server. Give its address to a program as its proxy.',
  ],
  scheme: [501, 'Only http:// is forwarded. For https:// a program asks for a tunnel, with CONNECT.'],
  framing: [400, 'It is not clear where the request ends.'],
  destination: [400, 'That is no host and port.'],
}

export const TUNNEL_OPEN: Uint8Array = utf8('HTTP/1.1 200 Connection established\r\n\r\n')

/** Why it did not work: the code in the status line, where programs show it, and again with what to do. */
export function encodeHttpFailure({ code, message, nextStep }: MixnetError, method = 'GET'): Uint8Array {
  return encodeAnswer(STATUS_BY_CODE[code] ?? BAD_GATEWAY, code, `Starling: ${code}: ${message}\n${nextStep}\n`, method)
}

/** Nothing of the request is repeated. */
export function encodeHttpRefusal(reason: HttpRefusal | 'too-long'): Uint8Array {
  const [status, text] = REFUSALS[reason]
  return encodeAnswer(status, reason, `Starling: ${text}\n`, 'GET')
}

function encodeAnswer(status: number, reason: string, text: string, method: string): Uint8Array {
  const body = utf8(text)
  const head = encodeHttpHead({
    startLine: `HTTP/1.1 ${status} ${reason}`,
    fields: [
      // A browser takes this for the site's: it is nothing to run, and nothing to keep.
      { name: 'Content-Type', value: 'text/plain; charset=utf-8' },
      { name: 'X-Content-Type-Options', value: 'nosniff' },
      { name: 'Cache-Control', value: 'no-store' },
      { name: 'Content-Length', value: `${body.length}` },
      { name: 'Connection', value: 'close' },
    ],
  })
  return concat(head, method === 'HEAD' ? EMPTY_BYTES : body)
}
