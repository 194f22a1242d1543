/**
 * IP packet router messages of versions 6 and 7, which newer officials no longer speak: each names the address to answer, and
 * a client may ask for its IP addresses. 7 adds a timestamp to requests, and signs the three that change something.
 * Format: docs/spec/exit.md. @module
 */
import { malformed } from '../../../foundation/base/errors.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import { decodeRecipient, encodeRecipient, type Recipient } from '../../packet/recipient.ts'
import type { Timestamp } from '../timestamp.ts'
import { BincodeReader, BincodeWriter, type IpPair } from './bincode.ts'
import {
  type DisconnectReason,
  type DisconnectRefusal,
  type OtherReason,
  type RouterHealth,
  type RouterInfo,
  readHealth,
  readInfo,
  readOutcome,
  readReason,
  writeHealth,
  writeInfo,
  writeOutcome,
  writeReason,
} from './ipPacketRouter.ts'

export type LegacyRouterVersion = 6 | 7

interface Asked {
  readonly requestId: bigint
  readonly replyTo: Recipient
}

/** `timestamp` exists in version 7 only, and so does a signature. */
interface Timed extends Asked {
  readonly timestamp: Timestamp | undefined
}

interface Connecting extends Timed {
  readonly hops: number | undefined
  readonly averageDelay: number | undefined
  readonly bufferTimeoutMs: bigint | undefined
  readonly signature: Uint8Array | undefined
}

export type LegacyIpPacketRequest =
  | ({ readonly kind: 'staticConnect'; readonly ips: IpPair } & Connecting)
  | ({ readonly kind: 'dynamicConnect' } & Connecting)
  | ({ readonly kind: 'disconnect'; readonly signature: Uint8Array | undefined } & Timed)
  | { readonly kind: 'data'; readonly bundle: Uint8Array }
  | ({ readonly kind: 'ping' | 'health' } & Timed)

export type StaticConnectRefusal =
  /** `outOfDateTimestamp` exists in version 7 only. */
  { readonly kind: 'ipInUse' | 'addressInUse' | 'outOfDateTimestamp' } | OtherReason
export type DynamicConnectRefusal = { readonly kind: 'addressInUse' | 'noAvailableIp' } | OtherReason

export type LegacyIpPacketResponse =
  | ({ readonly kind: 'staticConnected' } & Asked)
  | ({ readonly kind: 'staticConnectRefused'; readonly reason: StaticConnectRefusal } & Asked)
  | ({ readonly kind: 'dynamicConnected'; readonly ips: IpPair } & Asked)
  | ({ readonly kind: 'dynamicConnectRefused'; readonly reason: DynamicConnectRefusal } & Asked)
  | ({ readonly kind: 'disconnected' } & Asked)
  | ({ readonly kind: 'disconnectRefused'; readonly reason: DisconnectRefusal } & Asked)
  | { readonly kind: 'unrequestedDisconnect'; readonly replyTo: Recipient; readonly reason: DisconnectReason }
  | { readonly kind: 'data'; readonly bundle: Uint8Array }
  | ({ readonly kind: 'pong' } & Asked)
  | ({ readonly kind: 'health' } & Asked & RouterHealth)
  | ({ readonly kind: 'info' } & Asked & RouterInfo)

const SIGNATURE_BYTES = 64
const TIMED_VERSION = 7
const REQUESTS = ['staticConnect', 'dynamicConnect', 'disconnect', 'data', 'ping', 'health'] as const
const RESPONSES = [
  'staticConnect',
  'dynamicConnect',
  'disconnect',
  'unrequestedDisconnect',
  'data',
  'pong',
  'health',
  'info',
] as const
const STATIC_REFUSALS = {
  6: ['ipInUse', 'addressInUse', 'other'],
  7: ['ipInUse', 'addressInUse', 'outOfDateTimestamp', 'other'],
} as const
const DYNAMIC_REFUSALS = ['addressInUse', 'noAvailableIp', 'other'] as const
const DISCONNECT_REFUSALS = ['notConnected', 'other'] as const
const DISCONNECT_REASONS = ['mixnetTrafficTimeout', 'tunTrafficTimeout', 'other'] as const

export function encodeLegacyIpPacketRequest(version: LegacyRouterVersion, request: LegacyIpPacketRequest): Uint8Array {
  const writer = new BincodeWriter().u8(version).variant(request.kind, REQUESTS)
  if (request.kind === 'data') return writer.byteString(request.bundle).finish()
  writeFields(writer, version, request)
  if (version === TIMED_VERSION && 'signature' in request) {
    writer.option(request.signature, (signature) => writer.byteString(signature))
  }
  return writer.finish()
}

/** What the signature of a version 7 request covers: its fields, without version, kind and signature. */
export function legacySignedBytes(request: Exclude<LegacyIpPacketRequest, { kind: 'data' }>): Uint8Array {
  const writer = new BincodeWriter()
  writeFields(writer, TIMED_VERSION, request)
  return writer.finish()
}

export function decodeLegacyIpPacketRequest(
  crypto: CryptoProvider,
  bytes: Uint8Array,
): { version: LegacyRouterVersion; request: LegacyIpPacketRequest } {
  const reader = new BincodeReader(bytes, 'legacy IP packet request')
  const version = readVersion(reader)
  const request = readRequest(crypto, reader, version)
  reader.expectEnd()
  return { version, request }
}

export function encodeLegacyIpPacketResponse(
  version: LegacyRouterVersion,
  response: LegacyIpPacketResponse,
): Uint8Array {
  const writer = new BincodeWriter().u8(version)
  const asked = (kind: (typeof RESPONSES)[number], { requestId, replyTo }: Asked): BincodeWriter =>
    writeRecipient(writer.variant(kind, RESPONSES).varint(requestId), replyTo)
  switch (response.kind) {
    case 'staticConnected':
      return writeOutcome(asked('staticConnect', response), true).finish()
    case 'staticConnectRefused':
      writeReason(writeOutcome(asked('staticConnect', response), false), response.reason, STATIC_REFUSALS[version])
      break
    case 'dynamicConnected':
      return writeOutcome(asked('dynamicConnect', response), true).ipPair(response.ips).finish()
    case 'dynamicConnectRefused':
      writeReason(writeOutcome(asked('dynamicConnect', response), false), response.reason, DYNAMIC_REFUSALS)
      break
    case 'disconnected':
      return writeOutcome(asked('disconnect', response), true).finish()
    case 'disconnectRefused':
      writeReason(writeOutcome(asked('disconnect', response), false), response.reason, DISCONNECT_REFUSALS)
      break
    case 'unrequestedDisconnect':
      writeRecipient(writer.variant(response.kind, RESPONSES), response.replyTo)
      writeReason(writer, response.reason, DISCONNECT_REASONS)
      break
    case 'data':
      return writer.variant(response.kind, RESPONSES).byteString(response.bundle).finish()
    case 'pong':
      asked('pong', response)
      break
    case 'health':
      writeHealth(asked('health', response), response)
      break
    case 'info':
      writeInfo(asked('info', response), response)
      break
  }
  return writer.finish()
}

export function decodeLegacyIpPacketResponse(
  crypto: CryptoProvider,
  bytes: Uint8Array,
): { version: LegacyRouterVersion; response: LegacyIpPacketResponse } {
  const reader = new BincodeReader(bytes, 'legacy IP packet response')
  const version = readVersion(reader)
  const response = readResponse(crypto, reader, version)
  reader.expectEnd()
  return { version, response }
}

function writeFields(
  writer: BincodeWriter,
  version: LegacyRouterVersion,
  request: Exclude<LegacyIpPacketRequest, { kind: 'data' }>,
): void {
  writer.varint(request.requestId)
  if (request.kind === 'staticConnect') writer.ipPair(request.ips)
  writeRecipient(writer, request.replyTo)
  if (request.kind === 'staticConnect' || request.kind === 'dynamicConnect') {
    writer.option(request.hops, (hops) => writer.u8(hops))
    writer.option(request.averageDelay, (delay) => writer.f64(delay))
    writer.option(request.bufferTimeoutMs, (timeout) => writer.varint(timeout))
  }
  if (version === TIMED_VERSION) writer.timestamp(request.timestamp ?? { unixSeconds: 0, nanoseconds: 0 })
}

function readRequest(
  crypto: CryptoProvider,
  reader: BincodeReader,
  version: LegacyRouterVersion,
): LegacyIpPacketRequest {
  const kind = reader.variant('request', REQUESTS)
  if (kind === 'data') return { kind, bundle: reader.byteString('bundle') }
  const timestamp = (): Timestamp | undefined => (version === TIMED_VERSION ? reader.timestamp('timestamp') : undefined)
  const requestId = reader.u64('request id')
  const ips = kind === 'staticConnect' ? reader.ipPair('addresses') : undefined
  const replyTo = readRecipient(crypto, reader)
  if (kind === 'ping' || kind === 'health') return { kind, requestId, replyTo, timestamp: timestamp() }
  if (kind === 'disconnect') {
    return { kind, requestId, replyTo, timestamp: timestamp(), signature: readSignature(reader, version) }
  }
  const connecting: Connecting = {
    requestId,
    replyTo,
    hops: reader.option('hops', () => reader.u8('hops')),
    averageDelay: reader.option('average delay', () => reader.f64('average delay')),
    bufferTimeoutMs: reader.option('buffer timeout', () => reader.u64('buffer timeout')),
    timestamp: timestamp(),
    signature: readSignature(reader, version),
  }
  return ips === undefined ? { kind: 'dynamicConnect', ...connecting } : { kind: 'staticConnect', ips, ...connecting }
}

function readResponse(
  crypto: CryptoProvider,
  reader: BincodeReader,
  version: LegacyRouterVersion,
): LegacyIpPacketResponse {
  const kind = reader.variant('response', RESPONSES)
  if (kind === 'data') return { kind, bundle: reader.byteString('bundle') }
  if (kind === 'unrequestedDisconnect') {
    return { kind, replyTo: readRecipient(crypto, reader), reason: readReason(reader, DISCONNECT_REASONS) }
  }
  const asked: Asked = { requestId: reader.u64('request id'), replyTo: readRecipient(crypto, reader) }
  switch (kind) {
    case 'staticConnect':
      if (readOutcome(reader)) return { kind: 'staticConnected', ...asked }
      return { kind: 'staticConnectRefused', ...asked, reason: readReason(reader, STATIC_REFUSALS[version]) }
    case 'dynamicConnect':
      if (readOutcome(reader)) return { kind: 'dynamicConnected', ...asked, ips: reader.ipPair('addresses') }
      return { kind: 'dynamicConnectRefused', ...asked, reason: readReason(reader, DYNAMIC_REFUSALS) }
    case 'disconnect':
      if (readOutcome(reader)) return { kind: 'disconnected', ...asked }
      return { kind: 'disconnectRefused', ...asked, reason: readReason(reader, DISCONNECT_REFUSALS) }
    case 'pong':
      return { kind, ...asked }
    case 'health':
      return { kind, ...asked, ...readHealth(reader) }
    case 'info':
      return { kind, ...asked, ...readInfo(reader) }
  }
}

function readVersion(reader: BincodeReader): LegacyRouterVersion {
  return reader.u8('version', { min: 6, max: TIMED_VERSION }) as LegacyRouterVersion
}

const writeRecipient = (writer: BincodeWriter, recipient: Recipient): BincodeWriter =>
  writer.byteString(encodeRecipient(recipient))

const readRecipient = (crypto: CryptoProvider, reader: BincodeReader): Recipient =>
  decodeRecipient(crypto, reader.byteString('reply address'))

function readSignature(reader: BincodeReader, version: LegacyRouterVersion): Uint8Array | undefined {
  if (version !== TIMED_VERSION) return undefined
  return reader.option('signature', () => {
    const signature = reader.byteString('signature')
    if (signature.length !== SIGNATURE_BYTES) throw malformed('legacy IP packet request', 'signature length')
    return signature
  })
}
