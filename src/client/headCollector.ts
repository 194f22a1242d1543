/** The head of an HTTP message, from the pieces it comes in. @module */
import { GrowingBytes } from '../foundation/platform/growingBytes.ts'
import { headEnd } from './httpHead.ts'

export type Collected =
  | { readonly kind: 'pending' }
  | { readonly kind: 'too-long' }
  /** `rest`: a view into the last piece. */
  | { readonly kind: 'head'; readonly head: Uint8Array; readonly rest: Uint8Array }

const OVERLAP = 3

export class HeadCollector {
  readonly #limit: number
  readonly #bytes: GrowingBytes
  /** The last bytes of what came before: an end may begin there. */
  #tail: Uint8Array = new Uint8Array(0)
  #length = 0

  constructor(limit: number) {
    this.#limit = limit
    this.#bytes = new GrowingBytes(limit)
  }

  /** Looks at each byte once, however they come. Anything but `pending` is the last. */
  push(chunk: Uint8Array): Collected {
    const joint = new Uint8Array(this.#tail.length + Math.min(chunk.length, this.#limit - this.#length))
    joint.set(this.#tail)
    joint.set(chunk.subarray(0, joint.length - this.#tail.length), this.#tail.length)
    const end = headEnd(joint)
    if (end === -1) {
      if (!this.#bytes.push(chunk)) return { kind: 'too-long' }
      this.#length += chunk.length
      this.#tail = joint.slice(Math.max(0, joint.length - OVERLAP))
      return { kind: 'pending' }
    }
    const taken = end - this.#tail.length
    this.#bytes.push(chunk.subarray(0, taken))
    return { kind: 'head', head: this.#bytes.finish(), rest: chunk.subarray(taken) }
  }
}
