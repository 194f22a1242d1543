/**
 * Which gateway comes next: the one that served last, another guard in their order, and only in need a stranger. In need means
 * that every guard has failed and none has served for the patience while the directory went on answering, or that the directory lists
 * none of them: a client whose own network is down would otherwise end up with whoever is tried in the moment it comes back. @module
 */
import { fromBase58, toBase58 } from '../foundation/base/base58.ts'
import { MixnetError } from '../foundation/base/errors.ts'
import type { Log, Meter } from '../foundation/base/observe.ts'
import { hours, type Millis, millis } from '../foundation/base/units.ts'
import type { ClientWorld } from '../foundation/platform/world.ts'
import { usableGateways } from '../network/topology/gatewaySelection.ts'
import type { Topology } from '../network/topology/topology.ts'
import type { TopologyProvider } from '../network/topology/topologyProvider.ts'
import type { FailoverParams } from './entryParams.ts'
import { GuardFile, type Remembered } from './guardFile.ts'
import { type Candidate, GuardSet } from './guardSet.ts'

export interface EntryChoiceOptions {
  /** Must be running. */
  readonly topology: TopologyProvider
  /** Identity of a gateway that is chosen only where there is no other, or by name: that of the exit, which sees what is asked. */
  readonly avoid?: (() => Uint8Array | undefined) | undefined
  /** Only wss. Default false: the gateway protocol has its own encryption. */
  readonly forceTls?: boolean | undefined
  /** Where guards and shared keys are kept. undefined: nowhere, so each run has another address, and draws its guards anew. */
  readonly folder?: string | undefined
  /** All guards are away, and this stranger has been drawn: it is tried next. May be called before there is a choice. */
  readonly onBeyondGuards?: ((gateway: Uint8Array) => void) | undefined
  readonly meter: Meter
  readonly log: Log
}

const DAY = hours(24)
const IDENTITY_BYTES = 32

export class EntryChoice {
  readonly #world: ClientWorld
  readonly #options: EntryChoiceOptions
  readonly #params: FailoverParams
  readonly #file: GuardFile
  readonly #set: GuardSet
  // Until when, by base58 identity. At most one entry per guard is alive.
  readonly #avoided = new Map<string, Millis>()
  #home: string | undefined
  /** Those that failed since the last good service. */
  readonly #failed = new Set<string>()
  #isServed = false
  /** The last moment of good service, or of a draw: who lets us in and throws us out does not serve. */
  #withoutSince: Millis
  #directoryHeardAt: Millis

  private constructor(world: ClientWorld, options: EntryChoiceOptions, params: FailoverParams, known: Remembered) {
    this.#world = world
    this.#options = options
    this.#params = params
    this.#file = new GuardFile(world.files, options.folder, options.log.child('entry'))
    this.#set = new GuardSet(params.guards, world.random.stream('gateway-choice'), known.guards)
    this.#home = known.home
    this.#withoutSince = this.#directoryHeardAt = world.clock.monotonic()
  }

  static async load(world: ClientWorld, options: EntryChoiceOptions, params: FailoverParams): Promise<EntryChoice> {
    const known = await new GuardFile(world.files, options.folder, options.log.child('entry')).read()
    return new EntryChoice(world, options, params, known)
  }

  /** The gateway that served last, now or in an earlier run. */
  get home(): string | undefined {
    return this.#home
  }

  get guards(): readonly string[] {
    return this.#set.names
  }

  isFirst(name: string): boolean {
    return this.#set.isFirst(name)
  }

  /** Where to begin. Throws GATEWAY_UNREACHABLE where there is none to choose. */
  async first(): Promise<string> {
    const home = this.#home
    // A choice of a time without guards, or the user's: they trust it.
    if (home !== undefined && !this.#set.names.includes(home)) this.#set.adopt(home, this.#today())
    const { topology } = this.#options
    const current = topology.current() ?? (home === undefined ? await topology.refresh() : undefined)
    // Waiting for one would be waiting for an operator.
    if (current !== undefined && this.#options.forceTls && this.#usable().length === 0) throw noWss()
    if (current !== undefined) this.networkChanged(home)
    const chosen = this.guard() ?? this.#beyond() ?? this.#lastResort() ?? home
    if (chosen !== undefined) return chosen
    throw new MixnetError('GATEWAY_UNREACHABLE', { why: 'the directory lists no usable gateway' })
  }

  /** Connecting begins: from now on patience counts. */
  begin(): void {
    this.#withoutSince = this.#world.clock.monotonic()
  }

  served(name: string): void {
    this.#isServed = true
    if (this.#home === name) return
    this.#home = name
    this.#remember()
  }

  /** `lived`: it had served for long enough to end the row of failures. */
  lost(lived: boolean): void {
    this.#isServed = false
    if (!lived) return
    this.#withoutSince = this.#world.clock.monotonic()
    this.#failed.clear()
  }

  /** It failed: not to be chosen for so long. */
  avoid(name: string, duration: Millis): void {
    this.#failed.add(name)
    const now = this.#world.clock.monotonic()
    this.#avoided.set(name, millis(now + duration))
    for (const [other, until] of this.#avoided) if (until <= now) this.#avoided.delete(other)
  }

  /** The directory has answered. */
  networkChanged(inUse: string | undefined): void {
    this.#directoryHeardAt = this.#world.clock.monotonic()
    const isListed = (name: string): boolean => this.#isListed(name)
    // Forgotten while it is remembered as home, it would be taken for the user's own choice by the next run, and become a first one.
    const kept = [inUse, this.#home]
    const listing = { today: this.#today(), isListed, candidates: () => this.#candidates(), inUse: kept }
    if (this.#set.review(listing)) this.#remember()
  }

  /** undefined: nobody is better than who is being tried. */
  next(): string | undefined {
    if (this.#topology === undefined) return undefined
    // A round through the guards can take longer than one of them is avoided: there is always another to try.
    return (this.#isInNeed() ? this.#beyond() : undefined) ?? this.guard() ?? this.#lastResort()
  }

  /** One of the first guards, for who is at one that was drawn in need. */
  firstAgain(): string | undefined {
    return this.#set.names.find((name) => this.#set.isFirst(name) && this.#mayBe(name))
  }

  async flush(): Promise<void> {
    await this.#file.flush()
  }

  /** The one that served last, so that the address comes back; not where it was drawn in need. undefined: none can be chosen now. */
  guard(): string | undefined {
    const home = this.#home
    if (home !== undefined && this.#set.isFirst(home) && this.#mayBe(home)) return home
    return this.#set.names.find((name) => this.#mayBe(name))
  }

  #mayBe(name: string): boolean {
    const until = this.#avoided.get(name)
    const isAvoided = until !== undefined && until > this.#world.clock.monotonic()
    return !isAvoided && name !== this.#exitsGateway && this.#isListed(name)
  }

  #isInNeed(): boolean {
    const exit = this.#exitsGateway
    const usable = this.#set.names.filter((name) => name !== exit && this.#isListed(name))
    if (usable.length === 0) return true
    if (this.#isServed || !usable.every((name) => this.#failed.has(name))) return false
    const isNew = this.#home === undefined
    const patience = isNew ? this.#params.firstPatience : this.#params.patience
    // In the second half: an answer in the moments in which a network goes down says nothing of the hours after. One that is there
    // answers every five minutes.
    if (!isNew && this.#directoryHeardAt - this.#withoutSince < patience / 2) return false
    return this.#world.clock.monotonic() - this.#withoutSince >= patience
  }

  #beyond(): string | undefined {
    const drawn = this.#set.grow({ today: this.#today(), candidates: () => this.#candidates() })
    if (drawn === undefined) return undefined
    // Each further one takes as much patience again.
    this.#withoutSince = this.#world.clock.monotonic()
    this.#remember()
    const { log, meter, onBeyondGuards } = this.#options
    log.child('entry').warn('all guards are away, drew one more gateway')
    meter.counter('client_guards_drawn_total', 'Gateways drawn because all guards were away').value++
    onBeyondGuards?.(fromBase58(drawn, 'gateway identity', IDENTITY_BYTES))
    return drawn
  }

  /** The exit's own gateway, where there is no other at all. */
  #lastResort(): string | undefined {
    const exit = this.#exitsGateway
    const listed = this.#usable()
    const isOnly = exit !== undefined && listed.length === 1 && listed[0]?.name === exit
    return isOnly && !this.#avoided.has(exit) ? exit : undefined
  }

  #candidates(): readonly Candidate[] {
    const exit = this.#exitsGateway
    return this.#usable().filter(({ name }) => name !== exit)
  }

  #usable(): readonly Candidate[] {
    const { forceTls } = this.#options
    const nodes = usableGateways({ gateways: this.#topology?.gateways.values() ?? [], forceTls })
    return nodes.map(({ identity, performance }) => ({ name: toBase58(identity), weight: performance }))
  }

  #isListed(name: string): boolean {
    return this.#topology?.gateways.has(name) ?? false
  }

  get #topology(): Topology | undefined {
    return this.#options.topology.current()
  }

  get #exitsGateway(): string | undefined {
    const identity = this.#options.avoid?.()
    return identity === undefined ? undefined : toBase58(identity)
  }

  #today(): number {
    return Math.floor(this.#world.clock.now() / DAY)
  }

  #remember(): void {
    this.#file.write({ home: this.#home, guards: this.#set.guards })
  }
}

export const noWss = (details: { readonly gateway?: string } = {}): MixnetError =>
  new MixnetError(
    'GATEWAY_UNREACHABLE',
    { why: 'no usable gateway announces a port for wss', ...details },
    {
      nextStep: 'Name a gateway that does, or leave forceTls out. A page that came by https cannot: serve it by http.',
    },
  )
