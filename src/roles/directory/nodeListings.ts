/**
 * The listings of nodes that the directory serves: which path, which nodes, which shape. Rules:
 * docs/spec/directory-server.md, "Listings". @module
 */
import type { JsonObject } from '../../protocol/wire/directory/json.ts'
import {
  encodeSemiSkimmedListing,
  encodeSemiSkimmedListingV1,
  encodeSkimmedListing,
  encodeSkimmedListingV1,
  type ListingStatus,
  onePage,
} from '../../protocol/wire/directory/listings.ts'
import type { SemiSkimmedNode } from '../../protocol/wire/directory/skimmedNodes.ts'
import type { ListedNode, Snapshot } from './snapshot.ts'

export type Members =
  | 'all'
  | 'active'
  | 'mixnodes'
  | 'activeMixnodes'
  | 'entries'
  | 'activeEntries'
  | 'exits'
  | 'activeExits'

export interface NodeListing {
  readonly path: string
  readonly version: 1 | 2
  readonly members: Members
  /** With Noise keys. */
  readonly isSemi?: boolean
}

const V1 = '/v1/unstable'
const V2 = '/v2/unstable'

export const NODE_LISTINGS: readonly NodeListing[] = [
  { path: `${V2}/nym-nodes/skimmed`, version: 2, members: 'all' },
  { path: `${V2}/nym-nodes/skimmed/mixnodes/active`, version: 2, members: 'activeMixnodes' },
  { path: `${V2}/nym-nodes/skimmed/mixnodes/all`, version: 2, members: 'mixnodes' },
  { path: `${V2}/nym-nodes/skimmed/entry-gateways`, version: 2, members: 'entries' },
  { path: `${V2}/nym-nodes/skimmed/exit-gateways`, version: 2, members: 'exits' },
  { path: `${V2}/nym-nodes/semi-skimmed`, version: 2, members: 'all', isSemi: true },
  { path: `${V1}/nym-nodes/skimmed`, version: 1, members: 'all' },
  { path: `${V1}/nym-nodes/skimmed/active`, version: 1, members: 'active' },
  { path: `${V1}/nym-nodes/skimmed/mixnodes/active`, version: 1, members: 'activeMixnodes' },
  { path: `${V1}/nym-nodes/skimmed/mixnodes/all`, version: 1, members: 'mixnodes' },
  { path: `${V1}/nym-nodes/skimmed/entry-gateways/active`, version: 1, members: 'activeEntries' },
  { path: `${V1}/nym-nodes/skimmed/entry-gateways/all`, version: 1, members: 'entries' },
  { path: `${V1}/nym-nodes/skimmed/exit-gateways/active`, version: 1, members: 'activeExits' },
  { path: `${V1}/nym-nodes/skimmed/exit-gateways/all`, version: 1, members: 'exits' },
  { path: `${V1}/nym-nodes/semi-skimmed`, version: 1, members: 'all', isSemi: true },
  { path: `${V1}/gateways/skimmed`, version: 1, members: 'entries' },
  { path: `${V1}/mixnodes/skimmed`, version: 1, members: 'activeMixnodes' },
]

/** The values of `role` on the listing of all nodes, by which it becomes another. */
const LISTINGS_BY_ROLE: ReadonlyMap<string, Members> = new Map([
  ['active-mixnode', 'activeMixnodes'],
  ['entry-gateway', 'entries'],
  ['entry', 'entries'],
  ['gateway', 'entries'],
  ['exit-gateway', 'exits'],
  ['exit', 'exits'],
])

const takesPart = ({ skimmed }: ListedNode): boolean => skimmed.role !== 'inactive'
const isMixnode = ({ skimmed }: ListedNode): boolean => skimmed.supportedRoles.mixnode
const isEntry = ({ skimmed }: ListedNode): boolean => skimmed.supportedRoles.entry
const isExit = ({ skimmed: { supportedRoles } }: ListedNode): boolean => supportedRoles.exitNr && supportedRoles.exitIpr

const MEMBERS: Readonly<Record<Members, (node: ListedNode) => boolean>> = {
  all: () => true,
  active: takesPart,
  mixnodes: isMixnode,
  activeMixnodes: (node) => isMixnode(node) && takesPart(node),
  entries: isEntry,
  activeEntries: (node) => isEntry(node) && takesPart(node),
  exits: isExit,
  activeExits: (node) => isExit(node) && takesPart(node),
}

/** The listing that `role` asks for; undefined where there is no such role. */
export function withRole(listing: NodeListing, role: string | undefined): NodeListing | undefined {
  if (role === undefined || listing.members !== 'all' || listing.isSemi) return listing
  const members = LISTINGS_BY_ROLE.get(role)
  return members && { ...listing, members }
}

export const isActive = ({ members }: NodeListing): boolean => members.startsWith('active')

/** The listing as JSON text; without nodes for a client that knows this epoch already. */
export function listNodes(snapshot: Snapshot, listing: NodeListing, knownEpochId: number | undefined): string {
  const isKnown = knownEpochId === snapshot.epoch.interval.currentEpochId
  const { version, members, isSemi = false } = listing
  return snapshot.text(`${version} ${members} ${isSemi} ${isKnown}`, () => encode(snapshot, listing, isKnown))
}

function encode(snapshot: Snapshot, { version, members, isSemi = false }: NodeListing, isKnown: boolean): JsonObject {
  const { epoch, refreshedAt } = snapshot
  const nodes = isKnown ? [] : snapshot.nodes.filter(MEMBERS[members])
  const skimmed = onePage(nodes.map((node) => node.skimmed))
  const semi = onePage(nodes.map(withNoiseKey))
  const status = statusOf(snapshot, members, isSemi, isKnown)
  if (version === 1) {
    return isSemi
      ? encodeSemiSkimmedListingV1({ status, refreshedAt, ...semi })
      : encodeSkimmedListingV1({ status, refreshedAt, ...skimmed })
  }
  const { absoluteId: absoluteEpochId, rotation } = epoch
  const metadata = { status, absoluteEpochId, rotationId: rotation.currentKeyRotationId, refreshedAt }
  return isSemi ? encodeSemiSkimmedListing({ metadata, ...semi }) : encodeSkimmedListing({ metadata, ...skimmed })
}

function statusOf({ epoch }: Snapshot, members: Members, isSemi: boolean, isKnown: boolean): ListingStatus {
  if (isKnown) return { kind: 'noUpdates' }
  // Official directories leave it open on the listing of everything.
  if (members === 'all' && !isSemi) return { kind: 'unstated' }
  return { kind: 'fresh', interval: epoch.interval }
}

function withNoiseKey({ skimmed, described }: ListedNode): SemiSkimmedNode {
  return { basic: skimmed, noiseKey: described.hostInformation.keys.noiseKey }
}
