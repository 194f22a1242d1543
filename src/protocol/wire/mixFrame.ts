/**
 * Frames on the mix port, between nodes. They follow each other without separators. Format: docs/spec/mix-frames.md.
 *
 *   0      1     version, 7 or 8
 *   1      1     packet size tag
 *   2      1     packet type, 0
 *   3      1     key rotation, in version 8 only
 *   3 / 4  size  Sphinx packet
 *
 * Any refusal ends the connection: where the next frame begins cannot be known any more. @module
 */
import { EMPTY_BYTES } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { ROTATION_UNKNOWN, type RotationFlag } from '../packet/keyRotation.ts'
import { type PacketSize, packetSizeByTag } from '../packet/sizes.ts'
import { PACKET_TYPE_MIX } from '../packet/types.ts'

export interface MixFrame {
  readonly size: PacketSize
  readonly rotation: RotationFlag
  readonly packet: Uint8Array
}

/** 7 is what official nodes send by default, and loses the rotation; 8 is what they also read since mid-2025. */
export type MixFrameVersion = 7 | 8

export type MixFrameRefusalReason = 'version' | 'size' | 'type' | 'rotation'
export interface MixFrameRefusal {
  readonly refused: MixFrameRefusalReason
}

const MIN_HEADER_BYTES = 3
const MAX_HEADER_BYTES = 4
// The first allocation for a frame that arrives in pieces: a peer that sends four bytes must not cost us 33 KB.
const FIRST_PIECE_BYTES = 512

export function encodeMixFrame(frame: MixFrame, frameVersion: MixFrameVersion): Uint8Array {
  if (frame.packet.length !== frame.size.totalBytes) {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'frame.packet', bytes: frame.packet.length })
  }
  const headerBytes = headerLength(frameVersion)
  const encoded = new Uint8Array(headerBytes + frame.packet.length)
  encoded[0] = frameVersion
  encoded[1] = frame.size.tag
  encoded[2] = PACKET_TYPE_MIX
  if (frameVersion === 8) encoded[3] = frame.rotation
  encoded.set(frame.packet, headerBytes)
  return encoded
}

/**
 * Cuts frames out of a byte stream. `push` a chunk, then call `next` until it gives nothing, then push the next one.
 * A frame that lies whole in one chunk is handed out as a view into that chunk: the chunk must not be reused.
 * Between chunks the decoder keeps copies of less than one frame, in at most twice the bytes that arrived of it.
 */
export class MixFrameDecoder {
  #chunk: Uint8Array = EMPTY_BYTES
  #offset = 0
  /** The start of a frame whose end has not come yet, `#held` bytes of it. */
  #partial: Uint8Array = EMPTY_BYTES
  #held = 0
  #refusal: MixFrameRefusal | undefined

  push(chunk: Uint8Array): void {
    if (this.#refusal !== undefined) return
    if (this.#offset < this.#chunk.length) {
      throw new MixnetError('BAD_ARGUMENT', { argument: 'chunk', why: 'the previous chunk still holds frames' })
    }
    this.#chunk = chunk
    this.#offset = 0
  }

  /** The next frame, undefined where more bytes are needed, or the refusal: the same one ever after. */
  next(): MixFrame | MixFrameRefusal | undefined {
    if (this.#refusal !== undefined) return this.#refusal
    const frame = this.#held > 0 ? this.#nextFromPieces() : this.#nextFromChunk()
    if (frame !== undefined && 'refused' in frame) {
      this.#refusal = frame
      this.#chunk = EMPTY_BYTES
      this.#partial = EMPTY_BYTES
      this.#held = 0
      this.#offset = 0
    }
    return frame
  }

  /** How many bytes of an unfinished frame are kept. */
  get heldBytes(): number {
    return this.#held
  }

  #nextFromChunk(): MixFrame | MixFrameRefusal | undefined {
    const header = readHeader(this.#chunk, this.#offset, this.#chunk.length)
    if (header !== undefined && 'refused' in header) return header
    const end = header === undefined ? Number.POSITIVE_INFINITY : this.#offset + header.frameBytes
    if (header === undefined || end > this.#chunk.length) {
      this.#keepRest()
      return undefined
    }
    const packet = this.#chunk.subarray(end - header.size.totalBytes, end)
    this.#offset = end
    return { size: header.size, rotation: header.rotation, packet }
  }

  #nextFromPieces(): MixFrame | MixFrameRefusal | undefined {
    // The header first, byte by byte: only it says how much more belongs to this frame.
    let header = readHeader(this.#partial, 0, this.#held)
    while (header === undefined) {
      if (!this.#take(1)) return undefined
      header = readHeader(this.#partial, 0, this.#held)
    }
    if ('refused' in header) return header
    if (!this.#take(header.frameBytes - this.#held, header.frameBytes)) return undefined
    const packet = this.#partial.subarray(header.frameBytes - header.size.totalBytes, header.frameBytes)
    // The packet is the caller's now: the buffer must not be written to again.
    this.#partial = EMPTY_BYTES
    this.#held = 0
    return { size: header.size, rotation: header.rotation, packet }
  }

  /** Moves up to `wanted` bytes from the chunk behind those held. True where all of them were there. */
  #take(wanted: number, frameBytes: number = MAX_HEADER_BYTES): boolean {
    const taken = Math.min(wanted, this.#chunk.length - this.#offset)
    this.#hold(this.#chunk.subarray(this.#offset, this.#offset + taken), frameBytes)
    this.#offset += taken
    if (this.#offset === this.#chunk.length) this.#dropChunk()
    return taken === wanted
  }

  #keepRest(): void {
    const rest = this.#chunk.subarray(this.#offset)
    if (rest.length > 0) this.#hold(rest, rest.length)
    this.#dropChunk()
  }

  #hold(bytes: Uint8Array, frameBytes: number): void {
    const needed = this.#held + bytes.length
    if (needed > this.#partial.length) {
      const doubled = Math.max(needed, this.#partial.length * 2, FIRST_PIECE_BYTES)
      // The last growth is exact, so that what is handed out pins nothing more than itself.
      const grown = new Uint8Array(doubled >= frameBytes ? Math.max(needed, frameBytes) : doubled)
      grown.set(this.#partial.subarray(0, this.#held))
      this.#partial = grown
    }
    this.#partial.set(bytes, this.#held)
    this.#held = needed
  }

  #dropChunk(): void {
    this.#chunk = EMPTY_BYTES
    this.#offset = 0
  }
}

interface FrameHeader {
  readonly size: PacketSize
  readonly rotation: RotationFlag
  readonly frameBytes: number
}

const headerLength = (version: MixFrameVersion): number => (version === 7 ? MIN_HEADER_BYTES : MAX_HEADER_BYTES)

/** Reads the header at `start`, with bytes up to `end`. undefined where it is not complete. */
function readHeader(bytes: Uint8Array, start: number, end: number): FrameHeader | MixFrameRefusal | undefined {
  if (end - start < MIN_HEADER_BYTES) return undefined
  const version = bytes[start]
  if (version !== 7 && version !== 8) return { refused: 'version' }
  const headerBytes = headerLength(version)
  if (end - start < headerBytes) return undefined
  const rotation = version === 7 ? ROTATION_UNKNOWN : bytes[start + 3]
  if (rotation !== 0 && rotation !== 1 && rotation !== 2) return { refused: 'rotation' }
  const size = packetSizeByTag(bytes[start + 1] as number)
  if (size === undefined) return { refused: 'size' }
  if (bytes[start + 2] !== PACKET_TYPE_MIX) return { refused: 'type' }
  return { size, rotation, frameBytes: headerBytes + size.totalBytes }
}
