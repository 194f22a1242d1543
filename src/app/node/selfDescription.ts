/** What a node tells the directory about itself, put together from its parts. @module */
import type { Meter } from '../../foundation/base/observe.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { Endpoint } from '../../foundation/platform/net.ts'
import { formatRecipient, type Recipient } from '../../protocol/packet/recipient.ts'
import { signHostInformation } from '../../protocol/wire/directory/hostInformation.ts'
import type { ServiceProviderDetails } from '../../protocol/wire/directory/nodeApi.ts'
import type { RotationKey } from '../../protocol/wire/directory/nodeKeys.ts'
import type { SphinxKey, SphinxKeys } from '../../roles/mixing/sphinxKeys.ts'
import { BUILD_INFORMATION } from './buildInformation.ts'
import type { ExitService } from './exitService.ts'
import { capabilitiesOf, type NodeAnnouncement } from './ledgerAnnouncing.ts'
import type { NodeSelfDescription, PacketCounts } from './nodeApi.ts'
import type { NodeConfig } from './nodeConfig.ts'
import type { NodeKeys } from './nodeKeys.ts'

/** Where the node really listens: its announced IP, and the ports it got. */
export interface NodeEndpoints {
  readonly mix: Endpoint
  readonly http: Endpoint
  readonly ws: Endpoint | undefined
}

export interface SelfDescriptionOptions {
  readonly config: NodeConfig
  readonly keys: NodeKeys
  readonly sphinx: SphinxKeys
  readonly endpoints: () => NodeEndpoints
  readonly exit: () => Pick<ExitService, 'address' | 'packetRouter'> | undefined
  readonly meter: Meter
}

const NOISE_VERSION = 1
const DEFAULT_WS_PORT = 9000

export function describeNode(crypto: CryptoProvider, options: SelfDescriptionOptions): NodeSelfDescription {
  const { config, keys, sphinx, endpoints, exit, meter } = options
  const isEntry = config.roles.some((role) => role !== 'mix')
  const isExit = config.roles.includes('exit')
  return {
    hostInformation: () =>
      signHostInformation(crypto, keys.identitySeed.expose(), {
        ipAddresses: [config.host],
        hostname: config.hostname,
        keys: {
          identity: keys.identity,
          sphinxKey: rotationKey(sphinx.primary),
          preAnnouncedSphinxKey: sphinx.preAnnounced && rotationKey(sphinx.preAnnounced),
          noiseKey: config.noise ? { supportedVersion: NOISE_VERSION, publicKey: keys.noisePublic } : undefined,
        },
      }),
    roles: () => ({
      mixnodeEnabled: config.roles.includes('mix'),
      gatewayEnabled: isEntry,
      networkRequesterEnabled: isExit,
      ipPacketRouterEnabled: exit()?.packetRouter !== undefined,
    }),
    build: BUILD_INFORMATION,
    introduction: { moniker: config.name, website: '', securityContact: '', details: '' },
    auxiliaryDetails: () => ({
      location: undefined,
      announcePorts: { verlocPort: undefined, mixPort: endpoints().mix.port },
      acceptedOperatorTermsAndConditions: true,
      address: '',
    }),
    enforcesZkNyms: false,
    websockets: () => ({ wsPort: endpoints().ws?.port ?? DEFAULT_WS_PORT, wssPort: config.ports.wss }),
    networkRequester: () => serviceDetails(exit()?.address),
    exitPolicy: () =>
      isExit ? { enabled: true, upstreamSource: '', lastUpdatedUnixSeconds: 0, policy: undefined } : undefined,
    ipPacketRouter: () => serviceDetails(exit()?.packetRouter),
    authenticator: () => undefined,
    load: () => ({ machine: undefined, network: undefined }),
    packets: () => packetCounts(meter),
  }
}

/** The same for the ledger: what a client needs that trusts no directory. */
export function announcementOf({
  config,
  noisePublic,
  sphinx,
  endpoints: { mix, ws },
  routesPackets,
}: {
  readonly config: NodeConfig
  readonly noisePublic: Uint8Array
  readonly sphinx: SphinxKeys
  readonly endpoints: NodeEndpoints
  /** An exit that carries IP packets. */
  readonly routesPackets: boolean
}): NodeAnnouncement {
  const { primary, preAnnounced } = sphinx
  return {
    capabilities: capabilitiesOf(config.roles, { routesPackets }),
    announcement: {
      ipAddresses: [config.host],
      mixPort: mix.port,
      hostname: config.hostname,
      wsPort: ws?.port ?? 0,
      wssPort: config.ports.wss,
      sphinxKeys:
        preAnnounced === undefined ? [rotationKey(primary)] : [rotationKey(primary), rotationKey(preAnnounced)],
      noiseKey: config.noise ? { supportedVersion: NOISE_VERSION, publicKey: noisePublic } : undefined,
      buildVersion: BUILD_INFORMATION.buildVersion,
    },
  }
}

const rotationKey = ({ rotationId, publicKey }: SphinxKey): RotationKey => ({ rotationId, publicKey })

function serviceDetails(address: Recipient | undefined): ServiceProviderDetails | undefined {
  if (address === undefined) return undefined
  return { identity: address.identity, encryptionKey: address.encryptionKey, address: formatRecipient(address) }
}

function packetCounts(meter: Meter): PacketCounts {
  const counters = meter.snapshot()
  const count = (name: string): number => counters[name] ?? 0
  const dropped = (...reasons: string[]): number =>
    reasons.reduce((sum, reason) => sum + count(`mix_dropped_total{reason="${reason}"}`), 0)
  const final = count('mix_final_total')
  return {
    forwardReceived: count('mix_received_total') - final,
    finalReceived: final,
    malformedReceived: dropped('malformed', 'mac', 'payload', 'next-hop-malformed'),
    replayedReceived: dropped('replay'),
    excessiveDelay: count('mix_excessive_delay_total'),
    forwardReceivedDropped: dropped('not-forwarding', 'next-hop-unknown', 'delay-queue-full'),
    finalReceivedDropped: dropped('not-final'),
    forwardSent: count('mix_forwarded_total'),
    forwardSendDropped: 0,
    acksSent: count('gateway_acks_released_total'),
  }
}
