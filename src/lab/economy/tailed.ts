/** Amounts as wealth has them: many small, few large. @module */
import { below, type RandomStream } from '../../foundation/platform/random.ts'

const FINE = 1_000_000

/**
 * At least `least`: half of all are below twice that, half of the others below four times, and so on, at most 2^(doublings + 1) times:
 * Pareto with exponent 1, in whole numbers, cut off at the top.
 */
export function tailed(stream: RandomStream, least: bigint, doublings: number): bigint {
  const word = stream.u32()
  let doubled = 0
  while (doubled < doublings && (word >>> doubled) % 2 === 1) doubled++
  return ((least << BigInt(doubled)) * BigInt(FINE + below(stream, FINE))) / BigInt(FINE)
}
