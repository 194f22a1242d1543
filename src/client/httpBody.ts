/**
 * Where the body of an HTTP/1 request ends, RFC 9112 6 and 7. The proxy must know: what a program sends behind it is for another
 * site, perhaps, and must not go to this one. Pure. @module
 */
import { type HttpHead, valuesOf } from './httpHead.ts'

export type Framing = { readonly kind: 'length'; readonly bytes: number } | { readonly kind: 'chunked' }

// A double counts so many bytes exactly.
const LENGTH = /^[0-9]{1,15}$/
const CHUNK_SIZE = /^([0-9a-f]{1,12})[ \t]*(?:;[^\r\n]*)?$/i
const MAX_LINE_BYTES = 4096
const MAX_TRAILER_LINES = 100
const LF = 0x0a

/** Of a request; where two answers are possible, neither is given. */
export function framingOf(head: HttpHead): Framing | undefined {
  const encodings = valuesOf(head, 'transfer-encoding')
  const lengths = valuesOf(head, 'content-length')
  if (encodings.length > 0) {
    if (lengths.length > 0 || encodings.length > 1 || encodings[0]?.toLowerCase() !== 'chunked') return undefined
    return { kind: 'chunked' }
  }
  const [length] = lengths
  if (length === undefined) return { kind: 'length', bytes: 0 }
  if (lengths.length > 1 || !LENGTH.test(length)) return undefined
  return { kind: 'length', bytes: Number(length) }
}

export class HttpBody {
  /** Of the present chunk, or of the whole body where its length was said. */
  #left = 0
  #line = ''
  /** `gap`: the line end behind a chunk. */
  #state: 'data' | 'gap' | 'size' | 'trailer' | 'done' | 'broken' = 'data'
  readonly #chunked: boolean
  #trailerLines = 0

  constructor(framing: Framing) {
    this.#chunked = framing.kind === 'chunked'
    if (framing.kind === 'length') this.#left = framing.bytes
    if (this.#chunked) this.#state = 'size'
    else if (this.#left === 0) this.#state = 'done'
  }

  get isDone(): boolean {
    return this.#state === 'done'
  }

  /** Not the chunks it said it would be: nobody knows where it ends. */
  get isBroken(): boolean {
    return this.#state === 'broken'
  }

  /** How many of these bytes belong to it. */
  take(chunk: Uint8Array): number {
    let at = 0
    while (at < chunk.length && this.#state !== 'done' && this.#state !== 'broken') {
      at += this.#state === 'data' ? this.#data(chunk.length - at) : this.#text(chunk, at)
    }
    return at
  }

  #data(available: number): number {
    const taken = Math.min(this.#left, available)
    this.#left -= taken
    if (this.#left === 0) this.#state = this.#chunked ? 'gap' : 'done'
    return taken
  }

  #text(chunk: Uint8Array, at: number): number {
    const end = chunk.indexOf(LF, at)
    const piece = chunk.subarray(at, end === -1 ? chunk.length : end + 1)
    if (this.#line.length + piece.length > MAX_LINE_BYTES) this.#state = 'broken'
    else {
      this.#line += String.fromCharCode(...piece)
      if (end !== -1) this.#endLine()
    }
    return piece.length
  }

  #endLine(): void {
    const line = this.#line
    this.#line = ''
    if (!line.endsWith('\r\n') || line.indexOf('\r') !== line.length - 2) this.#state = 'broken'
    else if (this.#state === 'size') this.#size(line.slice(0, -2))
    else if (this.#state === 'gap') this.#state = line === '\r\n' ? 'size' : 'broken'
    else if (line === '\r\n') this.#state = 'done'
    else if (++this.#trailerLines > MAX_TRAILER_LINES) this.#state = 'broken'
  }

  #size(line: string): void {
    const digits = CHUNK_SIZE.exec(line)?.[1]
    if (digits === undefined) this.#state = 'broken'
    else if (Number.parseInt(digits, 16) === 0) this.#state = 'trailer'
    else {
      this.#state = 'data'
      this.#left = Number.parseInt(digits, 16)
    }
  }
}
