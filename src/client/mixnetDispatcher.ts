/**
 * The mixnet as undici's Dispatcher: what a program gives to its own copy of undici, or to Node's `fetch`, so that its requests go
 * through the exit. Each has a deadline from its dispatch to its last byte; undici's own count only while bytes are awaited. @module
 */
import { Dispatcher } from 'undici'
import type { Millis } from '../foundation/base/units.ts'
import type { Clock } from '../foundation/platform/clock.ts'
import { isOfFetch, withoutTraces } from './headerTraces.ts'
import type { IsolatedAgents } from './isolatedAgents.ts'
import { RequestLifetime } from './requestLifetime.ts'
import { observed, type RequestLog } from './requestLog.ts'
import { withTimeline } from './watchedClients.ts'

export interface MixnetDispatcherOptions {
  readonly clock: Clock
  readonly agents: IsolatedAgents
  readonly log: RequestLog
  readonly isolation: string | undefined
  readonly limit: Millis
  readonly userAgent: string
}

export class MixnetDispatcher extends Dispatcher {
  readonly #options: MixnetDispatcherOptions

  constructor(options: MixnetDispatcherOptions) {
    super()
    this.#options = options
  }

  /** False, as undici wants it, where the caller should wait for `drain`; true here: requests beyond the connections are queued. */
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { clock, agents, log, isolation, limit, userAgent } = this.#options
    const { agent, release } = agents.acquire(isolation)
    const timeline = log.begin()
    const lifetime = new RequestLifetime({ clock, limit, signals: [], observer: observed(log, timeline, release) })
    const { headers } = options
    const sent = isOfFetch(headers) ? { ...options, headers: withoutTraces(headers, userAgent) } : options
    try {
      agent.dispatch(withTimeline(sent, timeline), lifetime.watch(handler))
      lifetime.resolved()
    } catch (error) {
      lifetime.rejected()
      throw error
    }
    return true
  }

  /** Does nothing: it lives as long as its mixnet, and a library that closes what it was lent must not end that. */
  override close(callback: () => void): void
  override close(): Promise<void>
  override close(callback?: () => void): Promise<void> | undefined {
    return done(callback)
  }

  /** As `close`. */
  override destroy(error: Error | null, callback: () => void): void
  override destroy(callback: () => void): void
  override destroy(error?: Error | null): Promise<void>
  override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> | undefined {
    return done(typeof error === 'function' ? error : callback)
  }
}

function done(callback: (() => void) | undefined): Promise<void> | undefined {
  if (callback === undefined) return Promise.resolve()
  queueMicrotask(callback)
  return undefined
}
