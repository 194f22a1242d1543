/** How undici gets its connections: through an exit, with TLS by Node on top for https. @module */
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { buildConnector } from 'undici'
import { MixnetError } from '../foundation/base/errors.ts'
import { parseIp } from '../foundation/base/ipAddress.ts'
import type { Millis } from '../foundation/base/units.ts'
import type { Clock } from '../foundation/platform/clock.ts'
import type { Dialer } from './dialer.ts'
import { ExitSocket } from './exitSocket.ts'

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

  /** Does not wait for the exit: the request or the TLS handshake goes right behind the connect message. */
  readonly connect: buildConnector.connector = ({ hostname, protocol, port, servername }, callback) => {
    const secure = protocol === 'https:'
    let socket: ExitSocket
    try {
      socket = new ExitSocket(
        this.#options.dialer.open({ host: hostname, port: port === '' ? (secure ? 443 : 80) : Number(port) }),
      )
    } catch (error) {
      queueMicrotask(() => callback(error as Error, null))
      return
    }
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    // It may fail before undici listens; undici looks at what it failed with.
    socket.on('error', () => {})
    if (secure) this.#secure(socket, { hostname, servername }, callback)
    // undici wants the answer later, and takes any Duplex.
    else queueMicrotask(() => callback(null, socket as unknown as TLSSocket))
  }

  /** Ends every connection. */
  close(error: MixnetError): void {
    for (const socket of this.#sockets) socket.destroy(error)
  }

  #secure(
    socket: ExitSocket,
    { hostname, servername }: { hostname: string; servername?: string | undefined },
    callback: buildConnector.Callback,
  ): void {
    const { clock, handshakeTimeout, ca } = this.#options
    const tls: TLSSocket = connectTls({
      socket,
      // What the certificate must be for. An address is not a server name (RFC 6066 3).
      host: hostname,
      servername: parseIp(hostname) === undefined ? servername || hostname : '',
      ALPNProtocols: ['http/1.1'],
      ...(ca === undefined ? {} : { ca }),
    })
    const timer = clock.after(handshakeTimeout, () =>
      socket.destroy(new MixnetError('TIMEOUT', { what: 'TLS handshake', limitMs: handshakeTimeout })),
    )
    let waiting = true
    socket.on('error', (error) => tls.destroy(error))
    tls.on('close', () => {
      timer.cancel()
      socket.destroy()
    })
    tls.on('error', (error) => {
      if (waiting) callback(socket.failure ?? error, null)
      waiting = false
    })
    tls.once('secureConnect', () => {
      timer.cancel()
      if (waiting) callback(null, tls)
      waiting = false
    })
  }
}
