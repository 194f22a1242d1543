/**
 * undici's agents, which keep connections for later: one for each isolation key that a caller named, and one for whoever named none, in which
 * every site is apart already, since undici keeps connections by origin and the dialer makes pseudonyms by site. A kept connection
 * carries the sender tag it was opened under, so one that served two keys would tell the exit that both are one client's.
 * @module
 */
import { Agent } from 'undici'
import type { MixnetError } from '../foundation/base/errors.ts'
import type { ExitConnector } from './exitConnector.ts'
import { watchedPools } from './watchedClients.ts'

export interface IsolatedAgentsOptions {
  readonly connector: ExitConnector
  readonly maxConnectionsPerOrigin: number
  /** As of a `Dialer`. */
  readonly generation: () => number
  /** Keys whose connections are kept while nobody asks anything under them. */
  readonly maxIdleKeys?: number | undefined
}

export interface Lease {
  readonly agent: Agent
  /** The request is over. Only the first call counts. */
  release(): void
}

interface Entry {
  readonly agent: Agent
  users: number
  /** Nothing new begins on it. */
  isLeaving: boolean
}

// A wallet has an account each for some tens of keys; a program that makes up a key for every request wants none of them kept.
const MAX_IDLE_KEYS = 64
// Shorter than most servers': a request on a connection that the server is just closing is lost.
const KEEP_ALIVE_MS = 10_000
const KEEP_ALIVE_MAX_MS = 60_000
// A new connection costs about two round trips through the mixnet; so much a server's hint is shortened by.
const KEEP_ALIVE_THRESHOLD_MS = 2_000

/** undici's 16 KiB are less than some pages' policies and cookies; the same as of the client for pages (web/http1Head.ts). */
const MAX_HEAD_BYTES = 64 * 1024

export class IsolatedAgents {
  readonly #options: IsolatedAgentsOptions
  /** Least recently used first. */
  readonly #named = new Map<string, Entry>()
  /** Evicted, their connections closing. */
  readonly #leaving = new Set<Agent>()
  #unnamed: Entry | undefined
  #destroyed: MixnetError | undefined
  #generation: number

  constructor(options: IsolatedAgentsOptions) {
    this.#options = options
    this.#generation = options.generation()
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#named.size
  }

  /** The agent for that key, which is not closed before it is released. Throws what all were destroyed with. */
  acquire(isolation: string | undefined): Lease {
    if (this.#destroyed !== undefined) throw this.#destroyed
    this.#renew()
    const entry = isolation === undefined ? this.#site() : this.#of(isolation)
    entry.users++
    this.#evict()
    let released = false
    return {
      agent: entry.agent,
      release: () => {
        if (released) return
        released = true
        entry.users--
        if (entry.isLeaving) this.#leave(entry)
        else this.#evict()
      },
    }
  }

  async destroy(error: MixnetError): Promise<void> {
    this.#destroyed = error
    const agents = [...this.#named.values(), ...(this.#unnamed ? [this.#unnamed] : [])].map(({ agent }) => agent)
    this.#named.clear()
    await Promise.all([...agents, ...this.#leaving].map((agent) => agent.destroy(error)))
  }

  #site(): Entry {
    this.#unnamed ??= this.#make(undefined)
    return this.#unnamed
  }

  #of(isolation: string): Entry {
    const entry = this.#named.get(isolation) ?? this.#make(isolation)
    this.#named.delete(isolation)
    this.#named.set(isolation, entry)
    return entry
  }

  /** Keys in use stay, however many: each has a request, and those have deadlines. */
  #evict(): void {
    const { maxIdleKeys = MAX_IDLE_KEYS } = this.#options
    for (const [isolation, entry] of this.#named) {
      if (this.#named.size <= maxIdleKeys) return
      if (entry.users > 0) continue
      this.#named.delete(isolation)
      this.#leave(entry)
    }
  }

  #renew(): void {
    const generation = this.#options.generation()
    if (generation === this.#generation) return
    this.#generation = generation
    for (const entry of [...this.#named.values(), ...(this.#unnamed ? [this.#unnamed] : [])]) this.#leave(entry)
    this.#named.clear()
    this.#unnamed = undefined
  }

  /** Closes it once nobody uses it: a request may still follow a redirect. */
  #leave(entry: Entry): void {
    const { agent } = entry
    entry.isLeaving = true
    this.#leaving.add(agent)
    if (entry.users > 0) return
    // Not destroyed: the response that has just ended may not have been told so yet.
    agent
      .close()
      .catch(() => {})
      .finally(() => this.#leaving.delete(agent))
  }

  #make(isolation: string | undefined): Entry {
    const { connector, maxConnectionsPerOrigin } = this.#options
    const agent = new Agent({
      factory: watchedPools(connector, isolation),
      connections: maxConnectionsPerOrigin,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
      keepAliveTimeoutThreshold: KEEP_ALIVE_THRESHOLD_MS,
      // RequestLifetime has the one limit.
      headersTimeout: 0,
      maxHeaderSize: MAX_HEAD_BYTES,
      bodyTimeout: 0,
    })
    return { agent, users: 0, isLeaving: false }
  }
}
