/**
 * The bodies of a node's HTTP API that the directory polls, except the signed host information and the build information,
 * which have files of their own. All are GET under `/api/v1`. Format: docs/spec/directory.md. @module
 */
import { toBase58 } from '../../../foundation/base/base58.ts'
import { type ExitPolicy, encodeExitPolicy, readExitPolicy } from '../exit/exitPolicy.ts'
import { type Json, type JsonObject, parseJson } from './json.ts'
import { encodeOptional, KEY_BYTES } from './nodeKeys.ts'
import type { DeclaredRoles } from './skimmedNodes.ts'

/** `/health`. A node that does not say it is up is not described. */
export interface NodeHealth {
  readonly uptimeSeconds: number
}

/** `/roles`. */
export interface NodeRoles {
  readonly mixnodeEnabled: boolean
  readonly gatewayEnabled: boolean
  readonly networkRequesterEnabled: boolean
  readonly ipPacketRouterEnabled: boolean
}

/** Ports that clients and nodes are to use where they differ from the usual ones. */
export interface AnnouncePorts {
  readonly verlocPort: number | undefined
  readonly mixPort: number | undefined
}

/** `/auxiliary-details`; version 2 adds the operator's address on the ledger. */
export interface AuxiliaryDetails {
  /** ISO 3166 alpha-2. */
  readonly location: string | undefined
  readonly announcePorts: AnnouncePorts
  readonly acceptedOperatorTermsAndConditions: boolean
}

export interface AuxiliaryDetailsV2 extends AuxiliaryDetails {
  readonly address: string
}

/** `/gateway/client-interfaces/mixnet-websockets`. */
export interface MixnetWebsockets {
  readonly wsPort: number
  readonly wssPort: number | undefined
}

/** `/network-requester`, `/ip-packet-router`, `/authenticator`: the client behind which the service stands. */
export interface ServiceProviderDetails {
  readonly identity: Uint8Array
  readonly encryptionKey: Uint8Array
  /** The recipient's text form. */
  readonly address: string
}

/** `/network-requester/exit-policy`. */
export interface PublishedExitPolicy {
  readonly enabled: boolean
  readonly upstreamSource: string
  readonly lastUpdatedUnixSeconds: number
  readonly policy: ExitPolicy | undefined
}

/** Three base58 keys of at most 44 characters and two separators. */
export const MAX_RECIPIENT_TEXT: number = 3 * 44 + 2
const NO_AUXILIARY_DETAILS: AuxiliaryDetails = {
  location: undefined,
  announcePorts: { verlocPort: undefined, mixPort: undefined },
  acceptedOperatorTermsAndConditions: false,
}

/** What the directory makes of a node's roles: exit services need a gateway in front. */
export function declaredRoles(roles: NodeRoles): DeclaredRoles {
  return {
    mixnode: roles.mixnodeEnabled,
    entry: roles.gatewayEnabled,
    exitNr: roles.gatewayEnabled && roles.networkRequesterEnabled,
    exitIpr: roles.gatewayEnabled && roles.ipPacketRouterEnabled,
  }
}

export const encodeNodeHealth = ({ uptimeSeconds }: NodeHealth): JsonObject => ({ status: 'up', uptime: uptimeSeconds })

export function decodeNodeHealth(text: string): NodeHealth {
  const json = parseJson(text, 'node health')
  json.field('status').oneOf(['up'])
  return { uptimeSeconds: json.field('uptime').integer() }
}

export function encodeNodeRoles(roles: NodeRoles): JsonObject {
  return {
    mixnode_enabled: roles.mixnodeEnabled,
    gateway_enabled: roles.gatewayEnabled,
    network_requester_enabled: roles.networkRequesterEnabled,
    ip_packet_router_enabled: roles.ipPacketRouterEnabled,
  }
}

export function decodeNodeRoles(text: string): NodeRoles {
  const json = parseJson(text, 'node roles')
  return {
    mixnodeEnabled: json.field('mixnode_enabled').boolean(),
    gatewayEnabled: json.field('gateway_enabled').boolean(),
    networkRequesterEnabled: json.field('network_requester_enabled').boolean(),
    ipPacketRouterEnabled: json.field('ip_packet_router_enabled').boolean(),
  }
}

export function encodeAuxiliaryDetails(details: AuxiliaryDetails): JsonObject {
  const { verlocPort, mixPort } = details.announcePorts
  return {
    location: details.location ?? null,
    announce_ports: { verloc_port: verlocPort ?? null, mix_port: mixPort ?? null },
    accepted_operator_terms_and_conditions: details.acceptedOperatorTermsAndConditions,
  }
}

/** Missing parts have their defaults: older nodes know fewer. */
export function readAuxiliaryDetails(json: Json): AuxiliaryDetails {
  const port = (announced: Json, name: string): number | undefined =>
    announced.field(name).optional((value) => value.u16())
  return {
    location: json.field('location').optional((location) => location.string()),
    announcePorts:
      json.field('announce_ports').optional((announced) => ({
        verlocPort: port(announced, 'verloc_port'),
        mixPort: port(announced, 'mix_port'),
      })) ?? NO_AUXILIARY_DETAILS.announcePorts,
    acceptedOperatorTermsAndConditions:
      json.field('accepted_operator_terms_and_conditions').optional((accepted) => accepted.boolean()) ?? false,
  }
}

export const decodeAuxiliaryDetails = (text: string): AuxiliaryDetails =>
  readAuxiliaryDetails(parseJson(text, 'auxiliary details'))

export function encodeAuxiliaryDetailsV2(details: AuxiliaryDetailsV2): JsonObject {
  return { ...encodeAuxiliaryDetails(details), address: details.address }
}

export function decodeAuxiliaryDetailsV2(text: string): AuxiliaryDetailsV2 {
  const json = parseJson(text, 'auxiliary details v2')
  return { ...readAuxiliaryDetails(json), address: json.field('address').string() }
}

export function encodeMixnetWebsockets({ wsPort, wssPort }: MixnetWebsockets): JsonObject {
  return { ws_port: wsPort, wss_port: wssPort ?? null }
}

export function readMixnetWebsockets(json: Json): MixnetWebsockets {
  return { wsPort: json.field('ws_port').u16(), wssPort: json.field('wss_port').optional((port) => port.u16()) }
}

export const decodeMixnetWebsockets = (text: string): MixnetWebsockets =>
  readMixnetWebsockets(parseJson(text, 'mixnet websockets'))

export function encodeServiceProviderDetails(details: ServiceProviderDetails): JsonObject {
  return {
    encoded_identity_key: toBase58(details.identity),
    encoded_x25519_key: toBase58(details.encryptionKey),
    address: details.address,
  }
}

export function decodeServiceProviderDetails(text: string): ServiceProviderDetails {
  const json = parseJson(text, 'service provider details')
  return {
    identity: json.field('encoded_identity_key').base58(KEY_BYTES),
    encryptionKey: json.field('encoded_x25519_key').base58(KEY_BYTES),
    address: json.field('address').string(MAX_RECIPIENT_TEXT),
  }
}

export function encodePublishedExitPolicy(published: PublishedExitPolicy): JsonObject {
  return {
    enabled: published.enabled,
    upstream_source: published.upstreamSource,
    last_updated: published.lastUpdatedUnixSeconds,
    policy: encodeOptional(published.policy, encodeExitPolicy),
  }
}

export function decodePublishedExitPolicy(text: string): PublishedExitPolicy {
  const json = parseJson(text, 'published exit policy')
  return {
    enabled: json.field('enabled').boolean(),
    upstreamSource: json.field('upstream_source').string(),
    lastUpdatedUnixSeconds: json.field('last_updated').integer(),
    policy: json.field('policy').optional(readExitPolicy),
  }
}
