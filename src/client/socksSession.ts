/**
 * One program's connection to the local SOCKS server: handshake, connect through the exit, relay. Messages: socksMessages.ts.
 * @module
 *
 *   handshake ── request ──► opening ── exit confirms, or the destination is known ──► relaying
 *       └── refused, too slow ──┴── exit refuses ──► leaving
 */
import { type ErrorCode, isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import type { Log, Meter } from '../foundation/base/observe.ts'
import type { Millis } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'
import type { Connection } from '../foundation/platform/net.ts'
import type { Destination, Dialer } from './dialer.ts'
import type { ExitStream } from './exitStream.ts'
import type { KnownDestinations } from './knownDestinations.ts'
import { Relay, type RelayParams } from './relay.ts'
import { encodeSocksReply, SocksHandshake, type SocksReply, type SocksVersion } from './socksMessages.ts'

export interface SocksSessionOptions {
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

/** Every other code is a general failure. */
const REPLY_BY_CODE: Partial<Record<ErrorCode, SocksReply>> = {
  EXIT_REFUSED: 'notAllowed',
  HOST_UNKNOWN: 'hostUnreachable',
  DESTINATION_UNREACHABLE: 'connectionRefused',
  EXIT_UNREACHABLE: 'ttlExpired',
  TIMEOUT: 'ttlExpired',
  NO_ROUTE: 'networkUnreachable',
  TOPOLOGY_UNAVAILABLE: 'networkUnreachable',
  GATEWAY_UNREACHABLE: 'networkUnreachable',
  GATEWAY_LOST: 'networkUnreachable',
}

export class SocksSession {
  readonly #options: SocksSessionOptions
  readonly #handshake = new SocksHandshake()
  #relay: Relay | undefined
  #leaving = false
  #closed = false
  #timer: Timer | undefined

  constructor(options: SocksSessionOptions) {
    this.#options = options
    const { connection, clock, handshakeTimeout } = options
    this.#timer = clock.after(handshakeTimeout, () => {
      this.#refused('too-slow')
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

  #data(chunk: Uint8Array): void {
    // What is left unread when a connection closes can cost the program the reply that was sent before.
    if (this.#leaving) return
    if (this.#relay !== undefined) return this.#relay.data(chunk)
    const progress = this.#handshake.push(chunk)
    if (progress.reply.length > 0) this.#options.connection.write([progress.reply])
    if (progress.kind === 'pending') return
    this.#timer?.cancel()
    if (progress.kind === 'refused') {
      this.#refused(progress.reason)
      this.#leave()
      return
    }
    this.#connect(progress.version, progress.destination, progress.rest)
  }

  #end(): void {
    if (this.#leaving) return
    if (this.#relay === undefined) this.#options.connection.destroy()
    else this.#relay.end()
  }

  #connect(version: SocksVersion, destination: Destination, early: Uint8Array): void {
    const { clock, connection, known, relay: params, meter } = this.#options
    meter.counter('socks_requests_total', 'Connect requests of local programs', { version: `${version}` }).value++
    const stream = this.#open(version, destination)
    if (stream === undefined) return
    const bytes = (direction: string) => meter.counter('socks_bytes_total', 'Bytes relayed', { direction })
    const relay = new Relay({
      clock,
      connection,
      stream,
      params,
      sentBytes: bytes('out'),
      receivedBytes: bytes('in'),
      failed: (error) => this.#failed(error),
    })
    this.#relay = relay
    if (early.length > 0) relay.data(early)
    const optimistic = known.has(destination)
    if (optimistic) this.#grant(version, relay)
    stream.opened.then(
      () => {
        known.connected(destination)
        if (!optimistic) this.#grant(version, relay)
      },
      (error: unknown) => {
        // The program went away: that says nothing about the destination.
        if (isMixnetError(error, 'ABORTED')) return
        known.failed(destination)
        if (!optimistic) this.#deny(version, error)
      },
    )
  }

  #open(version: SocksVersion, destination: Destination): ExitStream | undefined {
    try {
      return this.#options.dialer.open(destination)
    } catch (error) {
      this.#deny(version, error)
      return undefined
    }
  }

  #grant(version: SocksVersion, relay: Relay): void {
    if (this.#closed) return
    this.#options.connection.write([encodeSocksReply(version, 'succeeded')])
    relay.start()
  }

  #deny(version: SocksVersion, cause: unknown): void {
    if (this.#closed) return
    const error = isMixnetError(cause) ? cause : new MixnetError('INTERNAL', {}, { cause })
    this.#failed(error)
    this.#options.connection.write([encodeSocksReply(version, REPLY_BY_CODE[error.code] ?? 'generalFailure')])
    this.#leave()
  }

  /** Sends what is queued, then closes, whatever the program does. */
  #leave(): void {
    const { clock, connection, relay } = this.#options
    this.#leaving = true
    connection.resume()
    connection.end()
    this.#timer = clock.after(relay.lingerTimeout, () => connection.destroy())
  }

  #refused(reason: string): void {
    this.#options.meter.counter('socks_refused_total', 'Local programs turned away', { reason }).value++
  }

  #failed(error: MixnetError): void {
    const { meter, log } = this.#options
    meter.counter('socks_failed_total', 'Connections that failed behind the proxy', { code: error.code }).value++
    log.debug('socks.failed', { code: error.code, guilty: error.guilty })
  }
}
