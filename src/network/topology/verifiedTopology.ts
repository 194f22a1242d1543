/**
 * A topology that its reader has checked against the ledger, whoever handed it out: it is of the epoch that runs, complete, and each node
 * in it is what the ledger drew and says of itself what its identity key signed. The directory is trusted with nothing but being there;
 * whoever tells the root is, so name an RPC of your own, or several that must agree. docs/spec/announcements.md, "Checking a topology". @module
 */

import { equalBytes, toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { Keccak256 } from '../../protocol/economy/abiWords.ts'
import { announcementLeaf, NO_LEAF } from '../../protocol/economy/announcementLeaf.ts'
import { CAPABILITY, mixLayers, ROLE } from '../../protocol/economy/draw.ts'
import { topologyRoot } from '../../protocol/economy/topologyRoot.ts'
import {
  type Announcement,
  decodeAnnouncement,
  verifyAnnouncement,
} from '../../protocol/wire/directory/announcement.ts'
import { rewardedSetOf } from '../../protocol/wire/directory/epochs.ts'
import type { EpochRole, SkimmedNode } from '../../protocol/wire/directory/skimmedNodes.ts'
import {
  type BundledNode,
  decodeTopologyBundle,
  TOPOLOGY_BUNDLE_PATH,
  type TopologyBundle,
} from '../../protocol/wire/directory/topologyBundle.ts'
import type { DirectoryClient } from './directoryClient.ts'
import { buildTopology, type Topology, type TopologyNode, unavailable } from './topology.ts'
import type { Fetch } from './topologySources.ts'

/** What the ledger itself says. */
export interface LedgerTruth {
  readonly epochId: number
  /** 32 bytes: `RewardedSet.rootOf(epochId)`. */
  readonly root: Uint8Array
  readonly epochEnd: Millis
  readonly rotationId: number
}

/** Reads the ledger, by whatever way its maker trusts. Rejects with MixnetErrors. */
export type TruthSource = (signal: AbortSignal) => Promise<LedgerTruth>

/** Which ledger: what announcements are signed for. */
export interface AnnouncementsOf {
  readonly chainId: number
  /** 20 bytes. */
  readonly contract: Uint8Array
}

export interface TopologyChecks {
  readonly crypto: Pick<CryptoProvider, 'ed25519Verify'>
  readonly keccak256: Keccak256
  readonly announcements: AnnouncementsOf
}

export interface CheckedTopology {
  readonly topology: Topology
  /** Nodes that are of no use, by their own fault: what they announced is not signed by them, cannot be read, or has no key for now. */
  readonly unusable: readonly {
    readonly nodeId: number
    readonly why: 'silent' | 'signature' | 'malformed' | 'noKey'
  }[]
}

/** What is wrong with a topology as a whole, in `details.problem`. */
export type TopologyProblem = 'epoch' | 'order' | 'root' | 'noRoot'

/** A node's id and key are proven; how well it works the root does not say, but it weighed in the draw. */
const PERFORMANCE = 1

/**
 * Throws TOPOLOGY_UNAVAILABLE naming the problem where the directory's word is not the ledger's, and as buildTopology does where it makes
 * no network. A node that spoils its own announcement spoils nothing else: it is left out.
 */
export function checkTopology(
  bundle: TopologyBundle,
  truth: LedgerTruth,
  { crypto, keccak256, announcements }: TopologyChecks,
  now: Millis,
): CheckedTopology {
  if (bundle.epochId !== truth.epochId)
    throw refused('epoch', `it is of epoch ${bundle.epochId}, the ledger in ${truth.epochId}`)
  if (truth.root.every((byte) => byte === 0)) throw refused('noRoot', 'the ledger has no root of this epoch')
  for (const [i, { nodeId }] of bundle.nodes.entries()) {
    const before = bundle.nodes[i - 1]
    if (before !== undefined && before.nodeId >= nodeId) throw refused('order', `node ${nodeId} is not in its place`)
  }
  const leafOf = ({ nodeId, announcement: said }: BundledNode): Uint8Array =>
    said === undefined ? NO_LEAF : announcementLeaf({ nodeId, ...said }, said.data, said.signature, keccak256)
  const rooted = bundle.nodes.map((node) => ({
    nodeId: node.nodeId,
    identityKey: node.identity,
    leaf: leafOf(node),
    role: node.role,
  }))
  const root = topologyRoot({ epochId: bundle.epochId, seed: bundle.seed, nodes: rooted }, keccak256)
  if (!equalBytes(root, truth.root)) {
    throw refused('root', 'a node is missing, added or changed: its root is not the one of the ledger')
  }

  const unusable: { nodeId: number; why: CheckedTopology['unusable'][number]['why'] }[] = []
  const roles = rolesOf(bundle, keccak256)
  const nodes: TopologyNode[] = []
  for (const node of bundle.nodes) {
    const usable = readNode(node, roles.get(node.nodeId) ?? 'inactive', truth.rotationId, { crypto, announcements })
    if (typeof usable === 'string') unusable.push({ nodeId: node.nodeId, why: usable })
    else nodes.push(usable)
  }
  const topology = buildTopology({
    metadata: {
      status: { kind: 'unstated' },
      absoluteEpochId: bundle.epochId,
      rotationId: truth.rotationId,
      refreshedAt: now,
    },
    rewardedSet: rewardedSetOf(bundle.epochId, roles),
    nodes,
    now,
    params: { minPerformancePercent: 0, assumedValidity: millis(Math.max(0, truth.epochEnd - now)) },
  })
  return { topology, unusable }
}

export interface VerifiedTopologyOptions extends TopologyChecks {
  readonly clock: Pick<Clock, 'now'>
  readonly directory: DirectoryClient
  readonly truth: TruthSource
}

/** As clientTopologySource, of a directory that cannot lie. Where one does, the next is asked. */
export function verifiedTopologySource({
  clock,
  directory,
  truth,
  ...checks
}: VerifiedTopologyOptions): Fetch<Topology> {
  return async (signal) => {
    const known = await truth(signal)
    return directory.ask(async (reader) => {
      const bundle = await reader.get(`${TOPOLOGY_BUNDLE_PATH}/${known.epochId}`, decodeTopologyBundle)
      return checkTopology(bundle, known, checks, clock.now()).topology
    }, signal)
  }
}

/**
 * Several who must say the same: at least `quorum` of them, and none of those that answer something else for that epoch. One that is a
 * block behind at the end of an epoch is only asked again with the next refresh.
 */
export function agreedTruth(sources: readonly TruthSource[], quorum: number = sources.length): TruthSource {
  if (quorum < 1 || quorum > sources.length)
    throw new MixnetError('BAD_ARGUMENT', { argument: 'quorum', problem: `must be 1 to ${sources.length}` })
  return async (signal) => {
    const answers = await Promise.all(
      sources.map((source) =>
        source(signal).catch((error: unknown) => {
          if (!isMixnetError(error)) throw error
          return undefined
        }),
      ),
    )
    const told = answers.filter((answer) => answer !== undefined)
    const newest = Math.max(...told.map(({ epochId }) => epochId))
    const ofNewest = told.filter(({ epochId }) => epochId === newest)
    const [first] = ofNewest
    const text = ({ root, rotationId, epochEnd }: LedgerTruth): string => `${toHex(root)} ${rotationId} ${epochEnd}`
    if (first === undefined || ofNewest.length < quorum)
      throw unavailable(`${ofNewest.length} of ${sources.length} know the newest epoch of the ledger; ${quorum} must`)
    if (ofNewest.some((other) => text(other) !== text(first)))
      throw refused('root', 'those who were asked for the root of the ledger do not agree')
    return first
  }
}

function rolesOf({ seed, nodes }: TopologyBundle, keccak256: Keccak256): ReadonlyMap<number, EpochRole> {
  const mixes = nodes.filter(({ role }) => role === ROLE.layer1).map(({ nodeId }) => nodeId)
  const layers = mixLayers(seed, mixes, keccak256)
  return new Map(nodes.map(({ nodeId, role }) => [nodeId, ROLE_NAMES[layers.get(nodeId) ?? role]]))
}

const ROLE_NAMES = ['entryGateway', 'layer1', 'layer2', 'layer3', 'exitGateway', 'standby', 'inactive'] as const

function readNode(
  { nodeId, identity, announcement: said }: BundledNode,
  role: EpochRole,
  rotationId: number,
  { crypto, announcements }: Pick<TopologyChecks, 'crypto' | 'announcements'>,
): TopologyNode | 'silent' | 'signature' | 'malformed' | 'noKey' {
  if (said === undefined) return 'silent'
  const { sequence, capabilities, data, signature } = said
  const place = { ...announcements, nodeId, sequence, capabilities }
  if (!verifyAnnouncement(crypto, identity, place, data, signature)) return 'signature'
  const announcement = tryDecode(() => decodeAnnouncement(data))
  if (isMixnetError(announcement)) return 'malformed'
  const key = announcement.sphinxKeys.find((one) => one.rotationId === rotationId)
  if (key === undefined) return 'noKey'
  const node = skim(nodeId, identity, announcement, key.publicKey, role, capabilities)
  return { node, gateway: node.supportedRoles.entry, noiseKey: announcement.noiseKey?.publicKey }
}

function skim(
  nodeId: number,
  identity: Uint8Array,
  { ipAddresses, mixPort, hostname, wsPort, wssPort }: Announcement,
  sphinxKey: Uint8Array,
  role: EpochRole,
  capabilities: number,
): SkimmedNode {
  const can = (bit: number): boolean => (capabilities & bit) !== 0
  const isEntry = can(CAPABILITY.entry) && wsPort > 0
  return {
    nodeId,
    identity,
    ipAddresses,
    mixPort,
    sphinxKey,
    role,
    supportedRoles: {
      mixnode: can(CAPABILITY.mix),
      entry: isEntry,
      exitNr: can(CAPABILITY.exitRequester),
      exitIpr: can(CAPABILITY.exitRouter),
    },
    entry: isEntry ? { hostname, wsPort, wssPort } : undefined,
    performance: PERFORMANCE,
  }
}

function refused(problem: TopologyProblem, why: string): MixnetError {
  const nextStep = 'Ask another directory: this one is behind the ledger, or lies.'
  return new MixnetError('TOPOLOGY_UNAVAILABLE', { problem, why }, { nextStep })
}
