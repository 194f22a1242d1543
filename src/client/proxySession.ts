/**
 * One program's connection to the local proxy: which protocol it speaks is told by its first byte. Then handshake, connect through the
 * exit, relay.
 * @module
 *
 *   handshake ── request ──► opening ── exit confirms, or the destination is known ──► relaying
 *       └── refused, too slow ──┴── exit refuses ──► leaving
 */
import { isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import type { Log, Meter } from '../foundation/base/observe.ts'
import type { Millis } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'
import type { Connection } from '../foundation/platform/net.ts'
import type { Destination, Dialer } from './dialer.ts'
import type { ExitStream } from './exitStream.ts'
import { HttpSession } from './httpSession.ts'
import type { KnownDestinations } from './knownDestinations.ts'
import type { ConnectRequest, Conversation, ProxyHost } from './proxyHost.ts'
import { Relay, type RelayParams, type RelayStream } from './relay.ts'
import { SocksSession } from './socksSession.ts'

export interface ProxySessionOptions {
  readonly clock: Clock
  readonly connection: Connection
  readonly dialer: Dialer
  readonly known: KnownDestinations
  /** For the whole request to arrive: a program that sends a byte an hour must not hold a place. */
  readonly handshakeTimeout: Millis
  readonly relay: RelayParams
  readonly meter: Meter
  readonly log: Log
  readonly closed: () => void
}

/** Methods of HTTP begin with a capital letter; SOCKS begins with 4 or 5, TLS with 22. */
const isHttp = (first: number): boolean => first >= 0x41 && first <= 0x5a

export class ProxySession implements ProxyHost {
  readonly #options: ProxySessionOptions
  #conversation: Conversation | undefined
  #relay: Relay | undefined
  #leaving = false
  #closed = false
  #timer: Timer | undefined

  constructor(options: ProxySessionOptions) {
    this.#options = options
    const { connection, clock, handshakeTimeout } = options
    this.#timer = clock.after(handshakeTimeout, () => {
      this.refused('too-slow')
      connection.destroy()
    })
    connection.attach({
      data: (chunk) => this.#data(chunk),
      drain: () => this.#relay?.drain(),
      end: () => this.#end(),
      close: () => {
        this.#closed = true
        this.#timer?.cancel()
        this.#relay?.closed()
        options.closed()
      },
    })
  }

  requested(): void {
    this.#timer?.cancel()
  }

  connect({ version, destination, early, granted, denied }: ConnectRequest): Relay | undefined {
    const { known } = this.#options
    const deny = (error: MixnetError) => {
      this.failed(error)
      this.leave(denied(error))
    }
    const stream = this.open(version, destination)
    if (isMixnetError(stream)) {
      deny(stream)
      return undefined
    }
    const relay = this.relay(stream)
    const grant = () => {
      if (this.#closed) return
      this.write(granted)
      relay.start()
    }
    if (early.length > 0) relay.data(early)
    const optimistic = known.has(destination)
    if (optimistic) grant()
    stream.opened.then(
      () => {
        if (!optimistic) grant()
      },
      (error: unknown) => {
        if (!optimistic && !isMixnetError(error, 'ABORTED')) deny(asMixnetError(error))
      },
    )
    return relay
  }

  open(version: string, destination: Destination): ExitStream | MixnetError {
    const { meter, dialer, known } = this.#options
    meter.counter('socks_requests_total', 'Connect requests of local programs', { version }).value++
    try {
      const stream = dialer.open(destination)
      stream.opened.then(
        () => known.connected(destination),
        (error: unknown) => {
          // The program went away: that says nothing about the destination.
          if (!isMixnetError(error, 'ABORTED')) known.failed(destination)
        },
      )
      return stream
    } catch (error) {
      return asMixnetError(error)
    }
  }

  relay(stream: RelayStream): Relay {
    const { clock, connection, relay: params, meter } = this.#options
    const bytes = (direction: string) => meter.counter('socks_bytes_total', 'Bytes relayed', { direction })
    this.#relay = new Relay({
      clock,
      connection,
      stream,
      params,
      sentBytes: bytes('out'),
      receivedBytes: bytes('in'),
      failed: (error) => this.failed(error),
    })
    return this.#relay
  }

  write(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#options.connection.write([bytes])
  }

  leave(last: Uint8Array): void {
    const { clock, connection, relay } = this.#options
    if (this.#closed || this.#leaving) return
    this.#leaving = true
    this.write(last)
    connection.resume()
    connection.end()
    this.#timer?.cancel()
    this.#timer = clock.after(relay.lingerTimeout, () => connection.destroy())
  }

  drop(): void {
    this.#options.connection.destroy()
  }

  refused(reason: string): void {
    this.#options.meter.counter('socks_refused_total', 'Local programs turned away', { reason }).value++
  }

  failed(error: MixnetError): void {
    const { meter, log } = this.#options
    if (this.#closed) return
    meter.counter('socks_failed_total', 'Connections that failed behind the proxy', { code: error.code }).value++
    log.debug('socks.failed', { code: error.code, guilty: error.guilty })
  }

  #data(chunk: Uint8Array): void {
    // What is left unread when a connection closes can cost the program the reply that was sent before.
    if (this.#leaving || chunk.length === 0) return
    this.#conversation ??= isHttp(chunk[0] as number) ? new HttpSession(this) : new SocksSession(this)
    this.#conversation.data(chunk)
  }

  #end(): void {
    if (this.#leaving) return
    if (this.#conversation === undefined) this.drop()
    else this.#conversation.end()
  }
}

const asMixnetError = (cause: unknown): MixnetError =>
  isMixnetError(cause) ? cause : new MixnetError('INTERNAL', {}, { cause })
