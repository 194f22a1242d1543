/**
 * What overtook its connect request: the mixnet reorders, and a lost connect request is sent again seconds later, so a whole
 * upload may be here before it. Bounded per connection, in all and in time. Under a flood the oldest goes first: what is real
 * is claimed soon, and refusing newcomers instead would let one flood shut everybody out for the whole lifetime. @module
 */
import type { Millis } from '../../foundation/base/units.ts'
import type { SocketData } from '../../protocol/wire/exit/socks5Messages.ts'
import { compact } from './byteQueue.ts'
import type { EarlyDataLimits } from './exitParams.ts'

interface Waiting {
  readonly messages: SocketData[]
  readonly since: Millis
  bytes: number
}

/** What a message costs beyond its data, rounded up. */
const MESSAGE_COST_BYTES = 256

export class EarlyData {
  readonly #limits: EarlyDataLimits
  readonly #lost: (key: string) => void
  /** Oldest first. */
  readonly #waiting = new Map<string, Waiting>()
  #bytes = 0

  /** `lost` hears of connections whose data were given up: they would have a hole, and must not be opened. */
  constructor(limits: EarlyDataLimits, lost: (key: string) => void) {
    this.#limits = limits
    this.#lost = lost
  }

  get bytes(): number {
    return this.#bytes
  }

  get connections(): number {
    return this.#waiting.size
  }

  hold(key: string, message: SocketData, now: Millis): void {
    const { maxMessages, maxBytes, maxConnections, maxTotalBytes } = this.#limits
    const waiting: Waiting = this.#waiting.get(key) ?? { messages: [], since: now, bytes: 0 }
    this.#waiting.set(key, waiting)
    const cost = message.data.length + MESSAGE_COST_BYTES
    waiting.messages.push({ ...message, data: compact(message.data) })
    waiting.bytes += cost
    this.#bytes += cost
    if (waiting.messages.length > maxMessages || waiting.bytes > maxBytes) this.#giveUp(key)
    while (this.#waiting.size > maxConnections || this.#bytes > maxTotalBytes) this.#giveUpOldest()
  }

  /** What came for a connection so far, in the order of arrival; it waits no longer. */
  take(key: string): readonly SocketData[] {
    const waiting = this.#waiting.get(key)
    if (waiting === undefined) return []
    this.#waiting.delete(key)
    this.#bytes -= waiting.bytes
    return waiting.messages
  }

  expire(now: Millis): void {
    for (const [key, { since }] of this.#waiting) {
      if (now - since < this.#limits.lifetime) break
      this.#giveUp(key)
    }
  }

  #giveUpOldest(): void {
    const oldest = this.#waiting.keys().next()
    if (!oldest.done) this.#giveUp(oldest.value)
  }

  #giveUp(key: string): void {
    this.take(key)
    this.#lost(key)
  }
}
