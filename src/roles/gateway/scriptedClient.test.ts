/** Test support: a client of a gateway that says what a script tells it. @module */
import assert from 'node:assert/strict'
import type { MixnetError } from '../../foundation/base/errors.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { Endpoint, WebSocketConnection } from '../../foundation/platform/net.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { NodeAddress } from '../../protocol/packet/nodeAddress.ts'
import { type PacketSize, REGULAR } from '../../protocol/packet/sizes.ts'
import { buildAuthentication } from '../../protocol/wire/gateway/authentication.ts'
import { openPush, sealForward } from '../../protocol/wire/gateway/binary.ts'
import { type ControlRequest, encodeControlRequest } from '../../protocol/wire/gateway/control.ts'
import { startClientHandshake, stepClientHandshake } from '../../protocol/wire/gateway/handshake.ts'

export const FIRST_HOP: NodeAddress = { ip: '10.1.1.1', port: 1789 }

/** What a client knows of its gateway, and how waiting is done: under a virtual clock somebody has to drive it. */
export interface Conductor {
  readonly crypto: CryptoProvider
  readonly endpoint: Endpoint
  /** Of the gateway. */
  readonly identity: Uint8Array
  complete<T>(work: Promise<T>): Promise<T>
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
  readonly #conductor: Conductor
  readonly #world: World
  #taken = 0
  #wake: (() => void) | undefined

  private constructor(conductor: Conductor, world: World, seed: Uint8Array, socket: WebSocketConnection) {
    this.#conductor = conductor
    this.#world = world
    this.seed = seed
    this.identity = conductor.crypto.ed25519PublicKey(seed)
    this.socket = socket
    socket.attach({
      text: (message) => {
        this.texts.push(message)
        this.#wake?.()
      },
      binary: (frame) => {
        const opened = openPush(conductor.crypto, (this.sharedKey as Secret).expose(), frame)
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

  static async connect(conductor: Conductor, world: World, seed: Uint8Array): Promise<ScriptedClient> {
    const { host, port } = conductor.endpoint
    const url = `ws://${host}:${port}/`
    const socket = await world.net.connectWebSocket({ url, timeout: seconds(5), maxMessageBytes: 100_000 })
    return new ScriptedClient(conductor, world, seed, socket)
  }

  say(request: ControlRequest | string): void {
    this.socket.send(typeof request === 'string' ? request : encodeControlRequest(request))
  }

  /** The next text, or `closed`. */
  next(): Promise<string> {
    return this.#conductor.complete(this.nextText())
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
    return this.#conductor.complete(this.registerNow(protocolVersion))
  }

  /** Returns the text after the handshake: `register`, or why it failed. */
  async registerNow(protocolVersion = 6): Promise<string> {
    const random = this.#world.random.stream('client')
    const { crypto } = this.#conductor
    const { state, send } = startClientHandshake(crypto, {
      identitySeed: new Secret(this.seed),
      gatewayIdentity: this.#conductor.identity,
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
    return this.#conductor.complete(this.loginNow(sharedKey, options))
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
    return buildAuthentication(this.#conductor.crypto, secrets, { protocolVersion, unixSeconds, nonce })
  }

  /** Numbered; the number is in the packet. */
  forward(number: number, size: PacketSize = REGULAR): void {
    const packet = new Uint8Array(size.totalBytes)
    new DataView(packet.buffer).setUint32(0, number)
    const key = (this.sharedKey as Secret).expose()
    const nonce = this.#world.random.stream('client').bytes(12)
    this.socket.send(sealForward(this.#conductor.crypto, key, { rotation: 1, nextHop: FIRST_HOP, packet }, 6, nonce))
  }
}
