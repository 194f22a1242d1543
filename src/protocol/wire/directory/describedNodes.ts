/**
 * Nodes as they describe themselves, collected by the directory; `nym-nodes/described`. Version 2 adds the field of the Lewes
 * protocol, which we do not speak: written as null, not read. Format: docs/spec/directory.md. @module
 */
import { toBase58 } from '../../../foundation/base/base58.ts'
import type { Millis } from '../../../foundation/base/units.ts'
import { formatRfc3339 } from '../timestamp.ts'
import { type BuildInformation, encodeBuildInformation, readBuildInformation } from './buildInformation.ts'
import { type HostInformation, readIpAddresses } from './hostInformation.ts'
import { type Json, type JsonObject, parseJson } from './json.ts'
import { encodePage, type Page, readPage } from './listings.ts'
import {
  type AuxiliaryDetails,
  encodeAuxiliaryDetails,
  encodeMixnetWebsockets,
  MAX_RECIPIENT_TEXT,
  type MixnetWebsockets,
  readAuxiliaryDetails,
  readMixnetWebsockets,
} from './nodeApi.ts'
import {
  encodeNoiseKey,
  encodeOptional,
  encodeRotationKey,
  KEY_BYTES,
  readNoiseKey,
  readRotationKey,
} from './nodeKeys.ts'
import { type DeclaredRoles, encodeDeclaredRoles, readDeclaredRoles, readHostname } from './skimmedNodes.ts'

/** Addresses are recipients in text form; whoever sends to one parses it. */
export interface DescribedRequester {
  readonly address: string
  readonly usesExitPolicy: boolean
}

export interface DescribedService {
  readonly address: string
}

export interface DescribedWireguard {
  readonly port: number
  readonly tunnelPort: number
  readonly metadataPort: number
  readonly publicKey: string
}

export interface DescribedNode {
  readonly nodeId: number
  readonly contractNodeType: (typeof NODE_TYPES)[number]
  readonly lastPolled: Millis
  readonly hostInformation: HostInformation
  readonly declaredRole: DeclaredRoles
  readonly auxiliaryDetails: AuxiliaryDetails
  readonly buildInformation: BuildInformation
  /** Official nodes fill this whatever they are: `declaredRole.exitNr` says whether it works. */
  readonly networkRequester: DescribedRequester | undefined
  readonly ipPacketRouter: DescribedService | undefined
  readonly authenticator: DescribedService | undefined
  readonly wireguard: DescribedWireguard | undefined
  readonly mixnetWebsockets: MixnetWebsockets
}

export type DescribedVersion = 1 | 2

const NODE_TYPES = ['nym_node', 'legacy_mixnode', 'legacy_gateway'] as const
const DEFAULT_TUNNEL_PORT = 51_822
const DEFAULT_METADATA_PORT = 51_830

export function encodeDescribedNodes(page: Page<DescribedNode>, version: DescribedVersion): JsonObject {
  return encodePage(page, (node) => encodeDescribedNode(node, version))
}

/** Reads both versions. */
export function decodeDescribedNodes(text: string): Page<DescribedNode> {
  return readPage(parseJson(text, 'described nodes'), readDescribedNode)
}

function encodeDescribedNode(node: DescribedNode, version: DescribedVersion): JsonObject {
  const description = {
    last_polled: formatRfc3339(node.lastPolled),
    host_information: encodeHost(node.hostInformation),
    declared_role: encodeDeclaredRoles(node.declaredRole),
    auxiliary_details: encodeAuxiliaryDetails(node.auxiliaryDetails),
    build_information: encodeBuildInformation(node.buildInformation),
    network_requester: encodeOptional(node.networkRequester, ({ address, usesExitPolicy }) => ({
      address,
      uses_exit_policy: usesExitPolicy,
    })),
    ip_packet_router: encodeOptional(node.ipPacketRouter, encodeService),
    authenticator: encodeOptional(node.authenticator, encodeService),
    wireguard: encodeOptional(node.wireguard, encodeWireguard),
    mixnet_websockets: encodeMixnetWebsockets(node.mixnetWebsockets),
  }
  return {
    node_id: node.nodeId,
    contract_node_type: node.contractNodeType,
    description: version === 1 ? description : { ...description, lewes_protocol: null },
  }
}

function readDescribedNode(json: Json): DescribedNode {
  const description = json.field('description')
  return {
    nodeId: json.field('node_id').u32(),
    contractNodeType: json.field('contract_node_type').oneOf(NODE_TYPES),
    lastPolled: description.field('last_polled').looseInstant(),
    hostInformation: readHost(description.field('host_information')),
    declaredRole: readDeclaredRoles(description.field('declared_role')),
    auxiliaryDetails: readAuxiliaryDetails(description.field('auxiliary_details')),
    buildInformation: readBuildInformation(description.field('build_information')),
    networkRequester: description.field('network_requester').optional((requester) => ({
      ...readService(requester),
      usesExitPolicy: requester.field('uses_exit_policy').boolean(),
    })),
    ipPacketRouter: description.field('ip_packet_router').optional(readService),
    authenticator: description.field('authenticator').optional(readService),
    wireguard: description.field('wireguard').optional(readWireguard),
    mixnetWebsockets: readMixnetWebsockets(description.field('mixnet_websockets')),
  }
}

// The same things as in the signed host information, under other names.
function encodeHost({ ipAddresses, hostname, keys }: HostInformation): JsonObject {
  return {
    ip_address: ipAddresses,
    hostname: hostname ?? null,
    keys: {
      ed25519: toBase58(keys.identity),
      x25519: toBase58(keys.sphinxKey.publicKey),
      current_x25519_sphinx_key: encodeRotationKey(keys.sphinxKey),
      pre_announced_x25519_sphinx_key: encodeOptional(keys.preAnnouncedSphinxKey, encodeRotationKey),
      x25519_versioned_noise: encodeOptional(keys.noiseKey, encodeNoiseKey),
    },
  }
}

function readHost(json: Json): HostInformation {
  const keys = json.field('keys')
  return {
    ipAddresses: readIpAddresses(json),
    hostname: json.field('hostname').optional(readHostname),
    keys: {
      identity: keys.field('ed25519').base58(KEY_BYTES),
      sphinxKey: readRotationKey(keys.field('current_x25519_sphinx_key')),
      preAnnouncedSphinxKey: keys.field('pre_announced_x25519_sphinx_key').optional(readRotationKey),
      noiseKey: keys.field('x25519_versioned_noise').optional(readNoiseKey),
    },
  }
}

const encodeService = ({ address }: DescribedService): JsonObject => ({ address })

const readService = (json: Json): DescribedService => ({ address: json.field('address').string(MAX_RECIPIENT_TEXT) })

function encodeWireguard({ port, tunnelPort, metadataPort, publicKey }: DescribedWireguard): JsonObject {
  return { port, tunnel_port: tunnelPort, metadata_port: metadataPort, public_key: publicKey }
}

function readWireguard(json: Json): DescribedWireguard {
  const portOr = (name: string, fallback: number): number => json.field(name).optional((port) => port.u16()) ?? fallback
  return {
    port: json.field('port').u16(),
    tunnelPort: portOr('tunnel_port', DEFAULT_TUNNEL_PORT),
    metadataPort: portOr('metadata_port', DEFAULT_METADATA_PORT),
    publicKey: json.field('public_key').string(),
  }
}
