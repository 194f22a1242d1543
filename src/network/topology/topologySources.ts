/**
 * A topology from the directory: the client's view and the node's. The answers it is made of must be of one epoch; around an
 * epoch change they may not be, so a mismatch is asked again once, at once. Rules: docs/spec/links.md, "Topology". @module
 */
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import { sameEpoch } from '../../protocol/wire/directory/listings.ts'
import type { DirectoryClient, DirectoryReader } from './directoryClient.ts'
import { buildNodeView, type NodeView, type NodeViewInput } from './nodeView.ts'
import { buildTopology, type Topology, type TopologyParams, unavailable } from './topology.ts'

export interface TopologySourceOptions {
  readonly clock: Clock
  readonly directory: DirectoryClient
  readonly params?: TopologyParams
}

/** Asks the directory; the signal stops it. */
export type Fetch<T> = (signal: AbortSignal) => Promise<T>

/** The client's view: rewarded set, active mix nodes, and entry gateways, whose records win over mix nodes'. */
export function clientTopologySource({ clock, directory, params }: TopologySourceOptions): Fetch<Topology> {
  const read = async (from: DirectoryReader): Promise<Topology> => {
    const [rewardedSet, mixNodes, gateways] = await Promise.all([
      from.rewardedSet(),
      from.activeMixNodes(),
      from.entryGateways(),
    ])
    if (!sameEpoch(mixNodes.metadata, gateways.metadata)) throw unavailable('the listings are of different epochs')
    return buildTopology({
      metadata: mixNodes.metadata,
      rewardedSet,
      nodes: [
        ...mixNodes.items.map((node) => ({ node, gateway: false })),
        ...gateways.items.map((node) => ({ node, gateway: true })),
      ],
      now: clock.now(),
      ...(params && { params }),
    })
  }
  return (signal) => directory.ask(onceMore(read), signal)
}

export interface NodeViewSourceOptions extends TopologySourceOptions {
  /** Hears of every answer that made a view. */
  readonly onView?: (input: NodeViewInput) => void
}

/** The node's view: rewarded set and every node with its Noise key. */
export function nodeViewSource({ clock, directory, params, onView }: NodeViewSourceOptions): Fetch<NodeView> {
  const read = async (from: DirectoryReader): Promise<NodeView> => {
    const [rewardedSet, listing] = await Promise.all([from.rewardedSet(), from.semiSkimmed()])
    const input = { listing, rewardedSet, now: clock.now(), ...(params && { params }) }
    const view = buildNodeView(input)
    onView?.(input)
    return view
  }
  return (signal) => directory.ask(onceMore(read), signal)
}

/** Again, once, where the answers did not fit together. A directory that is down will not be up a moment later. */
function onceMore<T>(read: (from: DirectoryReader) => Promise<T>): (from: DirectoryReader) => Promise<T> {
  return async (from) => {
    try {
      return await read(from)
    } catch (error) {
      if (!isMixnetError(error, 'TOPOLOGY_UNAVAILABLE')) throw error
      return read(from)
    }
  }
}
