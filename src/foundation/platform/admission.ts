/** Who may connect to a listener: so many in all, so many from one address. The same rule on every platform. @module */
import { AddressCounts, addressBlock } from '../base/addressCounts.ts'
import type { ListenOptions } from './net.ts'

export class Admission {
  readonly #options: Pick<ListenOptions, 'maxConnections' | 'maxPerAddress' | 'onRefused'>
  readonly #perAddress = new AddressCounts()
  #connections = 0

  constructor(options: Pick<ListenOptions, 'maxConnections' | 'maxPerAddress' | 'onRefused'>) {
    this.#options = options
  }

  get connections(): number {
    return this.#connections
  }

  /** What to call once when the connection is over; undefined where it has to be closed at once. */
  enter(host: string): (() => void) | undefined {
    const { maxConnections = Number.POSITIVE_INFINITY, maxPerAddress = Number.POSITIVE_INFINITY } = this.#options
    const block = addressBlock(host)
    const isOfAddress = this.#perAddress.of(block) >= maxPerAddress
    if (isOfAddress || this.#connections >= maxConnections) {
      this.#options.onRefused?.(isOfAddress ? 'connections-of-address' : 'connections')
      return undefined
    }
    this.#connections++
    this.#perAddress.add(block)
    return () => {
      this.#connections--
      this.#perAddress.remove(block)
    }
  }
}
