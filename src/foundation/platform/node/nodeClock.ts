/** The machine's clock and Node's timers, none of which keeps the process alive unless it is held. @module */
import { performance } from 'node:perf_hooks'
import { type Millis, millis } from '../../base/units.ts'
import type { Clock, Timer } from '../clock.ts'
import { holdProcess } from './holdProcess.ts'

// Node fires a timer longer than 2³¹ − 1 ms after one millisecond, so longer ones go in several steps.
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1
// setTimeout(0) waits a whole millisecond; an immediate does not. Delays that round to zero take the immediate, which keeps
// the process alive for one turn: unref'd, it would wait until something else wakes the loop.
const SHORTEST_TIMEOUT_MS = 0.5

class NodeTimer implements Timer {
  #timeout: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined
  #remaining: number
  readonly #run: () => void

  constructor(delay: number, run: () => void) {
    this.#remaining = delay
    this.#run = run
    if (delay < SHORTEST_TIMEOUT_MS) this.#immediate = setImmediate(run)
    else this.#step()
  }

  #step(): void {
    const delay = Math.min(this.#remaining, LONGEST_TIMEOUT_MS)
    this.#remaining -= delay
    // Rounded, because setTimeout cuts: cutting would make an average delay of 15 ms half a millisecond short.
    this.#timeout = setTimeout(() => (this.#remaining > 0 ? this.#step() : this.#run()), Math.round(delay)).unref()
  }

  cancel(): void {
    if (this.#timeout) clearTimeout(this.#timeout)
    if (this.#immediate) clearImmediate(this.#immediate)
  }
}

export const nodeClock: Clock = {
  now(): Millis {
    return millis(Date.now())
  },
  monotonic(): Millis {
    return millis(performance.now())
  },
  after(delay, run): Timer {
    return new NodeTimer(Math.max(delay, 0), run)
  },
  soon(run): void {
    // After the callbacks of this turn of the event loop, so everything the sockets delivered in one poll is one batch.
    setImmediate(run)
  },
  hold: holdProcess,
}
