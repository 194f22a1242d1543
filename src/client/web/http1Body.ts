/** The body of an HTTP/1.1 response, cut out of what the connection brings, in whatever pieces it comes. @module */
import { malformed } from '../../foundation/base/errors.ts'
import { type Framing, latin1, parseFields } from './http1Head.ts'

export interface BodyPart {
  readonly data: readonly Uint8Array[]
  /** What came behind the body's last byte, once that was seen. */
  readonly rest: Uint8Array | undefined
}

export interface BodyDecoder {
  /** Throws MALFORMED. Not to be called again behind the end. */
  push(bytes: Uint8Array): BodyPart
  /** Whether the body may end where it is when the connection does. */
  readonly endsWithConnection: boolean
}

export function bodyDecoder(framing: Exclude<Framing, { kind: 'none' }>): BodyDecoder {
  if (framing.kind === 'length') return new LengthDecoder(framing.length)
  return framing.kind === 'chunked' ? new ChunkDecoder() : UNTIL_CLOSE
}

const UNTIL_CLOSE: BodyDecoder = {
  endsWithConnection: true,
  push: (bytes) => ({ data: [bytes], rest: undefined }),
}

class LengthDecoder implements BodyDecoder {
  readonly endsWithConnection = false
  #left: number

  constructor(length: number) {
    this.#left = length
  }

  push(bytes: Uint8Array): BodyPart {
    const taken = bytes.subarray(0, this.#left)
    this.#left -= taken.length
    return {
      data: taken.length > 0 ? [taken] : [],
      rest: this.#left === 0 ? bytes.subarray(taken.length) : undefined,
    }
  }
}

const WHAT = 'HTTP response'
const CR = 13
const LF = 10
/** A chunk's size with its extensions, or one trailer: what is longer carries something else than sizes. */
const MAX_LINE_BYTES = 8 * 1024
const MAX_TRAILER_BYTES = 32 * 1024
/** Of all sizes and extensions, what a byte of data may come with: a server that sends megabytes of framing wants our time. */
const MAX_OVERHEAD_PER_BYTE = 16
const FREE_OVERHEAD_BYTES = 64 * 1024
const SIZE_LINE = /^([0-9A-Fa-f]{1,12})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/

/** RFC 9112 7.1. Trailers are checked and dropped: `fetch` has no place for them. */
class ChunkDecoder implements BodyDecoder {
  readonly endsWithConnection = false
  #state: 'size' | 'data' | 'data-end' | 'trailers' = 'size'
  #line: Uint8Array[] = []
  #lineBytes = 0
  #left = 0
  #overhead = 0
  #dataBytes = 0
  #trailers: string[] = []
  #trailerBytes = 0

  push(bytes: Uint8Array): BodyPart {
    const data: Uint8Array[] = []
    let at = 0
    while (at < bytes.length) {
      if (this.#state === 'data') {
        const taken = bytes.subarray(at, at + this.#left)
        data.push(taken)
        at += taken.length
        this.#left -= taken.length
        this.#dataBytes += taken.length
        if (this.#left === 0) this.#state = 'data-end'
        continue
      }
      const end = bytes.indexOf(LF, at)
      const piece = bytes.subarray(at, end === -1 ? bytes.length : end + 1)
      at += piece.length
      this.#hold(piece)
      if (end === -1) break
      if (this.#takeLine()) return { data, rest: bytes.subarray(at) }
    }
    return { data, rest: undefined }
  }

  #hold(piece: Uint8Array): void {
    this.#lineBytes += piece.length
    this.#overhead += piece.length
    const limit = this.#state === 'data-end' ? 2 : MAX_LINE_BYTES
    if (this.#lineBytes > limit) throw malformed(WHAT, 'chunk line too long')
    if (this.#overhead > FREE_OVERHEAD_BYTES + MAX_OVERHEAD_PER_BYTE * this.#dataBytes) {
      throw malformed(WHAT, 'more framing than data')
    }
    this.#line.push(piece)
  }

  /** The line that is complete; true where it was the last of the body. */
  #takeLine(): boolean {
    const pieces = this.#line.map(latin1).join('')
    this.#line = []
    this.#lineBytes = 0
    if (pieces.charCodeAt(pieces.length - 2) !== CR) throw malformed(WHAT, 'line end')
    const line = pieces.slice(0, -2)
    if (this.#state === 'size') this.#begin(line)
    else if (this.#state === 'data-end') this.#expectEmpty(line)
    else return this.#trailer(line)
    return false
  }

  #begin(line: string): void {
    const match = SIZE_LINE.exec(line)
    if (match === null) throw malformed(WHAT, 'chunk size')
    this.#left = Number.parseInt(match[1] as string, 16)
    this.#state = this.#left === 0 ? 'trailers' : 'data'
  }

  #expectEmpty(line: string): void {
    if (line !== '') throw malformed(WHAT, 'chunk longer than its size')
    this.#state = 'size'
  }

  #trailer(line: string): boolean {
    if (line === '') {
      parseFields(this.#trailers)
      return true
    }
    this.#trailerBytes += line.length
    if (this.#trailerBytes > MAX_TRAILER_BYTES) throw malformed(WHAT, 'trailers too long')
    this.#trailers.push(line)
    return false
  }
}
