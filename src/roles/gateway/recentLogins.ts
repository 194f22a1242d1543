/**
 * The nonces of the last second in which a client logged in. Timestamps are whole seconds, and a page that is reloaded logs in
 * again within one: official gateways refuse that login, and the official page then waits for ever. A replay repeats the nonce,
 * which the client has signed; so while all nonces of the second are known, another one is another login. Kept in memory only:
 * what is not known any more is refused, as official gateways do. @module
 */

/** Clients remembered; the one that logged in longest ago is forgotten first. */
const MAX_CLIENTS = 1024
/** Nobody reloads a page more often than that; past it a later second is asked for. */
const MAX_LOGINS_A_SECOND = 8

interface Second {
  readonly timestamp: number
  readonly nonces: Uint8Array[]
}

export class RecentLogins {
  readonly #seconds = new Map<string, Second>()

  /** Of every login accepted with this timestamp; undefined where one may be missing, or there have been enough. */
  nonces(key: string, timestamp: number): readonly Uint8Array[] | undefined {
    const second = this.#seconds.get(key)
    if (second?.timestamp !== timestamp || second.nonces.length >= MAX_LOGINS_A_SECOND) return undefined
    return second.nonces
  }

  /** Timestamps of a client never go back, so the first of a second is also the first that there was. */
  accepted(key: string, { timestamp, nonce }: { readonly timestamp: number; readonly nonce: Uint8Array }): void {
    const second = this.#seconds.get(key)
    if (second?.timestamp === timestamp) {
      second.nonces.push(nonce)
      return
    }
    this.#seconds.delete(key)
    this.#seconds.set(key, { timestamp, nonces: [nonce] })
    const [oldest] = this.#seconds.keys()
    if (this.#seconds.size > MAX_CLIENTS && oldest !== undefined) this.#seconds.delete(oldest)
  }
}
