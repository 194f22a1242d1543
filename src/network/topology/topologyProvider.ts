/**
 * Keeps a topology, or a node's view, fresh: asks again every few minutes, lives on the old one while the directory is away,
 * and gives it up after many failures. Rules: docs/spec/links.md, "Topology". @module
 */
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { type Log, silentLog } from '../../foundation/base/observe.ts'
import { type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'
import { type Clock, sleep, type Timer } from '../../foundation/platform/clock.ts'
import type { NodeView } from './nodeView.ts'
import { type Topology, unavailable } from './topology.ts'
import type { Fetch } from './topologySources.ts'

/** A value that somebody keeps fresh. */
export interface Provider<T> {
  /** undefined before the first success, and after too many failures. */
  current(): T | undefined
  /**
   * Asks now; whoever asks meanwhile gets the same answer. The old value stays where it fails, however often: only the failures of
   * the regular round count towards giving it up, or whoever can make us ask could make us forget.
   */
  refresh(): Promise<T>
  /** Called with every new value, and with undefined when the old one is given up. Returns how to stop it. */
  onChange(listener: (value: T | undefined) => void): () => void
  /**
   * Resolves with the first value; then goes on refreshing until `stop`. Throws TOPOLOGY_UNAVAILABLE when none came in time. A
   * remembered value is as good as a first one, where the directory does not answer.
   */
  start(): Promise<T>
  stop(): void
}

export type TopologyProvider = Provider<Topology>
export type NodeViewProvider = Provider<NodeView>

export interface RefreshParams {
  readonly interval: Millis
  /** For one refresh, all its requests together. */
  readonly deadline: Millis
  /** Consecutive failures of the regular round that the old value survives. */
  readonly maxFailures: number
  /** Between attempts while there is no value yet. */
  readonly startRetry: Millis
  /** How long `start` goes on trying. */
  readonly startLimit: Millis
}

/** Of the official clients, but for the start: somebody sits in front of it, and is told of a mistyped address, not kept waiting. */
export const CLIENT_REFRESH: RefreshParams = {
  interval: minutes(5),
  deadline: seconds(30),
  maxFailures: 10,
  startRetry: seconds(1),
  startLimit: seconds(2),
}

/** Of the official nodes: they may start before their network is complete. */
export const NODE_REFRESH: RefreshParams = {
  ...CLIENT_REFRESH,
  interval: minutes(10),
  startRetry: seconds(5),
  startLimit: minutes(15),
}

export interface RefreshingOptions<T> {
  readonly clock: Clock
  readonly fetch: Fetch<T>
  readonly params?: RefreshParams
  /** Sooner than `params` say, where the value says that it changes sooner; undefined: it does not say. */
  readonly intervalOf?: (value: T) => Millis | undefined
  /** Of an earlier process: in force until there is a newer one, or until it would have been given up there. */
  readonly remembered?: T | undefined
  readonly log?: Log
}

/** Who has nothing, or nothing but what an earlier process knew, cannot wait as long as who has: so many times the questions. */
const HASTE = 10

export class Refreshing<T> implements Provider<T> {
  readonly #clock: Clock
  readonly #fetch: Fetch<T>
  readonly #params: RefreshParams
  readonly #intervalOf: ((value: T) => Millis | undefined) | undefined
  readonly #log: Log
  readonly #listeners = new Set<(value: T | undefined) => void>()
  #value: T | undefined
  /** The value is of an earlier process. */
  #isRemembered: boolean
  #failures = 0
  #lastFailure: unknown
  #timer: Timer | undefined
  #running: { readonly abort: AbortController; readonly done: Promise<T> } | undefined
  #started: Promise<T> | undefined
  readonly #life = new AbortController()

  constructor({
    clock,
    fetch,
    params = CLIENT_REFRESH,
    intervalOf,
    remembered,
    log = silentLog,
  }: RefreshingOptions<T>) {
    this.#value = remembered
    this.#isRemembered = remembered !== undefined
    this.#clock = clock
    this.#fetch = fetch
    this.#params = params
    this.#intervalOf = intervalOf
    this.#log = log
  }

  current(): T | undefined {
    return this.#value
  }

  /** Why there is no value yet, for whoever runs out of patience first; undefined with one. */
  get lastFailure(): unknown {
    return this.#value === undefined ? this.#lastFailure : undefined
  }

  onChange(listener: (value: T | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  refresh(): Promise<T> {
    if (this.#life.signal.aborted) return Promise.reject(new MixnetError('STOPPED', { what: 'topology provider' }))
    if (this.#running) return this.#running.done
    const abort = new AbortController()
    const done = this.#ask(abort).finally(() => {
      this.#running = undefined
    })
    this.#running = { abort, done }
    return done
  }

  start(): Promise<T> {
    this.#started ??= this.#start().catch((error: unknown) => {
      this.#started = undefined
      throw error
    })
    return this.#started
  }

  stop(): void {
    this.#life.abort()
    this.#timer?.cancel()
    this.#running?.abort.abort()
    this.#listeners.clear()
  }

  async #start(): Promise<T> {
    const limit = this.#clock.monotonic() + this.#params.startLimit
    for (;;) {
      try {
        const value = await this.refresh()
        this.#refreshLater()
        return value
      } catch (error) {
        if (this.#value !== undefined && !this.#life.signal.aborted) {
          this.#refreshLater()
          return this.#value
        }
        if (this.#life.signal.aborted || this.#clock.monotonic() + this.#params.startRetry > limit) throw error
      }
      await sleep(this.#clock, this.#params.startRetry, this.#life.signal)
    }
  }

  #refreshLater(): void {
    if (this.#life.signal.aborted) return
    const value = this.#value
    const usual = this.#params.interval
    const interval = millis(Math.min(usual, (value === undefined ? undefined : this.#intervalOf?.(value)) ?? usual))
    const wait = value === undefined || this.#isRemembered ? millis(interval / HASTE) : interval
    this.#timer = this.#clock.after(wait, () => {
      this.refresh()
        .catch(() => this.#countFailure())
        .finally(() => this.#refreshLater())
    })
  }

  async #ask(abort: AbortController): Promise<T> {
    let expired = false
    const deadline = this.#clock.after(this.#params.deadline, () => {
      expired = true
      abort.abort()
    })
    try {
      const value = await this.#fetch(abort.signal)
      if (this.#life.signal.aborted) throw new MixnetError('STOPPED', { what: 'topology provider' })
      this.#failures = 0
      this.#isRemembered = false
      this.#set(value)
      return value
    } catch (error) {
      if (this.#life.signal.aborted) throw new MixnetError('STOPPED', { what: 'topology provider' })
      const why = expired ? unavailable('the directory did not answer in time', error) : error
      this.#log.warn('refresh failed', {
        code: isMixnetError(why) ? why.code : 'unknown',
        failures: this.#failures + 1,
      })
      this.#lastFailure = why
      throw why
    } finally {
      deadline.cancel()
    }
  }

  #countFailure(): void {
    if (this.#life.signal.aborted) return
    this.#failures++
    const { maxFailures } = this.#params
    if (this.#failures <= (this.#isRemembered ? maxFailures * HASTE : maxFailures) || this.#value === undefined) return
    this.#isRemembered = false
    this.#log.warn('given up', { failures: this.#failures })
    this.#set(undefined)
  }

  #set(value: T | undefined): void {
    this.#value = value
    for (const listener of [...this.#listeners]) listener(value)
  }
}

/** A value that never changes, for tests, simulations and networks written down in a file. */
export function fixed<T>(value: T): Provider<T> {
  return {
    current: () => value,
    refresh: () => Promise.resolve(value),
    onChange: () => () => {},
    start: () => Promise.resolve(value),
    stop() {},
  }
}

/** The topology inside a node's view, for the clients that live in the node. Starting and stopping stay with the view. */
export function topologyOf(views: NodeViewProvider): TopologyProvider {
  return {
    current: () => views.current()?.topology,
    refresh: async () => (await views.refresh()).topology,
    onChange: (listener) => views.onChange((view) => listener(view?.topology)),
    start: async () => (await views.start()).topology,
    stop() {},
  }
}
