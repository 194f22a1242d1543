/** WebSockets between simulated hosts: message pipes. @module */
import { MixnetError, malformed } from '../../base/errors.ts'
import { Admission } from '../admission.ts'
import type {
  Endpoint,
  Listener,
  WebSocketConnection,
  WebSocketConnectOptions,
  WebSocketHandlers,
  WebSocketListenOptions,
} from '../net.ts'
import { dial } from './dial.ts'
import { Fifo } from './fifo.ts'
import { Flow } from './flow.ts'
import type { Life } from './life.ts'
import type { Link } from './link.ts'
import type { Network } from './network.ts'

/** What a frame adds to its message: header, mask, and TCP/IP below. */
const FRAME_BYTES = 48
const CLOSE_TIMEOUT_MS = 1000

type Parcel =
  | { readonly kind: 'text'; readonly message: string; readonly bytes: number }
  | { readonly kind: 'binary'; readonly message: Uint8Array; readonly bytes: number }
  | { readonly kind: 'ping' | 'pong'; readonly message: Uint8Array; readonly bytes: number }
  | { readonly kind: 'goodbye'; readonly closeCode: number; readonly bytes: number }
  /** Closed without a goodbye. */
  | { readonly kind: 'gone'; readonly bytes: number }

const NORMAL = 1000
const ABNORMAL = 1006
const TOO_LONG = 1009

class WebSocketEnd implements WebSocketConnection {
  readonly remote: Endpoint
  readonly #life: Life
  readonly #out: Flow<Parcel>
  readonly #maxMessageBytes: number
  #peer: WebSocketEnd | undefined
  #handlers: WebSocketHandlers | undefined
  readonly #unread: Fifo<Parcel> = new Fifo()
  #paused = false
  #closing = false
  #closed = false
  #toldClosed = false
  #error: MixnetError | undefined
  /** Called once this end is no connection any more. */
  onGone: (() => void) | undefined

  constructor(life: Life, remote: Endpoint, out: Link, maxMessageBytes: number) {
    this.#life = life
    this.remote = remote
    this.#maxMessageBytes = maxMessageBytes
    this.#out = new Flow<Parcel>(
      out,
      (parcel) => this.#peer?.receive(parcel),
      () => {},
    )
    life.connections.add(this)
  }

  /** The other end, and how early anything may reach it. */
  pair(peer: WebSocketEnd, notBefore: number): void {
    this.#peer = peer
    this.#out.holdUntil(notBefore)
  }

  attach(handlers: WebSocketHandlers): void {
    if (this.#handlers) throw new MixnetError('INTERNAL', { what: 'connection attached twice' })
    this.#handlers = handlers
    this.#life.schedule(0, () => (this.#closed ? this.#tellClosed() : this.#read()))
  }

  send(message: string | Uint8Array): void {
    if (typeof message === 'string') {
      this.#send({ kind: 'text', message, bytes: Buffer.byteLength(message) + FRAME_BYTES })
    } else {
      this.#send({ kind: 'binary', message, bytes: message.length + FRAME_BYTES })
    }
  }

  ping(data: Uint8Array): void {
    this.#send({ kind: 'ping', message: data, bytes: data.length + FRAME_BYTES })
  }

  #send(parcel: Parcel): void {
    if (!this.#closing && !this.#closed && this.#life.alive) this.#out.send(parcel, parcel.bytes)
  }

  get bufferedBytes(): number {
    return this.#out.bufferedBytes
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#life.schedule(0, () => this.#read())
  }

  close(): void {
    if (this.#closing || this.#closed || !this.#life.alive) return
    this.#send({ kind: 'goodbye', closeCode: NORMAL, bytes: FRAME_BYTES })
    this.#closing = true
    this.resume()
    this.#life.schedule(CLOSE_TIMEOUT_MS, () => this.destroy())
  }

  destroy(): void {
    if (this.#closed || !this.#life.alive) return
    this.#out.clear()
    this.#out.sendUrgently({ kind: 'gone', bytes: FRAME_BYTES }, FRAME_BYTES)
    this.#close(undefined)
  }

  /** The process died. */
  sever(): void {
    this.#out.clear()
    this.#out.sendUrgently({ kind: 'gone', bytes: FRAME_BYTES }, FRAME_BYTES)
    this.#closed = true
    this.onGone?.()
  }

  loseIfOn(cut: ReadonlySet<Link>, error: MixnetError): void {
    if (!cut.has(this.#out.link)) return
    this.#out.clear()
    this.#close(error)
  }

  receive(parcel: Parcel): void {
    if (this.#closed || !this.#life.alive) return
    this.#unread.push(parcel)
    if (parcel.kind === 'gone') this.#out.clear()
    this.#life.whenIdle(() => this.#read())
  }

  #read(): void {
    const handlers = this.#handlers
    if (handlers === undefined) return
    while (!this.#paused && !this.#closed) {
      const parcel = this.#unread.shift()
      if (parcel === undefined) return
      this.#peer?.acknowledge(parcel.bytes)
      this.#take(parcel, handlers)
    }
  }

  #take(parcel: Parcel, handlers: WebSocketHandlers): void {
    switch (parcel.kind) {
      case 'text':
      case 'binary':
        if (parcel.bytes - FRAME_BYTES > this.#maxMessageBytes) this.#refuse()
        else if (parcel.kind === 'text') handlers.text(parcel.message)
        else handlers.binary(parcel.message)
        return
      case 'ping':
        // Only while little waits: who pings and never reads must not fill our memory.
        if (this.#out.bufferedBytes === 0) this.#send({ ...parcel, kind: 'pong' })
        return
      case 'pong':
        handlers.pong?.(parcel.message)
        return
      case 'goodbye':
        if (!this.#closing) this.#send({ ...parcel, bytes: FRAME_BYTES })
        this.#close(parcel.closeCode === NORMAL ? undefined : closedWith(parcel.closeCode))
        return
      case 'gone':
        this.#close(this.#closing ? undefined : closedWith(ABNORMAL))
        return
    }
  }

  #refuse(): void {
    this.#out.clear()
    this.#out.sendUrgently({ kind: 'goodbye', closeCode: TOO_LONG, bytes: FRAME_BYTES }, FRAME_BYTES)
    this.#close(malformed('WebSocket message', 'longer than allowed'))
  }

  acknowledge(bytes: number): void {
    this.#out.consumed(bytes)
  }

  #close(error: MixnetError | undefined): void {
    if (this.#closed) return
    this.#closed = true
    this.#error = error
    this.#unread.clear()
    this.#life.connections.delete(this)
    this.onGone?.()
    this.#life.schedule(0, () => this.#tellClosed())
  }

  #tellClosed(): void {
    if (this.#toldClosed || !this.#handlers) return
    this.#toldClosed = true
    this.#handlers.close(this.#error)
  }
}

function closedWith(closeCode: number): MixnetError {
  return new MixnetError('CONNECTION_CLOSED', { closeCode })
}

interface Accept {
  readonly maxMessageBytes: number
  readonly admit: WebSocketListenOptions['admit']
  take(socket: WebSocketEnd): void
}

export function listenWebSocket(
  network: Network,
  life: Life,
  options: WebSocketListenOptions,
  accept: (socket: WebSocketConnection) => void,
): Promise<Listener> {
  return life.later(() => {
    const open = new Set<WebSocketEnd>()
    const admission = new Admission(options)
    const take = (socket: WebSocketEnd) => {
      const leave = admission.enter(socket.remote.host)
      if (leave === undefined) return socket.destroy()
      open.add(socket)
      socket.onGone = () => {
        if (open.delete(socket)) leave()
      }
      accept(socket)
    }
    const service = network.listen<Accept>(life, 'websocket', options, {
      maxMessageBytes: options.maxMessageBytes,
      admit: options.admit,
      take,
    })
    return life.listener(service, () => {
      for (const socket of open) socket.destroy()
    })
  })
}

export function connectWebSocket(
  network: Network,
  life: Life,
  options: WebSocketConnectOptions,
): Promise<WebSocketConnection> {
  if (!/^wss?:\/\//i.test(options.url) || !URL.canParse(options.url)) {
    return life.later(() => {
      throw new MixnetError('BAD_ARGUMENT', { argument: 'url' })
    })
  }
  const { host, port } = endpointOfUrl(new URL(options.url))
  // One round trip for TCP, one for the upgrade.
  const dialing = { ...options, host, port, kind: 'websocket', what: 'WebSocket connect', roundTrips: 2 } as const
  return dial<Accept, WebSocketEnd>(network, life, dialing, ({ service, local, remote, path, answerArrives }) => {
    const status = service.accept.admit?.({ origin: options.origin })
    if (status !== undefined) return new MixnetError('CONNECTION_REFUSED', { status })
    const client = new WebSocketEnd(life, remote, path.there, options.maxMessageBytes)
    const server = new WebSocketEnd(service.life, local, path.back, service.accept.maxMessageBytes)
    client.pair(server, 0)
    server.pair(client, answerArrives)
    service.accept.take(server)
    return client
  })
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'ws:': 80, 'http:': 80, 'wss:': 443, 'https:': 443 }

export function endpointOfUrl({ protocol, hostname, port }: URL): Endpoint {
  const number = port === '' ? DEFAULT_PORTS[protocol] : Number(port)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: number ?? 0 }
}
