/**
 * The frames that carry Noise messages over TCP, and a decoder that cuts them out of a stream. Specified in
 * docs/spec/links.md.
 *
 *     0  version, 1        3  length of data, u16
 *     1  pattern           5  reserved: written 0, ignored
 *     2  message type      8  data
 *
 * @module
 */
import { EMPTY_BYTES } from '../../foundation/base/bytes.ts'
import { NOISE_TAG_BYTES, type NoisePattern } from './noiseCipher.ts'

const NOISE_FRAME_VERSION = 1
export const NOISE_HEADER_BYTES = 8
export const NOISE_HANDSHAKE = 0
export const NOISE_DATA = 1
export type NoiseMessageType = typeof NOISE_HANDSHAKE | typeof NOISE_DATA

/** Longer handshake messages do not exist; the official buffers end here. */
const MAX_HANDSHAKE_BYTES = 1024
/** What one data frame can carry: a Noise message of at most 65,535 bytes, less its tag. */
export const MAX_NOISE_PLAINTEXT_BYTES: number = 65_535 - NOISE_TAG_BYTES

export type NoiseFrameRefusal = 'version' | 'pattern' | 'message-type' | 'length'

export function encodeNoiseFrame(pattern: NoisePattern, type: NoiseMessageType, data: Uint8Array): Uint8Array {
  const frame = new Uint8Array(NOISE_HEADER_BYTES + data.length)
  frame.set(data, NOISE_HEADER_BYTES)
  return headNoiseFrame(pattern, type, frame)
}

/** Writes the header of a frame whose data is there, behind as many zeros as the header is long. Returns `frame`. */
export function headNoiseFrame(pattern: NoisePattern, type: NoiseMessageType, frame: Uint8Array): Uint8Array {
  const dataBytes = frame.length - NOISE_HEADER_BYTES
  frame[0] = NOISE_FRAME_VERSION
  frame[1] = pattern
  frame[2] = type
  frame[3] = dataBytes >> 8
  frame[4] = dataBytes & 0xff
  return frame
}

/**
 * Cuts the frames of one connection out of the chunks it delivers. A frame that lies whole in a chunk is handed out as a
 * view; only what straddles chunks is copied. `expect` moves from handshake to data when the handshake is done: a frame of
 * the other type, version or pattern is a refusal, and refusals are final. Holds at most one incomplete frame.
 */
export class NoiseFrameDecoder {
  readonly #pattern: NoisePattern
  #expected: NoiseMessageType = NOISE_HANDSHAKE
  #chunk: Uint8Array = EMPTY_BYTES
  #offset = 0
  /** The incomplete frame from earlier chunks, `#keptBytes` of them valid. Grows with what arrives, not with what is announced. */
  #kept: Uint8Array = EMPTY_BYTES
  #keptBytes = 0
  #refused: NoiseFrameRefusal | undefined

  constructor(pattern: NoisePattern) {
    this.#pattern = pattern
  }

  /** Bytes of a frame that has begun and not ended. Right after `next` has returned undefined. */
  get pendingBytes(): number {
    return this.#keptBytes
  }

  expect(type: NoiseMessageType): void {
    this.#expected = type
  }

  /** Call `next` until it returns undefined before the next push. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk
    this.#offset = 0
  }

  /** The data of the next frame, valid until the next call; undefined where more bytes are needed. */
  next(): Uint8Array | { readonly refused: NoiseFrameRefusal } | undefined {
    if (this.#refused) return { refused: this.#refused }
    if (this.#keptBytes > 0) return this.#nextStraddling()
    const available = this.#chunk.length - this.#offset
    const length = available < NOISE_HEADER_BYTES ? undefined : this.#frameBytes(this.#chunk, this.#offset)
    if (typeof length === 'string') return this.#refuse(length)
    if (length === undefined || available < length) {
      this.#keep(available)
      return undefined
    }
    const start = this.#offset
    this.#offset += length
    return this.#chunk.subarray(start + NOISE_HEADER_BYTES, start + length)
  }

  #nextStraddling(): Uint8Array | { readonly refused: NoiseFrameRefusal } | undefined {
    this.#fillTo(NOISE_HEADER_BYTES)
    if (this.#keptBytes < NOISE_HEADER_BYTES) return undefined
    const length = this.#frameBytes(this.#kept, 0)
    if (typeof length === 'string') return this.#refuse(length)
    this.#fillTo(length)
    if (this.#keptBytes < length) return undefined
    const whole = this.#kept
    // Let go of it: a thousand links that each keep 64 KB for the next straddling frame would be most of a node's memory.
    this.#kept = EMPTY_BYTES
    this.#keptBytes = 0
    return whole.subarray(NOISE_HEADER_BYTES, length)
  }

  #fillTo(length: number): void {
    this.#keep(Math.min(length - this.#keptBytes, this.#chunk.length - this.#offset))
  }

  #keep(count: number): void {
    if (count <= 0) return
    const end = this.#keptBytes + count
    if (end > this.#kept.length) {
      const grown = new Uint8Array(Math.max(end, Math.min(2 * this.#kept.length, 65_535 + NOISE_HEADER_BYTES)))
      grown.set(this.#kept.subarray(0, this.#keptBytes))
      this.#kept = grown
    }
    this.#kept.set(this.#chunk.subarray(this.#offset, this.#offset + count), this.#keptBytes)
    this.#keptBytes = end
    this.#offset += count
  }

  /** Length of the whole frame whose header is at `offset`, or what is wrong with that header. */
  #frameBytes(bytes: Uint8Array, offset: number): number | NoiseFrameRefusal {
    if (bytes[offset] !== NOISE_FRAME_VERSION) return 'version'
    if (bytes[offset + 1] !== this.#pattern) return 'pattern'
    if (bytes[offset + 2] !== this.#expected) return 'message-type'
    const length = ((bytes[offset + 3] as number) << 8) | (bytes[offset + 4] as number)
    if (length < NOISE_TAG_BYTES) return 'length'
    if (this.#expected === NOISE_HANDSHAKE && length > MAX_HANDSHAKE_BYTES) return 'length'
    return NOISE_HEADER_BYTES + length
  }

  #refuse(refused: NoiseFrameRefusal): { readonly refused: NoiseFrameRefusal } {
    this.#refused = refused
    return { refused }
  }
}
