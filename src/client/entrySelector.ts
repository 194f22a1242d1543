/**
 * A client's way into the mixnet through one of its guards. A client's address ends with its gateway, so it stays with one as
 * long as it can, across restarts too: it moves on only when the gateway refuses, stays away for longer than the limits or is
 * dropped by the directory, and then to another guard; beyond them only in need (entryChoice.ts). A gateway named by the user is
 * never left. @module
 */
import { fromBase58 } from '../foundation/base/base58.ts'
import { MixnetError } from '../foundation/base/errors.ts'
import type { Log } from '../foundation/base/observe.ts'
import type { Secret } from '../foundation/base/secret.ts'
import { type Millis, millis } from '../foundation/base/units.ts'
import type { Timer } from '../foundation/platform/clock.ts'
import type { ClientWorld } from '../foundation/platform/world.ts'
import { gatewayUrls } from '../network/topology/gatewaySelection.ts'
import type { MixPacket } from '../protocol/wire/mixPacket.ts'
import { EntryChoice, type EntryChoiceOptions } from './entryChoice.ts'
import type { EntryLink, EntryLinkHandlers } from './entryLink.ts'
import { DEFAULT_ENTRY_PARAMS, type EntryParams } from './entryParams.ts'
import { GatewayConnection } from './gatewayConnection.ts'
import type { GatewayFailure } from './gatewayRefusals.ts'
import { Lingering } from './lingering.ts'
import { OpenWaiters } from './openWaiters.ts'
import { SharedKeys } from './sharedKeys.ts'
import type { TicketSource } from './ticketSource.ts'

export interface EntrySelectorOptions extends EntryChoiceOptions {
  readonly identitySeed: Secret
  /** Base58 identity of the only gateway to use. Default: one of the client's guards, that of last time if it can be. */
  readonly gateway?: string | undefined
  readonly params?: EntryParams | undefined
  /** For gateways that want to be paid. */
  readonly tickets?: TicketSource | undefined
  /** That gateway is tried now. */
  readonly onConnecting?: (gateway: Uint8Array) => void
}

const IDENTITY_BYTES = 32
const identityOf = (name: string): Uint8Array => fromBase58(name, 'gateway identity', IDENTITY_BYTES)

export class EntrySelector implements EntryLink {
  readonly #world: ClientWorld
  readonly #options: EntrySelectorOptions
  readonly #params: EntryParams
  readonly #log: Log
  readonly #choice: EntryChoice
  readonly #sharedKeys: SharedKeys
  readonly #waiters: OpenWaiters
  readonly #left: Lingering
  #handlers: EntryLinkHandlers | undefined
  #connection: GatewayConnection
  #name: string
  // The last moment of good service: a gateway that comes and goes is as bad as one that is away.
  #downSince: Millis
  #openedAt: Millis | undefined
  #unlistedSince: Millis | undefined
  #lastError: MixnetError | undefined
  #homecoming: Timer | undefined
  #patience: Timer | undefined
  #stopListening: () => void = () => {}
  #closed = false

  private constructor(world: ClientWorld, options: EntrySelectorOptions, choice: EntryChoice, name: string) {
    const { clock, files } = world
    this.#world = world
    this.#options = options
    this.#params = options.params ?? DEFAULT_ENTRY_PARAMS
    this.#log = options.log.child('entry')
    this.#choice = choice
    this.#sharedKeys = new SharedKeys({
      files,
      folder: options.folder === undefined ? undefined : `${options.folder}/shared-keys`,
      log: this.#log,
    })
    this.#waiters = new OpenWaiters(clock)
    this.#left = new Lingering(clock, this.#params.failover.linger)
    this.#name = name
    this.#downSince = clock.monotonic()
    this.#connection = this.#connectionTo(name)
    options.meter.gauge('client_gateway_open', 'Whether packets can be sent', () => Number(this.isOpen))
  }

  /** Chooses the gateway; nothing is connected before `attach`. Throws GATEWAY_UNREACHABLE where there is none to choose. */
  static async create(world: ClientWorld, options: EntrySelectorOptions): Promise<EntrySelector> {
    if (options.gateway !== undefined) identityOf(options.gateway)
    const choice = await EntryChoice.load(world, options, (options.params ?? DEFAULT_ENTRY_PARAMS).failover)
    return new EntrySelector(world, options, choice, options.gateway ?? (await choice.first()))
  }

  /** The gateway in use or being tried. Changes before `opened` is called. */
  get gateway(): Uint8Array {
    return this.#connection.gateway
  }

  /** Every gateway this client may come to enter through while all goes well. */
  get guards(): readonly Uint8Array[] {
    const { gateway } = this.#options
    return (gateway === undefined ? this.#choice.guards : [gateway]).map(identityOf)
  }

  get isOpen(): boolean {
    return this.#connection.isOpen
  }

  attach(handlers: EntryLinkHandlers): void {
    if (this.#handlers) throw new MixnetError('INTERNAL', { what: 'entry selector attached twice' })
    this.#handlers = handlers
    this.#downSince = this.#world.clock.monotonic()
    this.#choice.begin()
    this.#stopListening = this.#options.topology.onChange(() => this.#networkChanged())
    this.#start()
  }

  send(packet: MixPacket): boolean {
    return this.#connection.send(packet)
  }

  /**
   * Resolves once it is open; rejects with the last failure, or TIMEOUT, after `limit`, and at once where the only gateway
   * refuses. It goes on trying all the same.
   */
  async whenOpen(limit: Millis): Promise<void> {
    if (this.isOpen) return
    if (this.#closed) throw new MixnetError('STOPPED')
    await this.#waiters.wait(limit, () => this.#lastError)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#stopListening()
    this.#homecoming?.cancel()
    this.#patience?.cancel()
    this.#waiters.failed(new MixnetError('STOPPED'))
    await Promise.all([this.#connection.close(), this.#left.close(), this.#choice.flush()])
  }

  #connectionTo(name: string): GatewayConnection {
    const { topology, forceTls = false } = this.#options
    const connection: GatewayConnection = new GatewayConnection(this.#world, {
      ...this.#options,
      gateway: identityOf(name),
      urls: () => {
        const node = topology.current()?.gateways.get(name)
        return node === undefined ? [] : gatewayUrls(node, { forceTls })
      },
      sharedKeys: this.#sharedKeys,
      log: this.#log,
      onFailure: (failure) => {
        if (connection === this.#connection) this.#failed(failure)
        else if (failure.kind === 'refused') this.#left.drop(name)
      },
    })
    return connection
  }

  #start(): void {
    const connection = this.#connection
    this.#options.onConnecting?.(connection.gateway)
    connection.attach({
      pushed: (plaintext) => this.#handlers?.pushed(plaintext),
      opened: () => {
        if (connection === this.#connection) this.#opened()
      },
      lost: (error) => {
        if (connection === this.#connection) this.#lost(error)
      },
    })
  }

  #opened(): void {
    this.#openedAt = this.#world.clock.monotonic()
    this.#lastError = undefined
    this.#patience?.cancel()
    this.#choice.served(this.#name)
    this.#goHomeLater()
    this.#waiters.opened()
    this.#handlers?.opened()
  }

  #lost(error: MixnetError): void {
    const now = this.#world.clock.monotonic()
    const lived = now - (this.#openedAt ?? now)
    if (lived >= this.#params.retry.stableAfter) this.#downSince = now
    this.#openedAt = undefined
    this.#homecoming?.cancel()
    this.#lastError = error
    this.#choice.lost(lived >= this.#params.retry.stableAfter)
    this.#waitForReturn(now)
    this.#handlers?.lost(error)
  }

  /** Not left to the next failed attempt: they come further and further apart, and one may wait for an answer. */
  #waitForReturn(now: Millis): void {
    this.#patience?.cancel()
    const { downtime, avoidAway } = this.#params.failover
    this.#patience = this.#world.clock.after(millis(Math.max(0, this.#downSince + downtime - now)), () => {
      if (!this.isOpen) this.#moveOn(avoidAway)
    })
  }

  /** An attempt failed. The connection tries again by itself unless we move on. */
  #failed({ error, kind }: GatewayFailure): void {
    this.#lastError = error
    const { failover } = this.#params
    if (kind === 'refused') {
      if (this.#options.gateway !== undefined) this.#waiters.failed(error)
      return this.#moveOn(failover.avoidRefused, 'refused')
    }
    const away = this.#world.clock.monotonic() - this.#downSince
    // Where the directory leaves it out as well, its address is of no use to anybody.
    const isListed = this.#unlistedSince === undefined
    if (this.#name !== this.#choice.home || !isListed || away >= failover.downtime) this.#moveOn(failover.avoidAway)
  }

  /**
   * Bonded is what counts, not drawn: a gateway without a part in the epoch is listed, takes packets, and is stayed with. One that the
   * directory leaves out may serve us still, but no packet finds its way to us, nor an ack: another guard now costs an address and saves
   * what would be asked meanwhile. A stranger is worth the wait: the directory may have been started just now and not know all of them.
   */
  #networkChanged(): void {
    const topology = this.#options.topology.current()
    if (topology !== undefined && this.#options.gateway === undefined) this.#choice.networkChanged(this.#name)
    if (topology === undefined || topology.gateways.has(this.#name)) {
      this.#unlistedSince = undefined
      return
    }
    const now = this.#world.clock.monotonic()
    this.#unlistedSince ??= now
    const { patience, avoidAway } = this.#params.failover
    if (this.#choice.guard() || now - this.#unlistedSince >= patience) this.#moveOn(avoidAway)
  }

  /** To another gateway, if there is one; else it stays, and the next failure asks again. */
  #moveOn(avoidFor: Millis, why?: 'refused'): void {
    if (this.#closed || this.#options.gateway !== undefined) return
    this.#choice.avoid(this.#name, avoidFor)
    const next = this.#choice.next()
    // The application may have closed us when it heard of a draw.
    if (next !== undefined && !this.#closed) this.#changeTo(next, why)
  }

  /** Whoever led us here by taking the guards down must hold them down for as long as we stay. */
  #goHomeLater(): void {
    this.#homecoming?.cancel()
    if (this.#options.gateway !== undefined || this.#choice.isFirst(this.#name)) return
    this.#homecoming = this.#world.clock.after(this.#params.failover.returnAfter, () => {
      // It may have become one of them meanwhile, in the place of one that is gone.
      if (this.#choice.isFirst(this.#name)) return
      const first = this.#choice.firstAgain()
      if (first === undefined) this.#goHomeLater()
      else this.#changeTo(first)
    })
  }

  #changeTo(name: string, why?: 'refused'): void {
    const wasOpen = this.isOpen
    // What never opened holds nothing for us.
    if (why === 'refused' || this.#name !== this.#choice.home) this.#left.end(this.#connection)
    else this.#left.keep(this.#name, this.#connection)
    const again = this.#left.take(name)
    this.#name = name
    this.#unlistedSince = undefined
    this.#connection = again ?? this.#connectionTo(name)
    this.#log.warn('changing the gateway')
    this.#options.meter.counter('client_gateway_changes_total', 'Moves to another gateway').value++
    if (wasOpen) this.#lost(new MixnetError('GATEWAY_LOST', { why: 'left for another one' }))
    // The application may have closed us in there.
    if (this.#closed) return
    if (again === undefined) this.#start()
    else this.#opened()
  }
}
