/**
 * HTTP with one program: a tunnel, or one plain request and its answer. One a connection: a stream through the mixnet needs no
 * handshake that would be worth keeping one for, and what follows a request is for another site, perhaps. @module
 */
import type { MixnetError } from '../foundation/base/errors.ts'
import { isMixnetError } from '../foundation/base/errors.ts'
import { HeadCollector } from './headCollector.ts'
import { HttpAnswer } from './httpAnswer.ts'
import { HttpBody } from './httpBody.ts'
import { encodeHttpFailure, encodeHttpRefusal, TUNNEL_OPEN } from './httpRefusals.ts'
import { type HttpRefusal, type HttpRequest, isRequestLine, parseHttpRequest } from './httpRequest.ts'
import type { Conversation, ProxyHost } from './proxyHost.ts'
import type { Relay } from './relay.ts'

/** Cookies and tokens of a busy site are some kilobytes; servers take 8 to 64. */
const MAX_HEAD_BYTES = 32 * 1024
const LF = 0x0a

export class HttpSession implements Conversation {
  readonly #host: ProxyHost
  readonly #head = new HeadCollector(MAX_HEAD_BYTES)
  /** As far as it has come; undefined once it is known for a request line. */
  #firstLine: string | undefined = ''
  #relay: Relay | undefined
  /** Of a plain request; a tunnel has no end that we could know. */
  #body: HttpBody | undefined

  constructor(host: ProxyHost) {
    this.#host = host
  }

  data(chunk: Uint8Array): void {
    if (this.#body !== undefined) return this.#more(this.#body, chunk)
    if (this.#relay !== undefined) return this.#relay.data(chunk)
    const collected = this.#head.push(chunk)
    if (collected.kind === 'pending' && this.#mayBecomeRequest(chunk)) return
    this.#host.requested()
    if (collected.kind === 'pending') return this.#refuse('malformed')
    if (collected.kind === 'too-long') return this.#refuse(collected.kind)
    const request = parseHttpRequest(collected.head)
    if (request.kind === 'refused') this.#refuse(request.reason)
    else if (request.kind === 'forward') this.#forward(request, collected.rest)
    else {
      const { destination } = request
      const answers = { granted: TUNNEL_OPEN, denied: (error: MixnetError) => encodeHttpFailure(error) }
      this.#relay = this.#host.connect({ version: 'http-connect', destination, early: collected.rest, ...answers })
    }
  }

  end(): void {
    // Of half a request nobody can say what it was to be.
    if (this.#relay === undefined || this.#body?.isDone === false) this.#host.drop()
    else this.#relay.end()
  }

  #mayBecomeRequest(chunk: Uint8Array): boolean {
    if (this.#firstLine === undefined) return true
    const end = chunk.indexOf(LF)
    this.#firstLine += String.fromCharCode(...chunk.subarray(0, end === -1 ? chunk.length : end + 1))
    if (end === -1) return true
    const fits = isRequestLine(this.#firstLine)
    this.#firstLine = undefined
    return fits
  }

  #forward(request: Extract<HttpRequest, { kind: 'forward' }>, rest: Uint8Array): void {
    const { destination, method, head, framing } = request
    const host = this.#host
    const fail = (error: MixnetError) => {
      host.failed(error)
      host.leave(encodeHttpFailure(error, method))
    }
    const stream = host.open('http', destination)
    if (isMixnetError(stream)) return fail(stream)
    this.#body = new HttpBody(framing)
    this.#relay = host.relay(new HttpAnswer(stream, fail))
    this.#relay.start()
    this.#relay.data(head)
    this.#more(this.#body, rest)
  }

  /** Only what belongs to the request; the rest is not for this site, and who sent it is told that the connection closes. */
  #more(body: HttpBody, chunk: Uint8Array): void {
    const own = chunk.subarray(0, body.take(chunk))
    if (body.isBroken) {
      this.#host.refused('framing')
      return this.#host.drop()
    }
    if (own.length > 0) this.#relay?.data(own)
  }

  #refuse(reason: HttpRefusal | 'too-long'): void {
    this.#host.refused(`http-${reason}`)
    this.#host.leave(encodeHttpRefusal(reason))
  }
}
