/** Sockets as an argument: TCP, WebSocket, HTTP, DNS. Nothing here throws raw system errors: refusals are MixnetErrors. @module */
import type { MixnetError } from '../base/errors.ts'
import type { Millis } from '../base/units.ts'

export interface Endpoint {
  /** An IP address, or a host name where connecting. IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

export interface Listener {
  /** Where it really listens: the port chosen by the system where 0 was asked for. */
  readonly endpoint: Endpoint
  /** Stops accepting, destroys what is open, resolves when the port is free. */
  close(): Promise<void>
}

export interface ConnectionHandlers {
  /** The bytes are the handler's until it returns; copy what must outlive it. */
  data(chunk: Uint8Array): void
  /** Room again after `write` returned false. */
  drain?(): void
  /** The other side will send no more. Default: destroy. */
  end?(): void
  /** Called exactly once, last. */
  close(error?: MixnetError): void
}

/** A TCP connection. No data is read before `attach`. TCP_NODELAY is set. */
export interface Connection {
  readonly local: Endpoint
  readonly remote: Endpoint
  attach(handlers: ConnectionHandlers): void
  /**
   * Queues the chunks as one batch; false once more than the high-water mark waits (they are queued all the same: the caller
   * keeps the bound). Each chunk is a unit for the simulator's loss. Does nothing after close. Ownership of the chunks passes.
   */
  write(chunks: readonly Uint8Array[]): boolean
  readonly bufferedBytes: number
  pause(): void
  resume(): void
  /** Half-close: sends what is queued, then FIN. */
  end(): void
  /** To the other side this looks as `end` does, unless it sent what was not read. */
  destroy(): void
  /** As `destroy`, and the other side is told that this is a failure: where its protocol has no other word, half is not the whole. */
  reset(): void
}

export interface ListenOptions extends Endpoint {
  /** More connections than this are closed at once, oldest kept. */
  readonly maxConnections?: number
  /**
   * The same, of one IPv4 address or IPv6 /64. Less than `maxConnections`, so that one address cannot keep the others out; a proxy
   * in front counts as one.
   */
  readonly maxPerAddress?: number
  /** Hears of every connection that was closed at once, and why. */
  readonly onRefused?: (reason: 'connections' | 'connections-of-address') => void
}

export interface ConnectOptions extends Endpoint {
  readonly timeout: Millis
  /** Source address, for nodes that are recognised by theirs. */
  readonly localHost?: string
  readonly signal?: AbortSignal
}

export interface WebSocketHandlers {
  text(message: string): void
  binary(message: Uint8Array): void
  pong?(data: Uint8Array): void
  /** Called exactly once, last. */
  close(error?: MixnetError): void
}

/** An open WebSocket. Messages before `attach` are kept. Pings are answered by the platform. */
export interface WebSocketConnection {
  readonly remote: Endpoint
  attach(handlers: WebSocketHandlers): void
  send(message: string | Uint8Array): void
  ping(data: Uint8Array): void
  readonly bufferedBytes: number
  pause(): void
  resume(): void
  /** Says goodbye and closes; destroys after a second without an answer. */
  close(): void
  destroy(): void
}

export interface WebSocketListenOptions extends ListenOptions {
  /** A longer message closes the connection. */
  readonly maxMessageBytes: number
  /** For the upgrade to finish. */
  readonly handshakeTimeout: Millis
  /** Asked at each upgrade: a status of HTTP to refuse it with, or nothing. Default: all are let in. */
  readonly admit?: (upgrade: WebSocketUpgrade) => number | undefined
}

export interface WebSocketUpgrade {
  /** The page that asks, where it is one: browsers always say so, and pages cannot change it. Programs may say anything. */
  readonly origin: string | undefined
}

export interface WebSocketConnectOptions {
  /** ws://host:port/ or wss://… */
  readonly url: string
  readonly timeout: Millis
  readonly maxMessageBytes: number
  readonly localHost?: string
  /** Says that a page of that origin asks. */
  readonly origin?: string
  readonly signal?: AbortSignal
}

export interface HttpListener extends Listener {
  /** Open now. */
  readonly connections: number
}

export interface HttpListenOptions extends ListenOptions {
  /** A longer request body is answered 413. */
  readonly maxBodyBytes: number
  /** For the whole request to arrive; also the idle limit of a kept-alive connection. */
  readonly requestTimeout: Millis
}

export interface HttpRequest {
  readonly url: string
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeout: Millis
  /** A longer response body is an error: a directory that never ends must not fill memory. */
  readonly maxBodyBytes: number
  readonly signal?: AbortSignal
}

export interface HttpResponse {
  readonly status: number
  readonly contentType: string
  readonly body: Uint8Array
}

/** `peer` is the other end of the connection. */
export type HttpHandler = (request: Request, peer: Endpoint) => Response | Promise<Response>

export interface Net {
  listen(options: ListenOptions, accept: (connection: Connection) => void): Promise<Listener>
  /** Throws CONNECTION_REFUSED, HOST_UNKNOWN, TIMEOUT or ABORTED. */
  connect(options: ConnectOptions): Promise<Connection>
  listenWebSocket(options: WebSocketListenOptions, accept: (socket: WebSocketConnection) => void): Promise<Listener>
  connectWebSocket(options: WebSocketConnectOptions): Promise<WebSocketConnection>
  serveHttp(options: HttpListenOptions, handler: HttpHandler): Promise<HttpListener>
  request(request: HttpRequest): Promise<HttpResponse>
  /** All addresses of a name, IPv4 first; an IP address is its own answer. Throws HOST_UNKNOWN. */
  resolve(host: string): Promise<readonly string[]>
  /** Of this machine, as canonical text: those of some seconds ago. */
  ownAddresses(): ReadonlySet<string>
}
