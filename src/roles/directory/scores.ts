/**
 * How well each node works, as listings state it. The network monitor measures; until it does, a node that describes itself
 * counts as perfect, because clients leave out whatever is below one half. @module
 */
import type { DescribedNode } from '../../protocol/wire/directory/describedNodes.ts'

/** Fractions of one. */
export interface Score {
  /** What listings state and rewards are paid for. */
  readonly performance: number
  /** Of test packets. */
  readonly routing: number
  /** Of what the node says about itself: version, accepted terms. */
  readonly config: number
}

export interface Scores {
  of(nodeId: number, described: DescribedNode | undefined): Score
}

const PERFECT: Score = { performance: 1, routing: 1, config: 1 }

export const BOOTSTRAP_SCORES: Scores = { of: () => PERFECT }
