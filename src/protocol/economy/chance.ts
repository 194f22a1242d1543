/**
 * How likely a node is to be drawn, from the weights of all candidates: what an operator and a delegator want to know beforehand. An
 * estimate for people, in doubles; nobody is drawn or paid by it. @module
 */
import type { RewardedSetParams } from './rewards.ts'

export interface WeighedNode {
  /** σ · p^20, in any unit that is the same for all. */
  readonly weight: number
  readonly entry: boolean
  readonly exit: boolean
  readonly mix: boolean
}

export interface Chances {
  readonly entry: number
  readonly exit: number
  readonly mix: number
  readonly standby: number
}

/** Halvings of the interval that holds t: beyond what a double tells apart. */
const HALVINGS = 60

/**
 * For each node, in the order given, its chance of each role in the next draw, each from 0 to 1. Weighted sampling without replacement is
 * a race of exponential clocks: with keys E/w the n smallest are those below some t, which is nearly fixed where there are many nodes.
 * So t is solved from Σ q·(1 − e^(−w·t)) = n, q being the chance to be still free. Sets of a few nodes are off by some percent of n.
 */
export function drawChances(nodes: readonly WeighedNode[], sizes: RewardedSetParams): readonly Chances[] {
  const free = nodes.map(() => 1)
  const stage = (size: number, offers: (node: WeighedNode) => boolean): readonly number[] => {
    const chances = stageChances(
      nodes.map((node, index) => ({ weight: node.weight, free: offers(node) ? (free[index] ?? 0) : 0 })),
      size,
    )
    for (const [index, chance] of chances.entries()) free[index] = Math.max(0, (free[index] ?? 0) - chance)
    return chances
  }
  const entry = stage(sizes.entryGateways, (node) => node.entry)
  const exit = stage(sizes.exitGateways, (node) => node.exit)
  const mix = stage(sizes.mixnodes, (node) => node.mix)
  const standby = stage(sizes.standby, () => true)
  return nodes.map((_, index) => ({
    entry: entry[index] ?? 0,
    exit: exit[index] ?? 0,
    mix: mix[index] ?? 0,
    standby: standby[index] ?? 0,
  }))
}

function stageChances(
  nodes: readonly { readonly weight: number; readonly free: number }[],
  size: number,
): readonly number[] {
  const weighty = (sum: number, { weight, free }: { weight: number; free: number }) => sum + (weight > 0 ? free : 0)
  const available = nodes.reduce(weighty, 0)
  if (available <= size) {
    // All that have a weight; those without fill up what is left, each as likely.
    const rest = nodes.reduce((sum, { weight, free }) => sum + (weight > 0 ? 0 : free), 0)
    const filling = rest === 0 ? 0 : Math.min(1, (size - available) / rest)
    return nodes.map(({ weight, free }) => (weight > 0 ? free : free * filling))
  }
  const chosen = (t: number) => nodes.reduce((sum, { weight, free }) => sum - free * Math.expm1(-weight * t), 0)
  let high = 1
  const heaviest = nodes.reduce((most, { weight }) => Math.max(most, weight), 0)
  high /= heaviest
  while (chosen(high) < size && Number.isFinite(high)) high *= 2
  let low = 0
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = (low + high) / 2
    if (chosen(middle) < size) low = middle
    else high = middle
  }
  return nodes.map(({ weight, free }) => -free * Math.expm1(-weight * high))
}
