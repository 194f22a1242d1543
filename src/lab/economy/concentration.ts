/** How evenly something is spread: the Gini coefficient and the Nakamoto coefficient, in integers. @module */

/**
 * Gini coefficient of non-negative amounts, as a Decimal (raw, 10^18 is 1): 0 where all have the same, near 1 where one has all. The
 * sorted form: Σ (2i − n − 1)·x_i / (n·Σx), i from 1. 0 of nothing.
 */
export function gini(amounts: readonly bigint[]): bigint {
  const sorted = [...amounts].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const count = BigInt(sorted.length)
  let total = 0n
  let weighted = 0n
  for (const [index, amount] of sorted.entries()) {
    total += amount
    weighted += (2n * BigInt(index + 1) - count - 1n) * amount
  }
  return total === 0n ? 0n : (weighted * 10n ** 18n) / (count * total)
}

/**
 * The least number of parties that have more than `thirds`/3 of all together. One third of the stake of a role stops what needs two
 * thirds; what a mixnet fears is the share of routes that one party sees, which grows with the same number. 0 of nothing.
 */
export function nakamoto(amounts: readonly bigint[], thirds: 1n | 2n = 1n): number {
  const sorted = [...amounts].sort((a, b) => (a > b ? -1 : a < b ? 1 : 0))
  const total = sorted.reduce((sum, amount) => sum + amount, 0n)
  let held = 0n
  for (const [index, amount] of sorted.entries()) {
    held += amount
    if (held * 3n > total * thirds) return index + 1
  }
  return 0
}
