/**
 * The clock and timers that pages, workers, Deno and Bun share. A hidden page's timers fire once a second at best and, after
 * five minutes, once a minute (Chromium, Safari): cover traffic needs a worker, whose timers are left alone. @module
 */
import { type Millis, millis } from '../../base/units.ts'
import type { Clock, Timer } from '../clock.ts'

// Longer timers fire at once: the delay is a signed 32-bit number.
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

class WebTimer implements Timer {
  #timeout: ReturnType<typeof setTimeout> | undefined
  #remaining: number
  readonly #run: () => void

  constructor(delay: number, run: () => void) {
    this.#remaining = delay
    this.#run = run
    this.#step()
  }

  #step(): void {
    const delay = Math.min(this.#remaining, LONGEST_TIMEOUT_MS)
    this.#remaining -= delay
    this.#timeout = setTimeout(() => (this.#remaining > 0 ? this.#step() : this.#run()), Math.round(delay))
  }

  cancel(): void {
    clearTimeout(this.#timeout)
  }
}

// A timer of 0 ms waits four when it was started from another; a message does not.
const turns: (() => void)[] = []
const channel = new MessageChannel()
channel.port1.onmessage = () => turns.shift()?.()
// Where a port keeps the process alive (Deno, Bun, Node), this one must not.
;(channel.port1 as { unref?: () => void }).unref?.()

export const webClock: Clock = {
  now(): Millis {
    return millis(Date.now())
  },
  monotonic(): Millis {
    return millis(performance.now())
  },
  after(delay, run): Timer {
    return new WebTimer(Math.max(delay, 0), run)
  },
  soon(run): void {
    turns.push(run)
    channel.port2.postMessage(0)
  },
}
