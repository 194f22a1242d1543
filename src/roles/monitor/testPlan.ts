/**
 * Who is tested in an epoch, and as what. Nodes of the set are tested in the role they have: what they could do besides is nobody's use of
 * them now. Nodes outside are tested for what they say they can do, because a score decides whether they are drawn; a mix node among them in
 * any layer. That they can tell these packets from users', whom nobody leads through them, cannot be helped. @module
 */
import type { Random } from '../../foundation/platform/random.ts'
import { gatewayUrls } from '../../network/topology/gatewaySelection.ts'
import type { NodeDescriptor, Topology } from '../../network/topology/topology.ts'
import { Deck } from './decks.ts'
import type { Place } from './evidence.ts'

export type Mixes = readonly [NodeDescriptor, NodeDescriptor, NodeDescriptor]

export function placeOf(node: NodeDescriptor): Place {
  if (node.layer !== undefined) return `layer${node.layer}`
  return node.role === 'entryGateway' || node.role === 'exitGateway' ? 'gateway' : 'outside'
}

/** Gateways where clients can have a session. One without a websocket is beyond a monitor's reach: docs/spec/monitor.md, "Limits". */
export function testedGateways(topology: Topology): NodeDescriptor[] {
  return [...topology.gateways.values()]
    .filter((node) => node.layer === undefined && gatewayUrls(node).length > 0)
    .sort((a, b) => a.nodeId - b.nodeId)
}

export class TestPlan {
  readonly topology: Topology
  readonly #layers: readonly Deck<NodeDescriptor>[]
  readonly #ways: readonly Deck<NodeDescriptor>[]
  readonly #outside: Deck<NodeDescriptor>
  readonly #positions: Deck<number>
  readonly #outsideShare: number
  readonly #chance: () => number

  constructor(random: Random, topology: Topology) {
    const stream = random.stream('monitor-routes')
    const { layers } = topology
    this.topology = topology
    this.#layers = layers.map((layer) => new Deck(stream, layer))
    this.#ways = layers.map((layer) => new Deck(stream, layer))
    const outside = [...topology.nodesById.values()].filter(
      (node) => placeOf(node) === 'outside' && node.supportedRoles.mixnode,
    )
    this.#outside = new Deck(stream, outside)
    this.#positions = new Deck(stream, [0, 1, 2])
    // As many packets through a node outside as through one inside, but never more than half of all.
    const inside = layers[0].length + layers[1].length + layers[2].length
    this.#outsideShare = Math.min(0.5, (3 * outside.length) / (inside + 3 * outside.length))
    this.#chance = () => stream.uniform()
  }

  /** For a packet. At most one of them is outside of the set. */
  mixes(): Mixes | undefined {
    const drawn = deal(this.#layers)
    if (drawn === undefined || this.#chance() >= this.#outsideShare) return drawn
    const stranger = this.#outside.draw()
    const position = this.#positions.draw()
    if (stranger === undefined || position === undefined) return drawn
    return drawn.map((node, i) => (i === position ? stranger : node)) as unknown as Mixes
  }

  /** For its way home, which is always inside: it is a second look at the set. */
  wayHome(): Mixes | undefined {
    return deal(this.#ways)
  }
}

function deal(decks: readonly Deck<NodeDescriptor>[]): Mixes | undefined {
  const drawn = decks.map((deck) => deck.draw())
  return drawn.every((node) => node !== undefined) ? (drawn as unknown as Mixes) : undefined
}
