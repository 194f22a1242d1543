/**
 * A whole mixnet in memory, for the tests of this room: packets are really unwrapped, hop by hop, with the nodes' keys; delays
 * and links take virtual time; packets get lost and are pushed twice. No tests here. @module
 */
import assert from 'node:assert/strict'
import { toHex } from '../foundation/base/bytes.ts'
import { Meter, silentLog } from '../foundation/base/observe.ts'
import { type Millis, millis, nanosToMillis } from '../foundation/base/units.ts'
import type { AsyncCurve } from '../foundation/crypto/asyncCurve.ts'
import { nullProvider } from '../foundation/crypto/nullProvider.ts'
import type { LinkCryptoProvider } from '../foundation/crypto/provider.ts'
import { Simulation } from '../foundation/platform/simulated/simulation.ts'
import type { World } from '../foundation/platform/world.ts'
import { identityKey, type Layer, type NodeDescriptor, type Topology } from '../network/topology/topology.ts'
import type { TopologyProvider } from '../network/topology/topologyProvider.ts'
import { rotationFlag } from '../protocol/packet/keyRotation.ts'
import { decodeNodeAddress, encodeNodeAddress, type NodeAddress } from '../protocol/packet/nodeAddress.ts'
import { ACK_BYTES } from '../protocol/packet/sizes.ts'
import { splitSurbAck } from '../protocol/packet/surbAck.ts'
import { openHeader } from '../protocol/sphinx/unwrap.ts'
import type { MixPacket } from '../protocol/wire/mixPacket.ts'
import type { EntryLink, EntryLinkHandlers } from './entryLink.ts'
import { createClientKeys } from './keys.ts'
import { MixnetClient, type MixnetClientOptions, type ReceivedMessage } from './mixnetClient.ts'
import { DEFAULT_TRAFFIC } from './trafficParams.ts'

export interface MixnetShape {
  readonly seed: string
  readonly crypto?: LinkCryptoProvider
  /** Clients make the keys of routes ahead with it. */
  readonly curve?: AsyncCurve
  /** Of packets, data and acks, on their whole way. */
  loss?: number
  /** Of pushes that come twice. */
  duplicates?: number
  /** Gateways keep and acknowledge what comes for clients that have left them. Absent: they are gone themselves. */
  readonly inboxes?: boolean
  /** One way over one link, drawn uniformly. */
  latency?: readonly [number, number]
}

interface Node {
  readonly secret: Uint8Array
  readonly descriptor: NodeDescriptor
}

const NODES_PER_LAYER = 2
const GATEWAYS = 3

export class TestMixnet {
  readonly simulation: Simulation
  readonly shape: MixnetShape
  readonly crypto: LinkCryptoProvider
  readonly gateways: readonly NodeDescriptor[]
  readonly links: Map<string, TestLink> = new Map()
  /** Replay tags: no two packets that arrive at a node may have the same. */
  readonly #seen = new Set<string>()
  readonly #nodes = new Map<string, Node>()
  readonly #listeners = new Set<(topology: Topology | undefined) => void>()
  #topology: Topology | undefined
  #hosts = 0
  replays = 0
  refused = 0
  /** Messages in inboxes that nobody reads. */
  stored = 0

  constructor(shape: MixnetShape) {
    this.shape = shape
    this.crypto = shape.crypto ?? nullProvider
    this.simulation = new Simulation({ seed: shape.seed, crypto: this.crypto })
    const mixes = [1, 2, 3].flatMap((layer) =>
      Array.from({ length: NODES_PER_LAYER }, () => this.#addNode(layer as Layer)),
    )
    this.gateways = Array.from({ length: GATEWAYS }, () => this.#addNode(undefined))
    const all = [...mixes, ...this.gateways]
    const layer = (wanted: Layer) => mixes.filter((node) => node.layer === wanted)
    this.#topology = {
      epochId: 24,
      rotationId: 1,
      rotationFlag: rotationFlag(1),
      layers: [layer(1), layer(2), layer(3)],
      gateways: new Map(),
      nodesById: new Map(all.map((node) => [node.nodeId, node])),
      nodesByIdentity: new Map(all.map((node) => [identityKey(node.identity), node])),
      validUntil: millis(0),
    }
  }

  get topology(): TopologyProvider {
    return {
      current: () => this.#topology,
      refresh: () => Promise.resolve(this.#topology as Topology),
      start: () => Promise.resolve(this.#topology as Topology),
      onChange: (listener) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
      stop() {},
    }
  }

  get listeners(): number {
    return this.#listeners.size
  }

  setTopology(topology: Topology | undefined): void {
    this.#topology = topology
    for (const listener of this.#listeners) listener(topology)
  }

  client(options: Partial<MixnetClientOptions> & { gateway?: number } = {}): TestClient {
    const { gateway = 0, ...others } = options
    const name = `client-${this.#hosts++}`
    const world = this.simulation.host(name, { ips: [`10.9.0.${this.#hosts}`] })
    const keys = options.keys ?? createClientKeys(this.crypto, world.random.stream('keys'))
    const link = new TestLink(this, keys.identity, (this.gateways[gateway] as NodeDescriptor).identity)
    const meter = new Meter()
    const { curve } = this.shape
    const client = MixnetClient.start(curve === undefined ? world : { ...world, curve }, {
      keys,
      topology: this.topology,
      link,
      traffic: DEFAULT_TRAFFIC,
      meter,
      log: silentLog,
      ...others,
    })
    const received: ReceivedMessage[] = []
    client.onMessage((message) => received.push(message))
    return { world, client, link, meter, received }
  }

  /** From a client's gateway on its way. */
  carry({ nextHop, packet }: MixPacket): void {
    const { loss = 0 } = this.shape
    if (loss > 0 && this.simulation.random.stream('loss').uniform() < loss) return
    this.#hop(nextHop, packet)
  }

  async until(done: () => boolean, limit: Millis = millis(120_000)): Promise<void> {
    const end = this.simulation.clock.monotonic() + limit
    while (!done()) {
      assert.ok(this.simulation.clock.monotonic() < end, 'not in time')
      await this.simulation.runFor(millis(20))
    }
  }

  #hop(address: NodeAddress, packet: Uint8Array): void {
    const [least, most] = this.shape.latency ?? [1, 3]
    const latency = least + (most - least) * this.simulation.random.stream('latency').uniform()
    this.simulation.clock.after(millis(latency), () => this.#arrive(address, packet))
  }

  #arrive(address: NodeAddress, packet: Uint8Array): void {
    const node = this.#nodes.get(`${address.ip}:${address.port}`)
    assert.ok(node, 'a packet for nobody')
    const header = openHeader(this.crypto, node.secret, packet)
    if (header.kind === 'refused') {
      this.refused++
      return
    }
    const tag = toHex(header.replayTag)
    if (this.#seen.has(tag)) {
      this.replays++
      return
    }
    this.#seen.add(tag)
    const unwrapped = header.unwrap()
    if (unwrapped.kind === 'refused') {
      this.refused++
    } else if (unwrapped.kind === 'forward') {
      const { address: next } = decodeNodeAddress(unwrapped.nextAddress)
      this.simulation.clock.after(nanosToMillis(unwrapped.delay), () => this.#hop(next, unwrapped.packet))
    } else {
      this.#deliver(node, identityKey(unwrapped.destination), unwrapped.message)
    }
  }

  #deliver(node: Node, destination: string, message: Uint8Array): void {
    const link = this.links.get(destination)
    const isHere = link !== undefined && identityKey(link.gateway) === identityKey(node.descriptor.identity)
    if (!isHere && (this.shape.inboxes !== true || message.length === ACK_BYTES)) return
    if (isHere && message.length === ACK_BYTES) return link.push(message)
    const { ack, data } = splitSurbAck(message)
    if (!isHere) {
      this.stored++
      return this.carry({ rotation: 1, nextHop: ack.nextHop, packet: ack.packet })
    }
    link.push(data)
    const { duplicates = 0 } = this.shape
    if (duplicates > 0 && this.simulation.random.stream('duplicates').uniform() < duplicates) {
      this.simulation.clock.after(millis(30), () => link.push(data))
    }
    this.carry({ rotation: 1, nextHop: ack.nextHop, packet: ack.packet })
  }

  #addNode(layer: Layer | undefined): NodeDescriptor {
    const random = this.simulation.random.stream('nodes')
    const secret = random.bytes(32)
    const nodeId = this.#nodes.size + 1
    const address: NodeAddress = { ip: `10.0.0.${nodeId}`, port: 1789 }
    const sphinxKey = this.crypto.x25519Base(secret)
    const descriptor: NodeDescriptor = {
      nodeId,
      identity: this.crypto.ed25519PublicKey(random.bytes(32)),
      sphinxKey,
      address,
      ipAddresses: [address.ip],
      role: { kind: 'inactive' } as unknown as NodeDescriptor['role'],
      layer,
      entry: undefined,
      noiseKey: undefined,
      performance: 1,
      supportedRoles: { mixnode: true, entry: true, exit: true } as unknown as NodeDescriptor['supportedRoles'],
      hop: { address: encodeNodeAddress(address, 32), publicKey: sphinxKey },
    }
    this.#nodes.set(`${address.ip}:${address.port}`, { secret, descriptor })
    return descriptor
  }
}

export interface TestClient {
  readonly world: World
  readonly client: MixnetClient
  readonly link: TestLink
  readonly meter: Meter
  readonly received: ReceivedMessage[]
}

/** A link that can be cut, full, or moved to another gateway. Remembers when packets left. */
export class TestLink implements EntryLink {
  readonly #mixnet: TestMixnet
  readonly #identity: string
  #handlers: EntryLinkHandlers | undefined
  gateway: Uint8Array
  isOpen = true
  isFull = false
  closed = false
  readonly sentAt: number[] = []

  constructor(mixnet: TestMixnet, identity: Uint8Array, gateway: Uint8Array) {
    this.#mixnet = mixnet
    this.#identity = identityKey(identity)
    this.gateway = gateway
    mixnet.links.set(this.#identity, this)
  }

  attach(handlers: EntryLinkHandlers): void {
    this.#handlers = handlers
    if (this.isOpen) handlers.opened()
  }

  send(packet: MixPacket): boolean {
    if (!this.isOpen || this.isFull) return false
    this.sentAt.push(this.#mixnet.simulation.clock.monotonic())
    this.#mixnet.carry(packet)
    return true
  }

  push(plaintext: Uint8Array): void {
    if (this.isOpen) this.#handlers?.pushed(plaintext)
  }

  open(gateway: Uint8Array = this.gateway): void {
    this.gateway = gateway
    this.isOpen = true
    this.#handlers?.opened()
  }

  cut(): void {
    this.isOpen = false
  }

  close(): Promise<void> {
    this.closed = true
    this.isOpen = false
    if (this.#mixnet.links.get(this.#identity) === this) this.#mixnet.links.delete(this.#identity)
    return Promise.resolve()
  }
}
