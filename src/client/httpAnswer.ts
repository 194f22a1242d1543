/**
 * The stream that a plain HTTP request went into, as the program is to see it: the head of the answer without what was between the
 * site and us, and with the word that this connection ends. RFC 9112 9.6: a site that was told `close` may keep it open all the
 * same, and a program that believed it would send its next request, for whomever, to this one. @module
 */
import { MixnetError } from '../foundation/base/errors.ts'
import type { ExitStream, ExitStreamHandlers } from './exitStream.ts'
import { HeadCollector } from './headCollector.ts'
import { encodeHttpHead, endToEnd, parseHttpHead } from './httpHead.ts'
import type { RelayStream } from './relay.ts'

/** Node's own client takes 16 KiB, browsers 256. */
const MAX_HEAD_BYTES = 64 * 1024
/** 100 Continue, 103 Early Hints: a site that sends nothing else never answers. */
const MAX_INTERIM = 16
const STATUS_LINE = /^HTTP\/1\.[01] ([1-9][0-9]{2})(?: .*)?$/
const SWITCHING_PROTOCOLS = 101

export class HttpAnswer implements RelayStream {
  readonly #stream: ExitStream
  readonly #noAnswer: (error: MixnetError) => void
  #heads: HeadCollector | undefined = new HeadCollector(MAX_HEAD_BYTES)
  #interim = 0
  #over = false
  #ended = false

  /** `noAnswer` is called instead of everything else where it ends before a whole head, or with what is none. */
  constructor(stream: ExitStream, noAnswer: (error: MixnetError) => void) {
    this.#stream = stream
    this.#noAnswer = noAnswer
  }

  attach(handlers: ExitStreamHandlers): void {
    const early = () => this.#fail(new MixnetError('CONNECTION_CLOSED', { why: 'the site ended without an answer' }))
    this.#stream.attach({
      data: (chunk) => {
        if (!this.#over) this.#read(chunk, handlers)
      },
      end: () => (this.#heads === undefined ? handlers.end() : early()),
      close: (error) => {
        if (this.#heads === undefined) handlers.close(error)
        else if (error !== undefined) this.#fail(error)
        else early()
      },
    })
  }

  write(data: Uint8Array): Promise<void> {
    return this.#stream.write(data)
  }

  /**
   * Not before the answer begins: the request says itself where it ends, and to many sites an early end means that nobody waits. Then
   * at once: a site that keeps connections open would hold this one long after the program has gone.
   */
  end(): void {
    this.#ended = true
    if (this.#heads === undefined) this.#stream.end()
  }

  destroy(): void {
    this.#over = true
    this.#stream.destroy()
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  #read(chunk: Uint8Array, handlers: ExitStreamHandlers): void {
    let unread = chunk
    while (this.#heads !== undefined && unread.length > 0) {
      const collected = this.#heads.push(unread)
      if (collected.kind === 'pending') return
      const head = collected.kind === 'head' ? rewritten(collected.head) : undefined
      if (collected.kind !== 'head' || head === undefined) {
        return this.#fail(new MixnetError('MALFORMED', { what: 'answer of the site', why: 'not HTTP/1' }))
      }
      if (!head.interim) {
        this.#heads = undefined
        if (this.#ended) this.#stream.end()
      } else if (++this.#interim <= MAX_INTERIM) this.#heads = new HeadCollector(MAX_HEAD_BYTES)
      else return this.#fail(new MixnetError('MALFORMED', { what: 'answer of the site', why: 'never final' }))
      handlers.data(head.bytes)
      unread = collected.rest
    }
    if (unread.length > 0) handlers.data(unread)
  }

  #fail(error: MixnetError): void {
    if (this.#over) return
    this.#noAnswer(error)
    this.destroy()
  }
}

/** Undefined for what is no head, and for a change of protocol, which nobody asked for: Upgrade did not go to the site. */
function rewritten(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly interim: boolean } | undefined {
  const head = parseHttpHead(bytes)
  const [, digits] = STATUS_LINE.exec(head?.startLine ?? '') ?? []
  const status = Number(digits)
  if (head === undefined || digits === undefined || status === SWITCHING_PROTOCOLS) return undefined
  const interim = status < 200
  const fields = interim ? endToEnd(head) : [...endToEnd(head), { name: 'Connection', value: 'close' }]
  return { bytes: encodeHttpHead({ startLine: head.startLine, fields }), interim }
}
