/** An ExitStream as a Node stream, for what speaks over sockets: TLS and HTTP. @module */
import { Duplex } from 'node:stream'
import { concat } from '../foundation/base/bytes.ts'
import { isMixnetError, type MixnetError } from '../foundation/base/errors.ts'
import type { ExitStream } from './exitStream.ts'

/** What the reader may be behind before the stream pauses. */
const HIGH_WATER_BYTES = 65_536

type Done = (error?: Error | null) => void

export class ExitSocket extends Duplex {
  readonly #stream: ExitStream
  #failure: MixnetError | undefined

  /** Takes the stream over. May be written to at once. */
  constructor(stream: ExitStream) {
    super({ highWaterMark: HIGH_WATER_BYTES, allowHalfOpen: true })
    this.#stream = stream
    stream.attach({
      data: (chunk) => {
        if (!this.push(chunk)) stream.pause()
      },
      end: () => this.push(null),
      close: (error) => {
        // What we did ourselves is no failure.
        if (error === undefined || this.destroyed) return
        this.#failure = error
        this.destroy(error)
      },
    })
  }

  /** Why the stream ended. What wraps this socket may report a consequence instead. */
  get failure(): MixnetError | undefined {
    return this.#failure
  }

  override _read(): void {
    this.#stream.resume()
  }

  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    this.#stream.write(chunk).then(() => done(), done)
  }

  /** Everything that waits goes as one write, and so in as few packets as it can: a request's header with its body. */
  override _writev(chunks: readonly { readonly chunk: Uint8Array }[], done: Done): void {
    this._write(concat(...chunks.map(({ chunk }) => chunk)), '', done)
  }

  override _final(done: Done): void {
    this.#stream.end()
    done()
  }

  override _destroy(error: Error | null, done: Done): void {
    // Nothing happens where both sides had ended.
    this.#stream.destroy(isMixnetError(error) ? error : undefined)
    done(error)
  }
}
