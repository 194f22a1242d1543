/**
 * One WebSocket over a stream through the exit, without the interface of the standard: RFC 6455, the limits, what ends it. @module
 *
 *   connecting ── 101 ──► open ── either side closes ──► closing ── both have ──► closed, clean
 *        └── refused, deadline ──┴── protocol broken, stream ended ──┴── deadline ──► closed with an error
 */
import { concat, EMPTY_BYTES } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, malformed } from '../../foundation/base/errors.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { RequestTimeline } from '../requestTimeline.ts'
import type { ByteStream } from './byteStream.ts'
import { headEnd, MAX_HEAD_BYTES, parseResponseHead } from './http1Head.ts'
import type { Opening } from './origin.ts'
import {
  closePayload,
  encodeFrame,
  FrameReader,
  FrameRefusal,
  MASK_BYTES,
  NO_CODE,
  type Opcode,
  type Received,
} from './webSocketFrames.ts'
import { acceptOf, agreed } from './webSocketHandshake.ts'

export interface ConnectionEnd {
  /** The server's, 1005 where it gave none, 1006 where it never closed. */
  readonly code: number
  readonly reason: string
  /** Where it did not end in peace. */
  readonly error?: MixnetError
}

export interface ConnectionHost {
  opened(protocol: string): void
  message(data: string | Uint8Array): void
  /** Nothing more can be sent. */
  closing(): void
  /** Exactly once, last. */
  closed(end: ConnectionEnd): void
}

export interface ConnectionOptions {
  readonly clock: Clock
  readonly random: RandomStream
  readonly timeline: RequestTimeline
  /** May throw. */
  readonly open: () => Opening
  readonly head: Uint8Array
  readonly nonce: Uint8Array
  readonly protocols: readonly string[]
  /** From now until it is open. */
  readonly timeout: Millis
  readonly maxMessageBytes: number
}

/** For the other side to close too. */
const CLOSE_TIMEOUT = seconds(10)
/** Without a frame from the server, after which it is asked whether it is there; after two more in silence it is not. */
const PING_INTERVAL = seconds(60)
const MAX_SILENT_INTERVALS = 2
const ABNORMAL = 1006

export class WebSocketConnection {
  readonly #options: ConnectionOptions
  readonly #host: ConnectionHost
  readonly #reader: FrameReader
  #state: 'connecting' | 'open' | 'closing' | 'closed' = 'connecting'
  readonly #release: (() => void) | undefined
  #timer: Timer
  #abandon: Opening['abandon'] | undefined
  #stream: ByteStream | undefined
  #head: Uint8Array = EMPTY_BYTES
  #accept = ''
  #closeSent = false
  #heardAt: Millis
  /** Our question waits behind what is being sent: a long message on a slow client takes minutes, and no server can answer before. */
  #asking = false
  /** Since when the server could have answered it. */
  #askedAt: Millis | undefined
  /** A server may ask as often as it likes; only its last question is answered, when there is room. */
  #pong: { data: Uint8Array; next: Uint8Array | undefined } | undefined

  /** Begins at once; tells nothing before the caller's turn is over. */
  constructor(options: ConnectionOptions, host: ConnectionHost) {
    this.#options = options
    this.#host = host
    this.#reader = new FrameReader(options.maxMessageBytes)
    const { clock, timeout } = options
    this.#heardAt = clock.monotonic()
    // As a socket of the machine does, connecting and open.
    this.#release = clock.hold?.()
    this.#timer = clock.after(timeout, () =>
      this.fail(new MixnetError('TIMEOUT', { what: 'WebSocket handshake', limitMs: timeout })),
    )
    queueMicrotask(() => void this.#connect())
  }

  /** Resolves when there is room for more; the payload must not change until then. Sent or not, it never rejects. */
  async send(opcode: Opcode, payload: Uint8Array): Promise<void> {
    if (this.#state === 'open' || this.#state === 'closing') await this.#write(opcode, payload)
  }

  /** Asks the server to close too, behind what is being sent, which takes as long as it takes; gives up what is not open yet. */
  close(payload: Uint8Array, sending: Promise<void> = Promise.resolve()): void {
    if (this.#state === 'connecting') return this.fail(new MixnetError('ABORTED', { why: 'closed before it was open' }))
    if (this.#state !== 'open') return
    this.#toClosing()
    void sending.then(() => {
      if (this.#state !== 'closing') return
      this.#timer.cancel()
      this.#timer = this.#options.clock.after(CLOSE_TIMEOUT, () =>
        this.fail(new MixnetError('TIMEOUT', { what: 'WebSocket closing', limitMs: CLOSE_TIMEOUT })),
      )
      void this.#write('close', payload)
    })
  }

  /** Ends it at once. */
  fail(error: MixnetError): void {
    if (this.#state === 'closed') return
    this.#abandon?.(error)
    this.#over({ code: ABNORMAL, reason: '', error })
    this.#stream?.destroy(error)
  }

  async #connect(): Promise<void> {
    const { open, head, nonce, timeline } = this.#options
    try {
      if (this.#state !== 'connecting') return
      const opening = open()
      this.#abandon = opening.abandon
      const [stream, accept] = await Promise.all([opening.ready, acceptOf(nonce)])
      // The one who failed it has told the stream below.
      if (this.#state !== 'connecting') return stream.destroy()
      this.#accept = accept
      this.#stream = stream
      this.#abandon = undefined
      stream.attach({
        data: (chunk) => this.#received(chunk),
        end: () => this.fail(new MixnetError('CONNECTION_CLOSED')),
        close: (error) => this.fail(error ?? new MixnetError('CONNECTION_CLOSED')),
      })
      // What ends the stream is told by `close`.
      stream.write(head).catch(nothing)
      timeline.reached('request-sent')
    } catch (error) {
      this.fail(isMixnetError(error) ? error : new MixnetError('INTERNAL', {}, { cause: error }))
    }
  }

  #received(chunk: Uint8Array): void {
    if (this.#state === 'closed') return
    this.#heardAt = this.#options.clock.monotonic()
    this.#askedAt = undefined
    try {
      const rest = this.#state === 'connecting' ? this.#handshake(chunk) : chunk
      for (const received of this.#reader.push(rest)) {
        this.#take(received)
        if (this.#isOver()) return
      }
    } catch (error) {
      this.#refuse(error)
    }
  }

  /** What is behind the head of the answer. */
  #handshake(chunk: Uint8Array): Uint8Array {
    const known = this.#head.length
    this.#head = concat(this.#head, chunk)
    const end = headEnd(this.#head, known)
    if ((end ?? this.#head.length) > MAX_HEAD_BYTES) throw malformed('WebSocket handshake', 'headers too long')
    if (end === undefined) return EMPTY_BYTES
    const head = parseResponseHead(this.#head.subarray(0, end))
    const rest = this.#head.subarray(end)
    this.#head = EMPTY_BYTES
    const { timeline, protocols } = this.#options
    timeline.answered(head.status)
    const protocol = agreed(head, this.#accept, protocols)
    this.#state = 'open'
    this.#timer.cancel()
    this.#watch()
    this.#host.opened(protocol)
    return rest
  }

  #take(received: Received): void {
    if (received.kind === 'close') return this.#closedByServer(received)
    if (received.kind === 'ping') return this.#answer(received.data)
    if (received.kind === 'pong' || this.#state !== 'open') return
    this.#host.message(received.kind === 'text' ? received.text : received.data)
  }

  #closedByServer({ code, reason }: { readonly code: number; readonly reason: string }): void {
    const stream = this.#stream as ByteStream
    const end = () => {
      this.#over({ code, reason })
      stream.destroy()
    }
    if (this.#state === 'closing') return end()
    this.#toClosing()
    this.#timer.cancel()
    // A connection that takes nothing any more is over all the same.
    this.#timer = this.#options.clock.after(CLOSE_TIMEOUT, end)
    // The same code back (RFC 6455 5.5.1); only then may the stream end, else it is taken away before it is on its way.
    void this.#write('close', code === NO_CODE ? EMPTY_BYTES : closePayload(code, EMPTY_BYTES)).then(end)
  }

  #answer(data: Uint8Array): void {
    if (this.#pong !== undefined) {
      this.#pong.next = data
      return
    }
    const pong: { data: Uint8Array; next: Uint8Array | undefined } = { data, next: undefined }
    this.#pong = pong
    void this.send('pong', data).then(() => {
      this.#pong = undefined
      if (pong.next !== undefined) this.#answer(pong.next)
    })
  }

  /** Says why to the server, where it still hears, and ends. */
  #refuse(error: unknown): void {
    if (!(error instanceof FrameRefusal)) {
      return this.fail(isMixnetError(error) ? error : new MixnetError('INTERNAL', {}, { cause: error }))
    }
    const stream = this.#stream as ByteStream
    const told = this.#state === 'open' ? this.#write('close', closePayload(error.code, EMPTY_BYTES)) : undefined
    this.#over({ code: ABNORMAL, reason: '', error: error.error })
    // Not waited for long: the stream has limits of its own.
    const destroy = () => stream.destroy(error.error)
    if (told === undefined) return destroy()
    const timer = this.#options.clock.after(CLOSE_TIMEOUT, destroy)
    void told.then(() => {
      timer.cancel()
      destroy()
    })
  }

  async #write(opcode: Opcode, payload: Uint8Array): Promise<void> {
    // RFC 6455 5.5.1: nothing follows a close frame.
    if (this.#closeSent) return
    this.#closeSent = opcode === 'close'
    const mask = this.#options.random.bytes(MASK_BYTES)
    await this.#stream?.write(encodeFrame(opcode, payload, mask)).catch(nothing)
  }

  #watch(): void {
    const { clock } = this.#options
    const now = clock.monotonic()
    const silent = millis(now - this.#heardAt)
    if (this.#askedAt !== undefined && now - this.#askedAt >= MAX_SILENT_INTERVALS * PING_INTERVAL) {
      return this.fail(new MixnetError('TIMEOUT', { what: 'WebSocket pong', limitMs: silent }))
    }
    if (silent >= PING_INTERVAL && !this.#asking) void this.#ask()
    this.#timer = clock.after(PING_INTERVAL, () => this.#watch())
  }

  async #ask(): Promise<void> {
    this.#asking = true
    await this.send('ping', EMPTY_BYTES)
    this.#asking = false
    this.#askedAt ??= this.#options.clock.monotonic()
  }

  #toClosing(): void {
    this.#state = 'closing'
    this.#host.closing()
  }

  #isOver(): boolean {
    return this.#state === 'closed'
  }

  #over(end: ConnectionEnd): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#release?.()
    this.#timer.cancel()
    this.#head = EMPTY_BYTES
    this.#host.closed(end)
  }
}

function nothing(): void {}
