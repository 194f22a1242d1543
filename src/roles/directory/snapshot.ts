/**
 * Everything the directory says at one instant. All answers are made from one snapshot, so that epoch, key rotation, rewarded
 * set and listings always fit together: clients drop a topology where they do not. Rules: docs/spec/directory-server.md,
 * "One snapshot". @module
 */
import { IPV4_BYTES, parseIp } from '../../foundation/base/ipAddress.ts'
import type { Log } from '../../foundation/base/observe.ts'
import { type Millis, minutes } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { DescribedNode } from '../../protocol/wire/directory/describedNodes.ts'
import type { RewardedSet } from '../../protocol/wire/directory/epochs.ts'
import type { JsonValue } from '../../protocol/wire/directory/json.ts'
import type { EpochRole, SkimmedNode } from '../../protocol/wire/directory/skimmedNodes.ts'
import { settleClaims } from './addressClaims.ts'
import type { BondedNode } from './bondedNodes.ts'
import type { Description } from './describer.ts'
import type { Epoch, EpochSource } from './epochs.ts'
import type { Roles } from './roles.ts'
import { sphinxKeyFor } from './rotationKeys.ts'
import type { Score, Scores } from './scores.ts'

export interface ListedNode {
  readonly described: DescribedNode
  readonly skimmed: SkimmedNode
  readonly score: Score
}

/** What descriptions are taken from. */
export interface DescriptionSource {
  readonly isReady: boolean
  readonly version: number
  readonly bonded: readonly BondedNode[]
  descriptions(): readonly Description[]
}

export interface SnapshotsOptions {
  readonly world: Pick<World, 'clock'>
  readonly epochs: EpochSource
  readonly describer: DescriptionSource
  readonly scores: Scores
  readonly roles: Roles
  readonly log: Log
}

/** Scores change without a sign. */
const MAX_AGE: Millis = minutes(1)
const DEFAULT_MIX_PORT = 1789
const UNDESCRIBED_ROLE: EpochRole = 'inactive'

export class Snapshot {
  readonly epoch: Epoch
  readonly rewardedSet: RewardedSet
  /** Why clients cannot use the network now; undefined where they can. */
  readonly problem: string | undefined
  /** By node id. */
  readonly nodes: readonly ListedNode[]
  readonly bonded: readonly BondedNode[]
  readonly refreshedAt: Millis
  /** Nodes that announce only addresses of others. */
  readonly disputed: number
  readonly #texts = new Map<string, string>()

  constructor(
    parts: Pick<Snapshot, 'epoch' | 'rewardedSet' | 'problem' | 'nodes' | 'bonded' | 'refreshedAt' | 'disputed'>,
  ) {
    this.epoch = parts.epoch
    this.rewardedSet = parts.rewardedSet
    this.problem = parts.problem
    this.nodes = parts.nodes
    this.bonded = parts.bonded
    this.refreshedAt = parts.refreshedAt
    this.disputed = parts.disputed
  }

  /** The answer's JSON text, made once. `key` is one of few: never part of a request. */
  text(key: string, make: () => JsonValue): string {
    let text = this.#texts.get(key)
    if (text === undefined) {
      text = JSON.stringify(make())
      this.#texts.set(key, text)
    }
    return text
  }
}

/** Makes a new snapshot when somebody looks and the epoch, a description or the bonded nodes have changed. */
export class Snapshots {
  readonly #options: SnapshotsOptions
  #latest: { readonly snapshot: Snapshot; readonly version: number; readonly madeAt: Millis } | undefined

  constructor(options: SnapshotsOptions) {
    this.#options = options
  }

  /** undefined until every bonded node has been asked once. */
  current(): Snapshot | undefined {
    const { world, epochs, describer } = this.#options
    if (!describer.isReady) return undefined
    const epoch = epochs.current()
    const { version } = describer
    const now = world.clock.monotonic()
    const latest = this.#latest
    if (latest?.snapshot.epoch === epoch && latest.version === version && now - latest.madeAt < MAX_AGE) {
      return latest.snapshot
    }
    const snapshot = this.#make(epoch)
    if (latest?.snapshot.epoch !== epoch || latest.snapshot.problem !== snapshot.problem) this.#tell(snapshot)
    this.#latest = { snapshot, version, madeAt: now }
    return snapshot
  }

  #make(epoch: Epoch): Snapshot {
    const { world, describer, scores, roles } = this.#options
    const { bonded } = describer
    const all = describer.descriptions()
    const claims = all.map(({ node, provenIps }) => ({
      nodeId: node.nodeId,
      mixPort: mixPortOf(node),
      announced: node.hostInformation.ipAddresses,
      proven: provenIps,
    }))
    const allowed = settleClaims(claims, bonded)
    const ipsOf = ({ node }: Description): readonly string[] => allowed.get(node.nodeId) ?? []
    const usable = all.filter((description) => ipsOf(description).length > 0)
    const candidates = usable.map(({ node, bonded: { role, layer } }) => ({
      nodeId: node.nodeId,
      roles: node.declaredRole,
      role,
      layer,
    }))
    const assignment = roles.assign(epoch, candidates)
    const nodes = usable.map((description): ListedNode => {
      const { node } = description
      const described = { ...node, hostInformation: { ...node.hostInformation, ipAddresses: ipsOf(description) } }
      const score = scores.of(node.nodeId, node)
      const role = assignment.roles.get(node.nodeId) ?? UNDESCRIBED_ROLE
      return { described, score, skimmed: skim(described, role, score, epoch.rotation.currentKeyRotationId) }
    })
    return new Snapshot({
      epoch,
      rewardedSet: assignment.set,
      problem: assignment.problem,
      nodes,
      bonded,
      refreshedAt: world.clock.now(),
      disputed: all.length - usable.length,
    })
  }

  #tell({ epoch, problem, nodes }: Snapshot): void {
    const fields = { epochId: epoch.absoluteId, rotationId: epoch.rotation.currentKeyRotationId, nodes: nodes.length }
    if (problem === undefined) this.#options.log.info('directory.epoch', fields)
    else this.#options.log.warn('directory.unusable', { ...fields, problem })
  }
}

function skim(node: DescribedNode, role: EpochRole, score: Score, rotationId: number): SkimmedNode {
  const { hostInformation, declaredRole, mixnetWebsockets } = node
  const { hostname, ipAddresses, keys } = hostInformation
  return {
    nodeId: node.nodeId,
    identity: keys.identity,
    // Clients route over the first one, and many have no IPv6.
    ipAddresses: [...ipAddresses.filter(isV4), ...ipAddresses.filter((ip) => !isV4(ip))],
    mixPort: mixPortOf(node),
    sphinxKey: sphinxKeyFor(keys, rotationId),
    role,
    supportedRoles: declaredRole,
    entry: declaredRole.entry ? { hostname, ...mixnetWebsockets } : undefined,
    performance: Math.min(1, Math.max(0, score.performance)),
  }
}

export const mixPortOf = (node: DescribedNode): number =>
  node.auxiliaryDetails.announcePorts.mixPort ?? DEFAULT_MIX_PORT

const isV4 = (ip: string): boolean => parseIp(ip)?.length === IPV4_BYTES
