/**
 * Everything that a client needs to check an epoch's whole topology against the root that the ledger keeps of it: each node that took
 * part in the draw, its announcement as it was then, its role, and the seed. Format: docs/spec/announcements.md, "A topology to check". @module
 */
import { base64 } from '@scure/base'
import { toBase58 } from '../../../foundation/base/base58.ts'
import { fromHex, toHex } from '../../../foundation/base/bytes.ts'
import { ANNOUNCEMENT_SIGNATURE_BYTES, MAX_ANNOUNCEMENT_BYTES } from './announcement.ts'
import { MAX_NODES } from './epochs.ts'
import { type Json, type JsonObject, parseJson } from './json.ts'
import { KEY_BYTES } from './nodeKeys.ts'

export interface BundledAnnouncement {
  readonly sequence: bigint
  /** Bits of a byte. */
  readonly capabilities: number
  readonly data: Uint8Array
  readonly signature: Uint8Array
}

export interface BundledNode {
  readonly nodeId: number
  /** Ed25519, 32 bytes. */
  readonly identity: Uint8Array
  /** As the ledger's numbers: 0 entry, 1 mix (layers follow from the seed), 4 exit, 5 standby, 6 none. */
  readonly role: 0 | 1 | 4 | 5 | 6
  readonly announcement: BundledAnnouncement | undefined
}

export interface TopologyBundle {
  readonly epochId: number
  /** 32 bytes: of the draw that made the set. */
  readonly seed: Uint8Array
  /** Ascending by id. */
  readonly nodes: readonly BundledNode[]
}

export const TOPOLOGY_BUNDLE_PATH = '/v1/starling/topology'
const FORMAT = 'starling-ledger-topology-1'
const ROLES = [0, 1, 4, 5, 6] as const
const SEED = /^[0-9a-f]{64}$/
const MAX_BASE64 = Math.ceil(MAX_ANNOUNCEMENT_BYTES / 3) * 4
const MAX_U64 = (1n << 64n) - 1n

export function encodeTopologyBundle({ epochId, seed, nodes }: TopologyBundle): JsonObject {
  return {
    format: FORMAT,
    epoch_id: epochId,
    seed: toHex(seed),
    nodes: nodes.map(({ nodeId, identity, role, announcement }) => ({
      node_id: nodeId,
      identity_key: toBase58(identity),
      role,
      announcement:
        announcement === undefined
          ? null
          : {
              sequence: String(announcement.sequence),
              capabilities: announcement.capabilities,
              data: base64.encode(announcement.data),
              signature: base64.encode(announcement.signature),
            },
    })),
  }
}

/** Throws MALFORMED. Checks nothing against a ledger. */
export function decodeTopologyBundle(text: string): TopologyBundle {
  const json = parseJson(text, 'topology bundle')
  json.field('format').oneOf([FORMAT])
  const seed = json.field('seed')
  const seedText = seed.string()
  if (!SEED.test(seedText)) seed.refuse('not 32 bytes in hex')
  return {
    epochId: json.field('epoch_id').u32(),
    seed: fromHex(seedText),
    nodes: json.field('nodes').array(MAX_NODES, readNode),
  }
}

function readNode(json: Json): BundledNode {
  const role = json.field('role')
  const number = role.integer()
  return {
    nodeId: json.field('node_id').integer({ min: 1, max: 0xffff_ffff }),
    identity: json.field('identity_key').base58(KEY_BYTES),
    role: ROLES.find((one) => one === number) ?? role.refuse('not a role'),
    announcement: json.field('announcement').optional((announcement) => ({
      sequence: readU64(announcement.field('sequence')),
      capabilities: announcement.field('capabilities').integer({ max: 0xff }),
      data: readBase64(announcement.field('data'), MAX_ANNOUNCEMENT_BYTES),
      signature: readBase64(announcement.field('signature'), ANNOUNCEMENT_SIGNATURE_BYTES),
    })),
  }
}

function readU64(json: Json): bigint {
  const text = json.string()
  if (!/^(?:0|[1-9]\d{0,19})$/.test(text)) json.refuse('not a whole number')
  const value = BigInt(text)
  return value > MAX_U64 ? json.refuse('above 2^64') : value
}

function readBase64(json: Json, maxBytes: number): Uint8Array {
  const text = json.string(MAX_BASE64)
  try {
    const bytes = base64.decode(text)
    if (bytes.length <= maxBytes) return bytes
  } catch {
    // The decoder's own words quote the input.
  }
  return json.refuse(`not base64 of at most ${maxBytes} bytes`)
}
