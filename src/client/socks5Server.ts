/**
 * A proxy on a local port, for programs that know nothing of the mixnet: SOCKS5, 4 and 4a, CONNECT only; and HTTP, on the same port, for
 * there are programs that know no other. Names go to the exit unresolved. @module
 */
import type { Log, Meter } from '../foundation/base/observe.ts'
import { type Millis, minutes, seconds } from '../foundation/base/units.ts'
import type { Connection, Endpoint, Listener } from '../foundation/platform/net.ts'
import type { World } from '../foundation/platform/world.ts'
import type { Dialer } from './dialer.ts'
import { KnownDestinations } from './knownDestinations.ts'
import { ProxySession } from './proxySession.ts'
import type { RelayParams } from './relay.ts'

export interface Socks5Params extends RelayParams {
  readonly handshakeTimeout: Millis
  /** Connections of local programs; more are closed at once. */
  readonly maxConnections: number
  /** How long a destination that connected is answered at once, and how many are remembered. */
  readonly rememberFor: Millis
  readonly maxRemembered: number
}

export const DEFAULT_SOCKS5: Socks5Params = {
  handshakeTimeout: seconds(10),
  maxConnections: 500,
  rememberFor: minutes(10),
  maxRemembered: 1000,
  maxEarlyBytes: 65_536,
  halfClosedTimeout: minutes(5),
  lingerTimeout: seconds(30),
}

export interface Socks5Options extends Endpoint {
  readonly dialer: Dialer
  readonly meter: Meter
  readonly log: Log
  readonly params?: Socks5Params
}

const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|::1|localhost)$/

/** Whether nobody beyond this machine can reach it. */
export const isLoopback = (host: string): boolean => LOOPBACK.test(host)

export class Socks5Server implements AsyncDisposable {
  readonly #world: World
  readonly #options: Socks5Options
  readonly #params: Socks5Params
  readonly #known: KnownDestinations
  #listener: Listener | undefined
  #connections = 0

  private constructor(world: World, options: Socks5Options) {
    this.#world = world
    this.#options = options
    this.#params = options.params ?? DEFAULT_SOCKS5
    const { rememberFor, maxRemembered } = this.#params
    this.#known = new KnownDestinations(world.clock, { keepFor: rememberFor, capacity: maxRemembered })
    options.meter.gauge('socks_connections', 'Connections of local programs', () => this.#connections)
  }

  /** Throws ADDRESS_IN_USE. Port 0: the system chooses. */
  static async listen(world: World, options: Socks5Options): Promise<Socks5Server> {
    const server = new Socks5Server(world, options)
    const { host, port, log } = options
    // There is no password: whoever reaches the port can use the mixnet in our name.
    if (!isLoopback(host)) log.warn('socks.not-loopback')
    server.#listener = await world.net.listen({ host, port }, (connection) => server.#accept(connection))
    return server
  }

  get endpoint(): Endpoint {
    return (this.#listener as Listener).endpoint
  }

  get connections(): number {
    return this.#connections
  }

  /** Closes every connection; resolves when the port is free. */
  async close(): Promise<void> {
    await this.#listener?.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #accept(connection: Connection): void {
    const { dialer, meter, log } = this.#options
    const { handshakeTimeout, maxConnections } = this.#params
    if (this.#connections >= maxConnections) {
      meter.counter('socks_refused_total', 'Local programs turned away', { reason: 'too-many' }).value++
      connection.destroy()
      return
    }
    this.#connections++
    new ProxySession({
      clock: this.#world.clock,
      connection,
      dialer,
      known: this.#known,
      handshakeTimeout,
      relay: this.#params,
      meter,
      log,
      closed: () => {
        this.#connections--
      },
    })
  }
}
