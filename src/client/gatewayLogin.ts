/**
 * How a client and its gateway begin: which protocol, who we are, bandwidth. Format: docs/spec/gateway.md.
 * Everything happens inside the socket's events, so nothing can come between an answer and what it changes; each answer has
 * a deadline.
 *
 *   negotiating ─┬─ with a key ──▶ authenticating ────────────┬──────────────▶ done
 *                └─ without ─▶ registering ─▶ confirming ─────┴─▶ claiming ──▶
 *
 * A registration opens the session as a login does, with official gateways as with ours: one connection is enough.
 * @module
 */
import { isMixnetError, tryDecode } from '../foundation/base/errors.ts'
import { Secret } from '../foundation/base/secret.ts'
import type { Timer } from '../foundation/platform/clock.ts'
import type { ClientWorld } from '../foundation/platform/world.ts'
import { REGULAR } from '../protocol/packet/sizes.ts'
import { buildAuthentication } from '../protocol/wire/gateway/authentication.ts'
import {
  type ControlRequest,
  type ControlResponse,
  encodeControlRequest,
  parseControlResponse,
} from '../protocol/wire/gateway/control.ts'
import {
  type ClientHandshake,
  HANDSHAKE_SALT_BYTES,
  startClientHandshake,
  stepClientHandshake,
} from '../protocol/wire/gateway/handshake.ts'
import { AUTHENTICATE_V2_PROTOCOL, GATEWAY_PROTOCOL, NONCE_BYTES } from '../protocol/wire/gateway/protocol.ts'
import type { EntryParams } from './entryParams.ts'
import { type GatewayFailure, handshakeRefusal, readRefusal, refused, timedOut } from './gatewayRefusals.ts'
import type { Registration } from './sharedKeys.ts'
import type { Payment } from './ticketSource.ts'

export interface GatewayIdentities {
  /** The gateway's, Ed25519, 32 bytes. */
  readonly gateway: Uint8Array
  readonly identitySeed: Secret
  readonly registration: Registration
}

/** What an open session starts with. */
export interface LoggedIn {
  /** Decides how packets are sent. */
  readonly protocol: number
  readonly balance: number
  /** It was asked for more than it said was left. */
  readonly claimed: boolean
  /** It answered that with no; what is left may be used up. */
  readonly claimRefused: boolean
}

export interface GatewayLoginOptions extends GatewayIdentities {
  readonly world: ClientWorld
  readonly params: EntryParams
  readonly send: (text: string) => void
  /** Sends a claim. */
  readonly claim: () => void
  readonly payment: Payment | undefined
  /** A text that is no answer. */
  readonly nonsense: () => void
  readonly done: (result: LoggedIn) => void
  readonly failed: (failure: GatewayFailure) => void
}

type State =
  | { readonly state: 'negotiating' | 'authenticating' | 'claiming' | 'finished' }
  | { readonly state: 'registering'; readonly handshake: ClientHandshake }
  | { readonly state: 'confirming'; readonly key: Secret }

export class GatewayLogin {
  readonly #options: GatewayLoginOptions
  #state: State = { state: 'negotiating' }
  #deadline: Timer | undefined
  #awaited = ''
  #protocol = GATEWAY_PROTOCOL
  #balance = 0
  #key: Secret | undefined

  constructor(options: GatewayLoginOptions) {
    this.#options = options
    this.#ask({ type: 'supportedProtocol' }, 'its protocol')
  }

  /** As soon as both sides have it, which is before the end: stored messages come before the last answer. */
  get key(): Secret | undefined {
    return this.#key
  }

  /** Something useful came that is no answer: stored messages may be many, and take their time. */
  progressed(): void {
    this.#expect(this.#awaited)
  }

  stop(): void {
    this.#state = { state: 'finished' }
    this.#deadline?.cancel()
  }

  text(text: string): void {
    const { state } = this.#state
    const response = tryDecode(() => parseControlResponse(text))
    if (state === 'registering' && (isMixnetError(response) || response.type !== 'error')) return this.#step(text)
    if (isMixnetError(response)) return this.#options.nonsense()
    // The gateway closes after it, ours or an official one; only a claim may be refused and the session go on.
    if (response.type === 'error' && state !== 'claiming') return this.#fail(readRefusal(response.message))
    switch (state) {
      case 'negotiating':
        return response.type === 'supportedProtocol' ? this.#negotiated(response.version) : undefined
      case 'authenticating':
        return response.type === 'authenticate' ? this.#authenticated(response) : undefined
      case 'confirming':
        return response.type === 'register' ? this.#registered(response) : undefined
      case 'claiming':
        return this.#claimed(response)
    }
  }

  #negotiated(version: number): void {
    if (version < AUTHENTICATE_V2_PROTOCOL) return this.#fail(refused('it speaks only old protocols'))
    this.#protocol = Math.min(version, GATEWAY_PROTOCOL)
    const { world, registration, identitySeed } = this.#options
    const { key } = registration
    const unixSeconds = key && registration.nextLogin(world.clock.now())
    if (key === undefined || unixSeconds === undefined) return this.#register()
    this.#key = key
    this.#state = { state: 'authenticating' }
    const secrets = { identitySeed: identitySeed.expose(), sharedKey: key.expose() }
    const login = { protocolVersion: this.#protocol, unixSeconds, nonce: this.#random(NONCE_BYTES) }
    this.#ask(buildAuthentication(world.crypto, secrets, login), 'the login')
  }

  #authenticated(response: ControlResponse & { readonly type: 'authenticate' }): void {
    if (!response.status) return this.#fail(refused('it does not know this client', 'forgotten'))
    this.#balance = response.bandwidthRemaining
    // Nobody waits for a ticket while a packet can be paid for. With less the first one would be refused.
    const enough = this.#options.payment ? REGULAR.totalBytes : this.#options.params.claimBelow
    this.#accepted(response, response.upgradeMode || this.#balance >= enough)
  }

  #register(): void {
    const { world, gateway, identitySeed, send } = this.#options
    const started = startClientHandshake(world.crypto, {
      identitySeed,
      gatewayIdentity: gateway,
      protocolVersion: this.#protocol,
      ephemeralSecret: new Secret(this.#random(32)),
      salt: this.#random(HANDSHAKE_SALT_BYTES),
      nonce: this.#random(NONCE_BYTES),
    })
    this.#state = { state: 'registering', handshake: started.state }
    send(started.send)
    this.#expect('the registration')
  }

  #step(text: string): void {
    if (this.#state.state !== 'registering') return
    const step = stepClientHandshake(this.#options.world.crypto, this.#state.handshake, text)
    switch (step.kind) {
      case 'ignored':
        return
      case 'next':
        this.#state = { state: 'registering', handshake: step.state }
        if (step.state.state === 'awaitingConfirmation') this.#key = step.state.sharedKey
        this.#options.send(step.send)
        return this.#expect('the registration')
      case 'done':
        this.#state = { state: 'confirming', key: step.sharedKey }
        return this.#expect('the registration')
      case 'failed':
        this.#options.send(step.send)
        return this.#fail(handshakeRefusal(step.failure))
    }
  }

  #registered(response: ControlResponse & { readonly type: 'register' }): void {
    if (this.#state.state !== 'confirming') return
    if (!response.status) return this.#fail(refused('it does not register this client'))
    const { registration, world } = this.#options
    registration.registered(this.#state.key, world.clock.now())
    this.#accepted(response, response.upgradeMode)
  }

  /** The version in the answer is the one that both speak from here on. */
  #accepted({ protocolVersion }: { readonly protocolVersion: number }, solvent: boolean): void {
    if (protocolVersion > GATEWAY_PROTOCOL) return this.#fail(refused('it insists on a newer protocol'))
    this.#protocol = protocolVersion
    if (solvent) return this.#finish(false)
    this.#state = { state: 'claiming' }
    this.#options.claim()
    this.#expect('the bandwidth')
  }

  #claimed(response: ControlResponse): void {
    if (this.#options.payment?.answered(response, this.#key as Secret)) return
    switch (response.type) {
      case 'bandwidth':
        this.#balance = response.availableTotal
        return this.#balance > 0 ? this.#finish(true) : this.#fail(refused('it grants no bandwidth'))
      case 'error':
        return this.#balance > 0 ? this.#finish(true, true) : this.#fail(readRefusal(response.message))
      case 'typedError':
        return this.#fail(refused('it grants no bandwidth'))
      default:
    }
  }

  #finish(claimed: boolean, claimRefused = false): void {
    this.stop()
    this.#options.done({ protocol: this.#protocol, balance: this.#balance, claimed, claimRefused })
  }

  #fail(failure: GatewayFailure): void {
    this.stop()
    this.#options.failed(failure)
  }

  #ask(request: ControlRequest, about: string): void {
    this.#options.send(encodeControlRequest(request))
    this.#expect(about)
  }

  #expect(what: string): void {
    const { world, params } = this.#options
    this.#deadline?.cancel()
    this.#awaited = what
    this.#deadline = world.clock.after(params.stepTimeout, () => {
      if (!this.#options.payment?.awaitsTicket) this.#fail(timedOut(what))
    })
  }

  #random(bytes: number): Uint8Array {
    return this.#options.world.random.stream('gateway').bytes(bytes)
  }
}
