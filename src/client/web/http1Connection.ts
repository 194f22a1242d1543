/**
 * HTTP/1.1 over one connection, one exchange at a time. @module
 *
 *   idle ── exchange ──► head ── final head ──► body ── last byte ──► idle
 *     └── ended, or anything arrives ──┴── ended, aborted, not HTTP ──┴── last byte, and no more may follow ──► over
 */
import { concat, EMPTY_BYTES } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, malformed, tryDecode } from '../../foundation/base/errors.ts'
import type { ByteStream } from './byteStream.ts'
import { type BodyDecoder, bodyDecoder } from './http1Body.ts'
import {
  framingOf,
  headEnd,
  keepAliveSeconds,
  MAX_HEAD_BYTES,
  parseResponseHead,
  type ResponseHead,
  staysOpen,
} from './http1Head.ts'
import { sendRequest } from './http1Sending.ts'
import type { RequestBody } from './requestBody.ts'

export interface HttpExchange {
  readonly method: string
  readonly head: Uint8Array
  readonly body: RequestBody | undefined
  /** Handed over to the connection whole. */
  readonly handedOver?: () => void
  /** Its last byte has come, or it failed with that, or nobody wants it. */
  readonly over: (failure?: unknown) => void
}

export interface HttpAnswer {
  readonly head: ResponseHead
  readonly body: ReadableStream<Uint8Array> | undefined
}

export interface HttpConnectionHost {
  /** May be used again, for as long as the server says. */
  idle(keepSeconds: number | undefined): void
  /** Exactly once. */
  over(): void
}

interface Running extends HttpExchange {
  readonly answer: PromiseWithResolvers<HttpAnswer>
  readonly stopSending: (reason: unknown) => void
  sent: boolean
  answered: boolean
}

interface Reading {
  readonly decoder: BodyDecoder
  readonly controller: ReadableStreamDefaultController<Uint8Array>
}

/** What a reader may be behind before the connection is told to wait. */
const HIGH_WATER_BYTES = 64 * 1024
/** 100, 102, 103: a server that goes on with them has no answer. */
const MAX_INTERIM = 32

export class Http1Connection {
  readonly #stream: ByteStream
  readonly #host: HttpConnectionHost
  #head: Uint8Array = EMPTY_BYTES
  #interim = 0
  #running: Running | undefined
  #reading: Reading | undefined
  #keep = false
  #keepSeconds: number | undefined
  #exchanges = 0
  #over = false
  #closedUnanswered = false
  #failure: unknown

  constructor(stream: ByteStream, host: HttpConnectionHost) {
    this.#stream = stream
    this.#host = host
  }

  /** Takes the stream over, which may be over itself. */
  start(): void {
    this.#stream.attach({
      data: (chunk) => this.#received(chunk),
      end: () => this.#ended(),
      close: (error) => this.#fail(error ?? new MixnetError('CONNECTION_CLOSED')),
    })
  }

  get isOver(): boolean {
    return this.#over
  }

  /** The server closed a kept connection before it said anything to the last request: it may never have seen it. */
  get closedUnanswered(): boolean {
    return this.#closedUnanswered
  }

  /** Resolves with the final head. Rejects with what ended the connection, or what `abort` was given. */
  exchange(exchange: HttpExchange): Promise<HttpAnswer> {
    const answer = Promise.withResolvers<HttpAnswer>()
    if (this.#over) {
      this.#closedUnanswered = this.#exchanges > 0 && isMixnetError(this.#failure, 'CONNECTION_CLOSED')
      return Promise.reject(this.#failure ?? new MixnetError('CONNECTION_CLOSED'))
    }
    if (this.#running !== undefined) throw new MixnetError('INTERNAL', { what: 'two requests on one connection' })
    const sending = sendRequest(this.#stream, exchange)
    const running: Running = { ...exchange, answer, stopSending: sending.stop, sent: false, answered: false }
    this.#running = running
    if (running.body === undefined) running.handedOver?.()
    this.#exchanges++
    this.#interim = 0
    sending.done.then(
      () => {
        running.sent = true
        if (running.body !== undefined) running.handedOver?.()
      },
      (error: unknown) => {
        if (this.#running === running) this.#fail(error)
      },
    )
    return answer.promise
  }

  /** Ends the exchange and with it the connection: what else comes belongs to nobody. */
  abort(reason: unknown): void {
    this.#fail(reason)
  }

  #received(chunk: Uint8Array): void {
    if (this.#over) return
    // An answer nobody asked for would be taken for that to the next request.
    if (this.#running === undefined) return this.#fail(malformed('HTTP response', 'an answer before the request'))
    const refusal = tryDecode(() => (this.#reading === undefined ? this.#heads(chunk) : this.#body(chunk)))
    if (isMixnetError(refusal)) this.#fail(refusal)
  }

  #heads(chunk: Uint8Array): void {
    const running = this.#running as Running
    running.answered = true
    let known = this.#head.length
    this.#head = concat(this.#head, chunk)
    for (let end = headEnd(this.#head, known); end !== undefined; end = headEnd(this.#head)) {
      const head = parseResponseHead(this.#head.subarray(0, end))
      const rest = this.#head.subarray(end)
      if (head.status === 101) throw malformed('HTTP response', 'another protocol, which nobody asked for')
      if (head.status >= 200) {
        this.#head = EMPTY_BYTES
        return this.#final(running, head, rest)
      }
      if (++this.#interim > MAX_INTERIM) throw malformed('HTTP response', 'too many interim answers')
      this.#head = rest
      known = 0
    }
    if (this.#head.length > MAX_HEAD_BYTES) throw malformed('HTTP response', 'headers too long')
  }

  #final(running: Running, head: ResponseHead, rest: Uint8Array): void {
    const framing = framingOf(running.method, head)
    this.#keep = staysOpen(head) && framing.kind !== 'close'
    this.#keepSeconds = keepAliveSeconds(head)
    if (framing.kind === 'none' || (framing.kind === 'length' && framing.length === 0)) {
      running.answer.resolve({ head, body: undefined })
      return this.#finished(rest)
    }
    let reading: Reading | undefined
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          reading = { decoder: bodyDecoder(framing), controller }
          this.#reading = reading
        },
        // A body that has all its bytes may be read, or thrown away, while the connection serves another request.
        pull: () => {
          if (this.#reading === reading) this.#stream.resume()
        },
        cancel: () => {
          if (this.#reading === reading) this.#fail(new MixnetError('ABORTED'))
        },
      },
      { highWaterMark: HIGH_WATER_BYTES, size: ({ length }) => length },
    )
    running.answer.resolve({ head, body })
    if (rest.length > 0) this.#body(rest)
  }

  #body(chunk: Uint8Array): void {
    const { decoder, controller } = this.#reading as Reading
    const { data, rest } = decoder.push(chunk)
    for (const piece of data) controller.enqueue(piece)
    if (rest !== undefined) {
      controller.close()
      this.#finished(rest)
    } else if ((controller.desiredSize ?? 0) <= 0) this.#stream.pause()
  }

  /** The exchange has all it wanted. */
  #finished(rest: Uint8Array): void {
    const running = this.#running as Running
    this.#running = undefined
    this.#reading = undefined
    running.over()
    // What is still being sent would be read as the next request, and what came behind the end as the next answer.
    if (!this.#keep || !running.sent || rest.length > 0) {
      running.stopSending(new MixnetError('CONNECTION_CLOSED'))
      return this.#end()
    }
    this.#stream.resume()
    this.#host.idle(this.#keepSeconds)
  }

  #ended(): void {
    if (this.#reading?.decoder.endsWithConnection === true) {
      this.#reading.controller.close()
      return this.#finished(EMPTY_BYTES)
    }
    this.#fail(new MixnetError('CONNECTION_CLOSED'))
  }

  #fail(reason: unknown): void {
    if (this.#over) return
    const running = this.#running
    const reading = this.#reading
    this.#running = undefined
    this.#reading = undefined
    this.#closedUnanswered =
      running?.answered === false && this.#exchanges > 1 && isMixnetError(reason, 'CONNECTION_CLOSED')
    this.#failure = reason
    this.#end(isMixnetError(reason) ? reason : new MixnetError('ABORTED'))
    if (running === undefined) return
    running.over(reason)
    running.stopSending(reason)
    running.answer.reject(reason)
    reading?.controller.error(reason)
  }

  #end(error?: MixnetError): void {
    if (this.#over) return
    this.#over = true
    this.#head = EMPTY_BYTES
    this.#stream.destroy(error)
    this.#host.over()
  }
}
