/**
 * The draw of the rewarded set in the lab: same candidates, stages, order and weights as on the ledger, and the same distribution
 * (exponential keys of rate w are the keys u^(1/w) of Efraimidis and Spirakis, in another order-preserving form). Where the ledger
 * hashes for each node and stage, seven million times a year of the default size, the lab takes a seeded generator. Doubles are enough
 * here: they decide who is drawn, never how much is paid. @module
 */
import { exponential, type RandomStream } from '../../foundation/platform/random.ts'

export interface Candidate {
  /** σ · p^20 as a raw Decimal: 10^18 is 1. */
  readonly weight: bigint
  readonly entry: boolean
  readonly exit: boolean
  readonly mix: boolean
}

export interface SetSizes {
  readonly entryGateways: number
  readonly exitGateways: number
  readonly mixnodes: number
  readonly standby: number
}

/** Indices of candidates, each in one list. */
export interface DrawnSet {
  readonly active: readonly number[]
  readonly standby: readonly number[]
}

/** Above every key that a weight gives (at most 745 / 10^-18); among themselves the weightless stand in random order. */
const WEIGHTLESS = 1e60

/** `random` is used once for each candidate of each stage, so equal seeds draw equal sets. */
export function drawSet(candidates: readonly Candidate[], sizes: SetSizes, random: RandomStream): DrawnSet {
  const taken = new Uint8Array(candidates.length)
  const weights = candidates.map(({ weight }) => Number(weight))
  const keys = new Float64Array(candidates.length)

  const stage = (size: number, offers: (candidate: Candidate) => boolean): readonly number[] => {
    const standing: number[] = []
    for (const [index, candidate] of candidates.entries()) {
      if (taken[index] === 1 || !offers(candidate)) continue
      const weight = weights[index] ?? 0
      keys[index] = weight > 0 ? exponential(random, 1) / weight : WEIGHTLESS * (1 + random.uniform())
      standing.push(index)
    }
    const chosen = standing.sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0) || a - b).slice(0, size)
    for (const index of chosen) taken[index] = 1
    return chosen
  }
  const entry = stage(sizes.entryGateways, (candidate) => candidate.entry)
  const exit = stage(sizes.exitGateways, (candidate) => candidate.exit)
  const mix = stage(sizes.mixnodes, (candidate) => candidate.mix)
  return { active: [...entry, ...exit, ...mix], standby: stage(sizes.standby, () => true) }
}
