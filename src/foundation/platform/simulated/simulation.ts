/**
 * A deterministic world of hosts under a virtual clock: equal seeds and equal code give equal traces. Each host runs one
 * process at a time in a `World` of its own, which can crash and be restarted; the network between them can be slow, lossy
 * and cut. @module
 */
import { MixnetError } from '../../base/errors.ts'
import { type Millis, millis } from '../../base/units.ts'
import type { LinkCryptoProvider } from '../../crypto/provider.ts'
import type { Clock } from '../clock.ts'
import type { Random } from '../random.ts'
import type { World } from '../world.ts'
import { EventLoop } from './eventLoop.ts'
import { EventQueue, type Mortal } from './eventQueue.ts'
import { Life, type Machine } from './life.ts'
import type { Link, LinkShape, Transmission } from './link.ts'
import { FIRST_EPHEMERAL_PORT, Network } from './network.ts'
import { simulatedDatabases } from './simulatedDatabase.ts'
import { simulatedFiles } from './simulatedFiles.ts'
import { simulatedNet } from './simulatedNet.ts'
import { SimulatedRandom } from './simulatedRandom.ts'
import type { Trace } from './trace.ts'

/** 2026-01-01, a moment like any other. */
const DEFAULT_START = millis(1_767_225_600_000)
const DEFAULT_SHAPE: LinkShape = { latency: millis(1) }
/** TCP gives up on a peer it cannot reach; Linux takes longer, but what waits for it learns no more. */
const GIVES_UP_AFTER = millis(60_000)

export interface SimulationOptions {
  readonly seed: string
  readonly crypto: LinkCryptoProvider
  /** What clocks show at the beginning. */
  readonly startAt?: Millis
  /** The shape of each link when it is first used. */
  readonly shape?: (from: string, to: string) => LinkShape
  /** Records every transmission, crash and cut, and what the caller notes. */
  readonly trace?: Trace
  /** Sees every transmission, as somebody who watches all wires would. */
  readonly observe?: (transmission: Transmission) => void
}

export interface HostOptions {
  readonly ips: readonly string[]
}

export class Simulation {
  /** For whoever conducts the simulation: its timers survive every crash. */
  readonly clock: Clock
  /** For whoever conducts the simulation. */
  readonly random: Random
  readonly #options: SimulationOptions
  readonly #events: EventQueue = new EventQueue()
  readonly #loop: EventLoop = new EventLoop(this.#events)
  readonly #network: Network
  readonly #machines = new Map<string, Machine>()

  constructor(options: SimulationOptions) {
    this.#options = options
    const { seed, shape = () => DEFAULT_SHAPE, trace, observe } = options
    this.clock = this.#clockOf(undefined)
    this.random = new SimulatedRandom(seed, 'conductor')
    this.#network = new Network({
      seed,
      events: this.#events,
      shape,
      observe(transmission) {
        trace?.record(transmission.time, 'transmit', transmission.from, transmission.to, transmission.bytes)
        observe?.(transmission)
      },
    })
  }

  /** Adds a host and starts its process. Its name is a host name as well. */
  host(name: string, { ips }: HostOptions): World {
    if (this.#machines.has(name)) throw new MixnetError('BAD_ARGUMENT', { argument: 'name', taken: name })
    const machine: Machine = {
      name,
      ips,
      files: new Map(),
      databases: new Map(),
      services: new Map(),
      lives: 0,
      life: undefined,
      nextPort: FIRST_EPHEMERAL_PORT,
    }
    this.#network.add(machine)
    this.#machines.set(name, machine)
    return this.#start(machine)
  }

  /** Makes `host` a name of these addresses for everybody. */
  name(host: string, ips: readonly string[]): void {
    this.#network.name(host, ips)
  }

  /**
   * Keeps the process of a host from everything for so long, as a busy machine does: timers fire late, and what arrives is read late.
   * Only what others see at once is not: that it listens.
   */
  stall(host: string, duration: Millis): void {
    this.#record('stall', host, duration)
    this.#machine(host).life?.stall(duration)
  }

  /** Kills the process of a host, as kill -9 would. Nothing happens where it is dead already. */
  crash(host: string): void {
    const { life } = this.#machine(host)
    if (life === undefined) return
    this.#record('crash', host)
    life.end()
  }

  /** Starts a new process on a host, in a new World with the old files and databases. Crashes the old one where it still runs. */
  restart(host: string): World {
    this.crash(host)
    this.#record('restart', host)
    return this.#start(this.#machine(host))
  }

  /** Changes the link from one host to another from now on: what is on its way is not affected. */
  shapeLink(from: string, to: string, shape: Partial<LinkShape>): void {
    const link = this.#network.link(from, to)
    link.shape = { ...link.shape, ...shape }
  }

  /**
   * Cuts every link between the two groups, both ways, until the returned function is called. What is sent meanwhile arrives
   * then; connections that wait for a minute are lost.
   */
  partition(these: readonly string[], those: readonly string[]): () => void {
    this.#record('cut', these.join(), those.join())
    const links: Link[] = []
    for (const one of these) {
      for (const other of those) links.push(this.#network.link(one, other), this.#network.link(other, one))
    }
    for (const link of links) link.cut()
    const cut = new Set(links)
    const givingUp = this.#events.schedule(GIVES_UP_AFTER, () => this.#loseConnections(cut), undefined)
    let mended = false
    return () => {
      if (mended) return
      mended = true
      givingUp.cancel()
      this.#record('mend', these.join(), those.join())
      for (const link of links) link.mend()
    }
  }

  /** Runs everything up to and including the instant `until` of the clocks, which then show it. */
  async run(until: Millis): Promise<void> {
    await this.#runTo(until - this.#startAt)
  }

  /** Runs for this long. */
  async runFor(duration: Millis): Promise<void> {
    await this.#runTo(this.#events.now + duration)
  }

  async #runTo(end: number): Promise<void> {
    await this.#loop.run((time) => time !== undefined && time <= end)
    this.#events.advance(end)
  }

  /** Runs one event and the promises it settles; false where none is left. */
  async step(): Promise<boolean> {
    let ran = false
    await this.#loop.run((time) => {
      if (ran || time === undefined) return false
      ran = true
      return true
    })
    return ran
  }

  /** Runs until `work` settles, for at most `limit` of virtual time; then, or when nothing can happen any more, TIMEOUT. */
  async complete<T>(work: Promise<T>, limit: Millis = millis(3_600_000)): Promise<T> {
    let settled = false
    const settle = () => {
      settled = true
    }
    work.then(settle, settle)
    const end = this.#events.now + limit
    await this.#loop.run((time) => !settled && time !== undefined && time <= end)
    if (!settled) throw new MixnetError('TIMEOUT', { what: 'simulated work', limitMs: limit })
    return work
  }

  /** Events run so far. */
  get eventCount(): number {
    return this.#loop.count
  }

  /** Events that wait. */
  get pendingCount(): number {
    return this.#events.size
  }

  /** Writes a line of the caller's into the trace. */
  note(what: string, ...fields: readonly (string | number)[]): void {
    this.#record(what, ...fields)
  }

  get #startAt(): Millis {
    return this.#options.startAt ?? DEFAULT_START
  }

  #machine(name: string): Machine {
    const machine = this.#machines.get(name)
    if (machine === undefined) throw new MixnetError('BAD_ARGUMENT', { argument: 'host', unknown: name })
    return machine
  }

  #start(machine: Machine): World {
    const life = new Life(machine, this.#events)
    machine.life = life
    machine.lives++
    return {
      clock: this.#clockOf(life),
      random: new SimulatedRandom(this.#options.seed, 'host', machine.name, String(machine.lives)),
      net: simulatedNet(this.#network, life),
      files: simulatedFiles(life),
      databases: simulatedDatabases(life),
      crypto: this.#options.crypto,
    }
  }

  #clockOf(owner: Mortal | undefined): Clock {
    const events = this.#events
    const startAt = this.#options.startAt ?? DEFAULT_START
    return {
      now: () => millis(startAt + events.now),
      monotonic: () => millis(events.now),
      after: (delay, run) => events.schedule(delay, run, owner),
      soon: (run) => void events.schedule(0, run, owner),
    }
  }

  #loseConnections(cut: ReadonlySet<Link>): void {
    const error = new MixnetError('CONNECTION_CLOSED', { system: 'ETIMEDOUT' })
    for (const { life } of this.#machines.values()) {
      for (const connection of life?.connections ?? []) connection.loseIfOn(cut, error)
    }
    for (const link of cut) link.giveUp()
  }

  #record(what: string, ...fields: readonly (string | number)[]): void {
    this.#options.trace?.record(this.#events.now, what, ...fields)
  }
}
