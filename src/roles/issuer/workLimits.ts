/** So much work at a time, so much that waits, and of that a quarter for one address: what is beyond is refused at once. @module */
import { AddressCounts, addressBlock } from '../../foundation/base/addressCounts.ts'
import type { Counter } from '../../foundation/base/observe.ts'

export type Refused = 'busy' | 'busy-address'

export interface WorkLimitsOptions {
  readonly maxRunning: number
  readonly maxWaiting: number
  readonly refused: (reason: Refused) => Counter
}

export class WorkLimits {
  readonly #options: WorkLimitsOptions
  readonly #maxPerAddress: number
  readonly #perAddress = new AddressCounts()
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(options: WorkLimitsOptions) {
    this.#options = options
    // A network on one machine has all its programs at one address, and so has the exit of a mixnet.
    this.#maxPerAddress = Math.ceil((options.maxRunning + options.maxWaiting) / 4)
  }

  get held(): number {
    return this.#running + this.#waiting.length
  }

  /** What `work` gives, or why it was not begun. `host`: who asks, where that is known. */
  async run<T>(host: string | undefined, work: () => Promise<T>): Promise<T | Refused> {
    const { maxRunning, maxWaiting, refused } = this.#options
    const block = host === undefined ? undefined : addressBlock(host)
    if (block !== undefined && this.#perAddress.of(block) >= this.#maxPerAddress) {
      refused('busy-address').value++
      return 'busy-address'
    }
    if (this.held >= maxRunning + maxWaiting) {
      refused('busy').value++
      return 'busy'
    }
    if (block !== undefined) this.#perAddress.add(block)
    try {
      if (this.#running < maxRunning) this.#running++
      // Whoever finishes hands its place over, so that nobody who comes meanwhile takes it.
      else await new Promise<void>((resolve) => this.#waiting.push(resolve))
      try {
        return await work()
      } finally {
        const next = this.#waiting.shift()
        if (next === undefined) this.#running--
        else next()
      }
    } finally {
      if (block !== undefined) this.#perAddress.remove(block)
    }
  }
}
