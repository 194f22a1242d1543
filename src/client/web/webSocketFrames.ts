/**
 * Frames of RFC 6455, as a client writes and reads them: without extensions. Strict: what a server must not send ends the connection
 * instead of being guessed at. @module
 */
import { concat, EMPTY_BYTES, fromUtf8 } from '../../foundation/base/bytes.ts'
import { MixnetError, malformed } from '../../foundation/base/errors.ts'
import { GrowingBytes } from '../../foundation/platform/growingBytes.ts'

export type Opcode = 'text' | 'binary' | 'close' | 'ping' | 'pong'

export type Received =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'binary' | 'ping' | 'pong'; readonly data: Uint8Array }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }

/** How a refusal is told to the server (RFC 6455 7.4.1). */
export type RefusalCode = 1002 | 1007 | 1009

export const MASK_BYTES = 4
/** RFC 6455 5.5. */
export const MAX_CONTROL_BYTES = 125
/** The close code that stands for a close frame without one. */
export const NO_CODE = 1005

const WHAT = 'WebSocket frame'
const FIN = 0x80
const RESERVED = 0x70
const MASKED = 0x80
const CODES: Readonly<Record<Opcode, number>> = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 }
const OPCODES: ReadonlyMap<number, Opcode> = new Map(
  Object.entries(CODES).map(([opcode, code]) => [code, opcode as Opcode]),
)
const CONTINUATION = 0
const LENGTH_16 = 126
const LENGTH_64 = 127

/** One whole message. `mask`: 4 bytes that nobody can foresee, new for each frame, so that no caller chooses what proxies read. */
export function encodeFrame(opcode: Opcode, payload: Uint8Array, mask: Uint8Array): Uint8Array {
  const { length } = payload
  const extended = length < LENGTH_16 ? 0 : length < 0x1_0000 ? 2 : 8
  const frame = new Uint8Array(2 + extended + MASK_BYTES + length)
  const view = new DataView(frame.buffer)
  frame[0] = FIN | CODES[opcode]
  frame[1] = MASKED | (extended === 0 ? length : extended === 2 ? LENGTH_16 : LENGTH_64)
  if (extended === 2) view.setUint16(2, length)
  if (extended === 8) view.setBigUint64(2, BigInt(length))
  frame.set(mask, 2 + extended)
  const start = 2 + extended + MASK_BYTES
  for (let i = 0; i < length; i++) frame[start + i] = (payload[i] as number) ^ (mask[i % MASK_BYTES] as number)
  return frame
}

/** `reason` at most 123 bytes of UTF-8. */
export function closePayload(code: number, reason: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(code >> 8, code & 0xff), reason)
}

/** What `FrameReader` throws, and what to tell the server. */
export class FrameRefusal extends Error {
  readonly code: RefusalCode
  readonly error: MixnetError

  constructor(code: RefusalCode, error: MixnetError) {
    super(error.message)
    this.code = code
    this.error = error
  }
}

interface Frame {
  readonly opcode: Opcode | undefined
  readonly fin: boolean
}

export class FrameReader {
  readonly #maxMessageBytes: number
  #header: Uint8Array = EMPTY_BYTES
  #frame: Frame | undefined
  #left = 0
  #control: Uint8Array = EMPTY_BYTES
  #message: { readonly kind: 'text' | 'binary'; readonly bytes: GrowingBytes } | undefined
  #messageBytes = 0

  /** A longer message is refused as soon as its length is known. */
  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes
  }

  /** What is complete with `chunk`; to be taken to the end before the next. Throws FrameRefusal; use it no more then. */
  *push(chunk: Uint8Array): Generator<Received, void> {
    let rest = chunk
    for (;;) {
      if (this.#frame === undefined) {
        rest = this.#begin(rest)
        if (this.#frame === undefined) return
      }
      const piece = rest.subarray(0, this.#left)
      rest = rest.subarray(piece.length)
      this.#left -= piece.length
      this.#take(this.#frame, piece)
      if (this.#left > 0) return
      const complete = this.#complete(this.#frame)
      this.#frame = undefined
      if (complete !== undefined) yield complete
    }
  }

  /** What is behind the header, once that is complete. */
  #begin(rest: Uint8Array): Uint8Array {
    let at = 0
    while (at < rest.length && this.#header.length < headerLength(this.#header)) {
      this.#header = concat(this.#header, rest.subarray(at, at + 1))
      at++
    }
    if (this.#header.length < headerLength(this.#header)) return EMPTY_BYTES
    this.#readHeader(this.#header)
    this.#header = EMPTY_BYTES
    return rest.subarray(at)
  }

  #readHeader(header: Uint8Array): void {
    const [first = 0, second = 0] = header
    if ((first & RESERVED) !== 0) throw refusal('an extension that was not agreed on')
    if ((second & MASKED) !== 0) throw refusal('masked')
    const fin = (first & FIN) !== 0
    const code = first & 0x0f
    const opcode = OPCODES.get(code)
    const length = lengthIn(header)
    this.#left = length
    this.#frame = { opcode, fin }
    if (opcode === 'close' || opcode === 'ping' || opcode === 'pong') {
      if (!fin || length > MAX_CONTROL_BYTES) throw refusal('a control frame too long or in parts')
      this.#control = EMPTY_BYTES
      return
    }
    if (opcode !== undefined) {
      if (this.#message !== undefined) throw refusal('a message inside another')
      this.#message = { kind: opcode, bytes: new GrowingBytes(this.#maxMessageBytes) }
      this.#messageBytes = 0
    } else if (code !== CONTINUATION || this.#message === undefined) throw refusal('opcode')
    this.#messageBytes += length
    if (this.#messageBytes > this.#maxMessageBytes) {
      const nextStep = 'Give `maxMessageBytes` where longer messages are to be expected.'
      throw new FrameRefusal(1009, new MixnetError('MALFORMED', { what: WHAT, why: 'message too long' }, { nextStep }))
    }
  }

  #take({ opcode }: Frame, piece: Uint8Array): void {
    if (opcode === undefined || opcode === 'text' || opcode === 'binary') this.#message?.bytes.push(piece)
    else this.#control = concat(this.#control, piece)
  }

  #complete({ opcode, fin }: Frame): Received | undefined {
    if (opcode === 'close') return closeIn(this.#control)
    if (opcode === 'ping' || opcode === 'pong') return { kind: opcode, data: this.#control }
    const message = this.#message
    if (!fin || message === undefined) return undefined
    this.#message = undefined
    const data = message.bytes.finish()
    return message.kind === 'binary' ? { kind: 'binary', data } : { kind: 'text', text: textIn(data) }
  }
}

function headerLength({ length, 1: second = 0 }: Uint8Array): number {
  if (length < 2) return 2
  const short = second & 0x7f
  return short === LENGTH_16 ? 4 : short === LENGTH_64 ? 10 : 2
}

function lengthIn(header: Uint8Array): number {
  const view = new DataView(header.buffer, header.byteOffset, header.length)
  if (header.length === 2) return view.getUint8(1) & 0x7f
  const length = header.length === 4 ? view.getUint16(2) : Number(view.getBigUint64(2))
  // RFC 6455 5.2: the shortest form, and no number that a computer could take for a negative one.
  const isNegative = header.length > 4 && view.getUint8(2) >= 0x80
  if (length < (header.length === 4 ? LENGTH_16 : 0x1_0000) || isNegative) throw refusal('length')
  return length
}

function closeIn(payload: Uint8Array): Received {
  if (payload.length === 0) return { kind: 'close', code: NO_CODE, reason: '' }
  const code = ((payload[0] as number) << 8) | (payload[1] ?? 0)
  if (payload.length === 1 || !maySend(code)) throw refusal('close code')
  return { kind: 'close', code, reason: textIn(payload.subarray(2)) }
}

/** RFC 6455 7.4 and the registry: what may stand in a frame. 1004 to 1006 and 1015 are said by nobody. */
function maySend(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)
}

function textIn(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes, WHAT)
  } catch (error) {
    throw new FrameRefusal(1007, error as MixnetError)
  }
}

function refusal(why: string): FrameRefusal {
  return new FrameRefusal(1002, malformed(WHAT, why))
}
