/**
 * Messages of other clients, waiting for whoever iterates over them. Bounded: where nobody does, or not fast enough, the oldest go
 * and are counted. They were acknowledged when they arrived here, so their senders do not know. @module
 */
import type { Counter, Meter } from '../foundation/base/observe.ts'
import type { Clock } from '../foundation/platform/clock.ts'
import type { ReceivedMessage } from './mixnetClient.ts'

export interface InboxLimits {
  readonly messages: number
  readonly bytes: number
}

const DEFAULT_LIMITS: InboxLimits = { messages: 10_000, bytes: 64 * 1024 * 1024 }
// What an empty message costs: its object, its sender tag, its place.
const MESSAGE_COST_BYTES = 256

interface Waiting {
  readonly give: (result: IteratorResult<ReceivedMessage, undefined>) => void
}

const DONE: IteratorResult<ReceivedMessage, undefined> = { done: true, value: undefined }

export class MessageInbox {
  readonly #limits: InboxLimits
  readonly #clock: Clock | undefined
  readonly #dropped: Counter
  #queue: ReceivedMessage[] = []
  #bytes = 0
  readonly #waiting = new Set<Waiting>()
  #closed = false

  /** With a clock, a process stays alive while somebody waits for a message. */
  constructor(meter: Meter, limits: InboxLimits = DEFAULT_LIMITS, clock?: Clock) {
    this.#clock = clock
    this.#limits = limits
    this.#dropped = meter.counter('client_inbox_dropped_total', 'Messages that nobody took in time')
    meter.gauge('client_inbox_messages', 'Messages that nobody has taken yet', () => this.#queue.length)
    meter.gauge('client_inbox_bytes', 'What they cost', () => this.#bytes)
  }

  push(message: ReceivedMessage): void {
    if (this.#closed) return
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting)
      waiting.give({ done: false, value: message })
      return
    }
    this.#queue.push(message)
    this.#bytes += costOf(message)
    while (this.#queue.length > this.#limits.messages || this.#bytes > this.#limits.bytes) {
      this.#take()
      this.#dropped.value++
    }
  }

  /** What waits, then what comes, until `close`. Several iterations share: each message goes to one of them. Leaving the loop loses nothing. */
  async *messages(signal?: AbortSignal): AsyncGenerator<ReceivedMessage, undefined> {
    for (;;) {
      const { done, value } = await this.#next(signal)
      if (done) return undefined
      yield value
    }
  }

  /** Iterations end once what waits is taken. */
  close(): void {
    this.#closed = true
    for (const { give } of this.#waiting) give(DONE)
    this.#waiting.clear()
  }

  #next(signal: AbortSignal | undefined): Promise<IteratorResult<ReceivedMessage, undefined>> {
    // Who has gone must take nothing: another loop may come for it.
    if (signal?.aborted === true) return Promise.resolve(DONE)
    const ready = this.#take()
    if (ready !== undefined) return Promise.resolve({ done: false, value: ready })
    if (this.#closed) return Promise.resolve(DONE)
    return new Promise((resolve) => {
      const release = this.#clock?.hold?.()
      const abort = () => {
        release?.()
        this.#waiting.delete(waiting)
        resolve(DONE)
      }
      const waiting: Waiting = {
        give: (result) => {
          release?.()
          signal?.removeEventListener('abort', abort)
          resolve(result)
        },
      }
      this.#waiting.add(waiting)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  #take(): ReceivedMessage | undefined {
    const message = this.#queue.shift()
    if (message !== undefined) this.#bytes -= costOf(message)
    return message
  }
}

const costOf = ({ data }: ReceivedMessage): number => data.length + MESSAGE_COST_BYTES
