/**
 * What a program asks of the client beside it, over the local websocket, in the official native client's two forms: JSON in text
 * frames, and bytes. Format: docs/spec/local-api.md, "Requests". @module
 */

import { fromBase58, toBase58 } from '../../../foundation/base/base58.ts'
import { fromUtf8Lossy, utf8 } from '../../../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../../foundation/base/errors.ts'
import { Reader } from '../../../foundation/base/reader.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import { SENDER_TAG_BYTES } from '../../packet/message.ts'
import {
  decodeRecipient,
  encodeRecipient,
  formatRecipient,
  parseRecipient,
  RECIPIENT_BYTES,
  type Recipient,
} from '../../packet/recipient.ts'
import { type JsonFields, parseJsonObject } from '../gateway/strictJson.ts'
import { type LocalError, localError } from './localError.ts'

/** A program's own number for a stream of messages that take turns with others; undefined: the one that all share. */
export type ConnectionId = bigint | undefined

export type LocalRequest =
  | {
      readonly type: 'send'
      readonly recipient: Recipient
      readonly connectionId: ConnectionId
      readonly data: Uint8Array
    }
  | {
      readonly type: 'sendAnonymous'
      readonly recipient: Recipient
      /** Reply SURBs to go with it. */
      readonly replySurbs: number
      readonly connectionId: ConnectionId
      readonly data: Uint8Array
    }
  | {
      readonly type: 'reply'
      readonly senderTag: Uint8Array
      readonly connectionId: ConnectionId
      readonly data: Uint8Array
    }
  | { readonly type: 'selfAddress' }
  | { readonly type: 'closedConnection'; readonly connectionId: bigint }
  | { readonly type: 'getLaneQueueLength'; readonly connectionId: bigint }

const WHAT = 'local request'
const TAGS = {
  send: 0x00,
  sendAnonymous: 0x01,
  reply: 0x02,
  selfAddress: 0x03,
  closedConnection: 0x04,
  getLaneQueueLength: 0x05,
} as const
const NAMES = Object.keys(TAGS) as readonly LocalRequest['type'][]
const U32_MAX = 0xffff_ffff
const ID_BYTES = 8
const LENGTH_BYTES = 8
/** What comes before the data, the tag included. */
const FIXED_BYTES: Readonly<Record<LocalRequest['type'], number>> = {
  send: 1 + RECIPIENT_BYTES + ID_BYTES + LENGTH_BYTES,
  sendAnonymous: 1 + 4 + RECIPIENT_BYTES + ID_BYTES + LENGTH_BYTES,
  reply: 1 + SENDER_TAG_BYTES + ID_BYTES + LENGTH_BYTES,
  selfAddress: 1,
  closedConnection: 1 + ID_BYTES,
  getLaneQueueLength: 1 + ID_BYTES,
}

export function encodeLocalRequest(request: LocalRequest): Uint8Array {
  const { type } = request
  const writer = new Writer().u8(TAGS[type])
  switch (type) {
    case 'send':
      writer.bytes(encodeRecipient(request.recipient))
      return writeData(writer, request)
    case 'sendAnonymous':
      writer.u32(request.replySurbs).bytes(encodeRecipient(request.recipient))
      return writeData(writer, request)
    case 'reply':
      return writeData(writer.bytes(request.senderTag), request)
    case 'selfAddress':
      return writer.finish()
    case 'closedConnection':
    case 'getLaneQueueLength':
      return writer.u64(request.connectionId).finish()
  }
}

/** Gives the refusal to answer with where it is none. The data is a view into `bytes`. */
export function decodeLocalRequest(crypto: CryptoProvider, bytes: Uint8Array): LocalRequest | LocalError {
  const [tag] = bytes
  if (tag === undefined) return localError('emptyRequest', 'no data provided')
  const type = NAMES.find((name) => TAGS[name] === tag)
  if (type === undefined) return localError('unknownRequest', `${tag} does not correspond to any valid request tag`)
  if (bytes.length < FIXED_BYTES[type])
    return localError('tooShortRequest', `not enough data provided to recover '${type}'`)
  return refusedAsMalformed(() => {
    const reader = new Reader(bytes, WHAT)
    reader.u8('tag')
    const request = readFields(crypto, reader, type)
    reader.expectEnd()
    return request
  })
}

/** Numbers are written out: an id may be above what a double holds. */
export function encodeLocalRequestText(request: LocalRequest): string {
  const fields: string[] = [`"type":"${request.type}"`]
  if ('recipient' in request) fields.push(`"recipient":"${formatRecipient(request.recipient)}"`)
  if ('senderTag' in request) fields.push(`"senderTag":"${toBase58(request.senderTag)}"`)
  if ('data' in request) fields.push(`"message":${JSON.stringify(fromUtf8Lossy(request.data))}`)
  if ('replySurbs' in request) fields.push(`"replySurbs":${request.replySurbs}`)
  if ('connectionId' in request) fields.push(`"connectionId":${request.connectionId ?? 'null'}`)
  return `{${fields.join(',')}}`
}

/** As `decodeLocalRequest`. Fields that nobody knows are ignored, as the official reader ignores them. */
export function decodeLocalRequestText(crypto: CryptoProvider, text: string): LocalRequest | LocalError {
  return refusedAsMalformed(() => {
    const fields = parseJsonObject(text, WHAT)
    const name = fields.text('type')
    const type = NAMES.find((known) => known === name) ?? fields.refuse('type', 'not a known request')
    switch (type) {
      case 'send':
        return { type, recipient: recipientOf(crypto, fields), ...contentOf(fields) }
      case 'sendAnonymous': {
        const replySurbs = fields.integer('replySurbs', { min: 0, max: U32_MAX })
        return { type, recipient: recipientOf(crypto, fields), replySurbs, ...contentOf(fields) }
      }
      case 'reply': {
        const senderTag = fromBase58(fields.text('senderTag'), 'senderTag', SENDER_TAG_BYTES)
        return { type, senderTag, ...contentOf(fields) }
      }
      case 'selfAddress':
        return { type }
      case 'closedConnection':
      case 'getLaneQueueLength':
        return { type, connectionId: idOf(fields) ?? fields.refuse('connectionId', 'missing') }
    }
  })
}

function readFields(crypto: CryptoProvider, reader: Reader, type: LocalRequest['type']): LocalRequest {
  switch (type) {
    case 'send':
      return { type, recipient: readRecipient(crypto, reader), ...readData(reader) }
    case 'sendAnonymous': {
      const replySurbs = reader.u32('reply SURBs')
      return { type, replySurbs, recipient: readRecipient(crypto, reader), ...readData(reader) }
    }
    case 'reply':
      return { type, senderTag: reader.bytes(SENDER_TAG_BYTES, 'sender tag').slice(), ...readData(reader) }
    case 'selfAddress':
      return { type }
    case 'closedConnection':
    case 'getLaneQueueLength':
      return { type, connectionId: reader.u64('connection id') }
  }
}

function readRecipient(crypto: CryptoProvider, reader: Reader): Recipient {
  return decodeRecipient(crypto, reader.bytes(RECIPIENT_BYTES, 'recipient'))
}

/** The length says what is there anyway; the official reader wants it right, and so do we. */
function readData(reader: Reader): { connectionId: ConnectionId; data: Uint8Array } {
  const id = reader.u64('connection id')
  const length = reader.u64('length')
  if (length !== BigInt(reader.remaining)) reader.refuse('length', `${length}, and ${reader.remaining} bytes follow`)
  return { connectionId: id === 0n ? undefined : id, data: reader.rest() }
}

function writeData(
  writer: Writer,
  { connectionId, data }: { connectionId: ConnectionId; data: Uint8Array },
): Uint8Array {
  return writer
    .u64(connectionId ?? 0n)
    .u64(BigInt(data.length))
    .bytes(data)
    .finish()
}

function recipientOf(crypto: CryptoProvider, fields: JsonFields): Recipient {
  return parseRecipient(crypto, fields.text('recipient'))
}

function contentOf(fields: JsonFields): { connectionId: ConnectionId; data: Uint8Array } {
  return { connectionId: idOf(fields), data: utf8(fields.text('message')) }
}

function idOf(fields: JsonFields): ConnectionId {
  if (!fields.has('connectionId') || fields.value('connectionId') === null) return undefined
  return fields.u64('connectionId')
}

function refusedAsMalformed(decode: () => LocalRequest): LocalRequest | LocalError {
  const request = tryDecode(decode)
  // The rule that was broken, without our own error's frame around it.
  return isMixnetError(request)
    ? localError('malformedRequest', `${request.details.what}: ${request.details.why}`)
    : request
}
