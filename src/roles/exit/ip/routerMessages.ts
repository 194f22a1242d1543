/**
 * What clients of all versions ask of an IP packet router, as one kind of question, and answers as each version is told them. 6 and 7 say
 * whom to answer and are not anonymous; 8 comes raw with reply SURBs; 9 and 10 are the same inside stream frames. Format: docs/spec/exit.md,
 * behaviour: docs/spec/ip-packet-router.md. @module
 */
import { MixnetError, tryDecode } from '../../../foundation/base/errors.ts'
import type { Millis } from '../../../foundation/base/units.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import { formatRecipient, type Recipient } from '../../../protocol/packet/recipient.ts'
import type { BuildInformation } from '../../../protocol/wire/directory/buildInformation.ts'
import type { IpPair } from '../../../protocol/wire/exit/bincode.ts'
import {
  decodeIpPacketRequest,
  encodeIpPacketResponse,
  type InfoLevel,
  type IpPacketInfo,
  type IpPacketResponse,
} from '../../../protocol/wire/exit/ipPacketRouter.ts'
import {
  decodeLegacyIpPacketRequest,
  encodeLegacyIpPacketResponse,
  type LegacyIpPacketRequest,
  type LegacyIpPacketResponse,
  legacySignedBytes,
} from '../../../protocol/wire/exit/ipPacketRouterLegacy.ts'
import { decodeStreamFrame, encodeStreamFrame, looksLikeStreamFrame } from '../../../protocol/wire/exit/streamFrame.ts'
import { timestampToMillis } from '../../../protocol/wire/timestamp.ts'

/** In which words a client is answered. */
export type Dialect =
  | { readonly version: 6 | 7; readonly replyTo: Recipient }
  | { readonly version: 8 }
  | { readonly version: 9 | 10; readonly streamId: bigint }

export type RouterQuestion =
  | {
      readonly kind: 'connect'
      readonly requestId: bigint
      /** Of a client that wants these. Only versions 6 and 7 know how to ask for any. */
      readonly wanted: IpPair | undefined
      readonly bufferTimeoutMs: bigint | undefined
    }
  | { readonly kind: 'disconnect' | 'ping' | 'health'; readonly requestId: bigint }

export type RouterRequest =
  | {
      readonly kind: 'question'
      /** Whose state it is about: a pseudonym, or a version and an address behind `@`. */
      readonly client: string
      readonly dialect: Dialect
      readonly question: RouterQuestion
      readonly sequence?: number
    }
  /** `client`: undefined of versions 6 and 7, whose data do not say who sends them. */
  | {
      readonly kind: 'data'
      readonly client: string | undefined
      readonly bundle: Uint8Array
      /** Of its frame, where it came in one. */
      readonly sequence?: number
    }
  /** The beginning of a stream, or a probe of one: nothing to do. */
  | { readonly kind: 'nothing' }

export type RequestFault = 'malformed' | 'version' | 'no-return-path' | 'unsigned' | 'out-of-date'

/** As much of an answer as every version can be told. */
export type RouterAnswer =
  | { readonly kind: 'connected'; readonly ips: IpPair; readonly wanted: boolean }
  | { readonly kind: 'connectRefused'; readonly reason: 'noAvailableIp' | 'ipInUse' | 'addressInUse' | OtherText }
  | { readonly kind: 'disconnected' }
  | { readonly kind: 'disconnectRefused' }
  | {
      readonly kind: 'unrequestedDisconnect'
      readonly reason: 'mixnetTrafficTimeout' | 'tunTrafficTimeout' | OtherText
    }
  | { readonly kind: 'pong' }
  | { readonly kind: 'health'; readonly buildInformation: BuildInformation }
  | { readonly kind: 'info'; readonly info: IpPacketInfo; readonly level: InfoLevel }
  | { readonly kind: 'data'; readonly bundle: Uint8Array }

interface OtherText {
  readonly text: string
}

const FIRST_FRAMED = 9
const LAST_LEGACY = 7
const OLDEST = 6
const NEWEST = 10
/** Official routers: an older signature is refused, one from the future is not. */
const SIGNATURE_AGE_MS = 10_000

/** What a message asks. `tag`: the pseudonym of its sender, where it gave reply SURBs. */
export function readRouterRequest(
  crypto: CryptoProvider,
  message: Uint8Array,
  tag: string | undefined,
  now: Millis,
): RouterRequest | RequestFault {
  const read = tryDecode((): RouterRequest | RequestFault => {
    if (!looksLikeStreamFrame(message)) return readRaw(crypto, message, tag, now)
    const { streamId, type, sequence, content } = decodeStreamFrame(message)
    if ((type !== 'open' && type !== 'data') || content.length === 0) return { kind: 'nothing' }
    const version = content[0] as number
    if (version < FIRST_FRAMED || version > NEWEST) return 'version'
    const request = readAnonymous(content, tag, (framed) => ({ version: framed === NEWEST ? 10 : 9, streamId }))
    return typeof request === 'object' && request.kind !== 'nothing' ? { ...request, sequence } : request
  })
  return read instanceof MixnetError ? 'malformed' : read
}

function readRaw(
  crypto: CryptoProvider,
  message: Uint8Array,
  tag: string | undefined,
  now: Millis,
): RouterRequest | RequestFault {
  const version = message[0] ?? 0
  if (version < OLDEST || version >= FIRST_FRAMED) return 'version'
  if (version > LAST_LEGACY) return readAnonymous(message, tag, () => ({ version: 8 }))
  const { version: legacy, request } = decodeLegacyIpPacketRequest(crypto, message)
  if (request.kind === 'data') return { kind: 'data', client: undefined, bundle: request.bundle }
  const fault = legacy === 7 ? signatureFault(crypto, request, now) : undefined
  if (fault !== undefined) return fault
  const { replyTo } = request
  const dialect = { version: legacy, replyTo }
  // The whole address: with the identity alone, and a gateway of its own in it, anybody could take before its owner what is sent to him. And by
  // version, for 6 is not signed: what its sender says of an address must change nothing that the owner has signed.
  const client = `@${legacy} ${formatRecipient(replyTo)}`
  return { kind: 'question', client, dialect, question: questionOf(request) }
}

function readAnonymous(
  message: Uint8Array,
  tag: string | undefined,
  dialectOf: (version: number) => Dialect,
): RouterRequest | RequestFault {
  const { version, request } = decodeIpPacketRequest(message)
  // Who cannot be answered has nothing from us, and its packets could be anybody's.
  if (tag === undefined) return 'no-return-path'
  if (request.kind === 'data') return { kind: 'data', client: tag, bundle: request.bundle }
  const { kind, requestId } = request
  const question: RouterQuestion =
    kind === 'connect'
      ? { kind, requestId, wanted: undefined, bufferTimeoutMs: request.bufferTimeoutMs }
      : { kind, requestId }
  return { kind: 'question', client: tag, dialect: dialectOf(version), question }
}

function questionOf(request: Exclude<LegacyIpPacketRequest, { kind: 'data' }>): RouterQuestion {
  const { kind, requestId } = request
  switch (kind) {
    case 'staticConnect':
      return { kind: 'connect', requestId, wanted: request.ips, bufferTimeoutMs: request.bufferTimeoutMs }
    case 'dynamicConnect':
      return { kind: 'connect', requestId, wanted: undefined, bufferTimeoutMs: request.bufferTimeoutMs }
    default:
      return { kind, requestId }
  }
}

/** What changes something has to be signed by the identity in the address: else anybody could end another's session. */
function signatureFault(
  crypto: CryptoProvider,
  request: Exclude<LegacyIpPacketRequest, { kind: 'data' }>,
  now: Millis,
): 'unsigned' | 'out-of-date' | undefined {
  if (!('signature' in request)) return undefined
  const { signature, timestamp, replyTo } = request
  if (signature === undefined || timestamp === undefined) return 'unsigned'
  if (!crypto.ed25519Verify(replyTo.identity, legacySignedBytes(request), signature)) return 'unsigned'
  return now - timestampToMillis(timestamp) > SIGNATURE_AGE_MS ? 'out-of-date' : undefined
}

/** `requestId`: 0 of what nobody asked for. `sequence`: of data in a stream; answers have 0 there, as officially. */
export function encodeRouterAnswer(
  dialect: Dialect,
  answer: RouterAnswer,
  { requestId = 0n, sequence = 0, mtu }: { requestId?: bigint; sequence?: number; mtu: number },
): Uint8Array {
  if ('replyTo' in dialect) {
    return encodeLegacyIpPacketResponse(dialect.version, legacyAnswer(answer, requestId, dialect.replyTo))
  }
  const content = encodeIpPacketResponse(dialect.version, anonymousAnswer(answer, requestId, mtu))
  if (!('streamId' in dialect)) return content
  return encodeStreamFrame({ streamId: dialect.streamId, type: 'data', sequence, content })
}

const otherOr = <Kind extends string>(reason: Kind | OtherText) =>
  typeof reason === 'string' ? { kind: reason } : { kind: 'other' as const, text: reason.text }

function anonymousAnswer(answer: RouterAnswer, requestId: bigint, mtu: number): IpPacketResponse {
  switch (answer.kind) {
    case 'connected':
      return { kind: 'connected', requestId, ips: answer.ips, mtu }
    case 'connectRefused': {
      const { reason } = answer
      // Nobody that could be told of those two can ask for them.
      const told = reason === 'ipInUse' || reason === 'addressInUse' ? 'noAvailableIp' : reason
      return { kind: 'connectRefused', requestId, reason: otherOr(told) }
    }
    case 'disconnectRefused':
      return { kind: 'disconnectRefused', requestId, reason: { kind: 'notConnected' } }
    case 'unrequestedDisconnect':
      return { kind: 'unrequestedDisconnect', reason: otherOr(answer.reason) }
    case 'health':
      return { kind: 'health', requestId, buildInformation: answer.buildInformation, routable: undefined }
    case 'info':
      return { kind: 'info', requestId, info: answer.info, level: answer.level }
    case 'data':
      return answer
    default:
      return { kind: answer.kind, requestId }
  }
}

function legacyAnswer(answer: RouterAnswer, requestId: bigint, replyTo: Recipient): LegacyIpPacketResponse {
  const asked = { requestId, replyTo }
  switch (answer.kind) {
    case 'connected':
      return answer.wanted
        ? { kind: 'staticConnected', ...asked }
        : { kind: 'dynamicConnected', ...asked, ips: answer.ips }
    case 'connectRefused': {
      const { reason } = answer
      if (reason === 'ipInUse' || reason === 'addressInUse') {
        return { kind: 'staticConnectRefused', ...asked, reason: { kind: reason } }
      }
      return { kind: 'dynamicConnectRefused', ...asked, reason: otherOr(reason) }
    }
    case 'disconnectRefused':
      return { kind: 'disconnectRefused', ...asked, reason: { kind: 'notConnected' } }
    case 'unrequestedDisconnect':
      return { kind: 'unrequestedDisconnect', replyTo, reason: otherOr(answer.reason) }
    case 'health':
      return { kind: 'health', ...asked, buildInformation: answer.buildInformation, routable: undefined }
    case 'info':
      return { kind: 'info', ...asked, info: answer.info, level: answer.level }
    case 'data':
      return answer
    default:
      return { kind: answer.kind, ...asked }
  }
}
