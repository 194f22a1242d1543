/**
 * A client's way into the mixnet through whichever gateway serves it. A client's address ends with its gateway, so it stays
 * with one as long as it can, across restarts too: it moves on only when the gateway refuses, stays away or is dropped by
 * the directory for longer than the limits. A gateway named by the user is never left. @module
 */
import { fromBase58, toBase58 } from '../foundation/base/base58.ts'
import { fromUtf8Lossy, utf8 } from '../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, tryDecode } from '../foundation/base/errors.ts'
import type { Log, Meter } from '../foundation/base/observe.ts'
import type { Secret } from '../foundation/base/secret.ts'
import type { Millis } from '../foundation/base/units.ts'
import type { World } from '../foundation/platform/world.ts'
import { type GatewaySelection, gatewayUrls, selectGateway } from '../network/topology/gatewaySelection.ts'
import type { NodeDescriptor } from '../network/topology/topology.ts'
import type { TopologyProvider } from '../network/topology/topologyProvider.ts'
import type { MixPacket } from '../protocol/wire/mixPacket.ts'
import type { EntryLink, EntryLinkHandlers } from './entryLink.ts'
import { DEFAULT_ENTRY_PARAMS, type EntryParams } from './entryParams.ts'
import { GatewayConnection } from './gatewayConnection.ts'
import type { GatewayFailure } from './gatewayRefusals.ts'
import { SharedKeys } from './sharedKeys.ts'

export interface EntrySelectorOptions {
  readonly identitySeed: Secret
  /** Must be running. */
  readonly topology: TopologyProvider
  /** Base58 identity of the only gateway to use. Default: the one of last time, or a random one. */
  readonly gateway?: string | undefined
  /** Identity of a gateway that is chosen only where there is no other, or by name: that of the exit, which sees what is asked. */
  readonly avoid?: (() => Uint8Array | undefined) | undefined
  /** Only wss. Default false: the gateway protocol has its own encryption. */
  readonly forceTls?: boolean | undefined
  /** Where the choice and the shared keys are kept. undefined: nowhere, so each run has another address. */
  readonly folder?: string | undefined
  readonly params?: EntryParams | undefined
  readonly meter: Meter
  readonly log: Log
}

interface Waiter {
  resolve(): void
  reject(error: MixnetError): void
}

const IDENTITY_BYTES = 32

export class EntrySelector implements EntryLink {
  readonly #world: World
  readonly #options: EntrySelectorOptions
  readonly #params: EntryParams
  readonly #sharedKeys: SharedKeys
  // Until when, by base58 identity. At most one entry per gateway of the topology is alive.
  readonly #avoided = new Map<string, Millis>()
  readonly #waiters = new Set<Waiter>()
  readonly #closing = new Set<Promise<void>>()
  #handlers: EntryLinkHandlers | undefined
  #connection: GatewayConnection
  #name: string
  /** The gateway that served last, now or in an earlier run. */
  #home: string | undefined
  // The last moment of good service: a gateway that comes and goes is as bad as one that is away.
  #downSince: Millis
  #openedAt: Millis | undefined
  #unlistedSince: Millis | undefined
  #lastError: MixnetError | undefined
  #stopListening: () => void = () => {}
  #closed = false

  private constructor(world: World, options: EntrySelectorOptions, start: { name: string; home: string | undefined }) {
    this.#world = world
    this.#options = options
    this.#params = options.params ?? DEFAULT_ENTRY_PARAMS
    const log = options.log.child('entry')
    this.#sharedKeys = new SharedKeys({
      files: world.files,
      folder: options.folder === undefined ? undefined : `${options.folder}/shared-keys`,
      log,
    })
    this.#name = start.name
    this.#home = start.home
    this.#downSince = world.clock.monotonic()
    this.#connection = this.#connectionTo(start.name)
    options.meter.gauge('client_gateway_open', 'Whether packets can be sent', () => Number(this.isOpen))
  }

  /** Chooses the gateway; nothing is connected before `attach`. Throws GATEWAY_UNREACHABLE where there is none to choose. */
  static async create(world: World, options: EntrySelectorOptions): Promise<EntrySelector> {
    if (options.gateway !== undefined) fromBase58(options.gateway, 'gateway identity', IDENTITY_BYTES)
    const home = await readChoice(world, options)
    const named = options.gateway ?? home
    if (named !== undefined && (named === options.gateway || named !== avoidedName(options)))
      return new EntrySelector(world, options, { name: named, home })
    const topology = options.topology.current() ?? (await options.topology.refresh())
    const random = world.random.stream('gateway-choice')
    const chosen = selectEntry(options, { gateways: topology.gateways.values(), random, forceTls: options.forceTls })
    return new EntrySelector(world, options, { name: toBase58(chosen.identity), home })
  }

  /** The gateway in use or being tried. Changes before `opened` is called. */
  get gateway(): Uint8Array {
    return this.#connection.gateway
  }

  get isOpen(): boolean {
    return this.#connection.isOpen
  }

  attach(handlers: EntryLinkHandlers): void {
    if (this.#handlers) throw new MixnetError('INTERNAL', { what: 'entry selector attached twice' })
    this.#handlers = handlers
    this.#downSince = this.#world.clock.monotonic()
    this.#stopListening = this.#options.topology.onChange(() => this.#checkListed())
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
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter = { resolve, reject }
    const timer = this.#world.clock.after(limit, () => {
      reject(this.#lastError ?? new MixnetError('TIMEOUT', { what: 'the gateway', limitMs: limit }))
    })
    this.#waiters.add(waiter)
    try {
      await promise
    } finally {
      timer.cancel()
      this.#waiters.delete(waiter)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#stopListening()
    for (const waiter of this.#waiters) waiter.reject(new MixnetError('STOPPED'))
    await Promise.all([this.#connection.close(), ...this.#closing])
  }

  #connectionTo(name: string): GatewayConnection {
    const { identitySeed, topology, forceTls = false, params, meter, log } = this.#options
    return new GatewayConnection(this.#world, {
      gateway: fromBase58(name, 'gateway identity', IDENTITY_BYTES),
      urls: () => {
        const node = topology.current()?.gateways.get(name)
        return node === undefined ? [] : gatewayUrls(node, { forceTls })
      },
      identitySeed,
      sharedKeys: this.#sharedKeys,
      params,
      meter,
      log: log.child('entry'),
      onFailure: (failure) => this.#failed(failure),
    })
  }

  #start(): void {
    this.#connection.attach({
      pushed: (plaintext) => this.#handlers?.pushed(plaintext),
      opened: () => this.#opened(),
      lost: (error) => this.#lost(error),
    })
  }

  #lost(error: MixnetError): void {
    const now = this.#world.clock.monotonic()
    const lived = now - (this.#openedAt ?? now)
    if (lived >= this.#params.retry.stableAfter) this.#downSince = now
    this.#openedAt = undefined
    this.#lastError = error
    this.#handlers?.lost(error)
  }

  #opened(): void {
    this.#openedAt = this.#world.clock.monotonic()
    this.#lastError = undefined
    if (this.#home !== this.#name) {
      this.#home = this.#name
      this.#writeChoice(this.#name)
    }
    for (const waiter of this.#waiters) waiter.resolve()
    this.#handlers?.opened()
  }

  /** An attempt failed. The connection tries again by itself unless we move on. */
  #failed({ error, kind }: GatewayFailure): void {
    this.#lastError = error
    const { failover } = this.#params
    if (kind === 'refused') {
      if (this.#options.gateway !== undefined) for (const waiter of this.#waiters) waiter.reject(error)
      return this.#moveOn(failover.avoidRefused)
    }
    const away = this.#world.clock.monotonic() - this.#downSince
    const topology = this.#options.topology.current()
    // Where the directory leaves it out as well, its address is of no use to anybody.
    const unlisted = topology !== undefined && !topology.gateways.has(this.#name)
    if (this.#name !== this.#home || unlisted || away >= failover.downtime) this.#moveOn(failover.avoidAway)
  }

  /** A gateway that the directory leaves out serves us still, but nobody finds a route to us. */
  #checkListed(): void {
    const topology = this.#options.topology.current()
    if (topology === undefined || topology.gateways.has(this.#name)) {
      this.#unlistedSince = undefined
      return
    }
    const now = this.#world.clock.monotonic()
    this.#unlistedSince ??= now
    if (now - this.#unlistedSince >= this.#params.failover.unlisted) this.#moveOn(this.#params.failover.avoidAway)
  }

  /** To another gateway, if there is one; else it stays, and the next failure asks again. */
  #moveOn(avoidFor: Millis): void {
    if (this.#closed || this.#options.gateway !== undefined) return
    const now = this.#world.clock.monotonic()
    this.#avoided.set(this.#name, (now + avoidFor) as Millis)
    for (const [name, until] of this.#avoided) if (until <= now) this.#avoided.delete(name)
    const next = this.#choose()
    if (next === undefined) return
    const { log, meter } = this.#options
    const wasOpen = this.isOpen
    this.#leave()
    this.#name = next
    this.#unlistedSince = undefined
    this.#connection = this.#connectionTo(next)
    log.child('entry').warn('changing the gateway')
    meter.counter('client_gateway_changes_total', 'Moves to another gateway').value++
    if (wasOpen) this.#lost(new MixnetError('GATEWAY_LOST', { why: 'the directory does not list it any more' }))
    if (!this.#closed) this.#start()
  }

  /** The one that served last where it may be chosen, so that the address comes back; else a random one. */
  #choose(): string | undefined {
    const topology = this.#options.topology.current()
    if (topology === undefined) return undefined
    const selection = {
      gateways: topology.gateways.values(),
      random: this.#world.random.stream('gateway-choice'),
      exclude: new Set(this.#avoided.keys()),
      forceTls: this.#options.forceTls,
    }
    const home = this.#home
    const mayGoHome = home !== undefined && topology.gateways.has(home) && !this.#avoided.has(home)
    if (mayGoHome && home !== avoidedName(this.#options)) return home
    const chosen = tryDecode(() => selectEntry(this.#options, selection))
    return isMixnetError(chosen) ? undefined : toBase58(chosen.identity)
  }

  #leave(): void {
    const done = this.#connection.close().finally(() => this.#closing.delete(done))
    this.#closing.add(done)
  }

  #writeChoice(name: string): void {
    const { folder, log } = this.#options
    if (folder === undefined) return
    const done = this.#world.files
      .write(choiceFile(folder), utf8(`${name}\n`), { secret: true })
      .catch(() => log.child('entry').warn('choice of gateway not stored'))
      .finally(() => this.#closing.delete(done))
    this.#closing.add(done)
  }
}

function avoidedName({ avoid }: EntrySelectorOptions): string | undefined {
  const identity = avoid?.()
  return identity === undefined ? undefined : toBase58(identity)
}

/** Throws GATEWAY_UNREACHABLE. */
function selectEntry(options: EntrySelectorOptions, asked: GatewaySelection): NodeDescriptor {
  const avoided = avoidedName(options)
  const selection = { ...asked, gateways: [...asked.gateways] }
  if (avoided === undefined) return selectGateway(selection)
  const other = tryDecode(() => selectGateway({ ...selection, exclude: new Set(selection.exclude).add(avoided) }))
  return isMixnetError(other) ? selectGateway(selection) : other
}

const choiceFile = (folder: string): string => `${folder}/gateway`

async function readChoice(world: World, { folder, log }: EntrySelectorOptions): Promise<string | undefined> {
  const contents = folder === undefined ? undefined : await world.files.read(choiceFile(folder))
  if (contents === undefined) return undefined
  const name = fromUtf8Lossy(contents).trim()
  const identity = tryDecode(() => fromBase58(name, 'gateway identity', IDENTITY_BYTES))
  if (!isMixnetError(identity)) return name
  log.child('entry').warn('stored choice of gateway unreadable, choosing anew')
  return undefined
}
