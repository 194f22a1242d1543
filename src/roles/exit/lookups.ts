/**
 * Name lookups, a bounded number under way at once. One that takes too long cannot be stopped, so it keeps its place until
 * the system gives up on it: a slow name server slows lookups down instead of piling them up. @module
 */
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Millis } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { Net } from '../../foundation/platform/net.ts'

export interface LookupsOptions {
  readonly clock: Clock
  readonly net: Pick<Net, 'resolve'>
  readonly max: number
  readonly timeout: Millis
}

export class Lookups {
  readonly #options: LookupsOptions
  /** In the order of arrival; whoever gives up leaves. */
  readonly #waiting = new Set<() => void>()
  #underWay = 0

  constructor(options: LookupsOptions) {
    this.#options = options
  }

  get underWay(): number {
    return this.#underWay
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** Throws HOST_UNKNOWN, TIMEOUT or ABORTED. */
  resolve(host: string, signal: AbortSignal): Promise<readonly string[]> {
    const { clock, max, timeout } = this.#options
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(new MixnetError('ABORTED'))
      const begin = () => {
        this.#waiting.delete(begin)
        this.#lookUp(host).then(
          (addresses) => {
            finish()
            resolve(addresses)
          },
          (error: unknown) => {
            finish()
            reject(error)
          },
        )
      }
      const giveUp = (why: MixnetError) => {
        this.#waiting.delete(begin)
        finish()
        reject(why)
      }
      const abort = () => giveUp(new MixnetError('ABORTED'))
      const timer = clock.after(timeout, () => giveUp(new MixnetError('TIMEOUT', { what: 'lookup', limitMs: timeout })))
      const finish = () => {
        timer.cancel()
        signal.removeEventListener('abort', abort)
      }
      signal.addEventListener('abort', abort, { once: true })
      if (this.#underWay < max) begin()
      else this.#waiting.add(begin)
    })
  }

  async #lookUp(host: string): Promise<readonly string[]> {
    this.#underWay++
    try {
      return await this.#options.net.resolve(host)
    } finally {
      this.#underWay--
      const next = this.#waiting.values().next()
      if (!next.done) next.value()
    }
  }
}
