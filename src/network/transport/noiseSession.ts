/**
 * One Noise connection without its socket: bytes in, bytes and plaintext out. First the handshake, then a byte stream in both
 * directions, cut into data frames. Specified in docs/spec/links.md.
 *
 *     handshaking ──last message──▶ open
 *          └──────── refusal ───────┴──▶ refused (final)
 *
 * @module
 */
import { EMPTY_BYTES } from '../../foundation/base/bytes.ts'
import type { LinkCryptoProvider } from '../../foundation/crypto/provider.ts'
import { NoiseHandshake, type NoiseHandshakeOptions, type NoiseRefusal, type NoiseTransport } from './noise.ts'
import { NOISE_TAG_BYTES } from './noiseCipher.ts'
import {
  encodeNoiseFrame,
  headNoiseFrame,
  MAX_NOISE_PLAINTEXT_BYTES,
  NOISE_DATA,
  NOISE_HANDSHAKE,
  NOISE_HEADER_BYTES,
  NoiseFrameDecoder,
  type NoiseFrameRefusal,
} from './noiseFrames.ts'

export type NoiseSessionRefusal = `frame-${NoiseFrameRefusal}` | `handshake-${NoiseRefusal}` | 'data-tag' | 'data-empty'

/** What a session asks its owner to do while it reads. */
export interface NoiseSessionSink {
  /** Write this frame to the socket. */
  reply(frame: Uint8Array): void
  /** Decrypted stream bytes, the sink's to keep. May be part of a mix frame or many of them. */
  plaintext(bytes: Uint8Array): void
}

export class NoiseSession {
  readonly #options: NoiseHandshakeOptions
  readonly #decoder: NoiseFrameDecoder
  #state:
    | { readonly kind: 'handshaking'; readonly handshake: NoiseHandshake }
    | { readonly kind: 'open'; readonly transport: NoiseTransport }
    | { readonly kind: 'refused'; readonly reason: NoiseSessionRefusal }

  constructor(crypto: LinkCryptoProvider, options: NoiseHandshakeOptions) {
    this.#options = options
    this.#decoder = new NoiseFrameDecoder(options.pattern)
    this.#state = { kind: 'handshaking', handshake: new NoiseHandshake(crypto, options) }
  }

  get isOpen(): boolean {
    return this.#state.kind === 'open'
  }

  /** The peer's static key, once the handshake is done. */
  get remotePublic(): Uint8Array | undefined {
    return this.#state.kind === 'open' ? this.#state.transport.remotePublic : undefined
  }

  /** Bytes of a Noise frame that has begun and not ended. */
  get pendingBytes(): number {
    return this.#decoder.pendingBytes
  }

  /** The initiator's first frame; undefined where the peer's announced key is of low order. */
  begin(): Uint8Array | undefined {
    return this.#state.kind === 'handshaking' ? this.#writeHandshake(this.#state.handshake) : undefined
  }

  /** Takes a chunk from the socket, all of it, in one pass. A refusal is final. */
  receive(chunk: Uint8Array, sink: NoiseSessionSink): NoiseSessionRefusal | undefined {
    this.#decoder.push(chunk)
    for (;;) {
      if (this.#state.kind === 'refused') return this.#state.reason
      const data = this.#decoder.next()
      if (data === undefined) return undefined
      const refusal = data instanceof Uint8Array ? this.#take(data, sink) : (`frame-${data.refused}` as const)
      if (refusal !== undefined) this.#state = { kind: 'refused', reason: refusal }
    }
  }

  /**
   * The data frames that carry `chunks`. Cut between chunks where one fits whole, so that a mix frame seldom straddles two
   * Noise frames and its reader need not copy it. Never an empty frame: the official reader takes one for the end.
   */
  seal(chunks: readonly Uint8Array[]): Uint8Array[] {
    if (this.#state.kind !== 'open') throw new TypeError('seal before the handshake is done')
    const { send } = this.#state.transport
    const { pattern } = this.#options
    const frames: Uint8Array[] = []
    const emit = (plaintext: Uint8Array): void => {
      if (plaintext.length === 0) return
      frames.push(headNoiseFrame(pattern, NOISE_DATA, send.seal(plaintext, EMPTY_BYTES, NOISE_HEADER_BYTES)))
    }
    let first = 0
    let bytes = 0
    for (let i = 0; i <= chunks.length; i++) {
      const chunk = chunks[i]
      if (chunk !== undefined && bytes + chunk.length <= MAX_NOISE_PLAINTEXT_BYTES) {
        bytes += chunk.length
        continue
      }
      emit(join(chunks, first, i, bytes))
      first = i
      bytes = 0
      if (chunk === undefined) break
      let offset = 0
      for (; chunk.length - offset > MAX_NOISE_PLAINTEXT_BYTES; offset += MAX_NOISE_PLAINTEXT_BYTES) {
        emit(chunk.subarray(offset, offset + MAX_NOISE_PLAINTEXT_BYTES))
      }
      if (offset > 0) {
        emit(chunk.subarray(offset))
        first = i + 1
      } else bytes = chunk.length
    }
    return frames
  }

  #take(data: Uint8Array, sink: NoiseSessionSink): NoiseSessionRefusal | undefined {
    if (this.#state.kind === 'open') {
      if (data.length === NOISE_TAG_BYTES) return 'data-empty'
      const plaintext = this.#state.transport.receive.open(data)
      if (plaintext === undefined) return 'data-tag'
      sink.plaintext(plaintext)
      return undefined
    }
    if (this.#state.kind === 'refused') return this.#state.reason
    const { handshake } = this.#state
    const refusal = handshake.read(data)
    if (refusal !== undefined) return `handshake-${refusal}`
    if (handshake.turn === 'write') {
      const frame = this.#writeHandshake(handshake)
      if (frame === undefined) return 'handshake-low-order'
      sink.reply(frame)
    }
    if (handshake.turn === 'done') {
      this.#decoder.expect(NOISE_DATA)
      this.#state = { kind: 'open', transport: handshake.split() }
    }
    return undefined
  }

  #writeHandshake(handshake: NoiseHandshake): Uint8Array | undefined {
    const message = handshake.write()
    return message && encodeNoiseFrame(this.#options.pattern, NOISE_HANDSHAKE, message)
  }
}

/** Kept between calls, which is safe because a cipher only reads it, and nothing waits: a busy node joins frames at every turn. */
const joining = new Uint8Array(MAX_NOISE_PLAINTEXT_BYTES)

/** Valid until the next call. */
function join(chunks: readonly Uint8Array[], from: number, to: number, bytes: number): Uint8Array {
  if (to - from === 1) return chunks[from] as Uint8Array
  const joined = joining.subarray(0, bytes)
  let offset = 0
  for (let i = from; i < to; i++) {
    const chunk = chunks[i] as Uint8Array
    joined.set(chunk, offset)
    offset += chunk.length
  }
  return joined
}
