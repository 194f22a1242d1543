/** WebSockets of the runtime. They know neither pings nor pauses: who must slow a peer down cannot do it here. @module */
import { MixnetError, malformed } from '../../base/errors.ts'
import { startDeadline } from '../deadline.ts'
import type { Endpoint, WebSocketConnection, WebSocketConnectOptions, WebSocketHandlers } from '../net.ts'

/** How long the other side may take to answer our goodbye. */
const CLOSE_TIMEOUT_MS = 1000
/** Normal, going away, none given. */
const PEACEFUL_CLOSE_CODES = new Set([1000, 1001, 1005])

class WebSocketOfRuntime implements WebSocketConnection {
  readonly remote: Endpoint
  readonly #socket: WebSocket
  readonly #maxMessageBytes: number
  #handlers: WebSocketHandlers | undefined
  #paused = false
  #held: (string | Uint8Array)[] = []
  #closed = false
  #toldClosed = false
  #destroyedHere = false
  #error: MixnetError | undefined

  /** `socket` is open and has delivered nothing yet. */
  constructor(socket: WebSocket, { url, maxMessageBytes }: WebSocketConnectOptions) {
    this.#socket = socket
    this.#maxMessageBytes = maxMessageBytes
    const { hostname, port, protocol } = new URL(url)
    const standard = protocol === 'wss:' ? 443 : 80
    this.remote = { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? standard : Number(port) }
    socket.onmessage = ({ data }) => this.#received(typeof data === 'string' ? data : new Uint8Array(data))
    socket.onclose = ({ code }) => {
      this.#closed = true
      if (!PEACEFUL_CLOSE_CODES.has(code)) this.#error ??= new MixnetError('CONNECTION_CLOSED', { closeCode: code })
      this.#flush()
    }
  }

  attach(handlers: WebSocketHandlers): void {
    if (this.#handlers) throw new MixnetError('INTERNAL', { what: 'connection attached twice' })
    this.#handlers = handlers
    queueMicrotask(() => this.#flush())
  }

  #received(message: string | Uint8Array): void {
    // In UTF-16 units for text: whatever it is in bytes, it is no less.
    if (message.length > this.#maxMessageBytes) {
      this.#error ??= malformed('WebSocket message', 'longer than allowed')
      this.#abandon()
    } else if (!this.#handlers || this.#paused || this.#held.length > 0) this.#held.push(message)
    else this.#deliver(message)
  }

  #deliver(message: string | Uint8Array): void {
    if (this.#destroyedHere) return
    if (typeof message === 'string') this.#handlers?.text(message)
    else this.#handlers?.binary(message)
  }

  #flush(): void {
    if (!this.#handlers) return
    while (this.#held.length > 0 && !this.#paused) this.#deliver(this.#held.shift() as string | Uint8Array)
    if (!this.#closed || this.#held.length > 0 || this.#toldClosed) return
    this.#toldClosed = true
    this.#handlers.close(this.#destroyedHere ? undefined : this.#error)
  }

  send(message: string | Uint8Array): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(message as string | Uint8Array<ArrayBuffer>)
  }

  /** Nothing: scripts cannot send pings. */
  ping(): void {}

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    queueMicrotask(() => this.#flush())
  }

  close(): void {
    this.#socket.close(1000)
    this.resume()
    // The browser waits for the goodbye's answer as long as it likes.
    setTimeout(() => this.#abandon(), CLOSE_TIMEOUT_MS)
  }

  destroy(): void {
    if (this.#closed) return
    this.#destroyedHere = true
    this.#held = []
    this.#abandon()
  }

  /** Closed for us now, whenever the browser gets round to it. */
  #abandon(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket.onmessage = null
    this.#socket.onclose = null
    this.#socket.close()
    this.#flush()
  }
}

export function connectWebSocket(options: WebSocketConnectOptions): Promise<WebSocketConnection> {
  const { url, timeout, signal } = options
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new MixnetError('ABORTED'))
    let socket: WebSocket
    try {
      socket = new WebSocket(url)
    } catch (error) {
      // No URL, none of a WebSocket, or one without TLS from a page with it.
      return reject(new MixnetError('BAD_ARGUMENT', { argument: 'url' }, { cause: error }))
    }
    socket.binaryType = 'arraybuffer'
    const fail = (why: MixnetError) => {
      stopDeadline()
      socket.onopen = socket.onclose = socket.onerror = null
      reject(why)
      socket.close()
    }
    const stopDeadline = startDeadline({ what: 'WebSocket connect', timeout, signal }, fail)
    // Browsers say nothing of why.
    socket.onclose = () => fail(new MixnetError('CONNECTION_REFUSED', { what: 'WebSocket connect' }))
    socket.onerror = () => {}
    socket.onopen = () => {
      stopDeadline()
      resolve(new WebSocketOfRuntime(socket, options))
    }
  })
}
