/**
 * From evidence to scores: the function that a monitor reports by and everybody else checks it by. Pure.
 *
 * What is reported is routing × config, because what is on the ledger is what is paid: were the config part left to whoever reads the
 * ledger, there would be somebody whose reading counts. Both parts are in the evidence, so that each can be checked alone. @module
 */
import { type BadLink, fitWithLinks } from './badLinks.ts'
import type { Evidence, Observation, SeenNode } from './evidence.ts'
import { fitLosses, type Path, standardErrors, tally } from './lossTomography.ts'

/** A gateway takes packets of clients, and it hands packets to clients: two things that fail apart. */
export type Capacity = 'entry' | 'mix' | 'exit'

export interface CapacityScore {
  readonly capacity: Capacity
  readonly packets: number
  /** That it hands a packet on, 0 to 1, with the loss of its own bad links taken out. */
  readonly probability: number
  readonly standardError: number
}

export interface NodeScore {
  readonly nodeId: number
  /** Percent to report; undefined for no opinion. */
  readonly score: number | undefined
  /** Percent of packets that it handed on, half of what its bad links lost included; undefined where too few were seen. */
  readonly routing: number | undefined
  readonly config: number | undefined
  readonly packets: number
  /** Percents within which routing lies, 19 times of 20. */
  readonly range: readonly [number, number] | undefined
  readonly capacities: readonly CapacityScore[]
}

export interface LinkVerdict {
  readonly from: number
  readonly to: number
  readonly packets: number
  /** Percent of packets that get over it. */
  readonly percent: number
}

export interface EpochScores {
  /** By node id, ascending; every node of the evidence. */
  readonly nodes: readonly NodeScore[]
  readonly links: readonly LinkVerdict[]
}

/** Packets through a node below which a monitor has no opinion: with twenty, a percent is a matter of luck. */
const LEAST_PACKETS = 20
/** Both ends of a bad link say that it was the other: each takes this part of what it lost. */
const BLAME_SHARE = 0.5
const TWO_SIDED_95 = 1.96

interface Unit {
  readonly nodeId: number
  readonly capacity: Capacity
  readonly group: string
}

/** Every node of `evidence`; what it says is believed, its being well-formed was checked by its decoder. */
export function scoreEpoch({ nodes, observations }: Evidence): EpochScores {
  const seen = new Map(nodes.map((node) => [node.nodeId, node]))
  const units = new Units(seen)
  // Who is outside of the set gets nothing but tests, and its neighbours know them by it: they must not count for those inside.
  const inside: { path: Path; delivered: boolean }[] = []
  const through: { path: Path; delivered: boolean }[] = []
  for (const observation of observations) {
    const paths = units.pathsOf(observation)
    const isInside = observation.kind === 'login' || observation.route.slice(1, -1).every((id) => !isOutside(seen, id))
    for (const path of paths) (isInside ? inside : through).push({ path, delivered: observation.delivered })
  }
  const count = units.list.length
  const { fit, outcomes, links } = fitWithLinks(count, tally(inside))
  const errors = standardErrors(fit, outcomes, units.groups())
  const probabilities = fit.probabilities.slice(0, count)
  const packets = fit.packets.slice(0, count)
  if (through.length > 0) {
    const known = new Map<number, number>()
    for (let unit = 0; unit < count; unit++) {
      if ((packets[unit] as number) > 0) known.set(unit, probabilities[unit] as number)
    }
    const tallied = tally(through)
    const outer = fitLosses(count, tallied, known)
    const outerErrors = standardErrors(
      outer,
      tallied,
      [...known.keys()].map((unit) => [unit]),
    )
    for (let unit = 0; unit < count; unit++) {
      if (known.has(unit)) continue
      probabilities[unit] = outer.probabilities[unit] as number
      packets[unit] = outer.packets[unit] as number
      errors[unit] = outerErrors[unit] as number
    }
  }
  const byNode = new Map<number, { score: CapacityScore; blamed: number }[]>()
  for (const [unit, { nodeId, capacity }] of units.list.entries()) {
    const score = {
      capacity,
      packets: packets[unit] as number,
      probability: probabilities[unit] as number,
      standardError: errors[unit] as number,
    }
    const list = byNode.get(nodeId) ?? []
    list.push({ score, blamed: score.probability * (1 - blameOf(unit, score.packets, links)) })
    byNode.set(nodeId, list)
  }
  return {
    nodes: nodes.map((node) => nodeScore(node, byNode.get(node.nodeId) ?? [])),
    links: links.map(({ from, to, packets: sent, probability }) => ({
      from: (units.list[from] as Unit).nodeId,
      to: (units.list[to] as Unit).nodeId,
      packets: sent,
      percent: percentOf(probability),
    })),
  }
}

function nodeScore(
  { nodeId, config }: SeenNode,
  parts: readonly { readonly score: CapacityScore; readonly blamed: number }[],
): NodeScore {
  const capacities = parts.map(({ score }) => score)
  const packets = capacities.reduce((sum, one) => sum + one.packets, 0)
  const isKnown = packets >= LEAST_PACKETS
  let handed = 0
  let variance = 0
  for (const { score, blamed } of parts) {
    const share = packets === 0 ? 0 : score.packets / packets
    handed += share * blamed
    variance += share * share * score.standardError * score.standardError
  }
  const margin = TWO_SIDED_95 * Math.sqrt(variance)
  const routing = isKnown ? percentOf(handed) : undefined
  return {
    nodeId,
    score: scoreOf(routing, config),
    routing,
    config,
    packets,
    range: isKnown ? [percentOf(Math.max(0, handed - margin)), percentOf(Math.min(1, handed + margin))] : undefined,
    capacities,
  }
}

/** Rounded to the nearest percent. A node that says nothing of itself, or runs what is not accepted, is 0 whatever it forwards. */
function scoreOf(routing: number | undefined, config: number | undefined): number | undefined {
  if (config === 0) return 0
  if (routing === undefined || config === undefined) return undefined
  return Math.floor((routing * config + 50) / 100)
}

/** What part of a unit's packets its bad links lost, as far as it is blamed for them. */
function blameOf(unit: number, packets: number, links: readonly BadLink[]): number {
  let lost = 0
  for (const { from, to, packets: sent, probability } of links) {
    if (from === unit || to === unit) lost += (sent / packets) * (1 - probability)
  }
  return Math.min(1, BLAME_SHARE * lost)
}

class Units {
  readonly list: Unit[] = []
  readonly #byName = new Map<string, number>()
  readonly #seen: ReadonlyMap<number, SeenNode>

  constructor(seen: ReadonlyMap<number, SeenNode>) {
    this.#seen = seen
  }

  pathsOf({ kind, route }: Observation): Path[] {
    // Whom a gateway does not let in can neither send nor receive.
    if (kind === 'login') return route.flatMap((id) => [[this.#unit(id, 'entry')], [this.#unit(id, 'exit')]])
    const last = route.length - 1
    return [
      route.map((id, i) =>
        this.#unit(id, i === 0 ? 'entry' : i === last ? 'exit' : 'mix', i === 0 || i === last ? 0 : i),
      ),
    ]
  }

  groups(): number[][] {
    const groups = new Map<string, number[]>()
    for (const [unit, { group }] of this.list.entries()) groups.set(group, [...(groups.get(group) ?? []), unit])
    return [...groups.values()]
  }

  #unit(nodeId: number, capacity: Capacity, layer = 0): number {
    const name = `${nodeId}-${capacity}`
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    const unit = this.list.length
    this.#byName.set(name, unit)
    this.list.push({
      nodeId,
      capacity,
      group: capacity === 'mix' && isOutside(this.#seen, nodeId) ? name : `${capacity}-${layer}`,
    })
    return unit
  }
}

const isOutside = (seen: ReadonlyMap<number, SeenNode>, nodeId: number): boolean =>
  seen.get(nodeId)?.place === 'outside'

const percentOf = (probability: number): number => Math.floor(probability * 100 + 0.5)
