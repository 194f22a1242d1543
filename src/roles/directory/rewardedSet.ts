/**
 * What the epoch makes of each node: a layer to mix in, entry or exit gateway, standby. A pure function of the epoch, the nodes
 * and the roles given out earlier in the epoch. Rules: docs/spec/directory-server.md, "Rewarded set". @module
 */
import { toHex } from '../../foundation/base/bytes.ts'
import { Writer } from '../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import { type RewardedSet, rewardedSetOf } from '../../protocol/wire/directory/epochs.ts'
import type { DeclaredRoles, EpochRole } from '../../protocol/wire/directory/skimmedNodes.ts'
import type { BondedNode } from './bondedNodes.ts'

/** A described node, with what the network's operator wants of it. */
export interface Candidate extends Pick<BondedNode, 'role' | 'layer'> {
  readonly nodeId: number
  readonly roles: DeclaredRoles
}

export interface AssignmentInput {
  readonly epochId: number
  readonly candidates: readonly Candidate[]
  /** Given out earlier in this epoch, also to nodes that are away now: whoever comes back gets its role again. */
  readonly earlier: ReadonlyMap<number, EpochRole>
  readonly crypto: Pick<CryptoProvider, 'sha256'>
}

export interface Assignment {
  readonly set: RewardedSet
  readonly roles: ReadonlyMap<number, EpochRole>
  /** Why clients cannot use the network; undefined where they can. */
  readonly problem: string | undefined
}

const LAYERS = ['layer1', 'layer2', 'layer3'] as const
const GATEWAYS = ['entryGateway', 'exitGateway'] as const
type LayerRole = (typeof LAYERS)[number]

/**
 * Roles stay for the epoch, apart from what the operator changes; nodes that turn up during an epoch are added at once. Official
 * directories let them wait for the next one, but a small network must not stand still for an hour because it came up slowly.
 */
export function assignRoles({ epochId, candidates, earlier, crypto }: AssignmentInput): Assignment {
  const roles = new Map<number, EpochRole>()
  const present = new Set(candidates.map(({ nodeId }) => nodeId))
  const undecided: Candidate[] = []
  for (const candidate of inEpochOrder(candidates, epochId, crypto)) {
    const role = wished(candidate) ?? stillValid(earlier.get(candidate.nodeId), candidate) ?? naturalRole(candidate)
    if (role === 'mix') undecided.push(candidate)
    else roles.set(candidate.nodeId, role)
  }
  for (const { nodeId } of undecided) roles.set(nodeId, smallestLayer(roles))
  fillEmptyLayers(roles, candidates)

  const set = rewardedSetOf(epochId, roles)
  for (const [nodeId, role] of earlier) if (!present.has(nodeId)) roles.set(nodeId, role)
  return { set, roles, problem: problemOf(set) }
}

/** Layers are dealt in an order that each epoch shuffles anew, and that everybody can compute. */
function inEpochOrder(
  candidates: readonly Candidate[],
  epochId: number,
  crypto: Pick<CryptoProvider, 'sha256'>,
): readonly Candidate[] {
  const place = ({ nodeId }: Candidate): string => toHex(crypto.sha256(new Writer(8).u32(epochId).u32(nodeId).finish()))
  return candidates
    .map((candidate) => ({ candidate, place: place(candidate) }))
    .sort((a, b) => (a.place < b.place ? -1 : 1))
    .map(({ candidate }) => candidate)
}

function wished({ role, layer, roles }: Candidate): EpochRole | 'mix' | undefined {
  if (layer !== undefined && roles.mixnode) return LAYERS[layer - 1]
  if (role === 'standby') return 'standby'
  if (role === 'entry' && roles.entry) return 'entryGateway'
  if (role === 'exit' && isExit(roles)) return 'exitGateway'
  // Which layer is still to be found, unless it has one from earlier in the epoch.
  return undefined
}

function stillValid(earlier: EpochRole | undefined, candidate: Candidate): EpochRole | undefined {
  const { role, roles } = candidate
  switch (earlier) {
    case 'layer1':
    case 'layer2':
    case 'layer3':
      return roles.mixnode ? earlier : undefined
    case 'entryGateway':
      return roles.entry && role !== 'mix' ? earlier : undefined
    case 'exitGateway':
      return isExit(roles) && role !== 'mix' ? earlier : undefined
    default:
      return undefined
  }
}

function naturalRole({ role, roles }: Candidate): EpochRole | 'mix' {
  if (role === 'mix' && roles.mixnode) return 'mix'
  if (isExit(roles)) return 'exitGateway'
  if (roles.entry) return 'entryGateway'
  return roles.mixnode ? 'mix' : 'inactive'
}

/** One service is enough for the role, though official directories want both: an exit that only connects is an exit. */
const isExit = ({ exitNr, exitIpr }: DeclaredRoles): boolean => exitNr || exitIpr

function smallestLayer(roles: ReadonlyMap<number, EpochRole>): LayerRole {
  const sizes = LAYERS.map((layer) => countOf(roles, layer))
  return LAYERS[sizes.indexOf(Math.min(...sizes))] as LayerRole
}

/** A node that could do both mixes where a layer would stay empty, as long as a gateway remains. */
function fillEmptyLayers(roles: Map<number, EpochRole>, candidates: readonly Candidate[]): void {
  const spare = candidates
    .filter(({ nodeId, role, roles: can }) => can.mixnode && role === undefined && isGateway(roles.get(nodeId)))
    .sort((a, b) => b.nodeId - a.nodeId)
  for (const layer of LAYERS) {
    if (countOf(roles, layer) > 0) continue
    const gateways = GATEWAYS.reduce((sum, gateway) => sum + countOf(roles, gateway), 0)
    const node = gateways > 1 ? spare.pop() : undefined
    if (node !== undefined) roles.set(node.nodeId, layer)
  }
}

const isGateway = (role: EpochRole | undefined): boolean => role === 'entryGateway' || role === 'exitGateway'

function countOf(roles: ReadonlyMap<number, EpochRole>, wanted: EpochRole): number {
  let count = 0
  for (const role of roles.values()) if (role === wanted) count++
  return count
}

/** What clients need at least: every layer, and a gateway. */
function problemOf(set: RewardedSet): string | undefined {
  const empty = [set.layer1, set.layer2, set.layer3].findIndex((layer) => layer.length === 0)
  if (empty >= 0) return `layer ${empty + 1} has no node`
  return set.entryGateways.length + set.exitGateways.length === 0 ? 'there is no gateway' : undefined
}
