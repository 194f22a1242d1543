/**
 * The SOCKS side of a local program: SOCKS5 (RFC 1928), SOCKS4 and 4a, CONNECT without authentication. Reads what the program
 * sends in whatever pieces it comes, and says what to answer. Pure: the connection is socksSession.ts. @module
 *
 *   SOCKS5 greeting  05 | n | n methods                    answer  05 | method
 *   SOCKS5 request   05 | command | 00 | type | address | port      05 | reply | 00 | 01 | 0.0.0.0 | 0
 *   SOCKS4 request   04 | command | port | IPv4 | user 00 (| name 00, where IPv4 is 0.0.0.x)   00 | 5A or 5B | 0 | 0.0.0.0
 */
import { concat, EMPTY_BYTES, fromUtf8Lossy } from '../foundation/base/bytes.ts'
import { formatIp } from '../foundation/base/ipAddress.ts'
import { destinationHost } from './destinationHost.ts'
import type { Destination } from './dialer.ts'

export type SocksVersion = 4 | 5
export type SocksRefusal =
  | 'not-socks'
  | 'authentication'
  | 'version'
  | 'command'
  | 'address-type'
  | 'address'
  | 'too-long'

/** What to answer so far (may be nothing), and where that leaves us. */
export type SocksProgress = { readonly reply: Uint8Array } & (
  | { readonly kind: 'pending' }
  | {
      readonly kind: 'connect'
      readonly version: SocksVersion
      readonly destination: Destination
      /** What came behind the request: a view into the last chunk. */
      readonly rest: Uint8Array
    }
  | { readonly kind: 'refused'; readonly reason: SocksRefusal }
)

/** RFC 1928 6. */
const REPLIES = {
  succeeded: 0x00,
  generalFailure: 0x01,
  notAllowed: 0x02,
  networkUnreachable: 0x03,
  hostUnreachable: 0x04,
  connectionRefused: 0x05,
  ttlExpired: 0x06,
  commandNotSupported: 0x07,
  addressTypeNotSupported: 0x08,
} as const

export type SocksReply = keyof typeof REPLIES

const VERSION_4 = 4
const VERSION_5 = 5
const CONNECT = 1
const NO_AUTHENTICATION = 0x00
const NO_ACCEPTABLE_METHOD = 0xff
const TYPE_IPV4 = 1
const TYPE_DOMAIN = 3
const TYPE_IPV6 = 4
const GRANTED_4 = 0x5a
const REJECTED_4 = 0x5b
const SOCKS4_HEADER_BYTES = 8
/** Of a SOCKS4 user or 4a name, which end where a zero byte says so. */
const MAX_TEXT_BYTES = 255

type Parsed =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'greeted'; readonly length: number }
  | {
      readonly kind: 'request'
      readonly version: SocksVersion
      readonly destination: Destination
      readonly length: number
    }
  | { readonly kind: 'refused'; readonly reason: SocksRefusal; readonly reply: Uint8Array }

const INCOMPLETE: Parsed = { kind: 'incomplete' }

/** The whole of a reply, for either version. The bound address is all zeros: the exit does not tell, and would tell too much. */
export function encodeSocksReply(version: SocksVersion, reply: SocksReply): Uint8Array {
  if (version === VERSION_5) return Uint8Array.of(VERSION_5, REPLIES[reply], 0, TYPE_IPV4, 0, 0, 0, 0, 0, 0)
  return Uint8Array.of(0, reply === 'succeeded' ? GRANTED_4 : REJECTED_4, 0, 0, 0, 0, 0, 0)
}

/** One program's handshake. Once a `push` gave anything but `pending`, it is over: push no more. */
export class SocksHandshake {
  #greeted = false
  // Never more than an incomplete message, which is at most 520 bytes.
  #unread: Uint8Array = EMPTY_BYTES

  push(chunk: Uint8Array): SocksProgress {
    let bytes = this.#unread.length === 0 ? chunk : concat(this.#unread, chunk)
    let reply = EMPTY_BYTES
    for (;;) {
      const parsed = parse(bytes, this.#greeted)
      switch (parsed.kind) {
        case 'incomplete':
          this.#unread = bytes.slice()
          return { kind: 'pending', reply }
        case 'greeted':
          this.#greeted = true
          reply = Uint8Array.of(VERSION_5, NO_AUTHENTICATION)
          bytes = bytes.subarray(parsed.length)
          break
        case 'refused':
          return { kind: 'refused', reason: parsed.reason, reply: concat(reply, parsed.reply) }
        case 'request': {
          const { version, destination, length } = parsed
          return { kind: 'connect', reply, version, destination, rest: bytes.subarray(length) }
        }
      }
    }
  }
}

function parse(bytes: Uint8Array, greeted: boolean): Parsed {
  const [version] = bytes
  if (version === undefined) return INCOMPLETE
  if (greeted) return parseRequest5(bytes)
  if (version === VERSION_5) return parseGreeting(bytes)
  if (version === VERSION_4) return parseRequest4(bytes)
  return { kind: 'refused', reason: 'not-socks', reply: EMPTY_BYTES }
}

function parseGreeting(bytes: Uint8Array): Parsed {
  const count = bytes[1]
  if (count === undefined || bytes.length < 2 + count) return INCOMPLETE
  if (bytes.subarray(2, 2 + count).includes(NO_AUTHENTICATION)) return { kind: 'greeted', length: 2 + count }
  return { kind: 'refused', reason: 'authentication', reply: Uint8Array.of(VERSION_5, NO_ACCEPTABLE_METHOD) }
}

function parseRequest5(bytes: Uint8Array): Parsed {
  const [version, command, , type] = bytes
  if (version !== VERSION_5) return refuse5('version', 'generalFailure')
  if (type === undefined) return INCOMPLETE
  if (command !== CONNECT) return refuse5('command', 'commandNotSupported')
  const start = type === TYPE_DOMAIN ? 5 : 4
  const length = type === TYPE_IPV4 ? 4 : type === TYPE_IPV6 ? 16 : type === TYPE_DOMAIN ? bytes[4] : Number.NaN
  if (length === undefined) return INCOMPLETE
  if (Number.isNaN(length)) return refuse5('address-type', 'addressTypeNotSupported')
  if (bytes.length < start + length + 2) return INCOMPLETE
  const address = bytes.subarray(start, start + length)
  const host = type === TYPE_DOMAIN ? destinationHost(fromUtf8Lossy(address)) : formatIp(address)
  const port = portAt(bytes, start + length)
  if (host === undefined || port === 0) return refuse5('address', 'hostUnreachable')
  return { kind: 'request', version: VERSION_5, destination: { host, port }, length: start + length + 2 }
}

function parseRequest4(bytes: Uint8Array): Parsed {
  const [, command] = bytes
  if (command === undefined) return INCOMPLETE
  if (command !== CONNECT) return refuse4('command')
  if (bytes.length < SOCKS4_HEADER_BYTES) return INCOMPLETE
  const userEnd = textEnd(bytes, SOCKS4_HEADER_BYTES)
  if (typeof userEnd !== 'number') return userEnd
  const port = portAt(bytes, 2)
  const address = bytes.subarray(4, SOCKS4_HEADER_BYTES)
  if (!address.subarray(0, 3).every((byte) => byte === 0) || address[3] === 0) {
    if (port === 0) return refuse4('address')
    return {
      kind: 'request',
      version: VERSION_4,
      destination: { host: formatIp(address), port },
      length: userEnd + 1,
    }
  }
  const nameEnd = textEnd(bytes, userEnd + 1)
  if (typeof nameEnd !== 'number') return nameEnd
  const host = destinationHost(fromUtf8Lossy(bytes.subarray(userEnd + 1, nameEnd)))
  if (host === undefined || port === 0) return refuse4('address')
  return { kind: 'request', version: VERSION_4, destination: { host, port }, length: nameEnd + 1 }
}

function refuse5(reason: SocksRefusal, reply: SocksReply): Parsed {
  return { kind: 'refused', reason, reply: encodeSocksReply(VERSION_5, reply) }
}

function refuse4(reason: SocksRefusal): Parsed {
  return { kind: 'refused', reason, reply: encodeSocksReply(VERSION_4, 'generalFailure') }
}

/** Where the zero byte is that ends the text beginning at `start`. */
function textEnd(bytes: Uint8Array, start: number): number | Parsed {
  const end = bytes.indexOf(0, start)
  if ((end === -1 ? bytes.length : end) - start > MAX_TEXT_BYTES) return refuse4('too-long')
  return end === -1 ? INCOMPLETE : end
}

function portAt(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number)
}
