/**
 * What clients say to each other, and the padding that makes it fill whole packets.
 *
 *     0  1  kind: 0 plain, 1 repliable, 2 reply
 *     plain      1  …   data
 *     repliable  1  16  sender tag   17  1  content tag   18  …  content
 *     reply      1  1   content tag   2  …  content
 *
 * Format: docs/spec/packet.md, "Messages". @module
 */
import { concat, EMPTY_BYTES } from '../../foundation/base/bytes.ts'
import { MixnetError, malformed } from '../../foundation/base/errors.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import { KEY_SEEDS_VERSION, MAX_HOPS } from '../sphinx/constants.ts'
import { fragmentation } from './fragments.ts'
import { ROTATION_FLAG_BOUNDS, ROTATION_UNKNOWN, type RotationFlag } from './keyRotation.ts'
import { decodeRecipient, encodeRecipient, RECIPIENT_BYTES, type Recipient } from './recipient.ts'
import { decodeReplySurb, encodeReplySurb, REPLY_SURB_V1_BYTES, type ReplySurb, replySurbBytes } from './replySurb.ts'
import type { PacketSize } from './sizes.ts'

const WHAT = 'message'
const PLAIN = 0
const REPLIABLE = 1
const REPLY = 2
export const SENDER_TAG_BYTES = 16
const PADDING_START = 1

export interface PlainMessage {
  readonly kind: 'plain'
  readonly data: Uint8Array
}

/** `heartbeat` brings SURBs and means nothing else; it is understood, never sent. */
export type RepliableContentKind = 'data' | 'additionalSurbs' | 'heartbeat'

export interface RepliableMessage {
  readonly kind: 'repliable'
  /** 16 bytes: the sender's pseudonym towards this recipient. */
  readonly senderTag: Uint8Array
  readonly content: {
    readonly kind: RepliableContentKind
    /** To be encoded: all of one rotation and one number of hops, with key seeds. */
    readonly surbs: readonly ReplySurb[]
    /** Empty unless the kind is `data`. */
    readonly data: Uint8Array
  }
}

export type ReplyContent =
  | { readonly kind: 'data' /** Never empty: a receiver would refuse it. */; readonly data: Uint8Array }
  | { readonly kind: 'surbRequest'; readonly recipient: Recipient; readonly amount: number }

export interface ReplyMessage {
  readonly kind: 'reply'
  readonly content: ReplyContent
}

export type NymMessage = PlainMessage | RepliableMessage | ReplyMessage

/** Position is the content tag. The first three are v1 (SURBs with full keys): still read, never written. */
const REPLIABLE_CONTENTS: readonly { kind: RepliableContentKind; format: 1 | 2 }[] = [
  { kind: 'data', format: 1 },
  { kind: 'additionalSurbs', format: 1 },
  { kind: 'heartbeat', format: 1 },
  { kind: 'data', format: 2 },
  { kind: 'additionalSurbs', format: 2 },
  { kind: 'heartbeat', format: 2 },
]
const REPLY_DATA = 0
const REPLY_SURB_REQUEST = 1
const MAX_SURBS = 0xffff

/** Always the v2 form. Throws BAD_ARGUMENT for an empty reply and for SURBs that do not go together. */
export function encodeMessage(message: NymMessage): Uint8Array {
  switch (message.kind) {
    case 'plain':
      return concat(Uint8Array.of(PLAIN), message.data)
    case 'repliable': {
      const { kind, surbs, data } = message.content
      const tag = REPLIABLE_CONTENTS.findIndex((content) => content.kind === kind && content.format === 2)
      if (kind !== 'data' && data.length > 0) throw badMessage('only data messages carry data')
      return concat(Uint8Array.of(REPLIABLE), message.senderTag, Uint8Array.of(tag), ...encodeSurbs(surbs), data)
    }
    case 'reply': {
      const { content } = message
      if (content.kind === 'data') {
        if (content.data.length === 0) throw badMessage('a reply must not be empty')
        return concat(Uint8Array.of(REPLY, REPLY_DATA), content.data)
      }
      return new Writer(2 + RECIPIENT_BYTES + 4)
        .u8(REPLY)
        .u8(REPLY_SURB_REQUEST)
        .bytes(encodeRecipient(content.recipient))
        .u32(content.amount)
        .finish()
    }
  }
}

/** `bytes` without padding. Data are views into it; SURBs and addresses are copies. */
export function decodeMessage(crypto: CryptoProvider, bytes: Uint8Array): NymMessage {
  const reader = new Reader(bytes, WHAT)
  const kind = reader.u8('kind', { max: REPLY })
  if (kind === PLAIN) return { kind: 'plain', data: reader.rest() }
  return kind === REPLIABLE ? decodeRepliable(reader) : { kind: 'reply', content: decodeReply(crypto, reader) }
}

function decodeRepliable(reader: Reader): RepliableMessage {
  const senderTag = new Uint8Array(reader.bytes(SENDER_TAG_BYTES, 'sender tag'))
  const tag = reader.u8('content tag')
  const content = REPLIABLE_CONTENTS[tag] ?? reader.refuse('content tag', 'unknown')
  const surbs = content.format === 1 ? decodeSurbsV1(reader) : decodeSurbs(reader)
  // Behind SURBs sent alone, Nym reads over trailing bytes; so do we, or a peer's harmless slip would cost its SURBs.
  const data = content.kind === 'data' ? reader.rest() : EMPTY_BYTES
  return { kind: 'repliable', senderTag, content: { kind: content.kind, surbs, data } }
}

function decodeReply(crypto: CryptoProvider, reader: Reader): ReplyContent {
  const tag = reader.u8('content tag', { max: REPLY_SURB_REQUEST })
  if (tag === REPLY_DATA) {
    if (reader.remaining === 0) reader.refuse('reply', 'empty')
    return { kind: 'data', data: reader.rest() }
  }
  const recipient = decodeRecipient(crypto, reader.bytes(RECIPIENT_BYTES, 'recipient'))
  const amount = reader.u32('amount')
  reader.expectEnd()
  return { kind: 'surbRequest', recipient, amount }
}

/** `u16 count, u8 hops, u8 rotation`, then the SURBs: one length and one rotation for all. */
function encodeSurbs(surbs: readonly ReplySurb[]): Uint8Array[] {
  const [first] = surbs
  const hops = first?.surb.keyMaterial.length ?? 0
  const rotation = first?.rotation ?? ROTATION_UNKNOWN
  const alike = ({ surb, ...other }: ReplySurb): boolean =>
    surb.version === KEY_SEEDS_VERSION && surb.keyMaterial.length === hops && other.rotation === rotation
  if (surbs.length > MAX_SURBS || !surbs.every(alike)) {
    throw badMessage('SURBs must have key seeds, one number of hops and one rotation')
  }
  const prefix = new Writer(4).u16(surbs.length).u8(hops).u8(rotation).finish()
  return [prefix, ...surbs.map(encodeReplySurb)]
}

function decodeSurbs(reader: Reader): ReplySurb[] {
  const count = reader.u16('SURB count')
  const hops = reader.u8('SURB hops', count === 0 ? {} : { min: 1, max: MAX_HOPS })
  const rotation = reader.u8('key rotation', ROTATION_FLAG_BOUNDS) as RotationFlag
  return readSurbs(reader, count, replySurbBytes(hops), rotation)
}

/** `u32 count`, then SURBs with four full keys; their rotation is not said. */
function decodeSurbsV1(reader: Reader): ReplySurb[] {
  return readSurbs(reader, reader.u32('SURB count'), REPLY_SURB_V1_BYTES, ROTATION_UNKNOWN)
}

function readSurbs(reader: Reader, count: number, bytesEach: number, rotation: RotationFlag): ReplySurb[] {
  if (count * bytesEach > reader.remaining) reader.refuse('SURB count', `${count} do not fit`)
  return Array.from({ length: count }, () => decodeReplySurb(reader.bytes(bytesEach, 'SURB'), rotation))
}

/** `message`, 0x01, zeros: as long as its fragments can hold, so that every packet is full. */
export function padMessage(message: Uint8Array, size: PacketSize): Uint8Array {
  const length = message.length + 1
  const padded = new Uint8Array(length + fragmentation(length, size).spaceLeft)
  padded.set(message)
  padded[message.length] = PADDING_START
  return padded
}

/** A view of what is before the last 0x01. */
export function unpadMessage(padded: Uint8Array): Uint8Array {
  const end = padded.lastIndexOf(PADDING_START)
  if (end < 0) throw malformed(WHAT, 'padding: no end mark')
  return padded.subarray(0, end)
}

const badMessage = (why: string): MixnetError => new MixnetError('BAD_ARGUMENT', { argument: WHAT, why })
