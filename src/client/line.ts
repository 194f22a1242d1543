/** Between one HTTP client's connection, a new one after each that closed, and the request that it serves. @module */
import type { ExitStream } from './exitStream.ts'
import type { RequestTimeline } from './requestTimeline.ts'

export class Line {
  #stream: ExitStream | undefined
  #request: RequestTimeline | undefined
  #served = false

  /** The client takes a request, perhaps before it has a connection. */
  serve(request: RequestTimeline | undefined): void {
    this.#request = request
    if (this.#stream !== undefined) this.#carry(this.#stream)
  }

  opened(stream: ExitStream): void {
    this.#stream = stream
    this.#served = false
    if (this.#request !== undefined) this.#carry(stream)
    stream.opened.then(
      () => this.#reached(stream, 'exit-confirmed'),
      () => {},
    )
  }

  secured(stream: ExitStream): void {
    this.#reached(stream, 'tls')
  }

  closed(stream: ExitStream): void {
    if (this.#stream === stream) this.#stream = undefined
  }

  #carry(stream: ExitStream): void {
    this.#request?.carriedBy(stream.vitals)
    this.#request?.reached(this.#served ? 'connection-kept' : 'stream-opened')
    this.#served = true
  }

  #reached(stream: ExitStream, stage: 'exit-confirmed' | 'tls'): void {
    if (this.#stream === stream) this.#request?.reached(stage)
  }
}
