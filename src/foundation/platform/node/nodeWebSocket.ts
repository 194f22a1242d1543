/** WebSockets through `ws`. @module */
import { createServer, STATUS_CODES } from 'node:http'
import { isIP, type Socket } from 'node:net'
import { type ClientOptions, type ServerOptions, type VerifyClientCallbackAsync, WebSocket, WebSocketServer } from 'ws'
import { MixnetError, malformed } from '../../base/errors.ts'
import { Admission } from '../admission.ts'
import { startDeadline } from '../deadline.ts'
import type {
  Endpoint,
  Listener,
  WebSocketConnection,
  WebSocketConnectOptions,
  WebSocketHandlers,
  WebSocketListenOptions,
} from '../net.ts'
import { admitSockets, endpointOf, plainBytes, startListening } from './nodeTcp.ts'
import { socketError } from './systemErrors.ts'

/** How long the other side may take to answer our goodbye. */
const CLOSE_TIMEOUT_MS = 1000
const MAX_HEADER_BYTES = 8192

// No compression: packets are ciphertext, and a compressor's memory would belong to the peer.
const COMMON = { perMessageDeflate: false, closeTimeout: CLOSE_TIMEOUT_MS }

/** Close codes of a connection that ended in peace: normal, going away, none given. */
const PEACEFUL_CLOSE_CODES = new Set([1000, 1001, 1005])

class NodeWebSocket implements WebSocketConnection {
  readonly remote: Endpoint
  readonly #socket: WebSocket
  #handlers: WebSocketHandlers | undefined
  #paused = false
  // What one read of the socket still delivers after it was paused: at most 64 KiB of frames.
  #held: (string | Uint8Array)[] = []
  #closed = false
  #toldClosed = false
  #destroyedHere = false
  #error: MixnetError | undefined

  /** `socket` is open and has delivered nothing yet. */
  constructor(socket: WebSocket, remote: Endpoint) {
    this.#socket = socket
    this.remote = remote
    // Nothing is read before `attach`, so what a peer sends meanwhile waits in its own kernel, not in our memory.
    socket.pause()
    socket.on('message', (data: Uint8Array, isBinary) => {
      const message = isBinary ? plainBytes(data) : data.toString()
      if (!this.#handlers || this.#paused || this.#held.length > 0) this.#held.push(message)
      else this.#deliver(message)
    })
    socket.on('pong', (data) => this.#handlers?.pong?.(plainBytes(data)))
    socket.on('error', (error) => {
      this.#error ??= webSocketError(error)
    })
    socket.on('close', (code) => {
      this.#closed = true
      if (!PEACEFUL_CLOSE_CODES.has(code)) this.#error ??= new MixnetError('CONNECTION_CLOSED', { closeCode: code })
      this.#flush()
    })
  }

  attach(handlers: WebSocketHandlers): void {
    if (this.#handlers) throw new MixnetError('INTERNAL', { what: 'connection attached twice' })
    this.#handlers = handlers
    if (!this.#paused) setImmediate(() => this.#flush())
  }

  #deliver(message: string | Uint8Array): void {
    if (this.#destroyedHere) return
    if (typeof message === 'string') this.#handlers?.text(message)
    else this.#handlers?.binary(message)
  }

  #flush(): void {
    if (!this.#handlers) return
    while (this.#held.length > 0 && !this.#paused) this.#deliver(this.#held.shift() as string | Uint8Array)
    if (!this.#closed) {
      if (!this.#paused) this.#socket.resume()
    } else if (this.#held.length === 0 && !this.#toldClosed) {
      this.#toldClosed = true
      this.#handlers.close(this.#destroyedHere ? undefined : this.#error)
    }
  }

  send(message: string | Uint8Array): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(message)
  }

  ping(data: Uint8Array): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping(data)
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  pause(): void {
    this.#paused = true
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    setImmediate(() => this.#flush())
  }

  close(): void {
    this.#socket.close(1000)
    // A paused socket would never read the answer.
    this.resume()
    if (!this.#handlers) this.#socket.resume()
  }

  destroy(): void {
    if (this.#closed) return
    this.#destroyedHere = true
    this.#held = []
    this.#socket.terminate()
  }
}

function webSocketError(error: Error): MixnetError {
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return malformed('WebSocket message', 'longer than allowed')
  if (code.startsWith('WS_ERR_')) return malformed('WebSocket frame', code)
  return socketError(error, 'open')
}

export function listenWebSocket(
  options: WebSocketListenOptions,
  accept: (socket: WebSocketConnection) => void,
): Promise<Listener> {
  const { maxMessageBytes, handshakeTimeout } = options
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, noDelay: true, keepAlive: true },
    (_request, response) => {
      response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end()
    },
  )
  // At the first byte and not at the upgrade: who never asks for one holds a connection all the same.
  const open = admitSockets(server, new Admission(options))
  // Our own timer: Node's header timeout is only looked at every so often and starts anew after a response.
  const handshakes = new WeakMap<object, NodeJS.Timeout>()
  server.on('connection', (socket: Socket) => {
    if (socket.destroyed) return
    const timer = setTimeout(() => socket.destroy(), Math.ceil(handshakeTimeout)).unref()
    handshakes.set(socket, timer)
    socket.once('close', () => clearTimeout(timer))
  })
  // Version 8 of the protocol, which `ws` speaks too, has its own header for the origin.
  const verifyClient: VerifyClientCallbackAsync = ({ req: { headers } }, answer) => {
    const old = headers['sec-websocket-origin']
    const status = options.admit?.({ origin: headers.origin ?? (Array.isArray(old) ? old[0] : old) })
    if (status === undefined) answer(true)
    else answer(false, status, STATUS_CODES[status])
  }
  const serverOptions: ServerOptions = {
    ...COMMON,
    server,
    maxPayload: maxMessageBytes,
    clientTracking: false,
    verifyClient,
  }
  const sockets = new WebSocketServer(serverOptions)
  sockets.on('error', () => {})
  sockets.on('connection', (socket, request) => {
    clearTimeout(handshakes.get(request.socket))
    accept(new NodeWebSocket(socket, endpointOf(request.socket.remoteAddress, request.socket.remotePort)))
  })
  return startListening(server, options, open)
}

export function connectWebSocket(options: WebSocketConnectOptions): Promise<WebSocketConnection> {
  const { url, timeout, maxMessageBytes, localHost, origin, signal } = options
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new MixnetError('ABORTED'))
    if (!/^wss?:\/\//i.test(url) || !URL.canParse(url))
      return reject(new MixnetError('BAD_ARGUMENT', { argument: 'url' }))
    const clientOptions: ClientOptions = {
      ...COMMON,
      maxPayload: maxMessageBytes,
      followRedirects: false,
      ...(origin === undefined ? {} : { origin }),
      ...(localHost === undefined ? {} : { localAddress: localHost, family: isIP(localHost) }),
    }
    let socket: WebSocket
    try {
      socket = new WebSocket(url, clientOptions)
    } catch {
      // URLs that are URLs, but none of a WebSocket: with a fragment, for instance.
      return reject(new MixnetError('BAD_ARGUMENT', { argument: 'url' }))
    }
    let remote = endpointOf(undefined, undefined)
    const fail = (why: MixnetError) => {
      stopDeadline()
      reject(why)
      socket.terminate()
    }
    const stopDeadline = startDeadline({ what: 'WebSocket connect', timeout, signal }, fail)
    const refuse = (error: Error) => fail(socketError(error, 'connecting'))
    // Stays on after a failure: a terminated socket reports one more.
    socket.on('error', refuse)
    socket.once('unexpected-response', (_request, response) => {
      fail(new MixnetError('CONNECTION_REFUSED', { status: response.statusCode ?? 0 }))
    })
    socket.once('upgrade', ({ socket: { remoteAddress, remotePort } }) => {
      remote = endpointOf(remoteAddress, remotePort)
    })
    socket.once('open', () => {
      stopDeadline()
      socket.off('error', refuse)
      resolve(new NodeWebSocket(socket, remote))
    })
  })
}
