/** The clock and timers that pages, workers, Deno and Bun share. What hidden pages do to timers: webTimers.ts. @module */
import { type Millis, millis } from '../../base/units.ts'
import type { Clock, Timer } from '../clock.ts'
import { presentPage, WebTimers } from './webTimers.ts'

const timers = new WebTimers(presentPage())

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
    return timers.after(Math.max(delay, 0), run)
  },
  soon(run): void {
    turns.push(run)
    channel.port2.postMessage(0)
  },
}
