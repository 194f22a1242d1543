/** Time as an argument. Whoever starts a timer owns its stop. @module */
import { MixnetError } from '../base/errors.ts'
import type { Millis } from '../base/units.ts'

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall-clock time, since the Unix epoch. May jump when the machine's clock is set. */
  now(): Millis
  /** Time since some fixed instant; never goes back. Measure durations with this one. */
  monotonic(): Millis
  /** Runs `run` once, `delay` from now. A pending timer does not keep a process alive. */
  after(delay: Millis, run: () => void): Timer
  /** Runs `run` after the callbacks of this turn: where batches are flushed. */
  soon(run: () => void): void
  /**
   * Somebody waits for what only timers will end: until the returned function is called, the process stays alive. Absent where every
   * timer keeps it alive, or nothing ends a page that only waits.
   */
  hold?(): () => void
}

/** As `after`, for what a program waits for: it would else end without a word in the middle of its await. */
export function deadlineAfter(clock: Clock, delay: Millis, run: () => void): Timer {
  const release = clock.hold?.()
  const timer = clock.after(delay, () => {
    release?.()
    run()
  })
  return {
    cancel() {
      release?.()
      timer.cancel()
    },
  }
}

/** `work`, for which somebody waits. */
export async function awaited<T>(clock: Clock, work: Promise<T>): Promise<T> {
  const release = clock.hold?.()
  try {
    return await work
  } finally {
    release?.()
  }
}

/** Rejects with ABORTED when `signal` fires first. */
export function sleep(clock: Clock, delay: Millis, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new MixnetError('ABORTED'))
    const abort = () => {
      timer.cancel()
      reject(new MixnetError('ABORTED'))
    }
    const timer = clock.after(delay, () => {
      signal?.removeEventListener('abort', abort)
      resolve()
    })
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/** `work`, or ABORTED once `signal` fires. The work itself is not stopped. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const abort = () => reject(new MixnetError('ABORTED'))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** `work`, or TIMEOUT naming `what` after `limit`. The work itself is not stopped: give it a signal for that. */
export function withDeadline<T>(clock: Clock, limit: Millis, what: string, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = deadlineAfter(clock, limit, () =>
      reject(new MixnetError('TIMEOUT', { what, limitMs: Math.round(limit) })),
    )
    work.then(
      (value) => {
        timer.cancel()
        resolve(value)
      },
      (error: unknown) => {
        timer.cancel()
        reject(error)
      },
    )
  })
}
