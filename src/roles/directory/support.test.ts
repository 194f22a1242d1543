/** Nodes that describe themselves, well or badly, and a directory that polls them, in a simulation. @module */

import { Meter } from '../../foundation/base/observe.ts'
import { type Millis, millis, minutes } from '../../foundation/base/units.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import type { World } from '../../foundation/platform/world.ts'
import { formatRecipient } from '../../protocol/packet/recipient.ts'
import { type BuildInformation, encodeBuildInformation } from '../../protocol/wire/directory/buildInformation.ts'
import {
  encodeSignedHostInformation,
  type HostInformation,
  signHostInformation,
} from '../../protocol/wire/directory/hostInformation.ts'
import type { JsonValue } from '../../protocol/wire/directory/json.ts'
import type { NetworkDetails } from '../../protocol/wire/directory/networkDetails.ts'
import { encodeRefreshDescribed, signRefreshDescribed } from '../../protocol/wire/directory/refreshDescribed.ts'
import type { BondedNode } from './bondedNodes.ts'
import { MemoryBondedNodes } from './bondedNodes.ts'
import { Directory, type DirectoryOptions } from './directory.ts'
import type { LedgerNetwork } from './ledgerNetwork.ts'

export const BUILD: BuildInformation = {
  binaryName: 'starling',
  buildTimestamp: '2026-05-16T04:27:52Z',
  buildVersion: '1.31.0',
  commitSha: 'daed9cd',
  commitTimestamp: '2026-05-16T04:27:52Z',
  commitBranch: 'main',
  rustcVersion: 'none',
  rustcChannel: 'stable',
  cargoProfile: 'release',
  cargoTriple: 'x86_64-unknown-linux-gnu',
}

export const NETWORK: NetworkDetails = {
  connectedNyxd: 'http://127.0.0.1:26657/',
  networkName: 'test',
  bech32Prefix: 'n',
  mixDenomination: { base: 'unym', display: 'nym', displayExponent: 6 },
  stakeDenomination: { base: 'unyx', display: 'nyx', displayExponent: 6 },
  endpoints: [],
  contracts: {},
  nymApiUrls: [{ url: 'http://127.0.0.1:8080/api', frontHosts: undefined }],
  nymVpnApiUrls: [],
  dnsFallbacks: [],
}

const secretOf = (nodeId: number, purpose: number): Uint8Array => new Uint8Array(32).fill(nodeId).fill(purpose, 0, 1)

export type Kind = 'mix' | 'entry' | 'exit' | 'all'

/** A node of the network; `override` makes it lie. */
export class FakeNode {
  readonly nodeId: number
  readonly ip: string
  readonly kind: Kind
  readonly seed: Uint8Array
  readonly identity: Uint8Array
  isUp = true
  polls = 0
  rotationId = 1
  announcesNext = false
  hostname: string | undefined
  ipAddresses: readonly string[]
  /** By path below `/api/v1/`. */
  readonly override: Map<string, () => Response | Promise<Response>> = new Map()

  constructor(nodeId: number, kind: Kind) {
    this.nodeId = nodeId
    this.kind = kind
    this.ip = `127.0.1.${nodeId}`
    this.ipAddresses = [this.ip]
    this.seed = secretOf(nodeId, 1)
    this.identity = crypto.ed25519PublicKey(this.seed)
  }

  get bonded(): BondedNode {
    return { nodeId: this.nodeId, identity: this.identity, host: this.ip }
  }

  sphinxKey(rotationId: number): Uint8Array {
    return crypto.x25519Base(secretOf(this.nodeId, 100 + rotationId))
  }

  hostInformation(): HostInformation {
    const key = (rotationId: number) => ({ rotationId, publicKey: this.sphinxKey(rotationId) })
    return {
      ipAddresses: this.ipAddresses,
      hostname: this.hostname,
      keys: {
        identity: this.identity,
        sphinxKey: key(this.rotationId),
        preAnnouncedSphinxKey: this.announcesNext ? key(this.rotationId + 1) : undefined,
        noiseKey: { supportedVersion: 1, publicKey: crypto.x25519Base(secretOf(this.nodeId, 2)) },
      },
    }
  }

  readonly handler = (request: Request): Response | Promise<Response> => {
    const path = new URL(request.url).pathname.replace('/api/v1/', '')
    if (!this.isUp) return new Response('busy', { status: 503 })
    if (path === 'host-information') this.polls++
    const override = this.override.get(path)
    if (override !== undefined) return override()
    const body = this.#bodies(path)
    return body === undefined ? new Response('none', { status: 501 }) : Response.json(body)
  }

  #bodies(path: string): JsonValue | undefined {
    const { kind } = this
    const isGateway = kind !== 'mix'
    const isExit = kind === 'exit' || kind === 'all'
    const provider = {
      encoded_identity_key: '4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi',
      encoded_x25519_key: '8qbHbw2BbbTHBW1sbeqakYXVKRQM8Ne7pLK7m6CVfeR',
      address: formatRecipient({
        identity: this.identity,
        encryptionKey: this.sphinxKey(0),
        gateway: this.identity,
      }),
    }
    switch (path) {
      case 'health':
        return { status: 'up', uptime: 1 }
      case 'host-information':
        return encodeSignedHostInformation(signHostInformation(crypto, this.seed, this.hostInformation()))
      case 'roles':
        return {
          mixnode_enabled: kind === 'mix' || kind === 'all',
          gateway_enabled: isGateway,
          network_requester_enabled: isExit,
          ip_packet_router_enabled: isExit,
        }
      case 'build-information':
        return encodeBuildInformation(BUILD)
      case 'gateway/client-interfaces/mixnet-websockets':
        return { ws_port: 9000, wss_port: null }
      case 'auxiliary-details':
        return {
          location: 'PL',
          announce_ports: { verloc_port: null, mix_port: null },
          accepted_operator_terms_and_conditions: true,
        }
      case 'network-requester':
      case 'ip-packet-router':
        return isExit ? provider : undefined
      case 'network-requester/exit-policy':
        return isExit ? { enabled: true, upstream_source: 'none', last_updated: 0, policy: null } : undefined
      default:
        return undefined
    }
  }
}

export interface TestNetwork {
  readonly simulation: Simulation
  readonly world: World
  readonly meter: Meter
  readonly nodes: readonly FakeNode[]
  readonly bonded: MemoryBondedNodes
  readonly directory: Directory
  /** The body's value and the response, without sockets. */
  get(path: string, init?: RequestInit): Promise<{ response: Response; body: unknown }>
  /** As the nodes ask, signed. */
  refresh(node: FakeNode, change?: { unixSeconds?: number; seed?: Uint8Array }): Promise<number>
  restart(): Promise<Directory>
}

export interface TestNetworkOptions extends Partial<Pick<DirectoryOptions, 'epochs' | 'describer' | 'scores'>> {
  readonly kinds?: readonly Kind[]
  readonly seed?: string
  readonly startAt?: Millis
  readonly prepare?: (nodes: readonly FakeNode[], bonded: MemoryBondedNodes, simulation: Simulation) => void
  /** Instead of `bonded`, which then counts for nothing. */
  readonly ledger?: (nodes: readonly FakeNode[], world: World, meter: Meter) => Promise<LedgerNetwork>
  /** How long to wait for the first round. */
  readonly settle?: Millis
}

/** Layers 1 to 3 once, an entry and an exit. */
export const KINDS: readonly Kind[] = ['mix', 'mix', 'mix', 'entry', 'exit']

export async function startNetwork(options: TestNetworkOptions = {}): Promise<TestNetwork> {
  const { kinds = KINDS, seed = 'directory', startAt, prepare, settle = minutes(0.5) } = options
  const simulation = new Simulation({ seed, crypto, ...(startAt === undefined ? {} : { startAt }) })
  let world = simulation.host('directory', { ips: ['127.0.0.1'] })
  const nodes = kinds.map((kind, i) => new FakeNode(i + 1, kind))
  const bonded = new MemoryBondedNodes(nodes.map((node) => node.bonded))
  prepare?.(nodes, bonded, simulation)
  for (const node of nodes) {
    const host = simulation.host(`node${node.nodeId}`, { ips: [node.ip] })
    const limits = { maxBodyBytes: 1024, requestTimeout: millis(1000) }
    await simulation.complete(host.net.serveHttp({ host: node.ip, port: 8080, ...limits }, node.handler))
  }
  const meter = new Meter()
  const { ledger: openLedger, ...directoryOptions } = options
  const start = async (): Promise<Directory> => {
    const ledger = await openLedger?.(nodes, world, meter)
    return simulation.complete(
      Directory.start(world, {
        folder: 'directory',
        ...(ledger === undefined ? { bonded } : { ledger }),
        network: NETWORK,
        build: BUILD,
        meter,
        ...directoryOptions,
        describer: { allowLocalAddresses: true, ...options.describer },
      }),
    )
  }
  const network = {
    simulation,
    world,
    meter,
    nodes,
    bonded,
    directory: await start(),
    async get(path: string, init?: RequestInit) {
      const request = new Request(`http://directory${path}`, init)
      const response = await simulation.complete(Promise.resolve(network.directory.handler(request)))
      const text = await response.text()
      return { response, body: text === '' ? undefined : (JSON.parse(text) as unknown) }
    },
    async refresh(node: FakeNode, change: { unixSeconds?: number; seed?: Uint8Array } = {}) {
      const unixSeconds = change.unixSeconds ?? Math.floor(world.clock.now() / 1000)
      const signed = signRefreshDescribed(crypto, change.seed ?? node.seed, unixSeconds)
      const body = JSON.stringify(encodeRefreshDescribed({ ...signed, identity: node.identity }))
      const { response } = await network.get('/v1/nym-nodes/refresh-described', { method: 'POST', body })
      return response.status
    },
    async restart() {
      world = simulation.restart('directory')
      network.world = world
      network.directory = await start()
      return network.directory
    },
  }
  await simulation.runFor(settle)
  return network
}
