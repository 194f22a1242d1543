/**
 * What a client and an IP packet router say to each other, versions 8 to 10. 9 is 8 inside a stream frame; 10 adds the MTU to
 * a successful connect. A request has two header bytes, version and kind of service, a response only the version. No request
 * names its sender: the reply SURBs' sender tag is the client. Versions 6 and 7: ipPacketRouterLegacy.ts.
 * Format: docs/spec/exit.md. @module
 */
import { BUILD_INFORMATION_FIELDS, type BuildInformation, eachBuildField } from '../directory/buildInformation.ts'
import type { Timestamp } from '../timestamp.ts'
import { BincodeReader, BincodeWriter, type IpPair } from './bincode.ts'

export type IpPacketRouterVersion = 8 | 9 | 10

export type IpPacketRequest =
  /** `bundle`: see ipBundle.ts. */
  | { readonly kind: 'data'; readonly bundle: Uint8Array }
  | {
      readonly kind: 'connect'
      readonly requestId: bigint
      /** How long the router may wait to fill a bundle; absent: as it likes. */
      readonly bufferTimeoutMs: bigint | undefined
      readonly timestamp: Timestamp
    }
  | { readonly kind: 'disconnect' | 'ping' | 'health'; readonly requestId: bigint; readonly timestamp: Timestamp }

export type ConnectRefusal = { readonly kind: 'alreadyConnected' | 'noAvailableIp' } | OtherReason
export type DisconnectRefusal = { readonly kind: 'notConnected' } | OtherReason
export type DisconnectReason = { readonly kind: 'mixnetTrafficTimeout' | 'tunTrafficTimeout' } | OtherReason

export interface OtherReason {
  readonly kind: 'other'
  readonly text: string
}

export type IpPacketInfo =
  | { readonly kind: 'generic'; readonly text: string }
  | { readonly kind: 'versionMismatch'; readonly requestVersion: number; readonly responseVersion: number }
  /** `destination` is `ip:port`. */
  | { readonly kind: 'exitPolicyRefused'; readonly destination: string }

export type InfoLevel = (typeof INFO_LEVELS)[number]

export type IpPacketResponse =
  | { readonly kind: 'data'; readonly bundle: Uint8Array }
  /** `mtu` exists in version 10 only. */
  | { readonly kind: 'connected'; readonly requestId: bigint; readonly ips: IpPair; readonly mtu: number | undefined }
  | { readonly kind: 'connectRefused'; readonly requestId: bigint; readonly reason: ConnectRefusal }
  | { readonly kind: 'disconnected'; readonly requestId: bigint }
  | { readonly kind: 'disconnectRefused'; readonly requestId: bigint; readonly reason: DisconnectRefusal }
  | { readonly kind: 'unrequestedDisconnect'; readonly reason: DisconnectReason }
  | { readonly kind: 'pong'; readonly requestId: bigint }
  | {
      readonly kind: 'health'
      readonly requestId: bigint
      readonly buildInformation: BuildInformation
      readonly routable: boolean | undefined
    }
  /** The request id is 0 where data caused it. */
  | { readonly kind: 'info'; readonly requestId: bigint; readonly info: IpPacketInfo; readonly level: InfoLevel }

/** What fills `mtu` where the version has none, as official clients assume. */
export const DEFAULT_MTU = 1420

const REQUEST = 'IP packet request'
const RESPONSE = 'IP packet response'
const IP_PACKET_ROUTER = 1
const MIN_VERSION = 8
const MTU_VERSION = 10
const DATA_OR_CONTROL = ['data', 'control'] as const
const REQUESTS = ['connect', 'disconnect', 'ping', 'health'] as const
const RESPONSES = ['connect', 'disconnect', 'unrequestedDisconnect', 'pong', 'health', 'info'] as const
const OUTCOMES = ['success', 'failure'] as const
const CONNECT_REFUSALS = ['alreadyConnected', 'noAvailableIp', 'other'] as const
const DISCONNECT_REFUSALS = ['notConnected', 'other'] as const
const DISCONNECT_REASONS = ['mixnetTrafficTimeout', 'tunTrafficTimeout', 'other'] as const
const INFOS = ['generic', 'versionMismatch', 'exitPolicyRefused'] as const
const INFO_LEVELS = ['info', 'warn', 'error'] as const

export function encodeIpPacketRequest(version: IpPacketRouterVersion, request: IpPacketRequest): Uint8Array {
  const writer = new BincodeWriter().u8(version).u8(IP_PACKET_ROUTER)
  if (request.kind === 'data') return writer.variant('data', DATA_OR_CONTROL).byteString(request.bundle).finish()
  writer.variant('control', DATA_OR_CONTROL).variant(request.kind, REQUESTS).varint(request.requestId)
  if (request.kind === 'connect') writer.option(request.bufferTimeoutMs, (timeout) => writer.varint(timeout))
  return writer.timestamp(request.timestamp).finish()
}

/** The bundle of data is a view into `bytes`. */
export function decodeIpPacketRequest(bytes: Uint8Array): { version: IpPacketRouterVersion; request: IpPacketRequest } {
  const reader = new BincodeReader(bytes, REQUEST)
  const version = readVersion(reader)
  if (reader.u8('service') !== IP_PACKET_ROUTER) reader.refuse('service', 'is not the IP packet router')
  const request = readRequest(reader)
  reader.expectEnd()
  return { version, request }
}

export function encodeIpPacketResponse(version: IpPacketRouterVersion, response: IpPacketResponse): Uint8Array {
  const writer = new BincodeWriter().u8(version)
  if (response.kind === 'data') return writer.variant('data', DATA_OR_CONTROL).byteString(response.bundle).finish()
  writer.variant('control', DATA_OR_CONTROL)
  switch (response.kind) {
    case 'connected':
      writer.variant('connect', RESPONSES).varint(response.requestId).variant('success', OUTCOMES).ipPair(response.ips)
      if (version >= MTU_VERSION) writer.varint(response.mtu ?? DEFAULT_MTU)
      break
    case 'connectRefused':
      writer.variant('connect', RESPONSES).varint(response.requestId).variant('failure', OUTCOMES)
      writeReason(writer, response.reason, CONNECT_REFUSALS)
      break
    case 'disconnected':
      writer.variant('disconnect', RESPONSES).varint(response.requestId).variant('success', OUTCOMES)
      break
    case 'disconnectRefused':
      writer.variant('disconnect', RESPONSES).varint(response.requestId).variant('failure', OUTCOMES)
      writeReason(writer, response.reason, DISCONNECT_REFUSALS)
      break
    case 'unrequestedDisconnect':
      writeReason(writer.variant(response.kind, RESPONSES), response.reason, DISCONNECT_REASONS)
      break
    case 'pong':
      writer.variant(response.kind, RESPONSES).varint(response.requestId)
      break
    case 'health':
      writeHealth(writer.variant(response.kind, RESPONSES).varint(response.requestId), response)
      break
    case 'info':
      writeInfo(writer.variant(response.kind, RESPONSES).varint(response.requestId), response)
      break
  }
  return writer.finish()
}

/** The bundle of data is a view into `bytes`. */
export function decodeIpPacketResponse(bytes: Uint8Array): {
  version: IpPacketRouterVersion
  response: IpPacketResponse
} {
  const reader = new BincodeReader(bytes, RESPONSE)
  const version = readVersion(reader)
  const response = readResponse(reader, version)
  reader.expectEnd()
  return { version, response }
}

/** A reason of a refusal: its variant, and its text where it is the `other` one. */
export function writeReason<const Kind extends string>(
  writer: BincodeWriter,
  reason: { readonly kind: Kind; readonly text?: string },
  kinds: readonly Kind[],
): void {
  writer.variant(reason.kind, kinds)
  if (reason.text !== undefined) writer.string(reason.text)
}

export function readReason<const Kind extends string>(
  reader: BincodeReader,
  kinds: readonly Kind[],
): { readonly kind: Exclude<Kind, 'other'> } | OtherReason {
  const kind = reader.variant('reason', kinds)
  return kind === 'other' ? { kind: 'other', text: reader.string('reason') } : { kind: kind as Exclude<Kind, 'other'> }
}

export interface RouterHealth {
  readonly buildInformation: BuildInformation
  readonly routable: boolean | undefined
}

export function writeHealth(writer: BincodeWriter, { buildInformation, routable }: RouterHealth): void {
  for (const [name] of BUILD_INFORMATION_FIELDS) writer.string(buildInformation[name])
  writer.option(routable, (value) => writer.bool(value))
}

export function readHealth(reader: BincodeReader): RouterHealth {
  const buildInformation = eachBuildField((name) => reader.string(name))
  return { buildInformation, routable: reader.option('routable', () => reader.bool('routable')) }
}

export interface RouterInfo {
  readonly info: IpPacketInfo
  readonly level: InfoLevel
}

export function writeInfo(writer: BincodeWriter, { info, level }: RouterInfo): void {
  writer.variant(info.kind, INFOS)
  if (info.kind === 'generic') writer.string(info.text)
  else if (info.kind === 'versionMismatch') writer.u8(info.requestVersion).u8(info.responseVersion)
  else writer.string(info.destination)
  writer.variant(level, INFO_LEVELS)
}

export function readInfo(reader: BincodeReader): RouterInfo {
  const info = readInfoReply(reader)
  return { info, level: reader.variant('level', INFO_LEVELS) }
}

/** Whether a request succeeded: the enum of two that begins its answer. */
export const readOutcome = (reader: BincodeReader): boolean => reader.variant('outcome', OUTCOMES) === 'success'

export function writeOutcome(writer: BincodeWriter, success: boolean): BincodeWriter {
  return writer.variant(success ? 'success' : 'failure', OUTCOMES)
}

function readVersion(reader: BincodeReader): IpPacketRouterVersion {
  return reader.u8('version', { min: MIN_VERSION, max: MTU_VERSION }) as IpPacketRouterVersion
}

function readRequest(reader: BincodeReader): IpPacketRequest {
  const outer = reader.variant('data or control', DATA_OR_CONTROL)
  if (outer === 'data') return { kind: outer, bundle: reader.byteString('bundle') }
  const kind = reader.variant('control request', REQUESTS)
  const requestId = reader.u64('request id')
  if (kind !== 'connect') return { kind, requestId, timestamp: reader.timestamp('timestamp') }
  const bufferTimeoutMs = reader.option('buffer timeout', () => reader.u64('buffer timeout'))
  return { kind, requestId, bufferTimeoutMs, timestamp: reader.timestamp('timestamp') }
}

function readResponse(reader: BincodeReader, version: IpPacketRouterVersion): IpPacketResponse {
  const outer = reader.variant('data or control', DATA_OR_CONTROL)
  if (outer === 'data') return { kind: outer, bundle: reader.byteString('bundle') }
  const kind = reader.variant('control response', RESPONSES)
  if (kind === 'unrequestedDisconnect') return { kind, reason: readReason(reader, DISCONNECT_REASONS) }
  const requestId = reader.u64('request id')
  switch (kind) {
    case 'connect': {
      if (!readOutcome(reader))
        return { kind: 'connectRefused', requestId, reason: readReason(reader, CONNECT_REFUSALS) }
      const ips = reader.ipPair('addresses')
      return { kind: 'connected', requestId, ips, mtu: version >= MTU_VERSION ? reader.u16('mtu') : undefined }
    }
    case 'disconnect':
      if (readOutcome(reader)) return { kind: 'disconnected', requestId }
      return { kind: 'disconnectRefused', requestId, reason: readReason(reader, DISCONNECT_REFUSALS) }
    case 'pong':
      return { kind, requestId }
    case 'health':
      return { kind, requestId, ...readHealth(reader) }
    case 'info':
      return { kind, requestId, ...readInfo(reader) }
  }
}

function readInfoReply(reader: BincodeReader): IpPacketInfo {
  const kind = reader.variant('info', INFOS)
  switch (kind) {
    case 'generic':
      return { kind, text: reader.string('text') }
    case 'versionMismatch': {
      const requestVersion = reader.u8('version of the request')
      return { kind, requestVersion, responseVersion: reader.u8('version of the response') }
    }
    case 'exitPolicyRefused':
      return { kind, destination: reader.string('destination') }
  }
}
