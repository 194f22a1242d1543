/**
 * The keys of loops on their way, where they were made ahead: what comes back needs no multiplication on the curve to be read. Of
 * cover, that is most of the work of reading it; official clients do it for every loop. @module
 */
import { toHex } from '../foundation/base/bytes.ts'
import type { PayloadAgreement } from '../protocol/packet/endToEnd.ts'

/** Many times what is on its way at Nym's rates. Lost ones are pushed out by later ones; whatever is missing is computed. */
const MOST = 512

export class OwnLoops {
  readonly #keys = new Map<string, Uint8Array>()

  sent({ variant, key }: PayloadAgreement): void {
    this.#keys.set(toHex(variant), key)
    if (this.#keys.size <= MOST) return
    const [oldest] = this.#keys.keys()
    if (oldest !== undefined) this.#keys.delete(oldest)
  }

  /** Once. The same key that the curve would give: whoever puts this variant before other bytes gains nothing by it. */
  take(variant: Uint8Array): Uint8Array | undefined {
    if (this.#keys.size === 0) return undefined
    const name = toHex(variant)
    const key = this.#keys.get(name)
    this.#keys.delete(name)
    return key
  }
}
