/** How long to leave a next hop alone after a failure. Rule: docs/spec/links.md, "Reconnecting". @module */
import { type Millis, millis } from '../../foundation/base/units.ts'
import type { BackoffParams } from './mixLinkParams.ts'

/** `refused`: somebody answered no. `silent`: a timeout or a failed handshake, which asking again soon would not cure. */
export type LinkFailure = 'refused' | 'silent'

export class Backoff {
  readonly #params: BackoffParams
  #attempts = 0

  constructor(params: BackoffParams) {
    this.#params = params
  }

  /** The wait after this failure. A refusal neither counts nor resets. */
  failed(failure: LinkFailure): Millis {
    if (failure === 'refused') return this.#params.refused
    const { first, max } = this.#params
    // 2^attempts overflows to Infinity, not to something small: the minimum holds for every count.
    return millis(Math.min(first * 2 ** this.#attempts++, max))
  }

  succeeded(): void {
    this.#attempts = 0
  }
}
