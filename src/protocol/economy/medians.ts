/**
 * Scores of nodes from several monitors' reports: the median weighted by stake, and how far each report is from it.
 * docs/spec/ledger.md, "Scores"; the contract's are in contracts/draw/Medians.sol. @module
 */

/** Percent, 0 to 100, by node. */
export type Report = ReadonlyMap<number, number>

export interface WeightedReport {
  /** unym. */
  readonly stake: bigint
  readonly scores: Report
}

export interface Medians {
  readonly scores: Report
  /** Of the report at the same place: sum of the distances in points, and over how many nodes. */
  readonly distances: readonly { readonly sum: number; readonly count: number }[]
}

/**
 * `quorum`: unym, the stake of the monitors that were expected to speak. A node has a median where those who spoke of it hold more
 * than half of it.
 */
export function weightedMedians(reports: readonly WeightedReport[], quorum: bigint): Medians {
  const scores = new Map<number, number>()
  const nodeIds = [...new Set(reports.flatMap((report) => [...report.scores.keys()]))].sort((a, b) => a - b)
  const distances = reports.map(() => ({ sum: 0, count: 0 }))
  for (const nodeId of nodeIds) {
    const opinions = reports.flatMap(({ stake, scores }) => {
      const score = scores.get(nodeId)
      return score === undefined ? [] : [{ stake, score }]
    })
    if (2n * opinions.reduce((sum, { stake }) => sum + stake, 0n) <= quorum) continue
    const median = weightedMedian(opinions)
    scores.set(nodeId, median)
    for (const [i, report] of reports.entries()) {
      const score = report.scores.get(nodeId)
      if (score === undefined) continue
      distances[i]!.sum += Math.abs(score - median)
      distances[i]!.count += 1
    }
  }
  return { scores, distances }
}

/**
 * The score with as much weight above as below. Where the weight falls into two equal halves between two scores, their mean, half a
 * point upwards: with equal stakes it is the official median of 10.4. At least one opinion; stakes above 0.
 */
export function weightedMedian(opinions: readonly { readonly stake: bigint; readonly score: number }[]): number {
  const ascending = [...opinions].sort((a, b) => a.score - b.score)
  const total = ascending.reduce((sum, { stake }) => sum + stake, 0n)
  let below = 0n
  let lower: number | undefined
  for (const { stake, score } of ascending) {
    below += stake
    if (2n * below >= total) lower ??= score
    if (2n * below > total) return Math.floor((lower! + score + 1) / 2)
  }
  throw new RangeError('no opinion has weight')
}
