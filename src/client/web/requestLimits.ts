/**
 * What ends a request before its time: one deadline, from the call to the last byte of the body, and its caller's signals. It
 * fires in every phase, whatever the phase waits for. @module
 */
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Millis } from '../../foundation/base/units.ts'
import { type Clock, deadlineAfter, type Timer } from '../../foundation/platform/clock.ts'

export interface RequestLimitsOptions {
  readonly clock: Clock
  readonly limit: Millis
  /** The caller's. */
  readonly signals: readonly AbortSignal[]
}

export class RequestLimits {
  readonly #signals: readonly AbortSignal[]
  readonly #timer: Timer
  readonly #stops = new Set<(reason: unknown) => void>()
  #stopped: { readonly reason: unknown } | undefined

  constructor({ clock, limit, signals }: RequestLimitsOptions) {
    this.#signals = signals
    this.#timer = deadlineAfter(clock, limit, () =>
      this.stop(new MixnetError('TIMEOUT', { what: 'request', limitMs: limit })),
    )
    for (const signal of signals) signal.addEventListener('abort', this.#abort)
    this.#abort()
  }

  /** Throws why the request was stopped, if it was. */
  check(): void {
    if (this.#stopped !== undefined) throw this.#stopped.reason
  }

  /** `stop` is called at most once: at once, later, or never. Returns what takes it back. */
  onStop(stop: (reason: unknown) => void): () => void {
    if (this.#stopped !== undefined) stop(this.#stopped.reason)
    else this.#stops.add(stop)
    return () => this.#stops.delete(stop)
  }

  /** `work`, or why the request was stopped meanwhile; the work itself is stopped by what `onStop` was given. */
  until<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const forget = this.onStop(reject)
      work.then(resolve, reject).finally(forget)
    })
  }

  stop(reason: unknown): void {
    if (this.#stopped !== undefined) return
    this.#stopped = { reason }
    const stops = [...this.#stops]
    this.finish()
    for (const stop of stops) stop(reason)
  }

  /** The request is over. */
  finish(): void {
    this.#timer.cancel()
    this.#stops.clear()
    for (const signal of this.#signals) signal.removeEventListener('abort', this.#abort)
  }

  readonly #abort = (): void => {
    const aborted = this.#signals.find((signal) => signal.aborted)
    if (aborted !== undefined) this.stop(aborted.reason)
  }
}
