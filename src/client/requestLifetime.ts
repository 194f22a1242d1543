/**
 * How long one request lives: from the call to the last byte of its answer, at most its limit, at most until its caller's signal.
 * undici's own timers and signals stop at various points on this way; this does not. @module
 */
import type { Dispatcher } from 'undici'
import { type ErrorCode, MixnetError, malformed } from '../foundation/base/errors.ts'
import type { Millis } from '../foundation/base/units.ts'
import { type Clock, deadlineAfter, type Timer } from '../foundation/platform/clock.ts'
import type { LifetimeObserver } from './requestLog.ts'

export interface RequestLifetimeOptions {
  readonly clock: Clock
  readonly limit: Millis
  /** The caller's. */
  readonly signals: readonly AbortSignal[]
  readonly observer?: LifetimeObserver
}

/** 100, 102, 103: a server that goes on with them has no answer. As in pages (web/http1Connection.ts). */
const MAX_INTERIM = 32

interface Watched {
  readonly handler: Dispatcher.DispatchHandler
  /** None while it waits for a connection. */
  controller: Dispatcher.DispatchController | undefined
  /** Stopped while it waited. */
  stopped: Error | undefined
  interim: number
  /** Its head came in this turn. */
  justAnswered: boolean
  /** How it ended in the turn of its head. */
  ending: (() => void) | undefined
}

export class RequestLifetime {
  readonly #options: RequestLifetimeOptions
  readonly #controller = new AbortController()
  readonly #sending = new AbortController()
  // A redirect is one more dispatch. Held here, so that none is collected before it can be stopped.
  readonly #dispatches = new Set<Watched>()
  readonly #timer: Timer
  #resolved = false

  constructor(options: RequestLifetimeOptions) {
    this.#options = options
    const { clock, limit, signals } = options
    this.#timer = deadlineAfter(clock, limit, () =>
      this.#stop(new MixnetError('TIMEOUT', { what: 'request', limitMs: limit })),
    )
    for (const signal of signals) signal.addEventListener('abort', this.#abort)
    if (signals.some((signal) => signal.aborted)) this.#abort()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Fires where it failed: nobody reads any more what is sent. */
  get failed(): AbortSignal {
    return this.#sending.signal
  }

  /** `fetch` has thrown: it is over. */
  rejected(): void {
    this.#sending.abort()
    this.#finish()
  }

  /** No more dispatches: `fetch` has a response, for instance. It is over when the body is. */
  resolved(): void {
    this.#resolved = true
    if (this.#dispatches.size === 0) this.#finish()
  }

  /** A handler that does what `handler` does and tells when the dispatch begins and ends. */
  watch(handler: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler {
    const { observer } = this.#options
    const watched: Watched = {
      handler,
      controller: undefined,
      stopped: undefined,
      interim: 0,
      justAnswered: false,
      ending: undefined,
    }
    this.#dispatches.add(watched)
    return {
      onRequestStart: (controller, context) => {
        if (watched.stopped !== undefined) return controller.abort(watched.stopped)
        watched.controller = controller
        handler.onRequestStart?.(controller, context)
      },
      onRequestUpgrade: (...args) => {
        // From here on it is a connection of the caller's, and no request.
        this.#ended(watched)
        handler.onRequestUpgrade?.(...args)
      },
      onResponseStarted: () => handler.onResponseStarted?.(),
      onResponseStart: (...args) => {
        observer?.answered?.(args[1])
        if (args[1] >= 200) this.#answered(watched)
        else if (++watched.interim > MAX_INTERIM) {
          args[0].abort(malformed('HTTP response', 'too many interim answers'))
          return
        }
        handler.onResponseStart?.(...args)
      },
      onResponseData: (...args) => handler.onResponseData?.(...args),
      onBodySent: (chunk) => handler.onBodySent?.(chunk),
      onRequestSent: () => {
        observer?.sent?.()
        handler.onRequestSent?.()
      },
      onResponseEnd: (...args) => {
        this.#ended(watched)
        handler.onResponseEnd?.(...args)
      },
      onResponseError: (...args) => {
        if (watched.stopped !== undefined) return
        observer?.failed?.(args[1])
        this.#sending.abort(args[1])
        const end = () => {
          this.#ended(watched)
          handler.onResponseError?.(...args)
        }
        if (watched.justAnswered) watched.ending = end
        else end()
      },
    }
  }

  /**
   * undici's `fetch` makes the body's stream some promises after the head, and forgets what fails in between: a server that sends
   * a head and half a chunk too many in one packet would leave its reader waiting for ever, behind the last deadline.
   */
  #answered(watched: Watched): void {
    watched.justAnswered = true
    this.#options.clock.soon(() => {
      watched.justAnswered = false
      watched.ending?.()
    })
  }

  readonly #abort = (): void => {
    const aborted = this.#options.signals.find((signal) => signal.aborted)
    this.#stop(aborted?.reason, 'ABORTED')
  }

  #ended(watched: Watched): void {
    this.#dispatches.delete(watched)
    if (this.#resolved && this.#dispatches.size === 0) this.#finish()
  }

  #stop(reason: unknown, code?: ErrorCode): void {
    const dispatches = [...this.#dispatches]
    this.#options.observer?.failed?.(reason, code)
    this.#sending.abort(reason)
    this.#finish()
    this.#controller.abort(reason)
    const error = reason instanceof Error ? reason : new MixnetError('ABORTED')
    for (const watched of dispatches) {
      if (watched.controller !== undefined) {
        watched.controller.abort(error)
        continue
      }
      // undici tells nobody of it before there is a connection, and all of them may be taken for long.
      watched.stopped = error
      watched.handler.onResponseError?.(stoppedController(error), error)
    }
  }

  #finish(): void {
    this.#timer.cancel()
    this.#dispatches.clear()
    for (const signal of this.#options.signals) signal.removeEventListener('abort', this.#abort)
    this.#options.observer?.finished?.()
  }
}

/** For a dispatch that undici has given none yet. */
function stoppedController(reason: Error): Dispatcher.DispatchController {
  return {
    aborted: true,
    paused: false,
    reason,
    rawHeaders: null,
    rawTrailers: null,
    abort() {},
    pause() {},
    resume() {},
  }
}
