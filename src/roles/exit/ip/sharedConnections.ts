/** What the connections of all packet clients share: how many there may be, and how much may be kept for each. @module */

/** To who comes first; and beyond them 256 clients (ipRouterParams.ts) have a share each, whatever others took before. */
const SCARCE_CONNECTIONS = 2048
const SHARE_OF_CONNECTIONS = 8
/** A second and a half of what the mixnet carries for one client: so long one packet that was lost holds up those behind it. */
const MOST_ROOM = 512 * 1024
/** Each way. With as many connections as there may be each still has eight KiB. */
const TOTAL_ROOM = 32 * 1024 * 1024

export class SharedConnections {
  #count = 0

  get count(): number {
    return this.#count
  }

  changed(by: number): void {
    this.#count += by
  }

  /** Whether a client may have its `own`, which are counted. */
  mayHave(own: number): boolean {
    return this.#count <= SCARCE_CONNECTIONS || own <= SHARE_OF_CONNECTIONS
  }

  /** Bytes that may be kept of one of them, each way. */
  get room(): number {
    return Math.min(MOST_ROOM, Math.floor(TOTAL_ROOM / this.#count))
  }
}
