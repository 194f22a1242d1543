/**
 * A node as clients and nodes see it in the directory's listings: what routing needs and nothing else.
 * Format: docs/spec/directory.md. @module
 */
import { toBase58 } from '../../../foundation/base/base58.ts'
import { encodeFraction, type Json, type JsonObject, type JsonValue } from './json.ts'
import { encodeNoiseKey, encodeOptional, KEY_BYTES, readNoiseKey, type VersionedNoiseKey } from './nodeKeys.ts'

/** What the rewarded set of the epoch makes of a node; not what it declares to be able to do. */
export type EpochRole = 'layer1' | 'layer2' | 'layer3' | 'entryGateway' | 'exitGateway' | 'standby' | 'inactive'

/** What a node says it can do. */
export interface DeclaredRoles {
  readonly mixnode: boolean
  readonly entry: boolean
  readonly exitNr: boolean
  readonly exitIpr: boolean
}

/** Where clients open their websocket. */
export interface EntryDetails {
  readonly hostname: string | undefined
  readonly wsPort: number
  readonly wssPort: number | undefined
}

export interface SkimmedNode {
  readonly nodeId: number
  readonly identity: Uint8Array
  /** Canonical texts. The first one with the mix port is the Sphinx hop; a node without any is of no use. */
  readonly ipAddresses: readonly string[]
  readonly mixPort: number
  /** For the key rotation that the listing states. */
  readonly sphinxKey: Uint8Array
  readonly role: EpochRole
  readonly supportedRoles: DeclaredRoles
  readonly entry: EntryDetails | undefined
  /** 0 to 1. */
  readonly performance: number
}

/** A skimmed node with its Noise key: what nodes ask for. */
export interface SemiSkimmedNode {
  readonly basic: SkimmedNode
  readonly noiseKey: VersionedNoiseKey | undefined
}

export const MAX_IP_ADDRESSES = 64
const MAX_HOSTNAME = 253
const NO_ROLES: DeclaredRoles = { mixnode: false, entry: false, exitNr: false, exitIpr: false }
const LAYERS = ['layer1', 'layer2', 'layer3'] as const

/** Each role of its own name; `entry`, `gateway` and `exit` are what older directories wrote. */
const ROLE_NAMES = {
  EntryGateway: 'entryGateway',
  entry: 'entryGateway',
  gateway: 'entryGateway',
  ExitGateway: 'exitGateway',
  exit: 'exitGateway',
  Standby: 'standby',
  Inactive: 'inactive',
} as const

/** Whole percent, rounded down, the unit of official thresholds. */
export function performancePercent(performance: number): number {
  // 0.29 · 100 is 28.999… in binary; official directories count in decimal.
  return Math.floor(performance * 100 + 1e-9)
}

export function encodeSkimmedNode(node: SkimmedNode): JsonObject {
  return {
    node_id: node.nodeId,
    ed25519_identity_pubkey: toBase58(node.identity),
    ip_addresses: node.ipAddresses,
    mix_port: node.mixPort,
    x25519_sphinx_pubkey: toBase58(node.sphinxKey),
    role: encodeRole(node.role),
    supported_roles: encodeDeclaredRoles(node.supportedRoles),
    entry: encodeOptional(node.entry, encodeEntry),
    performance: encodeFraction(node.performance),
  }
}

export function readSkimmedNode(json: Json): SkimmedNode {
  return {
    nodeId: json.field('node_id').u32(),
    identity: json.field('ed25519_identity_pubkey').base58(KEY_BYTES),
    ipAddresses: json.field('ip_addresses').array(MAX_IP_ADDRESSES, (ip) => ip.ip()),
    mixPort: json.field('mix_port').u16(),
    sphinxKey: json.field('x25519_sphinx_pubkey').base58(KEY_BYTES),
    role: readRole(json.field('role', 'epoch_role')),
    supportedRoles: json.field('supported_roles').optional(readDeclaredRoles) ?? NO_ROLES,
    entry: json.field('entry').optional(readEntry),
    performance: json.field('performance').fraction(),
  }
}

export function encodeSemiSkimmedNode({ basic, noiseKey }: SemiSkimmedNode): JsonObject {
  return { basic: encodeSkimmedNode(basic), x25519_noise_versioned_key: encodeOptional(noiseKey, encodeNoiseKey) }
}

export function readSemiSkimmedNode(json: Json): SemiSkimmedNode {
  return {
    basic: readSkimmedNode(json.field('basic')),
    noiseKey: json.field('x25519_noise_versioned_key').optional(readNoiseKey),
  }
}

export function encodeDeclaredRoles({ mixnode, entry, exitNr, exitIpr }: DeclaredRoles): JsonObject {
  return { mixnode, entry, exit_nr: exitNr, exit_ipr: exitIpr }
}

export function readDeclaredRoles(json: Json): DeclaredRoles {
  return {
    mixnode: json.field('mixnode').boolean(),
    entry: json.field('entry').boolean(),
    exitNr: json.field('exit_nr').boolean(),
    exitIpr: json.field('exit_ipr').boolean(),
  }
}

const HOST_NAME = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?$/i

/**
 * Whether a text can stand in a URL and mean nothing but a host. Any other a node could use to send clients to a port, a path or
 * a login of its choice; listings take it for no name, since one node must not spoil the listing for all.
 */
export const isHostname = (text: string): boolean => text.length <= MAX_HOSTNAME && HOST_NAME.test(text)

/** As a node wrote it, and signed. */
export const readHostname = (json: Json): string => json.string(MAX_HOSTNAME)

function encodeEntry({ hostname, wsPort, wssPort }: EntryDetails): JsonObject {
  return { hostname: hostname ?? null, ws_port: wsPort, wss_port: wssPort ?? null }
}

function readEntry(json: Json): EntryDetails {
  return {
    hostname: usableHostname(json.field('hostname').optional(readHostname)),
    wsPort: json.field('ws_port').u16(),
    wssPort: json.field('wss_port').optional((port) => port.u16()),
  }
}

function encodeRole(role: EpochRole): JsonValue {
  switch (role) {
    case 'layer1':
    case 'layer2':
    case 'layer3':
      return { Mixnode: { layer: LAYERS.indexOf(role) + 1 } }
    case 'entryGateway':
      return 'EntryGateway'
    case 'exitGateway':
      return 'ExitGateway'
    case 'standby':
      return 'Standby'
    case 'inactive':
      return 'Inactive'
  }
}

function readRole(json: Json): EpochRole {
  if (json.isString) return ROLE_NAMES[json.oneOf(Object.keys(ROLE_NAMES) as (keyof typeof ROLE_NAMES)[])]
  const layer = json.field('Mixnode').field('layer')
  return LAYERS[layer.integer({ min: 1, max: LAYERS.length }) - 1] ?? layer.refuse('not a layer')
}

const usableHostname = (text: string | undefined): string | undefined =>
  text !== undefined && isHostname(text) ? text : undefined
