/** Test support: a gateway on a simulated host, and clients that say what a script tells them. @module */
import assert from 'node:assert/strict'
import { concat, toHex } from '../../foundation/base/bytes.ts'
import type { MixnetError } from '../../foundation/base/errors.ts'
import { Meter, silentLog } from '../../foundation/base/observe.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { type Millis, millis, seconds } from '../../foundation/base/units.ts'
import { nullProvider } from '../../foundation/crypto/nullProvider.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { WebSocketConnection } from '../../foundation/platform/net.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import type { World } from '../../foundation/platform/world.ts'
import { encodeNodeAddress, type NodeAddress } from '../../protocol/packet/nodeAddress.ts'
import { ACK, EXTENDED_32, type PacketSize, REGULAR, SURB_ACK_BYTES } from '../../protocol/packet/sizes.ts'
import { buildAuthentication } from '../../protocol/wire/gateway/authentication.ts'
import { openPush, sealForward } from '../../protocol/wire/gateway/binary.ts'
import { type ControlRequest, encodeControlRequest } from '../../protocol/wire/gateway/control.ts'
import { startClientHandshake, stepClientHandshake } from '../../protocol/wire/gateway/handshake.ts'
import type { MixFrame } from '../../protocol/wire/mixFrame.ts'
import type { FinalPacket } from '../mixing/mixing.ts'
import type { TicketVerifier } from './bandwidth.ts'
import { Gateway } from './gateway.ts'
import { DEFAULT_GATEWAY_PARAMS, type GatewayParams } from './gatewayParams.ts'

export const GATEWAY_SEED: Uint8Array = new Uint8Array(32).fill(2)
export const CLIENT_SEED: Uint8Array = new Uint8Array(32).fill(1)
const ENDPOINT = { host: '10.0.0.1', port: 9000 }
const FIRST_HOP: NodeAddress = { ip: '10.1.1.1', port: 1789 }
const LIMIT = seconds(30)

export interface Sent {
  readonly nextHop: NodeAddress
  readonly frame: MixFrame
}

export interface TestGatewayOptions {
  readonly seed?: string
  readonly crypto?: CryptoProvider
  readonly identitySeed?: Uint8Array
  readonly params?: Partial<GatewayParams>
  readonly tickets?: TicketVerifier
  readonly congested?: () => boolean
  readonly world?: (world: World) => World
}

/** A simulation with the host `gateway`, on which a gateway runs, and hosts `client`, `second`. */
export class TestGateway {
  readonly sim: Simulation
  readonly crypto: CryptoProvider
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
      params: { ...DEFAULT_GATEWAY_PARAMS, ...params },
      ...(tickets && { tickets }),
      ...(congested && { congested }),
      meter: this.meter,
      log: silentLog,
    })
  }
}

export class ScriptedClient {
  readonly seed: Uint8Array
  readonly identity: Uint8Array
  readonly socket: WebSocketConnection
  /** What was pushed, opened. */
  readonly pushed: Uint8Array[] = []
  readonly texts: string[] = []
  sharedKey: Secret | undefined
  closed = false
  closeError: MixnetError | undefined
  onPush: ((message: Uint8Array) => void) | undefined
  readonly #test: TestGateway
  readonly #world: World
  #taken = 0
  #wake: (() => void) | undefined

  private constructor(test: TestGateway, world: World, seed: Uint8Array, socket: WebSocketConnection) {
    this.#test = test
    this.#world = world
    this.seed = seed
    this.identity = test.crypto.ed25519PublicKey(seed)
    this.socket = socket
    socket.attach({
      text: (message) => {
        this.texts.push(message)
        this.#wake?.()
      },
      binary: (frame) => {
        const opened = openPush(test.crypto, (this.sharedKey as Secret).expose(), frame)
        assert.equal(opened.kind, 'pushed')
        if (opened.kind !== 'pushed') return
        this.pushed.push(opened.message)
        this.onPush?.(opened.message)
      },
      close: (error) => {
        this.closed = true
        this.closeError = error
        this.#wake?.()
      },
    })
  }

  static async connect(test: TestGateway, world: World, seed: Uint8Array): Promise<ScriptedClient> {
    const url = `ws://${ENDPOINT.host}:${ENDPOINT.port}/`
    const socket = await world.net.connectWebSocket({ url, timeout: seconds(5), maxMessageBytes: 100_000 })
    return new ScriptedClient(test, world, seed, socket)
  }

  say(request: ControlRequest | string): void {
    this.socket.send(typeof request === 'string' ? request : encodeControlRequest(request))
  }

  /** The next text, or `closed`. */
  next(): Promise<string> {
    return this.#test.sim.complete(this.nextText(), LIMIT)
  }

  async nextText(): Promise<string> {
    while (this.#taken === this.texts.length && !this.closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.texts[this.#taken++] ?? 'closed'
  }

  ask(request: ControlRequest | string): Promise<string> {
    this.say(request)
    return this.next()
  }

  /** Texts until the connection closes. */
  async rest(): Promise<string[]> {
    const texts: string[] = []
    for (;;) {
      const text = await this.next()
      if (text === 'closed') return texts
      texts.push(text)
    }
  }

  register(protocolVersion = 6): Promise<string> {
    return this.#test.sim.complete(this.registerNow(protocolVersion), LIMIT)
  }

  /** Returns the text after the handshake: `register`, or why it failed. */
  async registerNow(protocolVersion = 6): Promise<string> {
    const random = this.#world.random.stream('client')
    const { crypto } = this.#test
    const { state, send } = startClientHandshake(crypto, {
      identitySeed: new Secret(this.seed),
      gatewayIdentity: this.#test.identity,
      protocolVersion,
      ephemeralSecret: new Secret(random.bytes(32)),
      salt: random.bytes(16),
      nonce: random.bytes(12),
    })
    this.say(send)
    const answer = await this.nextText()
    const step = stepClientHandshake(crypto, state, answer)
    if (step.kind !== 'next') return answer
    this.say(step.send)
    const last = await this.nextText()
    const done = stepClientHandshake(crypto, step.state, last)
    if (done.kind !== 'done') return last
    this.sharedKey = done.sharedKey
    return this.nextText()
  }

  login(sharedKey: Secret, options: { protocolVersion?: number; unixSeconds?: number } = {}): Promise<string> {
    return this.#test.sim.complete(this.loginNow(sharedKey, options), LIMIT)
  }

  loginNow(sharedKey: Secret, options: { protocolVersion?: number; unixSeconds?: number } = {}): Promise<string> {
    this.sharedKey = sharedKey
    this.say(this.loginRequest(sharedKey, options))
    return this.nextText()
  }

  loginRequest(sharedKey: Secret, options: { protocolVersion?: number; unixSeconds?: number } = {}): ControlRequest {
    const unixSeconds = options.unixSeconds ?? Math.floor(this.#world.clock.now() / 1000)
    const secrets = { identitySeed: this.seed, sharedKey: sharedKey.expose() }
    const nonce = this.#world.random.stream('client').bytes(12)
    const { protocolVersion = 6 } = options
    return buildAuthentication(this.#test.crypto, secrets, { protocolVersion, unixSeconds, nonce })
  }

  /** Numbered; the number is in the packet. */
  forward(number: number, size: PacketSize = REGULAR): void {
    const packet = new Uint8Array(size.totalBytes)
    new DataView(packet.buffer).setUint32(0, number)
    const key = (this.sharedKey as Secret).expose()
    const nonce = this.#world.random.stream('client').bytes(12)
    this.socket.send(sealForward(this.#test.crypto, key, { rotation: 1, nextHop: FIRST_HOP, packet }, 6, nonce))
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
export const hex = toHex
export const after = (sim: Simulation, ms: number): Promise<void> => sim.runFor(millis(ms) as Millis)
export const BIG: PacketSize = EXTENDED_32
