/** Times of making keys together. @module */
import { type Millis, millis } from '../../../foundation/base/units.ts'

export interface DkgParams {
  /** How long a member waits before it looks at the board again. */
  readonly pollEvery: Millis
}

export const DEFAULT_DKG_PARAMS: DkgParams = {
  // Eight phases, with an answer of everybody in each: two seconds in all where nobody is slow.
  pollEvery: millis(100),
}
