/**
 * The network as one directory answer describes it: which node mixes in which layer, which gateways there are, for which epoch
 * and key rotation. A value; never changed after it was built. Rules: docs/spec/links.md, "Topology". @module
 */
import { toBase58 } from '../../foundation/base/base58.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import { type RotationFlag, rotationFlag } from '../../protocol/packet/keyRotation.ts'
import { encodeNodeAddress, type NodeAddress } from '../../protocol/packet/nodeAddress.ts'
import type { Hop } from '../../protocol/sphinx/route.ts'
import type { RewardedSet } from '../../protocol/wire/directory/epochs.ts'
import type { ListingMetadata } from '../../protocol/wire/directory/listings.ts'
import {
  type DeclaredRoles,
  type EntryDetails,
  type EpochRole,
  performancePercent,
  type SkimmedNode,
} from '../../protocol/wire/directory/skimmedNodes.ts'

export type Layer = 1 | 2 | 3

export interface NodeDescriptor {
  readonly nodeId: number
  /** Ed25519, 32 bytes. */
  readonly identity: Uint8Array
  /** X25519 for the topology's key rotation, 32 bytes. */
  readonly sphinxKey: Uint8Array
  /** Where it takes packets: its first IP with its mix port. */
  readonly address: NodeAddress
  readonly ipAddresses: readonly string[]
  /** Of the epoch. */
  readonly role: EpochRole
  /** Of the epoch, by the rewarded set; undefined where it does not mix. */
  readonly layer: Layer | undefined
  readonly entry: EntryDetails | undefined
  readonly noiseKey: Uint8Array | undefined
  /** 0 to 1. */
  readonly performance: number
  readonly supportedRoles: DeclaredRoles
  /** The node as a step of a route, encoded once instead of for every packet. */
  readonly hop: Hop
}

export type Layers = readonly [readonly NodeDescriptor[], readonly NodeDescriptor[], readonly NodeDescriptor[]]

export interface Topology {
  readonly epochId: number
  readonly rotationId: number
  readonly rotationFlag: RotationFlag
  readonly layers: Layers
  /** Nodes that clients can use as their gateway, by base58 identity. */
  readonly gateways: ReadonlyMap<string, NodeDescriptor>
  readonly nodesById: ReadonlyMap<number, NodeDescriptor>
  /** Every node, by `identityKey`. */
  readonly nodesByIdentity: ReadonlyMap<string, NodeDescriptor>
  /** The end of the epoch, as far as the directory said. Not a limit: an old topology works until keys rotate. */
  readonly validUntil: Millis
  /** Of each, as far as the directory said. */
  readonly epochLength?: Millis | undefined
}

/** Whatever a directory says of its epochs. */
const SOONEST_REFRESH = seconds(2)

/**
 * Six times an epoch, that a set which changed and keys which rotated are known in time: nodes keep their old ones for an epoch. With
 * epochs of half an hour or more the official interval is the shorter one.
 */
export const refreshEvery = ({ epochLength }: Pick<Topology, 'epochLength'>): Millis | undefined =>
  epochLength === undefined ? undefined : millis(Math.max(SOONEST_REFRESH, epochLength / 6))

export interface TopologyParams {
  /** Nodes below are left out, in whole percent as official clients count. */
  readonly minPerformancePercent: number
  /** Assumed where the directory does not state the epoch's end. */
  readonly assumedValidity: Millis
}

const DEFAULT_TOPOLOGY_PARAMS: TopologyParams = { minPerformancePercent: 50, assumedValidity: millis(3_600_000) }

export interface TopologyInput {
  readonly metadata: ListingMetadata
  readonly rewardedSet: RewardedSet
  /** Later records replace earlier ones of the same node id: mix nodes first, gateways after them. */
  readonly nodes: readonly TopologyNode[]
  readonly now: Millis
  readonly params?: TopologyParams
}

export interface TopologyNode {
  readonly node: SkimmedNode
  /** Whether clients may use it as their gateway. */
  readonly gateway: boolean
  readonly noiseKey?: Uint8Array | undefined
}

/** Identities as map keys: a tenth of the time of base58, and needed for every packet. */
export const identityKey = (identity: Uint8Array): string => String.fromCharCode(...identity)

/**
 * Throws TOPOLOGY_UNAVAILABLE, saying why, where the answers are of different epochs or do not make a network: a layer
 * without a known node, or no gateway in the rewarded set.
 */
export function buildTopology(input: TopologyInput): Topology {
  const { metadata, rewardedSet, now, params = DEFAULT_TOPOLOGY_PARAMS } = input
  if (rewardedSet.epochId !== metadata.absoluteEpochId) throw unavailable('the rewarded set is of another epoch')
  const layerOf = layersById(rewardedSet)

  const nodesById = new Map<number, NodeDescriptor>()
  const gatewayIds = new Set<number>()
  for (const candidate of input.nodes) {
    const { nodeId, performance } = candidate.node
    if (performancePercent(performance) < params.minPerformancePercent) continue
    const descriptor = describeNode(candidate, layerOf.get(nodeId))
    if (descriptor === undefined) continue
    nodesById.set(nodeId, descriptor)
    if (candidate.gateway) gatewayIds.add(nodeId)
  }

  const layer = (ids: readonly number[]): NodeDescriptor[] =>
    [...new Set(ids)].map((id) => nodesById.get(id)).filter((node) => node !== undefined)
  const layers: Layers = [layer(rewardedSet.layer1), layer(rewardedSet.layer2), layer(rewardedSet.layer3)]
  const empty = layers.findIndex((nodes) => nodes.length === 0)
  if (empty >= 0) throw unavailable(`layer ${empty + 1} has no known node`)
  if (rewardedSet.entryGateways.length + rewardedSet.exitGateways.length === 0) {
    throw unavailable('the rewarded set has no gateway')
  }

  const { status, rotationId } = metadata
  return {
    epochId: metadata.absoluteEpochId,
    rotationId,
    rotationFlag: rotationFlag(rotationId),
    layers,
    gateways: new Map(
      [...nodesById.values()]
        .filter(({ nodeId }) => gatewayIds.has(nodeId))
        .map((node) => [toBase58(node.identity), node]),
    ),
    nodesById,
    nodesByIdentity: new Map([...nodesById.values()].map((node) => [identityKey(node.identity), node])),
    validUntil:
      status.kind === 'fresh'
        ? millis(status.interval.currentEpochStart + status.interval.epochLength)
        : millis(now + params.assumedValidity),
    epochLength: status.kind === 'fresh' ? millis(status.interval.epochLength) : undefined,
  }
}

/** undefined for a node without an address: it cannot be used. */
function describeNode({ node, noiseKey }: TopologyNode, layer?: Layer): NodeDescriptor | undefined {
  const [ip] = node.ipAddresses
  if (ip === undefined) return undefined
  const address: NodeAddress = { ip, port: node.mixPort }
  const { nodeId, identity, sphinxKey, ipAddresses, role, entry, performance, supportedRoles } = node
  return {
    nodeId,
    identity,
    sphinxKey,
    address,
    ipAddresses,
    role,
    layer,
    entry,
    noiseKey,
    performance,
    supportedRoles,
    hop: { address: encodeNodeAddress(address, 32), publicKey: sphinxKey },
  }
}

export function unavailable(why: string, cause?: unknown): MixnetError {
  return new MixnetError('TOPOLOGY_UNAVAILABLE', { why }, cause === undefined ? {} : { cause })
}

function layersById(set: RewardedSet): Map<number, Layer> {
  const layers = new Map<number, Layer>()
  for (const [layer, ids] of [
    [1, set.layer1],
    [2, set.layer2],
    [3, set.layer3],
  ] as const) {
    for (const id of ids) layers.set(id, layer)
  }
  return layers
}
