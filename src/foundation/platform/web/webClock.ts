/** The clock and timers that pages, workers, Deno and Bun share. What hidden pages do to timers: webTimers.ts. @module */
import { type Millis, millis } from '../../base/units.ts'
import type { Clock, Timer } from '../clock.ts'
import { presentPage, WebTimers } from './webTimers.ts'

const timers = new WebTimers(presentPage())

/** Deno and Bun have it, and there it holds the process no longer than it must; a port that was used once holds it for good in Deno. */
const { setImmediate: immediately } = globalThis as { readonly setImmediate?: (run: () => void) => unknown }

const soon: (run: () => void) => unknown = immediately ?? messagesToOurselves()

/** A timer of 0 ms waits four when it was started from another; a message does not. */
function messagesToOurselves(): (run: () => void) => void {
  const turns: (() => void)[] = []
  const channel = new MessageChannel()
  channel.port1.onmessage = () => turns.shift()?.()
  return (run) => {
    turns.push(run)
    channel.port2.postMessage(0)
  }
}

export const webClock: Clock = {
  now(): Millis {
    return millis(Date.now())
  },
  monotonic(): Millis {
    return millis(performance.now())
  },
  after(delay, run): Timer {
    return timers.after(Math.max(delay, 0), run)
  },
  soon(run): void {
    soon(run)
  },
}
