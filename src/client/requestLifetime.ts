/**
 * How long one fetch lives: from the call to the last byte of its body, at most its limit, at most until its caller's signal.
 * undici's own timers and signals stop at various points on this way; this does not. @module
 */
import type { Dispatcher } from 'undici'
import { MixnetError } from '../foundation/base/errors.ts'
import type { Millis } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'

export interface RequestLifetimeOptions {
  readonly clock: Clock
  readonly limit: Millis
  /** The caller's. */
  readonly signals: readonly AbortSignal[]
  /** It is over, for whatever reason. May come more than once. */
  readonly finished?: () => void
}

export class RequestLifetime {
  readonly #options: RequestLifetimeOptions
  readonly #controller = new AbortController()
  // A redirect is one more dispatch. Held here, so that none is collected before it can be stopped.
  readonly #dispatches = new Map<Dispatcher.DispatchHandler, Dispatcher.DispatchController | undefined>()
  readonly #timer: Timer
  #resolved = false

  constructor(options: RequestLifetimeOptions) {
    this.#options = options
    const { clock, limit, signals } = options
    this.#timer = clock.after(limit, () => this.#stop(new MixnetError('TIMEOUT', { what: 'request', limitMs: limit })))
    for (const signal of signals) signal.addEventListener('abort', this.#abort)
    if (signals.some((signal) => signal.aborted)) this.#abort()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** `fetch` has thrown: it is over. */
  rejected(): void {
    this.#finish()
  }

  /** `fetch` has a response: it is over when the body is. */
  resolved(): void {
    this.#resolved = true
    if (this.#dispatches.size === 0) this.#finish()
  }

  /** A handler that does what `handler` does and tells when the dispatch begins and ends. */
  watch(handler: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler {
    this.#dispatches.set(handler, undefined)
    return {
      onRequestStart: (controller, context) => {
        this.#dispatches.set(handler, controller)
        handler.onRequestStart?.(controller, context)
      },
      onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
      onResponseStarted: () => handler.onResponseStarted?.(),
      onResponseStart: (...args) => handler.onResponseStart?.(...args),
      onResponseData: (...args) => handler.onResponseData?.(...args),
      onBodySent: (chunk) => handler.onBodySent?.(chunk),
      onRequestSent: () => handler.onRequestSent?.(),
      onResponseEnd: (...args) => {
        this.#ended(handler)
        handler.onResponseEnd?.(...args)
      },
      onResponseError: (...args) => {
        this.#ended(handler)
        handler.onResponseError?.(...args)
      },
    }
  }

  readonly #abort = (): void => {
    const aborted = this.#options.signals.find((signal) => signal.aborted)
    this.#stop(aborted?.reason)
  }

  #ended(handler: Dispatcher.DispatchHandler): void {
    this.#dispatches.delete(handler)
    if (this.#resolved && this.#dispatches.size === 0) this.#finish()
  }

  #stop(reason: unknown): void {
    const dispatches = [...this.#dispatches.values()]
    this.#finish()
    this.#controller.abort(reason)
    for (const dispatch of dispatches) {
      dispatch?.abort(reason instanceof Error ? reason : new MixnetError('ABORTED'))
    }
  }

  #finish(): void {
    this.#timer.cancel()
    this.#dispatches.clear()
    for (const signal of this.#options.signals) signal.removeEventListener('abort', this.#abort)
    this.#options.finished?.()
  }
}
