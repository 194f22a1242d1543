/**
 * `mixnet.WebSocket`: the interface of the WebSockets standard over a stream through the exit, the same on Node and in pages. Without
 * extensions: compressing what a secret is part of tells its length (CRIME). Without cookies and origin: there is no page behind it. @module
 */
import { EMPTY_BYTES, utf8 } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { type Millis, seconds } from '../../foundation/base/units.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import { Line } from '../line.ts'
import { expectRequest } from '../optionKinds.ts'
import type { RequestLog } from '../requestLog.ts'
import type { Purpose } from './http1Pool.ts'
import { httpUrl } from './httpUrl.ts'
import { type Opening, originOf } from './origin.ts'
import { type ConnectionEnd, WebSocketConnection } from './webSocketConnection.ts'
import { closePayload, MAX_CONTROL_BYTES } from './webSocketFrames.ts'
import { handshakeHead, isToken } from './webSocketHandshake.ts'

export interface WebSocketOptions {
  /** As of `fetch`. Default: the site. */
  readonly isolation?: string | undefined
  /** Milliseconds for the connection to open. Default 30,000. */
  readonly timeout?: number | undefined
  /** Ends it, in whatever state: ABORTED. */
  readonly signal?: AbortSignal | undefined
  /** For the server, with the request: an authorization, an origin. */
  readonly headers?: ConstructorParameters<typeof Headers>[0]
  /** A longer message of the server ends the connection. Default 16 MiB. */
  readonly maxMessageBytes?: number | undefined
}

/** What a WebSocket needs of the client that it belongs to. */
export interface WebSocketHome {
  readonly world: Pick<ClientWorld, 'clock' | 'random'>
  readonly log: RequestLog
  /** What happens to the stream is told to `line`. May throw. */
  readonly open: (purpose: Purpose, line: Line) => Opening
  /** Those that are not closed. */
  readonly sockets: Set<MixnetWebSocket>
}

/** `error` and `close` events of a connection that did not end in peace say why: a MixnetError. */
export class WebSocketErrorEvent extends Event {
  readonly error: MixnetError
  readonly message: string

  constructor(error: MixnetError) {
    super('error')
    this.error = error
    this.message = error.message
  }
}

type Handler = ((event: never) => unknown) | null
type Sendable = string | ArrayBufferLike | ArrayBufferView | Blob

const TIMEOUT: Millis = seconds(30)
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024
/** Queued by `send`; whoever goes on in spite of `bufferedAmount` ends the connection with QUEUE_FULL. */
const MAX_BUFFERED_BYTES = 16 * 1024 * 1024
const MAX_REASON_BYTES = MAX_CONTROL_BYTES - 2
const USER_AGENT = 'Mozilla/5.0'

const badArgument = (argument: string, why: string): MixnetError => new MixnetError('BAD_ARGUMENT', { argument, why })

export class MixnetWebSocket extends EventTarget {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSING = 2
  static readonly CLOSED = 3
  readonly CONNECTING = 0
  readonly OPEN = 1
  readonly CLOSING = 2
  readonly CLOSED = 3
  /** Always '': none is offered. */
  readonly extensions: string = ''
  /** Normalized, as the standard has it. */
  readonly url: string
  readonly #connection: WebSocketConnection
  readonly #handlers = new Map<string, Handler>()
  #readyState: 0 | 1 | 2 | 3 = 0
  #protocol = ''
  #binaryType: 'blob' | 'arraybuffer' = 'blob'
  #buffered = 0
  /** Messages leave in the order of `send`, also where a Blob has to be read first. */
  #outgoing: Promise<void> = Promise.resolve()

  /** Throws BAD_ARGUMENT. Whatever goes wrong later, the deadline included, is told by `error` and `close`. */
  constructor(
    home: WebSocketHome,
    url: string | URL,
    protocols: string | readonly string[] = [],
    options: WebSocketOptions = {},
  ) {
    super()
    const asked = urlsOf(url)
    this.url = asked.shown
    const { world, log, open, sockets } = home
    const { isolation, timeout = TIMEOUT, signal, maxMessageBytes = MAX_MESSAGE_BYTES } = options
    const wanted = protocolsOf(protocols)
    const random = world.random.stream('websocket')
    const nonce = random.bytes(16)
    const request = {
      url: asked.http,
      protocols: wanted,
      headers: headersOf(options.headers),
      userAgent: USER_AGENT,
      nonce,
    }
    const head = handshakeHead(request)
    expectRequest({ timeout, signal, isolation })
    const timeline = log.begin()
    log.gave(this, timeline)
    const line = new Line()
    line.serve(timeline)
    const abort = () => this.#connection.fail(new MixnetError('ABORTED', {}, { cause: signal?.reason }))
    // Before it connects: the exit would be told where to.
    if (signal?.aborted) queueMicrotask(abort)
    this.#connection = new WebSocketConnection(
      {
        clock: world.clock,
        random,
        timeline,
        open: () => open({ origin: originOf(asked.http), isolation }, line),
        head,
        nonce,
        protocols: wanted,
        timeout: timeout as Millis,
        maxMessageBytes,
      },
      {
        opened: (protocol) => {
          this.#protocol = protocol
          this.#readyState = 1
          this.dispatchEvent(new Event('open'))
        },
        message: (data) => this.#message(data),
        closing: () => {
          this.#readyState = 2
        },
        closed: (end) => {
          sockets.delete(this)
          signal?.removeEventListener('abort', abort)
          if (end.error === undefined) timeline.finished()
          else log.failed(end.error, timeline)
          this.#closed(end)
        },
      },
    )
    sockets.add(this)
    signal?.addEventListener('abort', abort)
  }

  get readyState(): 0 | 1 | 2 | 3 {
    return this.#readyState
  }

  /** Of those offered, the one the server chose. */
  get protocol(): string {
    return this.#protocol
  }

  /** Bytes of messages that have not left for the gateway's queue yet. */
  get bufferedAmount(): number {
    return this.#buffered
  }

  get binaryType(): 'blob' | 'arraybuffer' {
    return this.#binaryType
  }

  /** Anything else is ignored, as the standard has it. */
  set binaryType(type: 'blob' | 'arraybuffer') {
    if (type === 'blob' || type === 'arraybuffer') this.#binaryType = type
  }

  /** Throws BAD_ARGUMENT while it is not open yet; is silently in vain once it no longer is. */
  send(data: Sendable): void {
    if (this.#readyState === 0) throw badArgument('send', 'not open yet')
    const { opcode, length, bytes } = outgoing(data)
    this.#buffered += length
    if (this.#readyState !== 1) return
    if (this.#buffered > MAX_BUFFERED_BYTES) {
      return this.#connection.fail(new MixnetError('QUEUE_FULL', { bytes: this.#buffered }))
    }
    this.#outgoing = this.#outgoing.then(async () => {
      await this.#connection.send(opcode, await bytes())
      this.#buffered -= length
    })
    // A Blob whose file is gone.
    this.#outgoing = this.#outgoing.catch((cause) =>
      this.#connection.fail(new MixnetError('BAD_ARGUMENT', {}, { cause })),
    )
  }

  /** What was sent before leaves first. Throws BAD_ARGUMENT for a code or a reason that must not be sent. */
  close(code?: number, reason = ''): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw badArgument('code', 'neither 1000 nor from 3000 to 4999')
    }
    const text = utf8(reason)
    if (text.length > MAX_REASON_BYTES) throw badArgument('reason', `longer than ${MAX_REASON_BYTES} bytes`)
    if (this.#readyState > 1) return
    const payload = code === undefined && text.length === 0 ? EMPTY_BYTES : closePayload(code ?? 1000, text)
    const connecting = this.#readyState === 0
    this.#readyState = 2
    if (connecting) return queueMicrotask(() => this.#connection.close(payload))
    this.#connection.close(payload, this.#outgoing)
  }

  /** The client it belongs to is closed, for instance. */
  terminate(error: MixnetError): void {
    this.#connection.fail(error)
  }

  get onopen(): Handler {
    return this.#handler('open')
  }
  set onopen(handler: Handler) {
    this.#setHandler('open', handler)
  }
  get onmessage(): Handler {
    return this.#handler('message')
  }
  set onmessage(handler: Handler) {
    this.#setHandler('message', handler)
  }
  get onerror(): Handler {
    return this.#handler('error')
  }
  set onerror(handler: Handler) {
    this.#setHandler('error', handler)
  }
  get onclose(): Handler {
    return this.#handler('close')
  }
  set onclose(handler: Handler) {
    this.#setHandler('close', handler)
  }

  #message(data: string | Uint8Array): void {
    if (this.#readyState !== 1) return
    const own = (bytes: Uint8Array) => bytes as Uint8Array<ArrayBuffer>
    const given =
      typeof data === 'string' ? data : this.#binaryType === 'blob' ? new Blob([own(data)]) : own(data).buffer
    this.dispatchEvent(new MessageEvent('message', { data: given, origin: new URL(this.url).origin }))
  }

  #closed({ code, reason, error }: ConnectionEnd): void {
    this.#readyState = 3
    if (error !== undefined) this.dispatchEvent(new WebSocketErrorEvent(error))
    this.dispatchEvent(new CloseEvent('close', { code, reason, wasClean: error === undefined }))
  }

  #handler(type: string): Handler {
    return this.#handlers.get(type) ?? null
  }

  #setHandler(type: string, handler: Handler): void {
    // Listens once, at the place where the first was set; what is called is whatever is set then.
    if (!this.#handlers.has(type)) {
      this.addEventListener(type, (event) => this.#handlers.get(type)?.call(this, event as never))
    }
    this.#handlers.set(type, typeof handler === 'function' ? handler : null)
  }
}

function urlsOf(given: string | URL): { readonly http: URL; readonly shown: string } {
  const parsed = URL.parse(given)
  if (parsed === null) throw badArgument('URL', 'not absolute')
  const shown = new URL(parsed.href.replace(/^http/, 'ws'))
  if (shown.protocol !== 'ws:' && shown.protocol !== 'wss:') throw badArgument('URL', 'neither ws nor wss')
  if (shown.href.includes('#')) throw badArgument('URL', 'a fragment, which goes to no server')
  return { http: httpUrl(new URL(shown.href.replace(/^ws/, 'http'))), shown: shown.href }
}

function protocolsOf(given: string | readonly string[]): readonly string[] {
  const protocols = typeof given === 'string' ? [given] : [...given]
  if (!protocols.every(isToken) || new Set(protocols).size !== protocols.length) {
    throw badArgument('protocols', 'not tokens, or one twice')
  }
  return protocols
}

function headersOf(given: WebSocketOptions['headers']): Headers {
  try {
    return new Headers(given)
  } catch (cause) {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'headers' }, { cause })
  }
}

interface Outgoing {
  readonly opcode: 'text' | 'binary'
  readonly length: number
  readonly bytes: () => Uint8Array | Promise<Uint8Array>
}

/** Bytes as they are now: their owner may change them at once. */
function outgoing(data: Sendable): Outgoing {
  if (data instanceof Blob) {
    return { opcode: 'binary', length: data.size, bytes: async () => new Uint8Array(await data.arrayBuffer()) }
  }
  const isBytes = ArrayBuffer.isView(data) || isBuffer(data)
  const bytes = isBytes ? bytesOf(data as ArrayBufferView | ArrayBufferLike).slice() : utf8(String(data))
  return { opcode: isBytes ? 'binary' : 'text', length: bytes.length, bytes: () => bytes }
}

function isBuffer(data: unknown): data is ArrayBufferLike {
  return data instanceof ArrayBuffer || (typeof SharedArrayBuffer === 'function' && data instanceof SharedArrayBuffer)
}

function bytesOf(data: ArrayBufferView | ArrayBufferLike): Uint8Array {
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)
}

/** What `mixnet.WebSocket` is: a constructor as the global one, bound to a client. */
export interface WebSocketConstructor {
  new (url: string | URL, protocols?: string | readonly string[], options?: WebSocketOptions): MixnetWebSocket
  readonly CONNECTING: 0
  readonly OPEN: 1
  readonly CLOSING: 2
  readonly CLOSED: 3
}

/** WebSockets of one client, which end with it. */
export class WebSockets {
  readonly WebSocket: WebSocketConstructor
  readonly #sockets = new Set<MixnetWebSocket>()

  constructor(home: Omit<WebSocketHome, 'sockets'>) {
    const all: WebSocketHome = { ...home, sockets: this.#sockets }
    this.WebSocket = class WebSocket extends MixnetWebSocket {
      constructor(url: string | URL, protocols?: string | readonly string[], options?: WebSocketOptions) {
        super(all, url, protocols, options)
      }
    }
  }

  /** Ends all; to be opened none is left, for what they would be opened on is closed. */
  close(error: MixnetError): void {
    for (const socket of [...this.#sockets]) socket.terminate(error)
  }
}
