/** One deadline and one abort signal for an operation that can be stopped: whichever comes first stops it. @module */
import { MixnetError } from '../base/errors.ts'
import type { Millis } from '../base/units.ts'

interface Limits {
  readonly what: string
  readonly timeout: Millis
  readonly signal?: AbortSignal | undefined
}

/** Calls `stop` with TIMEOUT or ABORTED, at most once and never after the returned function was called. */
export function startDeadline({ what, timeout, signal }: Limits, stop: (why: MixnetError) => void): () => void {
  const finish = () => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
  const fire = (why: MixnetError) => {
    finish()
    stop(why)
  }
  const abort = () => fire(new MixnetError('ABORTED'))
  // Not unref'd: while somebody waits for the operation, the operation itself keeps the process alive.
  const timer = setTimeout(() => fire(new MixnetError('TIMEOUT', { what, limitMs: timeout })), Math.ceil(timeout))
  signal?.addEventListener('abort', abort, { once: true })
  return finish
}
