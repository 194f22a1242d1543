/** A Duplex of Node's as a `ByteStream`: TLS by Node, for what is written for pages too. @module */
import type { Duplex } from 'node:stream'
import { MixnetError } from '../foundation/base/errors.ts'
import type { ByteStream, ByteStreamHandlers } from './web/byteStream.ts'

export class DuplexStream implements ByteStream {
  readonly #duplex: Duplex
  readonly #explain: (error: Error) => MixnetError
  #handlers: ByteStreamHandlers | undefined
  #failure: Error | undefined
  #endTold = false
  #closeTold = false

  /** Takes it over. `explain` says what its errors mean. */
  constructor(duplex: Duplex, explain: (error: Error) => MixnetError) {
    this.#duplex = duplex
    this.#explain = explain
    duplex.on('error', (error) => {
      this.#failure ??= error
    })
    duplex.on('end', () => {
      this.#endTold = true
    })
    duplex.on('close', () => this.#tellClose())
  }

  attach(handlers: ByteStreamHandlers): void {
    this.#handlers = handlers
    if (this.#duplex.closed) return this.#tellClose()
    this.#duplex.on('end', () => handlers.end())
    this.#duplex.on('data', (chunk: Uint8Array) => handlers.data(chunk))
  }

  write(data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#duplex.write(data, (error) => {
        if (error === null || error === undefined) resolve()
        else reject(this.#explain(this.#failure ?? error))
      })
    })
  }

  end(): void {
    this.#duplex.end()
  }

  destroy(error: MixnetError = new MixnetError('ABORTED')): void {
    this.#duplex.destroy(error)
  }

  pause(): void {
    this.#duplex.pause()
  }

  resume(): void {
    this.#duplex.resume()
  }

  #tellClose(): void {
    if (this.#handlers === undefined || this.#closeTold) return
    this.#closeTold = true
    if (this.#failure !== undefined) return this.#handlers.close(this.#explain(this.#failure))
    const inPeace = this.#endTold && this.#duplex.writableFinished
    this.#handlers.close(inPeace ? undefined : new MixnetError('CONNECTION_CLOSED'))
  }
}
