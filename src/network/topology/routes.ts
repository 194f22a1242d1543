/** Routes through a topology: one mix node of each layer, then the recipient's gateway. Rules: docs/spec/links.md. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import { pick, type RandomStream } from '../../foundation/platform/random.ts'
import type { Hop } from '../../protocol/sphinx/route.ts'
import { identityKey, type NodeDescriptor, type Topology } from './topology.ts'

export interface RouteOptions {
  /**
   * Default: uniformly, as official clients do. `performance` favours nodes that lose little; it also makes a client's
   * routes a little more predictable, which is why it is not the default.
   */
  readonly weight?: 'uniform' | 'performance'
}

/** Throws NO_ROUTE where the recipient's gateway is not in the topology. Draws one number per layer, layer 1 first. */
export function selectRoute(
  topology: Topology,
  random: RandomStream,
  recipientGateway: Uint8Array,
  options: RouteOptions = {},
): Hop[] {
  return selectRouteNodes(topology, random, recipientGateway, options).map(({ hop }) => hop)
}

/** The same with the nodes themselves. The gateway may have any role in the epoch, as with official clients. */
export function selectRouteNodes(
  topology: Topology,
  random: RandomStream,
  recipientGateway: Uint8Array,
  { weight = 'uniform' }: RouteOptions = {},
): NodeDescriptor[] {
  const gateway = topology.nodesByIdentity.get(identityKey(recipientGateway))
  if (gateway === undefined) throw new MixnetError('NO_ROUTE', { missing: "the recipient's gateway" })
  const nodes = topology.layers.map((layer, i) => {
    const node = weight === 'uniform' ? pick(random, layer) : pickWeighted(random, layer)
    if (node === undefined) throw new MixnetError('NO_ROUTE', { missing: `layer ${i + 1}` })
    return node
  })
  return [...nodes, gateway]
}

function pickWeighted(random: RandomStream, nodes: readonly NodeDescriptor[]): NodeDescriptor | undefined {
  const total = nodes.reduce((sum, node) => sum + node.performance, 0)
  let left = random.uniform() * total
  for (const node of nodes) {
    left -= node.performance
    if (left < 0) return node
  }
  // Rounding may leave a crumb behind the last node.
  return nodes.at(-1)
}
