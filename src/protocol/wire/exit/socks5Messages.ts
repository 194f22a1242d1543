/**
 * What a client asks of a network requester (connect, send, query) and what it answers (data, connection error, answer to a
 * query): the provider data of the interface envelope. Versioned messages begin with the version byte 3. A legacy request
 * has a byte below 3 in its place; a legacy response has no such byte. Format: docs/spec/exit.md. @module
 */
import { fromUtf8, fromUtf8Lossy, utf8 } from '../../../foundation/base/bytes.ts'
import { MixnetError, malformed } from '../../../foundation/base/errors.ts'
import { Reader } from '../../../foundation/base/reader.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import { decodeRecipient, encodeRecipient, RECIPIENT_BYTES, type Recipient } from '../../packet/recipient.ts'
import { BincodeReader, BincodeWriter } from './bincode.ts'
import { type ExitPolicy, readBinaryExitPolicy, writeBinaryExitPolicy } from './exitPolicy.ts'
import { CURRENT_VERSION, statedVersion, versionByte, type WireVersion } from './interfaceEnvelope.ts'

export type Socks5Query = (typeof QUERIES)[number]

export type Socks5RequestBody =
  | {
      readonly kind: 'connect'
      readonly connectionId: bigint
      /** `host:port`; the port follows the last colon, IPv6 may come without brackets. */
      readonly remote: string
      /** Absent: answer through the sender's reply SURBs. */
      readonly returnAddress: Recipient | undefined
    }
  | ({ readonly kind: 'send' } & SocketData)
  | { readonly kind: 'query'; readonly query: Socks5Query }

export type Socks5Request = Socks5RequestBody & { readonly version: WireVersion }

export type Socks5ResponseBody =
  | ({ readonly kind: 'networkData' } & SocketData)
  | { readonly kind: 'connectionError'; readonly connectionId: bigint; readonly message: string }
  | { readonly kind: 'query'; readonly answer: Socks5Answer }

export type Socks5Response = Socks5ResponseBody & { readonly version: WireVersion }

/** One message of a connection's ordered stream, either way. */
export interface SocketData {
  readonly connectionId: bigint
  /** The sender's socket is closed: nothing follows. */
  readonly closed: boolean
  readonly sequence: bigint
  /** May be empty: that is a keep-alive, never the end. */
  readonly data: Uint8Array
}

export type Socks5Answer =
  | { readonly kind: 'openProxy'; readonly openProxy: boolean }
  | { readonly kind: 'description'; readonly description: string }
  | {
      readonly kind: 'exitPolicy'
      readonly enabled: boolean
      readonly upstream: string
      readonly policy: ExitPolicy | undefined
    }
  | { readonly kind: 'error'; readonly message: string }

const REQUEST = 'socks5 request'
const RESPONSE = 'socks5 response'
const FLAGS = { connect: 0, send: 1, query: 2, networkData: 1, connectionError: 2, answer: 3 } as const
const QUERIES = ['openProxy', 'description', 'exitPolicy'] as const
const ANSWERS = ['openProxy', 'description', 'exitPolicy', 'error'] as const
const LEGACY_REQUEST_BYTE = 0
const MAX_REMOTE_BYTES = 0xffff
/** Version, flag, connection id, closed, sequence. */
const SOCKET_DATA_HEADER_BYTES = 19

export function encodeSocks5Request(request: Socks5Request): Uint8Array {
  const writer = new Writer(request.kind === 'send' ? SOCKET_DATA_HEADER_BYTES + request.data.length : undefined)
  writer.u8(request.version === 'legacy' ? LEGACY_REQUEST_BYTE : versionByte(request.version)).u8(FLAGS[request.kind])
  switch (request.kind) {
    case 'connect': {
      const remote = utf8(request.remote)
      if (remote.length > MAX_REMOTE_BYTES) throw new MixnetError('BAD_ARGUMENT', { what: 'remote address too long' })
      writer.u64(request.connectionId).u16(remote.length).bytes(remote)
      if (request.returnAddress !== undefined) writer.bytes(encodeRecipient(request.returnAddress))
      return writer.finish()
    }
    case 'send':
      writer
        .u64(request.connectionId)
        .u8(request.closed ? 1 : 0)
        .u64(request.sequence)
      return writer.bytes(request.data).finish()
    case 'query':
      return writer.bytes(new BincodeWriter().variant(request.query, QUERIES).finish()).finish()
  }
}

/** The data of a send is a view into `bytes`. */
export function decodeSocks5Request(crypto: CryptoProvider, bytes: Uint8Array): Socks5Request {
  const reader = new Reader(bytes, REQUEST)
  const version = statedVersion(reader.u8('version'))
  if (version !== 'legacy' && version > CURRENT_VERSION) reader.refuse('version', `${version} is not supported`)
  const flag = reader.u8('flag')
  switch (flag) {
    case FLAGS.connect: {
      const connectionId = reader.u64('connection id')
      const remote = fromUtf8Lossy(reader.bytes(reader.u16('address length'), 'address'))
      const rest = reader.rest()
      if (rest.length !== 0 && rest.length !== RECIPIENT_BYTES) throw malformed(REQUEST, 'return address length')
      const returnAddress = rest.length === 0 ? undefined : decodeRecipient(crypto, rest)
      return { version, kind: 'connect', connectionId, remote, returnAddress }
    }
    case FLAGS.send: {
      const connectionId = reader.u64('connection id')
      const closed = reader.u8('closed') !== 0
      const sequence = reader.u64('sequence')
      return { version, kind: 'send', connectionId, closed, sequence, data: reader.rest() }
    }
    case FLAGS.query: {
      const body = new BincodeReader(reader.rest(), `${REQUEST} query`)
      const query = body.variant('query', QUERIES)
      body.expectEnd()
      return { version, kind: 'query', query }
    }
    default:
      return reader.refuse('flag', `${flag} is unknown`)
  }
}

/**
 * Answers carry the versions of the request that opened the connection; answers to queries always version 3. A legacy answer
 * to a query cannot be told from a version byte: nobody reads it.
 */
export function encodeSocks5Response(response: Socks5Response): Uint8Array {
  const writer = new Writer(
    response.kind === 'networkData' ? SOCKET_DATA_HEADER_BYTES + response.data.length : undefined,
  )
  if (response.version !== 'legacy') writer.u8(versionByte(response.version))
  switch (response.kind) {
    case 'networkData':
      // Not the order of a request: here `closed` comes first.
      writer.u8(FLAGS.networkData).u8(response.closed ? 1 : 0)
      return writer.u64(response.connectionId).u64(response.sequence).bytes(response.data).finish()
    case 'connectionError':
      writer.u8(FLAGS.connectionError).u64(response.connectionId)
      return writer.bytes(utf8(response.message)).finish()
    case 'query':
      return writer.u8(FLAGS.answer).bytes(encodeAnswer(response.answer)).finish()
  }
}

/** Any version from 3 on is read. The data of network data is a view into `bytes`. */
export function decodeSocks5Response(bytes: Uint8Array): Socks5Response {
  const reader = new Reader(bytes, RESPONSE)
  const first = reader.u8('version or flag')
  const version = statedVersion(first)
  const flag = version === 'legacy' ? first : reader.u8('flag')
  switch (flag) {
    case FLAGS.networkData: {
      const closed = reader.u8('closed') !== 0
      const connectionId = reader.u64('connection id')
      const sequence = reader.u64('sequence')
      return { version, kind: 'networkData', connectionId, closed, sequence, data: reader.rest() }
    }
    case FLAGS.connectionError: {
      const connectionId = reader.u64('connection id')
      const message = fromUtf8(reader.rest(), `${RESPONSE} connection error`)
      return { version, kind: 'connectionError', connectionId, message }
    }
    case FLAGS.answer:
      return { version, kind: 'query', answer: decodeAnswer(reader.rest()) }
    default:
      return reader.refuse('flag', `${flag} is unknown`)
  }
}

function encodeAnswer(answer: Socks5Answer): Uint8Array {
  const writer = new BincodeWriter().variant(answer.kind, ANSWERS)
  switch (answer.kind) {
    case 'openProxy':
      return writer.bool(answer.openProxy).finish()
    case 'description':
      return writer.string(answer.description).finish()
    case 'exitPolicy':
      writer.bool(answer.enabled).string(answer.upstream)
      return writer.option(answer.policy, (policy) => writeBinaryExitPolicy(writer, policy)).finish()
    case 'error':
      return writer.string(answer.message).finish()
  }
}

function decodeAnswer(bytes: Uint8Array): Socks5Answer {
  const reader = new BincodeReader(bytes, `${RESPONSE} query`)
  const answer = readAnswer(reader)
  reader.expectEnd()
  return answer
}

function readAnswer(reader: BincodeReader): Socks5Answer {
  const kind = reader.variant('answer', ANSWERS)
  switch (kind) {
    case 'openProxy':
      return { kind, openProxy: reader.bool('open proxy') }
    case 'description':
      return { kind, description: reader.string('description') }
    case 'exitPolicy': {
      const enabled = reader.bool('enabled')
      const upstream = reader.string('upstream')
      return { kind, enabled, upstream, policy: reader.option('policy', () => readBinaryExitPolicy(reader)) }
    }
    case 'error':
      return { kind, message: reader.string('message') }
  }
}
