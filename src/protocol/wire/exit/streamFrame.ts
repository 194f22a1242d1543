/**
 * The frame that carries packet router messages from version 9 on, and the streams of the official SDK: one frame per mixnet
 * message. Note the byte orders. Format: docs/spec/exit.md.
 *
 *     0   2  frame kind, little-endian: 3 is a stream frame
 *     2   8  stream id, big-endian
 *     10  1  0 open, 1 data, 2 open ack, 3 ping, 4 pong
 *     11  4  sequence, big-endian; a nonce in ping and pong
 *     15  1  reserved: written 0, not read
 *     16  …  content
 * @module
 */
import { MixnetError, malformed } from '../../../foundation/base/errors.ts'
import { Reader } from '../../../foundation/base/reader.ts'
import { Writer } from '../../../foundation/base/writer.ts'

const STREAM_FRAME_HEADER_BYTES = 16
const ATTRIBUTE_BYTES = 14
const WHAT = 'stream frame'
const KINDS = ['opaque', 'registration', 'forward', 'stream'] as const
const TYPES = ['open', 'data', 'openAck', 'ping', 'pong'] as const

/** Official peers before 2.0 know `open` and `data` only and drop the others. */
export type StreamFrameType = (typeof TYPES)[number]

export interface StreamFrame {
  readonly streamId: bigint
  readonly type: StreamFrameType
  readonly sequence: number
  readonly content: Uint8Array
}

/** A frame of any kind; the meaning of the 14 attribute bytes depends on it. */
export interface LewesFrame {
  readonly kind: (typeof KINDS)[number]
  readonly attributes: Uint8Array
  readonly content: Uint8Array
}

/** Whether a message announces itself as a stream frame. No raw packet router message does: their versions begin at 6. */
export function looksLikeStreamFrame(message: Uint8Array): boolean {
  return message.length >= STREAM_FRAME_HEADER_BYTES && message[0] === KINDS.indexOf('stream') && message[1] === 0
}

export function encodeStreamFrame({ streamId, type, sequence, content }: StreamFrame): Uint8Array {
  const attributes = new Writer(ATTRIBUTE_BYTES).u64(streamId).u8(TYPES.indexOf(type)).u32(sequence).u8(0).finish()
  return encodeLewesFrame({ kind: 'stream', attributes, content })
}

/** `content` is a view into `message`. */
export function decodeStreamFrame(message: Uint8Array): StreamFrame {
  const { kind, attributes, content } = decodeLewesFrame(message)
  if (kind !== 'stream') throw malformed(WHAT, `is a ${kind} frame`)
  const reader = new Reader(attributes, WHAT)
  const streamId = reader.u64('stream id')
  const typeByte = reader.u8('type')
  const type = TYPES[typeByte] ?? reader.refuse('type', `${typeByte} is unknown`)
  return { streamId, type, sequence: reader.u32('sequence'), content }
}

export function encodeLewesFrame({ kind, attributes, content }: LewesFrame): Uint8Array {
  if (attributes.length !== ATTRIBUTE_BYTES) throw new MixnetError('BAD_ARGUMENT', { what: 'frame attributes' })
  const writer = new Writer(STREAM_FRAME_HEADER_BYTES + content.length)
  return writer.u8(KINDS.indexOf(kind)).u8(0).bytes(attributes).bytes(content).finish()
}

/** Both arrays are views into `message`. */
export function decodeLewesFrame(message: Uint8Array): LewesFrame {
  const reader = new Reader(message, WHAT)
  const [low, high] = [reader.u8('kind'), reader.u8('kind')]
  const kind = (high === 0 ? KINDS[low] : undefined) ?? reader.refuse('kind', `${low | (high << 8)} is unknown`)
  return { kind, attributes: reader.bytes(ATTRIBUTE_BYTES, 'attributes'), content: reader.rest() }
}
