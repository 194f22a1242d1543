/**
 * The mixnet as an application sees it: one client with its gateway and its exit, and on top of them fetch, streams and a SOCKS
 * proxy. @module
 */
import { MixnetError } from '../foundation/base/errors.ts'
import type { Meter } from '../foundation/base/observe.ts'
import type { Endpoint } from '../foundation/platform/net.ts'
import type { World } from '../foundation/platform/world.ts'
import type { Topology } from '../network/topology/topology.ts'
import type { Recipient } from '../protocol/packet/recipient.ts'
import type { ExitConnections } from './exitConnections.ts'
import { createFetch, type MixnetFetch } from './fetch.ts'
import { explainFetchError } from './fetchErrors.ts'
import type { MixnetClient } from './mixnetClient.ts'
import { closeClient, type MixnetOptions, type OpenClient, openClient } from './openClient.ts'
import { Socks5Server } from './socks5Server.ts'

export class Mixnet implements AsyncDisposable {
  readonly client: MixnetClient
  /** The network requester that connects to the outside world for us. */
  readonly exit: Recipient
  readonly connections: ExitConnections
  readonly meter: Meter
  readonly #world: World
  readonly #open: OpenClient
  readonly #proxies = new Set<Socks5Server>()
  #fetch: MixnetFetch | undefined
  #closed = false

  private constructor(world: World, open: OpenClient) {
    this.#world = world
    this.#open = open
    this.client = open.client
    this.exit = open.exit
    this.connections = open.connections
    this.meter = open.meter
  }

  /** Resolves when packets can be sent. Throws as `openClient`. */
  static async connect(world: World, options: MixnetOptions): Promise<Mixnet> {
    return new Mixnet(world, await openClient(world, options))
  }

  /** Where others send to. */
  get address(): Recipient {
    return this.client.address
  }

  topology(): Topology | undefined {
    return this.#open.topology.current()
  }

  /**
   * As the global one, through the mixnet, with a deadline that always fires. Rejects with MixnetErrors (EXIT_REFUSED,
   * HOST_UNKNOWN, TIMEOUT …), or with the reason of the caller's signal where that was aborted.
   */
  readonly fetch: MixnetFetch['fetch'] = async (input, init) => {
    this.#fetch ??= createFetch(this.#world, { dialer: this.connections })
    try {
      return await this.#fetch.fetch(input, init)
    } catch (error) {
      throw init?.signal?.aborted === true ? error : explainFetchError(error)
    }
  }

  /** A SOCKS proxy for other programs. Throws ADDRESS_IN_USE, and STOPPED after `close`. */
  async proxy(endpoint: Endpoint): Promise<Socks5Server> {
    const { meter } = this
    if (this.#closed) throw new MixnetError('STOPPED')
    const server = await Socks5Server.listen(this.#world, {
      ...endpoint,
      dialer: this.connections,
      meter,
      log: this.#open.log,
    })
    if (this.#closed) {
      // Closed while it began to listen: nobody else would ever close it, and its port would answer on.
      await server.close()
      throw new MixnetError('STOPPED')
    }
    this.#proxies.add(server)
    return server
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#proxies].map((proxy) => proxy.close()))
    await this.#fetch?.close()
    await closeClient(this.#open)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
