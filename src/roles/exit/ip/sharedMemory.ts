/** The bytes that wait for all clients of the packet router and from them, and how many more may wait of one. @module */
import type { IpRouterParams } from './ipRouterParams.ts'

export class SharedMemory {
  readonly #half: number
  readonly #share: number
  #taken = 0

  constructor({ maxTotalBytes, maxClients }: Pick<IpRouterParams, 'maxTotalBytes' | 'maxClients'>) {
    this.#half = maxTotalBytes / 2
    this.#share = this.#half / (2 * maxClients)
  }

  get taken(): number {
    return this.#taken
  }

  /**
   * Whether a client for which `held` wait one way may have so many bytes more; negative ones are given back. One half is for whoever comes first; of
   * the other each client has its part, both ways, whatever others take (pseudonyms that never give reply SURBs take all they get).
   */
  reserve(bytes: number, held: number): boolean {
    const isTooMuch = this.#taken + bytes > this.#half && held + bytes > this.#share
    if (bytes > 0 && isTooMuch) return false
    this.#taken += bytes
    return true
  }
}
