/** A clock for tests: real turns of the event loop, but time passes only by hand. @module */
import { type Millis, millis } from '../base/units.ts'
import type { Clock, Timer } from './clock.ts'

export class HandClock implements Clock {
  #time = 1_000_000
  readonly #timers = new Set<{ at: number; run: () => void }>()

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size
  }

  now(): Millis {
    return millis(this.#time)
  }

  monotonic(): Millis {
    return millis(this.#time)
  }

  after(delay: Millis, run: () => void): Timer {
    const timer = { at: this.#time + delay, run }
    this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }

  soon(run: () => void): void {
    setImmediate(run)
  }

  /** Runs what is due, in order. */
  advance(by: Millis): void {
    const end = this.#time + by
    while (this.#runNext(end));
    this.#time = end
  }

  /** As `advance`, and promises settle after every timer. */
  async advanceSettling(by: Millis): Promise<void> {
    const end = this.#time + by
    await turn()
    while (this.#runNext(end)) await turn()
    this.#time = end
  }

  #runNext(end: number): boolean {
    const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
    if (next === undefined) return false
    this.#timers.delete(next)
    this.#time = next.at
    next.run()
    return true
  }
}

/** One turn of the event loop: all promises that can settle have. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
