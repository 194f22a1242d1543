/**
 * A client's connection to one gateway: opens it, and opens it again after every loss, with growing pauses. What happens on
 * one websocket is in gatewaySession.ts. Official clients register on one connection and log in on a second, because two
 * programs do it; in the same second that is a stale login, and it saves nothing, so here the first connection stays. @module
 */
import { isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import type { Log, Meter } from '../foundation/base/observe.ts'
import type { Secret } from '../foundation/base/secret.ts'
import { type Millis, millis } from '../foundation/base/units.ts'
import type { Timer } from '../foundation/platform/clock.ts'
import type { WebSocketConnection } from '../foundation/platform/net.ts'
import type { ClientWorld } from '../foundation/platform/world.ts'
import type { MixPacket } from '../protocol/wire/mixPacket.ts'
import type { EntryLink, EntryLinkHandlers } from './entryLink.ts'
import { DEFAULT_ENTRY_PARAMS, type EntryParams } from './entryParams.ts'
import type { GatewayFailure } from './gatewayRefusals.ts'
import { GatewaySession } from './gatewaySession.ts'
import type { Registration, SharedKeys } from './sharedKeys.ts'
import type { TicketSource } from './ticketSource.ts'

export interface GatewayConnectionOptions {
  /** Ed25519 identity, 32 bytes. */
  readonly gateway: Uint8Array
  /** ws:// or wss://, best first; asked for again at each attempt. None: it counts as unreachable. */
  readonly urls: () => readonly string[]
  readonly identitySeed: Secret
  readonly sharedKeys: SharedKeys
  readonly params?: EntryParams | undefined
  readonly tickets?: TicketSource | undefined
  readonly meter: Meter
  readonly log: Log
  /** It did not open, or not for long. The next attempt is planned unless it is closed in here. */
  readonly onFailure?: (failure: GatewayFailure) => void
}

export class GatewayConnection implements EntryLink {
  readonly gateway: Uint8Array
  readonly #world: ClientWorld
  readonly #options: GatewayConnectionOptions
  readonly #params: EntryParams
  readonly #abort: AbortController = new AbortController()
  #handlers: EntryLinkHandlers | undefined
  #session: GatewaySession | undefined
  #openedAt: Millis | undefined
  #retry: Timer | undefined
  #failures = 0
  // Failures that have a cure of their own, once in a row each.
  #cured: Record<'forgotten' | 'stale', boolean> = { forgotten: false, stale: false }

  constructor(world: ClientWorld, options: GatewayConnectionOptions) {
    this.#world = world
    this.#options = options
    this.#params = options.params ?? DEFAULT_ENTRY_PARAMS
    this.gateway = options.gateway
  }

  get isOpen(): boolean {
    return this.#session?.isOpen ?? false
  }

  /** Starts connecting. No handler is called after `close`. */
  attach(handlers: EntryLinkHandlers): void {
    if (this.#handlers) throw new MixnetError('INTERNAL', { what: 'gateway connection attached twice' })
    this.#handlers = handlers
    this.#connect()
  }

  send(packet: MixPacket): boolean {
    return this.#session?.send(packet) ?? false
  }

  async close(): Promise<void> {
    this.#abort.abort()
    this.#retry?.cancel()
    await Promise.all([this.#session?.close(), this.#options.sharedKeys.flush()])
  }

  #connect(): void {
    this.#attempt().catch((error: unknown) => {
      if (this.#abort.signal.aborted) return
      // Whatever it is, it must not end the application: this gateway cannot be used, and the next attempt or gateway may work.
      const known = isMixnetError(error, 'GATEWAY_UNREACHABLE')
      this.#ended({
        error: known ? error : new MixnetError('GATEWAY_UNREACHABLE', {}, { cause: error }),
        kind: 'passing',
      })
    })
  }

  async #attempt(): Promise<void> {
    const { sharedKeys, gateway } = this.#options
    const registration = await sharedKeys.load(gateway)
    const socket = await this.#dial()
    if (this.#abort.signal.aborted) return socket.destroy()
    this.#session = new GatewaySession(socket, {
      ...this.#options,
      world: this.#world,
      params: this.#params,
      registration,
      opened: () => this.#opened(),
      pushed: (plaintext) => this.#handlers?.pushed(plaintext),
      ended: (failure) => this.#ended(failure, registration),
    })
  }

  /** Throws GATEWAY_UNREACHABLE with the last cause. */
  async #dial(): Promise<WebSocketConnection> {
    const { connectTimeout: timeout, maxMessageBytes, maxUrls } = this.#params
    const { signal } = this.#abort
    let cause: unknown
    const urls = this.#options.urls().slice(0, maxUrls)
    for (const url of urls) {
      try {
        return await this.#world.net.connectWebSocket({ url, timeout, maxMessageBytes, signal })
      } catch (error) {
        if (!isMixnetError(error) || signal.aborted) throw error
        cause = error
      }
    }
    const why = urls.length === 0 ? 'the directory does not list it' : 'no connection'
    throw new MixnetError('GATEWAY_UNREACHABLE', { why }, { cause })
  }

  #opened(): void {
    this.#openedAt = this.#world.clock.monotonic()
    this.#options.log.info('gateway open')
    this.#handlers?.opened()
  }

  #ended(failure: GatewayFailure, registration?: Registration): void {
    const { meter, log, onFailure } = this.#options
    const { error } = failure
    const openedAt = this.#openedAt
    this.#openedAt = undefined
    this.#session = undefined
    log.warn('gateway not open', { code: error.code, why: error.details.why ?? error.details.what })
    meter.counter('client_gateway_failures_total', 'Ends of gateway connections', { code: error.code }).value++
    const lived = this.#world.clock.monotonic() - (openedAt ?? Number.POSITIVE_INFINITY)
    const stable = lived >= this.#params.retry.stableAfter
    if (stable) {
      this.#failures = 0
      this.#cured = { forgotten: false, stale: false }
    }
    const cure = this.#cure(failure, registration)
    if (openedAt !== undefined) this.#handlers?.lost(error)
    if (!stable && cure === undefined && !this.#abort.signal.aborted) onFailure?.(failure)
    // Either of them may have closed it.
    if (this.#abort.signal.aborted) return
    this.#retry = this.#world.clock.after(cure ?? this.#pause(), () => this.#connect())
  }

  /** The wait before what will probably help: registering anew, or a later timestamp. undefined where nothing special does. */
  #cure({ kind }: GatewayFailure, registration: Registration | undefined): Millis | undefined {
    if (kind !== 'forgotten' && kind !== 'stale') return undefined
    const again = this.#cured[kind]
    // A gateway that finds every timestamp stale has seen one from a clock far ahead: registering ends that as well.
    if (kind === 'forgotten' || again) registration?.forget()
    this.#cured[kind] = true
    if (again) return undefined
    return kind === 'forgotten' ? millis(0) : this.#params.retry.staleLogin
  }

  /** Random, so that the clients of a gateway that was restarted do not all come back at once. */
  #pause(): Millis {
    const { first, max } = this.#params.retry
    const full = Math.min(first * 2 ** this.#failures++, max)
    return millis(full * (0.5 + this.#world.random.stream('gateway-retry').uniform() / 2))
  }
}
