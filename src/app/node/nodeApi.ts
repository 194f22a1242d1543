/**
 * A node's own HTTP API: what it says about itself, for the directory to poll and for people to look at. No CORS: browsers ask
 * the directory. Format: docs/spec/directory.md and docs/spec/directory-server.md, "A node's own API". @module
 */
import type { Context, Hono } from 'hono'
import { equalBytes, utf8 } from '../../foundation/base/bytes.ts'
import type { Log, Meter } from '../../foundation/base/observe.ts'
import type { Secret } from '../../foundation/base/secret.ts'
import type { Millis } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import { answer, type JsonHandler, jsonApi, refuse } from '../../network/api/jsonApi.ts'
import { type BuildInformation, encodeBuildInformation } from '../../protocol/wire/directory/buildInformation.ts'
import {
  encodeSignedHostInformation,
  type SignedHostInformation,
} from '../../protocol/wire/directory/hostInformation.ts'
import type { JsonObject, JsonValue } from '../../protocol/wire/directory/json.ts'
import {
  type AuxiliaryDetailsV2,
  encodeAuxiliaryDetails,
  encodeAuxiliaryDetailsV2,
  encodeMixnetWebsockets,
  encodeNodeHealth,
  encodeNodeRoles,
  encodePublishedExitPolicy,
  encodeServiceProviderDetails,
  type MixnetWebsockets,
  type NodeRoles,
  type PublishedExitPolicy,
  type ServiceProviderDetails,
} from '../../protocol/wire/directory/nodeApi.ts'
import { formatRfc3339 } from '../../protocol/wire/timestamp.ts'
import { PROMETHEUS_TEXT, prometheusText } from './metrics.ts'

/** For people. */
export interface NodeIntroduction {
  readonly moniker: string
  readonly website: string
  readonly securityContact: string
  readonly details: string
}

/** Fractions of what the machine, and its network, can do. */
export interface NodeLoad {
  readonly machine: number | undefined
  readonly network: number | undefined
}

/** Packets since the node started. */
export interface PacketCounts {
  readonly forwardReceived: number
  readonly finalReceived: number
  readonly malformedReceived: number
  readonly replayedReceived: number
  readonly excessiveDelay: number
  readonly forwardReceivedDropped: number
  readonly finalReceivedDropped: number
  readonly forwardSent: number
  readonly forwardSendDropped: number
  readonly acksSent: number
}

/** What the node knows about itself. Asked anew for every answer: keys rotate, ports may be chosen late. */
export interface NodeSelfDescription {
  /** With the keys of this instant. */
  hostInformation(): SignedHostInformation
  roles(): NodeRoles
  readonly build: BuildInformation
  readonly introduction: NodeIntroduction
  /** `address`: the operator's on the ledger, empty where there is none. */
  auxiliaryDetails(): AuxiliaryDetailsV2
  readonly enforcesZkNyms: boolean
  /** A node that is no gateway states ports too: directories want this answer from every node. */
  websockets(): MixnetWebsockets
  /** The services behind the node; undefined where it offers none. */
  networkRequester(): ServiceProviderDetails | undefined
  exitPolicy(): PublishedExitPolicy | undefined
  ipPacketRouter(): ServiceProviderDetails | undefined
  authenticator(): ServiceProviderDetails | undefined
  load(): NodeLoad
  packets(): PacketCounts
}

export interface NodeApiOptions {
  readonly world: Pick<World, 'clock'>
  readonly self: NodeSelfDescription
  readonly meter: Meter
  readonly log: Log
  /** Who may read the counters: whoever has the token, everybody, or nobody. Default: nobody. */
  readonly metrics?: { readonly token: Secret } | 'open' | undefined
}

const LOAD_BOUNDS = [0.1, 0.3, 0.6, 0.8, 0.95]
const LOAD_NAMES = ['negligible', 'low', 'medium', 'high', 'very_high', 'at_capacity']
/** Outside `/api`, from the time before it: only some of them are paths of the API with other names. */
const REDIRECTS: Readonly<Record<string, string>> = {
  '/hardware': 'system-info',
  '/description': 'description',
  '/stats': 'metrics/mixing',
  '/verloc': 'metrics/verloc',
  '/metrics': 'metrics/prometheus',
}

export function nodeApi(options: NodeApiOptions): JsonHandler {
  const { world, self, log } = options
  const startedAt = world.clock.monotonic()
  const app = jsonApi({ log })
  const get = (path: string, make: () => JsonValue | undefined): void => {
    app.get(`/api/v1/${path}`, () => {
      const value = make()
      return value === undefined ? refuse(501, 'this node has nothing to say here') : answer(value)
    })
  }

  get('health', () => encodeNodeHealth({ uptimeSeconds: Math.floor((world.clock.monotonic() - startedAt) / 1000) }))
  get('load', () => encodeLoad(self.load()))
  get('host-information', () => encodeSignedHostInformation(self.hostInformation()))
  get('roles', () => encodeNodeRoles(self.roles()))
  get('build-information', () => encodeBuildInformation(self.build))
  get('description', () => {
    const { moniker, website, securityContact, details } = self.introduction
    return { moniker, website, security_contact: securityContact, details }
  })
  get('auxiliary-details', () => encodeAuxiliaryDetails(self.auxiliaryDetails()))
  app.get('/api/v2/auxiliary-details', () => answer(encodeAuxiliaryDetailsV2(self.auxiliaryDetails())))
  // What machine it runs on helps whoever wants to break into it, and nobody else.
  app.get('/api/v1/system-info', () => refuse(403, 'this node does not show its system'))

  const interfaces = (): JsonObject => ({
    wireguard: null,
    mixnet_websockets: encodeMixnetWebsockets(self.websockets()),
  })
  get('gateway', () => ({ enforces_zk_nyms: self.enforcesZkNyms, client_interfaces: interfaces() }))
  get('gateway/client-interfaces', interfaces)
  get('gateway/client-interfaces/mixnet-websockets', () => encodeMixnetWebsockets(self.websockets()))
  get('gateway/client-interfaces/wireguard', () => undefined)
  get('mixnode', () => (self.roles().mixnodeEnabled ? {} : undefined))
  get('network-requester', () => encodeService(self.networkRequester()))
  get('network-requester/exit-policy', () => {
    const policy = self.exitPolicy()
    return policy && encodePublishedExitPolicy(policy)
  })
  get('ip-packet-router', () => encodeService(self.ipPacketRouter()))
  get('authenticator', () => encodeService(self.authenticator()))
  get('lewes-protocol', () => undefined)
  get('network/upgrade-mode-status', () => undefined)

  serveMetrics(app, get, options)
  for (const [path, target] of Object.entries(REDIRECTS))
    app.get(path, (context) => context.redirect(`/api/v1/${target}`))
  app.get('/', () => new Response('A node of a mixnet. What it says about itself: /api/v1/description\n'))
  return async (request) => app.fetch(request)
}

function serveMetrics(
  app: Hono,
  get: (path: string, make: () => JsonValue | undefined) => void,
  options: NodeApiOptions,
): void {
  const { world, self, meter } = options
  const mixing = new MixingDifferences(world.clock.now())
  get('metrics/mixing', () => mixing.next(self.packets(), world.clock.now()))
  get('metrics/packets-stats', () => encodePackets(self.packets()))
  get('metrics/sessions', () => undefined)
  get('metrics/wireguard-stats', () => ({ bytes_tx: 0, bytes_rx: 0 }))
  get('metrics/verloc', () => ({ previous: 'unavailable', current: 'unavailable' }))
  app.get('/api/v1/metrics/prometheus', async (context) => {
    const { metrics } = options
    if (metrics === undefined) return refuse(404, 'this node does not show its counters')
    if (metrics !== 'open' && !hasToken(context, metrics.token))
      return refuse(401, 'the access token is missing or wrong')
    const headers = { 'content-type': PROMETHEUS_TEXT }
    return new Response(await prometheusText(meter), { headers })
  })
}

/** Since the last answer that was at least this old: readers ask every minute or so, and share what they see. */
const MIN_UPDATE_MS = 30_000

interface MixingTotals {
  readonly at: Millis
  readonly received: number
  readonly sent: number
  readonly dropped: number
}

class MixingDifferences {
  #previous: MixingTotals
  #latest: MixingTotals

  constructor(startedAt: Millis) {
    this.#previous = { at: startedAt, received: 0, sent: 0, dropped: 0 }
    this.#latest = this.#previous
  }

  next(packets: PacketCounts, now: Millis): JsonObject {
    if (now - this.#latest.at >= MIN_UPDATE_MS || this.#latest === this.#previous) {
      this.#previous = this.#latest
      this.#latest = totals(packets, now)
    }
    const [previous, latest] = [this.#previous, this.#latest]
    return {
      update_time: formatRfc3339(latest.at),
      previous_update_time: formatRfc3339(previous.at),
      received_since_startup: latest.received,
      sent_since_startup: latest.sent,
      dropped_since_startup: latest.dropped,
      received_since_last_update: latest.received - previous.received,
      sent_since_last_update: latest.sent - previous.sent,
      dropped_since_last_update: latest.dropped - previous.dropped,
    }
  }
}

function totals(packets: PacketCounts, at: Millis): MixingTotals {
  return {
    at,
    received: packets.forwardReceived + packets.finalReceived,
    sent: packets.forwardSent + packets.acksSent,
    dropped: packets.forwardReceivedDropped + packets.finalReceivedDropped + packets.forwardSendDropped,
  }
}

function encodePackets(packets: PacketCounts): JsonObject {
  return {
    ingress_mixing: {
      forward_hop_packets_received: packets.forwardReceived,
      final_hop_packets_received: packets.finalReceived,
      malformed_packets_received: packets.malformedReceived,
      replayed_packets_received: packets.replayedReceived,
      excessive_delay_packets: packets.excessiveDelay,
      forward_hop_packets_dropped: packets.forwardReceivedDropped,
      final_hop_packets_dropped: packets.finalReceivedDropped,
    },
    egress_mixing: {
      forward_hop_packets_sent: packets.forwardSent,
      forward_hop_packets_dropped: packets.forwardSendDropped,
      ack_packets_sent: packets.acksSent,
    },
  }
}

function encodeLoad({ machine, network }: NodeLoad): JsonObject {
  const known = [machine, network].filter((load) => load !== undefined)
  const total = known.length === 0 ? undefined : Math.max(...known)
  return { total: loadName(total), machine: loadName(machine), network: loadName(network) }
}

function loadName(load: number | undefined): string {
  if (load === undefined) return 'unknown'
  const index = LOAD_BOUNDS.findIndex((bound) => load < bound)
  return LOAD_NAMES[index < 0 ? LOAD_BOUNDS.length : index] as string
}

const encodeService = (details: ServiceProviderDetails | undefined): JsonObject | undefined =>
  details && encodeServiceProviderDetails(details)

function hasToken(context: Context, token: Secret): boolean {
  const [scheme = '', given = ''] = (context.req.header('authorization') ?? '').split(' ')
  return scheme.toLowerCase() === 'bearer' && equalBytes(utf8(given), token.expose())
}
