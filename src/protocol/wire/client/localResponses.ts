/**
 * What the client says to a program over the local websocket, in both forms. Format: docs/spec/local-api.md, "Responses". @module
 */
import { fromBase58, toBase58 } from '../../../foundation/base/base58.ts'
import { fromUtf8, fromUtf8Lossy, utf8 } from '../../../foundation/base/bytes.ts'
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
import { parseJsonObject } from '../gateway/strictJson.ts'
import {
  type LocalError,
  localError,
  localErrorCode,
  localErrorKind,
  localErrorText,
  parseLocalErrorText,
} from './localError.ts'

export type LocalResponse =
  | LocalError
  /** A message of another client; with a tag where it can be answered. */
  | { readonly type: 'received'; readonly senderTag: Uint8Array | undefined; readonly data: Uint8Array }
  | { readonly type: 'selfAddress'; readonly address: Recipient }
  /** Packets of that connection that have not left yet. */
  | { readonly type: 'laneQueueLength'; readonly lane: bigint; readonly length: bigint }

const WHAT = 'local response'
const TAGS = { error: 0x00, received: 0x01, selfAddress: 0x02, laneQueueLength: 0x03 } as const
const NAMES = Object.keys(TAGS) as readonly LocalResponse['type'][]
const LENGTH_BYTES = 8
/** The least there can be, the tag included. */
const FIXED_BYTES: Readonly<Record<LocalResponse['type'], number>> = {
  error: 1 + 1 + LENGTH_BYTES,
  received: 1 + 1 + LENGTH_BYTES,
  selfAddress: 1 + RECIPIENT_BYTES,
  laneQueueLength: 1 + 8 + 8,
}

export function encodeLocalResponse(response: LocalResponse): Uint8Array {
  const { type } = response
  switch (type) {
    case 'error':
      return writeData(new Writer().u8(TAGS.error).u8(localErrorCode(response.kind)), utf8(response.message))
    case 'received': {
      const { senderTag, data } = response
      const writer = new Writer(FIXED_BYTES.received + SENDER_TAG_BYTES + data.length).u8(TAGS.received)
      return writeData(senderTag === undefined ? writer.u8(0) : writer.u8(1).bytes(senderTag), data)
    }
    case 'selfAddress':
      return new Writer().u8(TAGS.selfAddress).bytes(encodeRecipient(response.address)).finish()
    case 'laneQueueLength':
      return new Writer().u8(TAGS.laneQueueLength).u64(response.lane).u64(response.length).finish()
  }
}

/** Gives the kind of refusal that the official reader has for it. The data is a view into `bytes`. */
export function decodeLocalResponse(crypto: CryptoProvider, bytes: Uint8Array): LocalResponse {
  const [tag] = bytes
  if (tag === undefined) return localError('emptyResponse', 'no data provided')
  const type = NAMES.find((name) => TAGS[name] === tag)
  if (type === undefined) return localError('unknownResponse', `${tag} does not correspond to any valid response tag`)
  if (bytes.length < FIXED_BYTES[type])
    return localError('tooShortResponse', `not enough data provided to recover '${type}'`)
  return refusedAsMalformed(() => {
    const reader = new Reader(bytes, WHAT)
    reader.u8('tag')
    const response = readFields(crypto, reader, type)
    reader.expectEnd()
    return response
  })
}

/**
 * JSON as the official client spells it: `queue_length`, but `senderTag`. Of a message that is no UTF-8 the rest is lost here: who
 * wants bytes asks in bytes.
 */
export function encodeLocalResponseText(response: LocalResponse): string {
  switch (response.type) {
    case 'error':
      return JSON.stringify({ type: 'error', message: localErrorText(response) })
    case 'received': {
      const { senderTag, data } = response
      const tag = senderTag === undefined ? null : toBase58(senderTag)
      return JSON.stringify({ type: 'received', message: fromUtf8Lossy(data), senderTag: tag })
    }
    case 'selfAddress':
      return JSON.stringify({ type: 'selfAddress', address: formatRecipient(response.address) })
    case 'laneQueueLength':
      return `{"type":"laneQueueLength","lane":${response.lane},"queue_length":${response.length}}`
  }
}

export function decodeLocalResponseText(crypto: CryptoProvider, text: string): LocalResponse {
  return refusedAsMalformed(() => {
    const fields = parseJsonObject(text, WHAT)
    const name = fields.text('type')
    const type = NAMES.find((known) => known === name) ?? fields.refuse('type', 'not a known response')
    switch (type) {
      case 'error':
        return parseLocalErrorText(fields.text('message'))
      case 'received': {
        const data = utf8(fields.text('message'))
        const none = !fields.has('senderTag') || fields.value('senderTag') === null
        const tag = none ? undefined : fromBase58(fields.text('senderTag'), 'senderTag', SENDER_TAG_BYTES)
        return { type, senderTag: tag, data }
      }
      case 'selfAddress':
        return { type, address: parseRecipient(crypto, fields.text('address')) }
      case 'laneQueueLength':
        return { type, lane: fields.u64('lane'), length: fields.u64('queue_length') }
    }
  })
}

function readFields(crypto: CryptoProvider, reader: Reader, type: LocalResponse['type']): LocalResponse {
  switch (type) {
    case 'error': {
      const code = reader.u8('kind')
      const kind = localErrorKind(code) ?? reader.refuse('kind', `${code} is none`)
      return localError(kind, fromUtf8(readData(reader), `${WHAT} message`))
    }
    case 'received': {
      const tagged = reader.u8('has tag', { max: 1 }) === 1
      const senderTag = tagged ? reader.bytes(SENDER_TAG_BYTES, 'sender tag').slice() : undefined
      return { type, senderTag, data: readData(reader) }
    }
    case 'selfAddress':
      return { type, address: decodeRecipient(crypto, reader.bytes(RECIPIENT_BYTES, 'address')) }
    case 'laneQueueLength':
      return { type, lane: reader.u64('lane'), length: reader.u64('queue length') }
  }
}

function readData(reader: Reader): Uint8Array {
  const length = reader.u64('length')
  if (length !== BigInt(reader.remaining)) reader.refuse('length', `${length}, and ${reader.remaining} bytes follow`)
  return reader.rest()
}

const writeData = (writer: Writer, data: Uint8Array): Uint8Array => writer.u64(BigInt(data.length)).bytes(data).finish()

function refusedAsMalformed(decode: () => LocalResponse): LocalResponse {
  const response = tryDecode(decode)
  if (!isMixnetError(response)) return response
  return localError('malformedResponse', `${response.details.what}: ${response.details.why}`)
}
