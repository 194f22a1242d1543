/** Test support: a gateway on a simulated host, and clients that say what a script tells them. @module */
import { concat } from '../../foundation/base/bytes.ts'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import type { LinkCryptoProvider } from '../../foundation/crypto/provider.ts'
import type { Endpoint } from '../../foundation/platform/net.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import type { World } from '../../foundation/platform/world.ts'
import { encodeNodeAddress, type NodeAddress } from '../../protocol/packet/nodeAddress.ts'
import { ACK, EXTENDED_32, type PacketSize, REGULAR, SURB_ACK_BYTES } from '../../protocol/packet/sizes.ts'
import type { MixFrame } from '../../protocol/wire/mixFrame.ts'
import type { FinalPacket } from '../mixing/mixing.ts'
import type { TicketVerifier } from './bandwidth.ts'
import { Gateway, type TicketPlace } from './gateway.ts'
import { DEFAULT_GATEWAY_PARAMS, type GatewayParams } from './gatewayParams.ts'
import { type Conductor, FIRST_HOP, ScriptedClient } from './scriptedClient.test.ts'

export const GATEWAY_SEED: Uint8Array = new Uint8Array(32).fill(2)
export const CLIENT_SEED: Uint8Array = new Uint8Array(32).fill(1)
const ENDPOINT = { host: '10.0.0.1', port: 9000 }
const LIMIT = seconds(30)

export interface Sent {
  readonly nextHop: NodeAddress
  readonly frame: MixFrame
}

export interface TestGatewayOptions {
  readonly seed?: string
  readonly crypto?: LinkCryptoProvider
  readonly identitySeed?: Uint8Array
  readonly params?: Partial<GatewayParams>
  readonly tickets?: (place: TicketPlace) => TicketVerifier
  readonly congested?: () => boolean
  readonly world?: (world: World) => World
}

/** A simulation with the host `gateway`, on which a gateway runs, and hosts `client`, `second`. */
export class TestGateway implements Conductor {
  readonly endpoint: Endpoint = ENDPOINT
  readonly sim: Simulation
  readonly crypto: LinkCryptoProvider
  readonly sent: Sent[] = []
  readonly #options: TestGatewayOptions
  readonly #worlds = new Map<string, World>()
  meter: Meter = new Meter()
  gateway: Gateway

  private constructor(options: TestGatewayOptions) {
    this.#options = options
    this.crypto = options.crypto ?? nullProvider
    this.sim = new Simulation({ seed: options.seed ?? 'gateway', crypto: this.crypto })
    const world = this.sim.host('gateway', { ips: [ENDPOINT.host] })
    this.#worlds.set('client', this.sim.host('client', { ips: ['10.0.0.2'] }))
    this.#worlds.set('second', this.sim.host('second', { ips: ['10.0.0.3'] }))
    this.gateway = this.#make(world)
  }

  static async start(options: TestGatewayOptions = {}): Promise<TestGateway> {
    const test = new TestGateway(options)
    await test.sim.complete(test.gateway.listen(ENDPOINT), LIMIT)
    return test
  }

  get identity(): Uint8Array {
    return this.gateway.identity
  }

  complete<T>(work: Promise<T>): Promise<T> {
    return this.sim.complete(work, LIMIT)
  }

  world(host: string): World {
    return this.#worlds.get(host) as World
  }

  crash(): void {
    this.sim.crash('gateway')
  }

  /** A new process with the old disk. */
  async restart(): Promise<void> {
    this.restartNow()
    await this.sim.complete(this.listening, LIMIT)
  }

  listening: Promise<unknown> = Promise.resolve()

  restartNow(): void {
    this.gateway = this.#make(this.sim.restart('gateway'))
    this.listening = this.gateway.listen(ENDPOINT)
  }

  restartClient(): void {
    this.#worlds.set('client', this.sim.restart('client'))
  }

  /** Acks released so far, by the number that `message` put into them. */
  get acked(): number[] {
    return this.sent.filter(({ frame }) => frame.size === ACK).map(({ frame }) => numberIn(frame.packet))
  }

  count(name: string): number {
    return this.meter.snapshot()[name] ?? 0
  }

  refused(reason: string): number {
    return this.count(`gateway_connections_refused_total{reason="${reason}"}`)
  }

  dropped(reason: string): number {
    return this.count(`gateway_dropped_total{reason="${reason}"}`)
  }

  async connect(host = 'client', seed: Uint8Array = CLIENT_SEED): Promise<ScriptedClient> {
    return this.sim.complete(ScriptedClient.connect(this, this.world(host), seed), LIMIT)
  }

  /** A client with a session, just registered. */
  async registered(host = 'client', seed: Uint8Array = CLIENT_SEED): Promise<ScriptedClient> {
    const client = await this.connect(host, seed)
    await client.register()
    return client
  }

  #make(world: World): Gateway {
    const { params, tickets, congested } = this.#options
    this.meter = new Meter()
    return new Gateway({
      world: this.#options.world?.(world) ?? world,
      identitySeed: new Secret(this.#options.identitySeed ?? GATEWAY_SEED),
      forward: (nextHop, frame) => void this.sent.push({ nextHop, frame }),
      folder: 'gateway',
      // Acks at once, as soon as their messages are safe: most tests are about that.
      params: { ...DEFAULT_GATEWAY_PARAMS, ackHold: millis(0), ...params },
      ...(tickets && { tickets }),
      ...(congested && { congested }),
      meter: this.meter,
      log: silentLog,
    })
  }
}

/** A final packet for `destination` whose data and whose SURB-ack hold `number`. */
export function message(destination: Uint8Array, number: number, size: PacketSize = REGULAR): FinalPacket {
  const data = new Uint8Array(size.plaintextBytes - SURB_ACK_BYTES)
  new DataView(data.buffer).setUint32(0, number)
  const ack = new Uint8Array(ACK.totalBytes)
  new DataView(ack.buffer).setUint32(0, number)
  return { destination, message: concat(encodeNodeAddress(FIRST_HOP, 19), ack, data), size, rotation: 2 }
}

export const ackFor = (destination: Uint8Array): FinalPacket => ({
  destination,
  message: new Uint8Array(ACK.plaintextBytes),
  size: ACK,
  rotation: 2,
})

export function numberIn(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}

export const numbers = (messages: readonly Uint8Array[]): number[] => messages.map(numberIn)
export const keyOf = (client: ScriptedClient): Secret => client.sharedKey as Secret
export const after = (sim: Simulation, ms: number): Promise<void> => sim.runFor(millis(ms))
export const BIG: PacketSize = EXTENDED_32
