/**
 * The local websocket API of the official native client, so that programs written for that one run beside this one. One program at a
 * time; messages wait in the inbox while there is none. Format: docs/spec/local-api.md. @module
 */
import type { Log, Meter } from '../foundation/base/observe.ts'
import { type Millis, seconds } from '../foundation/base/units.ts'
import type { Endpoint, Listener, WebSocketConnection } from '../foundation/platform/net.ts'
import type { World } from '../foundation/platform/world.ts'
import { type LocalClient, type LocalRequestLimits, LocalRequests } from './localRequests.ts'
import { LocalSession, type LocalSessionLimits } from './localSession.ts'
import type { ReceivedMessage } from './mixnetClient.ts'
import { isLoopback } from './socks5Server.ts'

export interface LocalApiParams extends LocalRequestLimits, LocalSessionLimits {
  /** Of one frame. The official client takes no longer ones either. */
  readonly maxMessageBytes: number
  readonly handshakeTimeout: Millis
  /** Upgraded or not: what only knocks must not keep the program out. */
  readonly maxConnections: number
}

export const DEFAULT_LOCAL_API: LocalApiParams = {
  maxMessageBytes: 16 * 1024 * 1024,
  handshakeTimeout: seconds(5),
  maxConnections: 16,
  waiting: 256,
  waitingBytes: 16 * 1024 * 1024,
  bufferedBytes: 1024 * 1024,
  stuckTimeout: seconds(60),
}

export interface LocalApiChoice extends Endpoint {
  /** Pages that may connect, as browsers name them: `http://localhost:3000`. Default: none. */
  readonly allowedOrigins?: readonly string[] | undefined
}

export interface LocalApiOptions extends LocalApiChoice {
  readonly client: LocalClient
  readonly messages: (signal: AbortSignal) => AsyncIterable<ReceivedMessage>
  readonly meter: Meter
  readonly log: Log
  readonly params?: LocalApiParams
}

const [FORBIDDEN, BUSY] = [403, 503]

export class LocalApi implements AsyncDisposable {
  readonly #world: World
  readonly #options: LocalApiOptions
  readonly #params: LocalApiParams
  readonly #requests: LocalRequests
  readonly #origins: ReadonlySet<string>
  #listener: Listener | undefined
  #program: WebSocketConnection | undefined

  private constructor(world: World, options: LocalApiOptions) {
    const { client, meter, allowedOrigins = [], params = DEFAULT_LOCAL_API } = options
    this.#world = world
    this.#options = options
    this.#params = params
    this.#requests = new LocalRequests(client, params, meter)
    this.#origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()))
    meter.gauge('local_api_programs', 'Programs at the local websocket: none or one', () => (this.#program ? 1 : 0))
  }

  /** Throws ADDRESS_IN_USE. Port 0: the system chooses. */
  static async listen(world: World, options: LocalApiOptions): Promise<LocalApi> {
    const api = new LocalApi(world, options)
    const { host, port, log } = options
    const { maxMessageBytes, handshakeTimeout, maxConnections } = api.#params
    // There is no password: whoever reaches the port reads our messages and writes in our name.
    if (!isLoopback(host)) log.warn('local-api.not-loopback')
    api.#listener = await world.net.listenWebSocket(
      {
        ...{ host, port, maxMessageBytes, handshakeTimeout, maxConnections },
        admit: ({ origin }) => api.#refusal(origin),
      },
      (socket) => api.#accept(socket),
    )
    return api
  }

  get endpoint(): Endpoint {
    return (this.#listener as Listener).endpoint
  }

  /** Ends the program's connection; resolves when the port is free. */
  async close(): Promise<void> {
    await this.#listener?.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /**
   * A browser lets any page open a websocket to 127.0.0.1, and no policy of ours is asked but this one: without it every site
   * visited could read the user's messages and write in the user's name. Other programs send no origin, or any they like: they
   * run on this machine already. "null", which sandboxed frames of every site send, is never allowed.
   */
  #refusal(origin: string | undefined): number | undefined {
    if (origin !== undefined && (origin === 'null' || !this.#origins.has(origin.toLowerCase()))) {
      return this.#refuse('origin', FORBIDDEN)
    }
    return this.#program === undefined ? undefined : this.#refuse('busy', BUSY)
  }

  #refuse(reason: string, status: number): number {
    const { meter, log } = this.#options
    meter.counter('local_api_refused_total', 'Local programs and pages turned away', { reason }).value++
    log.debug('local-api.refused', { reason })
    return status
  }

  #accept(socket: WebSocketConnection): void {
    const { messages, meter } = this.#options
    const { clock, crypto } = this.#world
    this.#program = socket
    new LocalSession({
      ...{ clock, crypto, socket, messages, meter },
      requests: this.#requests,
      limits: this.#params,
      closed: () => {
        this.#program = undefined
      },
    })
  }
}
