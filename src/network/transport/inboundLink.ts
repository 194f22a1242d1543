/**
 * One accepted connection of a mix ingress: Noise or plain, cut into frames in one synchronous pass per read. Nothing is ever
 * sent back except handshake messages. Rules: docs/spec/links.md, "Receiving". @module
 */
import type { Millis } from '../../foundation/base/units.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { Connection } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import { type MixFrame, MixFrameDecoder, type MixFrameRefusalReason } from '../../protocol/wire/mixFrame.ts'
import type { MixIngressParams } from './mixLinkParams.ts'
import type { NoiseKeyPair } from './noise.ts'
import { NOISE_KEY_BYTES, type NoisePattern } from './noiseCipher.ts'
import { NoiseSession, type NoiseSessionRefusal, type NoiseSessionSink } from './noiseSession.ts'

export type InboundRefusal =
  | `frame-${MixFrameRefusalReason}`
  | `noise-${NoiseSessionRefusal}`
  | 'noise-timeout'
  | 'slow-frame'
  | 'no-frame'
  | 'idle'

export interface InboundLinkOptions {
  readonly world: World
  readonly connection: Connection
  /** Present where the peer must shake hands. */
  readonly noise: { readonly own: NoiseKeyPair; readonly pattern: NoisePattern } | undefined
  readonly params: MixIngressParams
  /** The packet is a view: valid until the call returns. */
  readonly onFrame: (frame: MixFrame) => void
  /** The handshake is done, well or badly. Only where there is one. */
  readonly onHandshaken: () => void
  /** Called once, last. With `refused`, we hung up. */
  readonly onClosed: (refused?: InboundRefusal) => void
}

export class InboundLink implements NoiseSessionSink {
  readonly #options: InboundLinkOptions
  readonly #session: NoiseSession | undefined
  readonly #decoder = new MixFrameDecoder()
  readonly #since: Millis
  #handshakeTimer: Timer | undefined
  #closed = false
  #seenFrame = false
  /** When the oldest read ended after which the stream has always been inside one and the same frame. */
  #insideSince: Millis | undefined
  #lastRead: Millis
  #framesInRead = 0

  constructor(options: InboundLinkOptions) {
    const { world, connection, noise, params } = options
    this.#options = options
    this.#since = world.clock.monotonic()
    this.#lastRead = this.#since
    if (noise) {
      const ephemeralSecret = world.random.stream('noise').bytes(NOISE_KEY_BYTES)
      this.#session = new NoiseSession(world.crypto, { ...noise, role: 'responder', ephemeralSecret })
      this.#handshakeTimer = world.clock.after(params.handshakeTimeout, () => this.#refuse('noise-timeout'))
    }
    connection.attach({ data: (chunk) => this.#data(chunk), close: () => this.#close() })
  }

  /** Hangs up on peers that keep a frame, or the first one, or themselves, waiting too long. */
  sweep(now: Millis): void {
    const { params } = this.#options
    if (this.#insideSince !== undefined && now - this.#insideSince > params.frameTimeout) this.#refuse('slow-frame')
    else if (!this.#seenFrame && now - this.#since > params.firstFrameTimeout) this.#refuse('no-frame')
    else if (now - this.#lastRead > params.idleTimeout) this.#refuse('idle')
  }

  destroy(): void {
    this.#options.connection.destroy()
    this.#close()
  }

  reply(frame: Uint8Array): void {
    this.#options.connection.write([frame])
  }

  plaintext(bytes: Uint8Array): void {
    const decoder = this.#decoder
    decoder.push(bytes)
    for (;;) {
      const frame = decoder.next()
      if (frame === undefined) return
      if ('refused' in frame) {
        this.#refuse(`frame-${frame.refused}`)
        return
      }
      this.#framesInRead++
      this.#options.onFrame(frame)
      if (this.#closed) return
    }
  }

  #data(chunk: Uint8Array): void {
    if (this.#closed) return
    this.#framesInRead = 0
    if (this.#session) this.#receive(this.#session, chunk)
    else this.plaintext(chunk)
    if (!this.#closed) this.#noteProgress()
  }

  #receive(session: NoiseSession, chunk: Uint8Array): void {
    const refused = session.receive(chunk, this)
    if (this.#closed) return
    if (refused) this.#refuse(`noise-${refused}`)
    else if (session.isOpen) this.#endHandshake()
  }

  #noteProgress(): void {
    this.#lastRead = this.#options.world.clock.monotonic()
    if (this.#framesInRead > 0) {
      this.#seenFrame = true
      this.#insideSince = undefined
    }
    const held = this.#decoder.heldBytes + (this.#session?.isOpen ? this.#session.pendingBytes : 0)
    if (held === 0) this.#insideSince = undefined
    else this.#insideSince ??= this.#lastRead
  }

  #endHandshake(): void {
    if (this.#handshakeTimer === undefined) return
    this.#handshakeTimer.cancel()
    this.#handshakeTimer = undefined
    this.#options.onHandshaken()
  }

  #refuse(reason: InboundRefusal): void {
    if (this.#closed) return
    this.#options.connection.destroy()
    this.#close(reason)
  }

  #close(refused?: InboundRefusal): void {
    if (this.#closed) return
    this.#closed = true
    this.#endHandshake()
    this.#options.onClosed(refused)
  }
}
