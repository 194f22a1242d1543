/** TCP through node:net, with its high-water mark of 64 KiB. @module */
import { createServer, isIP, type Server, Socket } from 'node:net'
import { MixnetError } from '../../base/errors.ts'
import { Admission } from '../admission.ts'
import { startDeadline } from '../deadline.ts'
import type { Connection, ConnectionHandlers, ConnectOptions, Endpoint, Listener, ListenOptions } from '../net.ts'
import { socketError } from './systemErrors.ts'

/** Finds peers that vanished without a word; without it their connections would pile up for as long as the node runs. */
const KEEP_ALIVE_AFTER_MS = 60_000

const IPV4_IN_IPV6 = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i

/** As the contract spells addresses: IPv4 as itself even on a dual-stack socket. */
export function endpointOf(host: string | undefined, port: number | undefined): Endpoint {
  return { host: (host ?? '').replace(IPV4_IN_IPV6, ''), port: port ?? 0 }
}

/** `bytes` as a plain array: Buffer's `slice` is a view, which the caller who means to copy must never meet. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** Over any connected stream socket of Node. */
export class TcpConnection implements Connection {
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly #socket: Socket
  #handlers: ConnectionHandlers | undefined
  #paused = false
  #closed = false
  #destroyedHere = false
  #error: MixnetError | undefined

  /** `socket` is connected and paused. */
  constructor(socket: Socket) {
    this.#socket = socket
    this.local = endpointOf(socket.localAddress, socket.localPort)
    this.remote = endpointOf(socket.remoteAddress, socket.remotePort)
    socket.on('error', (error) => {
      this.#error ??= socketError(error, 'open')
    })
    socket.on('close', () => {
      this.#closed = true
      this.#tellClosed()
    })
  }

  attach(handlers: ConnectionHandlers): void {
    if (this.#handlers) throw new MixnetError('INTERNAL', { what: 'connection attached twice' })
    this.#handlers = handlers
    if (this.#closed) {
      setImmediate(() => this.#tellClosed())
      return
    }
    const socket = this.#socket
    socket.on('data', (chunk: Uint8Array) => handlers.data(plainBytes(chunk)))
    socket.on('end', () => {
      if (handlers.end) handlers.end()
      else socket.destroy()
    })
    if (handlers.drain) socket.on('drain', () => handlers.drain?.())
    if (!this.#paused) socket.resume()
  }

  #tellClosed(): void {
    this.#handlers?.close(this.#destroyedHere ? undefined : this.#error)
  }

  write(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket
    if (!socket.writable) return true
    if (chunks.length === 1) return socket.write(chunks[0] as Uint8Array)
    // Corked, the chunks leave in one writev.
    socket.cork()
    for (const chunk of chunks) socket.write(chunk)
    socket.uncork()
    return !socket.writableNeedDrain
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength
  }

  pause(): void {
    this.#paused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#paused = false
    if (this.#handlers && !this.#closed) this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    if (this.#closed) return
    this.#destroyedHere = true
    this.#socket.destroy()
  }

  reset(): void {
    if (this.#closed || this.#destroyedHere) return
    this.#destroyedHere = true
    this.#socket.resetAndDestroy()
  }
}

/** Starts `server` on `endpoint`; the listener destroys every socket of `open` when it closes. */
export function startListening(server: Server, { host, port }: Endpoint, open: ReadonlySet<Socket>): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const refuse = (error: Error) => reject(socketError(error, 'listening'))
    server.once('error', refuse)
    try {
      server.listen({ host, port, backlog: 1024 }, () => {
        server.off('error', refuse)
        // Out of file descriptors: the connection is refused and the node lives on.
        server.on('error', () => {})
        const address = server.address()
        const chosen = typeof address === 'object' && address !== null ? address.port : port
        resolve({ endpoint: { host, port: chosen }, close: () => stopListening(server, open) })
      })
    } catch (error) {
      reject(socketError(error, 'listening'))
    }
  })
}

function stopListening(server: Server, open: ReadonlySet<Socket>): Promise<void> {
  return new Promise((resolve) => {
    // The callback gets an error where the server was closed before: then the port is free as well.
    server.close(() => resolve())
    for (const socket of open) socket.destroy()
  })
}

/**
 * The sockets of `server` that are open now. Those beyond its limits are destroyed before anybody behind this listener sees them.
 * Counted here and not by Node's `maxConnections`: that counts what was refused until it is closed, so a flood from one address
 * would keep the others out in turns.
 */
export function admitSockets(server: Server, admission: Admission): ReadonlySet<Socket> {
  const open = new Set<Socket>()
  server.prependListener('connection', (socket: Socket) => {
    const leave = admission.enter(endpointOf(socket.remoteAddress, socket.remotePort).host)
    if (leave === undefined) {
      socket.destroy()
      return
    }
    open.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      leave()
    })
  })
  return open
}

export function listenTcp(options: ListenOptions, accept: (connection: Connection) => void): Promise<Listener> {
  const server = createServer({
    allowHalfOpen: true,
    pauseOnConnect: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS,
  })
  const open = admitSockets(server, new Admission(options))
  server.on('connection', (socket: Socket) => {
    if (!socket.destroyed) accept(new TcpConnection(socket))
  })
  return startListening(server, options, open)
}

export function connectTcp({ host, port, timeout, localHost, signal }: ConnectOptions): Promise<Connection> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new MixnetError('ABORTED'))
    const socket = new Socket({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS,
    })
    // Paused before it connects, so that nothing is read before `attach`.
    socket.pause()
    const fail = (why: MixnetError) => {
      stopDeadline()
      reject(why)
      socket.destroy()
    }
    const stopDeadline = startDeadline({ what: 'connect', timeout, signal }, fail)
    const refuse = (error: Error) => fail(socketError(error, 'connecting'))
    // Stays on after a failure: a destroyed socket may still report one.
    socket.on('error', refuse)
    socket.once('connect', () => {
      stopDeadline()
      socket.off('error', refuse)
      resolve(new TcpConnection(socket))
    })
    try {
      socket.connect({
        host,
        port,
        // A source address decides the family; without one, Node tries the addresses of a name one after the other.
        ...(localHost === undefined ? {} : { localAddress: localHost, family: isIP(localHost) }),
      })
    } catch (error) {
      refuse(error as Error)
    }
  })
}
