/** An ExitStream as a Node stream, for what speaks over sockets: TLS and HTTP. @module */
import { Duplex } from 'node:stream'
import { concat } from '../foundation/base/bytes.ts'
import { isMixnetError, type MixnetError } from '../foundation/base/errors.ts'
import { type Millis, millis } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'
import type { ExitStream } from './exitStream.ts'

/** What the reader may be behind before the stream pauses. */
const HIGH_WATER_BYTES = 65_536

type Done = (error?: Error | null) => void

export class ExitSocket extends Duplex {
  readonly #stream: ExitStream
  readonly #clock: Clock
  #failure: MixnetError | undefined
  #patience: Millis | undefined
  #silence: Timer | undefined

  /** Takes the stream over. May be written to at once. */
  constructor(stream: ExitStream, clock: Clock) {
    super({ highWaterMark: HIGH_WATER_BYTES, allowHalfOpen: true })
    this.#stream = stream
    this.#clock = clock
    stream.attach({
      data: (chunk) => {
        this.#heard()
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

  get stream(): ExitStream {
    return this.#stream
  }

  /** Why the stream ended. What wraps this socket may report a consequence instead. */
  get failure(): MixnetError | undefined {
    return this.#failure
  }

  /** As of a `net.Socket`: emits `timeout` after that long without a byte either way; 0 for never. */
  setTimeout(limitMs: number, listener?: () => void): this {
    this.#patience = limitMs > 0 ? millis(limitMs) : undefined
    if (listener !== undefined) this.once('timeout', listener)
    this.#heard()
    return this
  }

  // What HTTP asks of any socket, and what a stream through an exit cannot do: its packets are never delayed, its keep-alive is its own,
  // and the mixnet client below it is what holds a process or does not.
  setKeepAlive(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  override _read(): void {
    this.#stream.resume()
  }

  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    this.#heard()
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
    this.#silence?.cancel()
    // Nothing happens where both sides had ended.
    this.#stream.destroy(isMixnetError(error) ? error : undefined)
    done(error)
  }

  #heard(): void {
    this.#silence?.cancel()
    this.#silence = undefined
    if (this.#patience === undefined || this.destroyed) return
    this.#silence = this.#clock.after(this.#patience, () => this.emit('timeout'))
  }
}
