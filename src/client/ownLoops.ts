/**
 * Loops on their way, by what comes back in front of them. Only these count as returned: cover of strangers does not, nor a loop that our
 * gateway hands over twice. Else a gateway could drop all that comes for us, feed us old packets again, and have its silence taken for an
 * exit's (exitHealth.ts), and us led from exit to exit.
 *
 * Where their keys were made ahead, they are kept too: what comes back needs no multiplication on the curve to be read. Of cover, that is
 * most of the work of reading it; official clients do it for every loop. @module
 */
import { toHex } from '../foundation/base/bytes.ts'

/** Many times what is on its way at Nym's rates. Lost ones are pushed out by later ones. */
const MOST = 4096

export interface OwnLoop {
  /** Absent where it was not made ahead: it is computed. */
  readonly key: Uint8Array | undefined
}

export class OwnLoops {
  readonly #loops = new Map<string, OwnLoop>()

  sent(variant: Uint8Array, key: Uint8Array | undefined): void {
    this.#loops.set(toHex(variant), { key })
    if (this.#loops.size <= MOST) return
    const [oldest] = this.#loops.keys()
    if (oldest !== undefined) this.#loops.delete(oldest)
  }

  /** Once. The same key that the curve would give: whoever puts this variant before other bytes gains nothing by it. */
  take(variant: Uint8Array): OwnLoop | undefined {
    if (this.#loops.size === 0) return undefined
    const name = toHex(variant)
    const loop = this.#loops.get(name)
    this.#loops.delete(name)
    return loop
  }
}
