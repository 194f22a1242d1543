/**
 * Which node loses packets, from nothing but whether packets arrived. Each thing a packet passes (a node in one capacity, or a link found
 * bad) is a unit that lets it through with a probability of its own, independently of the others; a packet arrives where all of its units
 * let it. The probabilities are found by maximum likelihood with the EM algorithm, as for the links of a network by
 *
 *   M. Coates, R. Nowak: Network Loss Inference Using Unicast End-to-End Measurement. ITC Conference on IP Traffic, Modeling and Management, 2000
 *   R. Cáceres, N. Duffield, J. Horowitz, D. Towsley: Multicast-Based Inference of Network-Internal Loss Characteristics. IEEE Trans. Inf. Theory
 *   45(7), 1999
 *
 * the second for the product model and what can be told apart under it at all. Unlike their trees, our paths cross in every way, which is
 * why an EM over paths is all there is. Pure; only + − × ÷ and square roots, which every machine rounds alike: who recomputes a
 * report from its evidence gets the same percents. What cannot be told apart: docs/spec/monitor.md, "Limits". @module
 */

/** Units are numbered from 0; a unit is on a path at most once. */
export type Path = readonly number[]

export interface PathOutcome {
  readonly path: Path
  readonly sent: number
  readonly delivered: number
}

export interface Fit {
  /** Of letting a packet through, by unit; 1 for a unit that no packet passed. */
  readonly probabilities: Float64Array
  /** Packets whose path has the unit. */
  readonly packets: Float64Array
}

const TOLERANCE = 1e-7
const MOST_ROUNDS = 3_000
/** Steps over all rounds: half a second. What has not settled by then is known to a percent long before. */
const MOST_STEPS = 1e8
/** An even start: EM moves all units of a path alike, so what nothing tells apart stays shared evenly. */
const START = 0.9
/** A unit at 0 would stay there whatever the packets say, and make a path of it impossible. */
const LEAST = 1e-9

/** The maximum likelihood estimate. Units in `fixed` keep what they are given. */
export function fitLosses(
  units: number,
  outcomes: readonly PathOutcome[],
  fixed: ReadonlyMap<number, number> = new Map(),
): Fit {
  const packets = new Float64Array(units)
  const passed = new Float64Array(units)
  const probabilities = new Float64Array(units).fill(1)
  const isFree = new Uint8Array(units).fill(1)
  let steps = 0
  for (const { path, sent } of outcomes) {
    for (const unit of path) packets[unit] = (packets[unit] as number) + sent
    steps += path.length
  }
  for (let unit = 0; unit < units; unit++) if ((packets[unit] as number) > 0) probabilities[unit] = START
  for (const [unit, probability] of fixed) {
    probabilities[unit] = Math.max(LEAST, probability)
    isFree[unit] = 0
  }
  const rounds = Math.min(MOST_ROUNDS, Math.ceil(MOST_STEPS / Math.max(1, steps)))
  for (let round = 0; round < rounds; round++) {
    passed.fill(0)
    for (const { path, sent, delivered } of outcomes) {
      const whole = productOf(probabilities, path)
      const lost = sent - delivered
      // Of the packets that got lost, a unit let through those that were lost by others.
      const share = lost === 0 ? 0 : lost / (1 - Math.min(whole, 1 - LEAST))
      for (const unit of path) {
        const innocent = share * ((probabilities[unit] as number) - whole)
        passed[unit] = (passed[unit] as number) + delivered + innocent
      }
    }
    let change = 0
    for (let unit = 0; unit < units; unit++) {
      const count = packets[unit] as number
      if (count === 0 || isFree[unit] === 0) continue
      const next = Math.min(1, Math.max(LEAST, (passed[unit] as number) / count))
      change = Math.max(change, Math.abs(next - (probabilities[unit] as number)))
      probabilities[unit] = next
    }
    if (change < TOLERANCE) break
  }
  return { probabilities, packets }
}

/** That a packet on this path arrives. */
export function productOf(probabilities: Float64Array, path: Path): number {
  let product = 1
  for (const unit of path) product *= probabilities[unit] as number
  return product
}

/** Equal paths as one, in the order in which they first come. */
export function tally(paths: Iterable<{ readonly path: Path; readonly delivered: boolean }>): PathOutcome[] {
  const byPath = new Map<string, { path: Path; sent: number; delivered: number }>()
  for (const { path, delivered } of paths) {
    const key = path.join()
    const known = byPath.get(key) ?? { path, sent: 0, delivered: 0 }
    known.sent++
    if (delivered) known.delivered++
    byPath.set(key, known)
  }
  return [...byPath.values()]
}

/** Above, the inverse of a matrix takes seconds; the estimate then counts the others as known. */
const MOST_UNITS_TOGETHER = 800
const PIN = 1e7

/**
 * Standard errors of `fit`, by unit; 0 for one that no packet passed. `groups` are the units of which every path has exactly one: scaling one
 * group up and another down changes nothing that can be seen, so the errors are of a unit against its group. From the Fisher information of
 * the logarithms, of which a path with probability q that n packets took has n·q/(1−q) for each two of its units.
 */
export function standardErrors(
  fit: Fit,
  outcomes: readonly PathOutcome[],
  groups: readonly (readonly number[])[],
): Float64Array {
  const { probabilities, packets } = fit
  const units = probabilities.length
  const alone = new Float64Array(units)
  const together = units <= MOST_UNITS_TOGETHER
  const information = together ? new Float64Array(units * units) : undefined
  for (const { path, sent } of outcomes) {
    const whole = productOf(probabilities, path)
    // Nothing lost out of n still leaves a loss of about 1/n open.
    const fewest = path.reduce((least, unit) => Math.min(least, packets[unit] as number), Number.POSITIVE_INFINITY)
    const weight = (sent * whole) / Math.max(1 - whole, 1 / (fewest + 2))
    for (const one of path) {
      alone[one] = (alone[one] as number) + weight
      if (information === undefined) continue
      for (const other of path) add(information, one * units + other, weight)
    }
  }
  const errors = new Float64Array(units)
  const joint = information && inverseDiagonal(pinned(information, units, groups), units)
  for (let unit = 0; unit < units; unit++) {
    if (packets[unit] === 0) continue
    // A unit that lost everything has no information of its own: of n packets one might have come through.
    const least = 1 / ((packets[unit] as number) + 2)
    const variance = Math.max(1 / Math.max(alone[unit] as number, LEAST), joint?.[unit] ?? 0)
    errors[unit] = Math.min(1, Math.max((probabilities[unit] as number) * Math.sqrt(variance), least))
  }
  return errors
}

function pinned(matrix: Float64Array, units: number, groups: readonly (readonly number[])[]): Float64Array {
  for (const group of groups) {
    const weight = PIN / (group.length * group.length)
    for (const one of group) for (const other of group) add(matrix, one * units + other, weight)
  }
  // Units nobody passed, and those that lost everything: a row of nothing cannot be inverted.
  for (let unit = 0; unit < units; unit++) add(matrix, unit * units + unit, 1)
  return matrix
}

/** Of a symmetric, positive definite matrix: the diagonal of its inverse, by Cholesky's decomposition. In place. */
function inverseDiagonal(matrix: Float64Array, n: number): Float64Array {
  const at = (row: number, column: number) => matrix[row * n + column] as number
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let sum = at(i, j)
      for (let k = 0; k < j; k++) sum -= at(i, k) * at(j, k)
      matrix[i * n + j] = i === j ? Math.sqrt(Math.max(sum, LEAST)) : sum / at(j, j)
    }
  }
  const diagonal = new Float64Array(n)
  const column = new Float64Array(n)
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let sum = i === j ? 1 : 0
      for (let k = j; k < i; k++) sum -= at(i, k) * (column[k] as number)
      column[i] = sum / at(i, i)
      diagonal[j] = (diagonal[j] as number) + (column[i] as number) * (column[i] as number)
    }
  }
  return diagonal
}

function add(array: Float64Array, index: number, value: number): void {
  array[index] = (array[index] as number) + value
}
