/**
 * Carries bytes between a local connection and a stream through an exit: back-pressure and half-close both ways. Both sides
 * end together in the end. @module
 */
import type { MixnetError } from '../foundation/base/errors.ts'
import type { Counter } from '../foundation/base/observe.ts'
import type { Millis } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'
import type { Connection } from '../foundation/platform/net.ts'
import type { ExitStream } from './exitStream.ts'

export interface RelayParams {
  /** What a program may send before it was told that it is connected; more waits. */
  readonly maxEarlyBytes: number
  /** For a program that has ended its side, without a byte from the other side. */
  readonly halfClosedTimeout: Millis
  /** For the program to take the rest, once the stream is over. */
  readonly lingerTimeout: Millis
}

/** What of a stream through an exit is relayed. */
export type RelayStream = Pick<ExitStream, 'attach' | 'write' | 'end' | 'destroy' | 'pause' | 'resume'>

export interface RelayOptions {
  readonly clock: Clock
  readonly connection: Connection
  readonly stream: RelayStream
  readonly params: RelayParams
  readonly sentBytes: Counter
  readonly receivedBytes: Counter
  /** The stream ended with an error, after `start`. */
  readonly failed: (error: MixnetError) => void
}

/** The owner attaches the connection and passes on what it hears: the connection spoke another protocol before. */
export class Relay {
  readonly #options: RelayOptions
  #started = false
  #earlyBytes = 0
  #writing = 0
  #ended = false
  #over = false
  #timer: Timer | undefined

  constructor(options: RelayOptions) {
    this.#options = options
  }

  /** The program was told that it is connected: from now on it may get data. */
  start(): void {
    const { connection, stream, receivedBytes } = this.#options
    this.#started = true
    this.#read()
    stream.attach({
      data: (chunk) => {
        receivedBytes.value += chunk.length
        if (this.#ended) this.#limit(this.#options.params.halfClosedTimeout)
        if (!connection.write([chunk])) stream.pause()
      },
      end: () => connection.end(),
      close: (error) => this.#streamClosed(error),
    })
  }

  data(chunk: Uint8Array): void {
    const { connection, stream, sentBytes } = this.#options
    sentBytes.value += chunk.length
    if (!this.#started) this.#earlyBytes += chunk.length
    this.#writing++
    connection.pause()
    // The chunk is ours only until we return. Where the stream refuses it, `close` says why.
    stream.write(chunk.slice()).then(
      () => {
        this.#writing--
        this.#read()
      },
      () => {},
    )
  }

  drain(): void {
    this.#options.stream.resume()
  }

  end(): void {
    const { connection, stream, params } = this.#options
    this.#ended = true
    // Nothing asked and not listening for the answer: the program is gone.
    if (!this.#started && this.#earlyBytes === 0) {
      stream.destroy()
      connection.destroy()
      return
    }
    stream.end()
    if (!this.#over) this.#limit(params.halfClosedTimeout)
  }

  closed(): void {
    this.#over = true
    this.#timer?.cancel()
    this.#options.stream.destroy()
  }

  #read(): void {
    const mayRead = this.#started || this.#earlyBytes < this.#options.params.maxEarlyBytes
    if (this.#writing === 0 && mayRead && !this.#over) this.#options.connection.resume()
  }

  #streamClosed(error: MixnetError | undefined): void {
    if (this.#over) return
    this.#over = true
    const { connection, params, failed } = this.#options
    if (error !== undefined) {
      failed(error)
      // Not `end`: where a failure looked like the end, a program would take half a file for a whole one.
      connection.reset()
      return
    }
    connection.end()
    this.#limit(params.lingerTimeout)
  }

  #limit(limit: Millis): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.after(limit, () => this.#options.connection.destroy())
  }
}
