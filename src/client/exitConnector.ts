/** Connections through an exit for what speaks HTTP: undici and Node's own agents. TLS by Node on top for https. @module */
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import type { buildConnector } from 'undici'
import { MixnetError } from '../foundation/base/errors.ts'
import { parseIp } from '../foundation/base/ipAddress.ts'
import type { Millis } from '../foundation/base/units.ts'
import type { Clock } from '../foundation/platform/clock.ts'
import type { Destination, Dialer } from './dialer.ts'
import { DuplexStream } from './duplexStream.ts'
import { ExitSocket } from './exitSocket.ts'
import { explainFetchError } from './fetchErrors.ts'
import type { Line } from './line.ts'
import type { ByteStream } from './web/byteStream.ts'
import type { Purpose } from './web/http1Pool.ts'
import type { Opening } from './web/origin.ts'

export interface ExitConnectorOptions {
  readonly clock: Clock
  readonly dialer: Dialer
  /** For the TLS handshake: without it, a server that keeps silent would hold a place in the pool for good. */
  readonly handshakeTimeout: Millis
  /** PEM. Instead of Node's list of authorities. */
  readonly ca?: string | undefined
}

export class ExitConnector {
  readonly #options: ExitConnectorOptions
  readonly #sockets = new Set<ExitSocket>()

  constructor(options: ExitConnectorOptions) {
    this.#options = options
  }

  /**
   * How one of undici's clients gets its connections under an isolation key. Does not wait for the exit: the request or the TLS handshake goes right
   * behind the connect message.
   */
  undici(isolation: string | undefined, line: Line): buildConnector.connector {
    return ({ hostname, protocol, port, servername }, callback) => {
      const secure = protocol === 'https:'
      let socket: ExitSocket
      try {
        socket = this.open({ host: hostname, port: port === '' ? (secure ? 443 : 80) : Number(port) }, isolation)
      } catch (error) {
        queueMicrotask(() => callback(error as Error, null))
        return
      }
      const { stream } = socket
      line.opened(stream)
      socket.on('close', () => line.closed(stream))
      // undici wants the answer later, and takes any Duplex.
      if (!secure) return queueMicrotask(() => callback(null, socket as unknown as TLSSocket))
      let waiting = true
      const answer = (...[error, tls]: Parameters<buildConnector.Callback>): void => {
        if (waiting) callback(...([error, tls] as Parameters<buildConnector.Callback>))
        waiting = false
      }
      const tls = this.secure(socket, { host: hostname, servername: nameOf(hostname, servername) })
      tls.on('error', (error) => answer(socket.failure ?? error, null))
      tls.once('secureConnect', () => {
        line.secured(stream)
        answer(null, tls)
      })
    }
  }

  /** As `WebConnector.open`, with Node's TLS. */
  opening({ origin: { secure, host, port }, isolation }: Purpose, line: Line): Opening {
    if (!secure) {
      const stream = this.#options.dialer.open({ host, port }, isolation)
      line.opened(stream)
      return { ready: Promise.resolve(stream), abandon: (error) => stream.destroy(error) }
    }
    const socket = this.open({ host, port }, isolation)
    line.opened(socket.stream)
    const tls = this.secure(socket, { host })
    const why = (error: Error): MixnetError => socket.failure ?? explainFetchError(error)
    const ready = new Promise<ByteStream>((resolve, reject) => {
      tls.once('error', (error) => reject(why(error)))
      tls.once('close', () => reject(socket.failure ?? new MixnetError('CONNECTION_CLOSED')))
      tls.once('secureConnect', () => {
        line.secured(socket.stream)
        resolve(new DuplexStream(tls, why))
      })
    })
    return { ready, abandon: (error) => socket.destroy(error) }
  }

  /** Throws what the dialer throws. The socket may fail before anybody listens; whoever takes it looks at what it failed with. */
  open(destination: Destination, isolation: string | undefined): ExitSocket {
    const socket = new ExitSocket(this.#options.dialer.open(destination, isolation), this.#options.clock)
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => {})
    return socket
  }

  /** `given` wins over what is ours: authorities, client certificates, checks of its own. No session is ever resumed. */
  secure(socket: ExitSocket, { host = '', servername, ...given }: ConnectionOptions): TLSSocket {
    const { clock, handshakeTimeout, ca } = this.#options
    const tls: TLSSocket = connectTls({
      ALPNProtocols: ['http/1.1'],
      ...(ca === undefined ? {} : { ca }),
      ...given,
      socket,
      // What the certificate must be for.
      host,
      servername: nameOf(host, servername),
    })
    const timer = clock.after(handshakeTimeout, () =>
      socket.destroy(new MixnetError('TIMEOUT', { what: 'TLS handshake', limitMs: handshakeTimeout })),
    )
    socket.on('error', (error) => tls.destroy(error))
    tls.on('close', () => {
      timer.cancel()
      socket.destroy()
    })
    tls.on('error', () => {})
    tls.once('secureConnect', () => timer.cancel())
    return tls
  }

  /** Ends every connection. */
  close(error: MixnetError): void {
    for (const socket of this.#sockets) socket.destroy(error)
  }
}

/** An address is not a server name (RFC 6066 3). */
const nameOf = (host: string, servername: string | null | undefined): string =>
  parseIp(host) === undefined ? servername || host : ''
