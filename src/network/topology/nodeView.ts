/**
 * What a node needs to know about the others: the topology, whom it may send to, and who speaks Noise with which key.
 * Rules: docs/spec/links.md, "Topology". @module
 */
import { canonicalIpText } from '../../foundation/base/ipAddress.ts'
import type { Millis } from '../../foundation/base/units.ts'
import type { RewardedSet } from '../../protocol/wire/directory/epochs.ts'
import type { NodesListing } from '../../protocol/wire/directory/listings.ts'
import type { SemiSkimmedNode } from '../../protocol/wire/directory/skimmedNodes.ts'
import { buildTopology, type Topology, type TopologyParams } from './topology.ts'

export interface NodeView {
  readonly topology: Topology
  /** Every announced IP of every bonded node, canonical, with its mix ports, however badly it performs: whom we may send to. */
  readonly addresses: ReadonlyMap<string, ReadonlySet<number>>
  /** By canonical IP. Of two nodes that share one, the later in the listing: give every node its own. */
  readonly noiseKeys: ReadonlyMap<string, Uint8Array>
}

export interface NodeViewInput {
  readonly listing: NodesListing<SemiSkimmedNode>
  readonly rewardedSet: RewardedSet
  readonly now: Millis
  readonly params?: TopologyParams
}

/** Throws TOPOLOGY_UNAVAILABLE as buildTopology does. */
export function buildNodeView({ listing, rewardedSet, now, params }: NodeViewInput): NodeView {
  const addresses = new Map<string, Set<number>>()
  const noiseKeys = new Map<string, Uint8Array>()
  for (const { basic, noiseKey } of listing.items) {
    for (const text of basic.ipAddresses) {
      const ip = canonicalIpText(text)
      addresses.set(ip, (addresses.get(ip) ?? new Set<number>()).add(basic.mixPort))
      // Whatever version it announces: official nodes try version 1 then, and so do we.
      if (noiseKey) noiseKeys.set(ip, noiseKey.publicKey)
    }
  }
  const nodes = listing.items.map(({ basic, noiseKey }) => ({
    node: basic,
    gateway: basic.supportedRoles.entry || basic.role === 'entryGateway' || basic.role === 'exitGateway',
    noiseKey: noiseKey?.publicKey,
  }))
  const topology = buildTopology({ metadata: listing.metadata, rewardedSet, nodes, now, ...(params && { params }) })
  return { topology, addresses, noiseKeys }
}
