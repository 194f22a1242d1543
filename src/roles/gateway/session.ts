/**
 * One websocket of a client, from its first message to its end. Every wait has a deadline, and before the login every
 * deviation ends the connection. Rules: docs/spec/gateway.md.
 *
 *   waiting ── registration ──▶ handshaking ── proof ──▶ deciding ── committed ──▶ open
 *      │                                                    ▲                       │
 *      └── login: checks, then whether an older session still answers ──┘           ▼
 *                                       any ── refusal, deadline, close ──▶ closed
 *
 * While `deciding`, the socket is not read: the answer comes first. @module
 */
import { toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { Secret } from '../../foundation/base/secret.ts'
import type { WebSocketConnection } from '../../foundation/platform/net.ts'
import {
  type AuthenticateV2,
  type ControlRequest,
  type ControlResponse,
  encodeControlResponse,
  parseControlRequest,
} from '../../protocol/wire/gateway/control.ts'
import {
  authenticationRefusalText,
  DUPLICATE_SESSION_TEXT,
  errorResponse,
  INITIAL_TIMEOUT_TEXT,
  LEGACY_AUTHENTICATION_TEXT,
  NOT_AUTHENTICATED_BINARY_TEXT,
  NOT_AUTHENTICATED_TEXT,
  registrationFailedText,
  STALE_SESSION_TEXT,
  STORAGE_TEXT,
} from '../../protocol/wire/gateway/errorTexts.ts'
import {
  type GatewayHandshake,
  type HandshakeStep,
  registeringIdentity,
  startGatewayHandshake,
  stepGatewayHandshake,
} from '../../protocol/wire/gateway/handshake.ts'
import { answeredProtocol, GATEWAY_PROTOCOL, NONCE_BYTES } from '../../protocol/wire/gateway/protocol.ts'
import type { ConnectionRefusal } from './counters.ts'
import { AdmissionDeadline } from './deadline.ts'
import { checkLogin, checkStoredLogin } from './login.ts'
import { OpenSession } from './openSession.ts'
import { Pacer } from './pacer.ts'
import type { ClientSession, SessionOptions } from './sessionHost.ts'
import type { StoredClient } from './store.ts'

const EPHEMERAL_SECRET_BYTES = 32

type Phase =
  | { readonly phase: 'waiting' }
  | { readonly phase: 'handshaking'; readonly handshake: GatewayHandshake }
  | { readonly phase: 'deciding' }
  | { readonly phase: 'open'; readonly client: OpenSession }
  | { readonly phase: 'closed' }

export class Session implements ClientSession {
  readonly #host: SessionOptions['host']
  readonly #options: SessionOptions
  readonly #socket: WebSocketConnection
  readonly #pacer: Pacer
  #phase: Phase = { phase: 'waiting' }
  #key: string | undefined
  timestamp = 0
  readonly #deadline: AdmissionDeadline
  #admitted = false

  constructor(options: SessionOptions) {
    const { host, socket } = options
    this.#host = host
    this.#options = options
    this.#socket = socket
    this.#pacer = new Pacer(host.world.clock, socket, host.params.messagesPerTurn)
    this.#deadline = new AdmissionDeadline(host.world.clock, host.params.admissionTimeout, (which) =>
      this.#refuse(which, INITIAL_TIMEOUT_TEXT),
    )
    this.#deadline.expect(host.params.messageTimeout)
    socket.attach({
      text: (message) => this.#text(message),
      binary: (message) => this.#binary(message),
      pong: (data) => this.client?.pong(data),
      close: () => this.#close(),
    })
  }

  /** The client behind it, once it has logged in. */
  get client(): OpenSession | undefined {
    return this.#phase.phase === 'open' ? this.#phase.client : undefined
  }

  probe(done: (alive: boolean) => void): void {
    const { client } = this
    if (client === undefined) done(this.#phase.phase === 'deciding')
    else client.probe(done)
  }

  drop(): void {
    this.#socket.destroy()
    this.#close()
  }

  end(): void {
    this.#socket.close()
    this.#close()
  }

  #text(message: string): void {
    const state = this.#phase
    switch (state.phase) {
      case 'waiting':
        return this.#first(message)
      case 'handshaking':
        this.#pacer.count()
        if (message.length > this.#host.params.maxAdmissionCharacters) return this.#refuse('too-long')
        return this.#handshake(stepGatewayHandshake(this.#host.world.crypto, state.handshake, message))
      case 'open':
        return state.client.text(message)
    }
  }

  #binary(message: Uint8Array): void {
    if (this.#phase.phase === 'open') this.#phase.client.binary(message)
    else if (this.#phase.phase === 'waiting') this.#refuse('binary-before-login', NOT_AUTHENTICATED_BINARY_TEXT)
  }

  #first(message: string): void {
    const { params } = this.#host
    this.#pacer.count()
    if (this.#socket.bufferedBytes > params.maxAdmissionBufferedBytes) return this.#refuse('unread-before-login')
    if (message.length > params.maxAdmissionCharacters) return this.#refuse('too-long')
    const request = tryDecode(() => parseControlRequest(message))
    if (isMixnetError(request)) return this.#refuse('text-before-login', NOT_AUTHENTICATED_TEXT)
    switch (request.type) {
      case 'supportedProtocol':
        this.#send({ type: 'supportedProtocol', version: GATEWAY_PROTOCOL })
        return this.#deadline.expect(params.messageTimeout)
      case 'registerHandshakeInitRequest':
        return this.#register(request)
      case 'authenticateV2':
        return this.#login(request)
      case 'authenticate':
        return this.#refuse('legacy-authentication', LEGACY_AUTHENTICATION_TEXT)
      default:
        return this.#refuse('text-before-login', NOT_AUTHENTICATED_TEXT)
    }
  }

  #register(request: ControlRequest & { readonly type: 'registerHandshakeInitRequest' }): void {
    const { world, identitySeed } = this.#host
    const identity = registeringIdentity(world.crypto, request)
    if (identity !== undefined && this.#options.registry.get(toHex(identity)) !== undefined) {
      return this.#refuse('duplicate-session', DUPLICATE_SESSION_TEXT)
    }
    // Before the costly half of the handshake.
    if (identity !== undefined && !this.#mayEnrol(identity)) return
    const ephemeralSecret = new Secret(world.random.stream('gateway-handshake').bytes(EPHEMERAL_SECRET_BYTES))
    const nonce = world.random.stream('gateway-nonce').bytes(NONCE_BYTES)
    const options = { identitySeed, ephemeralSecret, nonce, liftOldClients: true }
    this.#handshake(startGatewayHandshake(world.crypto, options, request))
  }

  #handshake(step: HandshakeStep<GatewayHandshake>): void {
    switch (step.kind) {
      case 'ignored':
        return
      case 'failed':
        this.#socket.send(step.send)
        return this.#refuse(`registration-${step.failure.reason}`, registrationFailedText(step.failure))
      case 'next':
        this.#socket.send(step.send)
        this.#phase = { phase: 'handshaking', handshake: step.state }
        return this.#deadline.expect(this.#host.params.handshakeTimeout)
      case 'done':
        return this.#enrol(step)
    }
  }

  /** A client has proven its identity: its key is on disk before it is told so. */
  #enrol(done: HandshakeStep<GatewayHandshake> & { readonly kind: 'done' }): void {
    const { store, world } = this.#host
    const { remoteIdentity: identity, sharedKey, protocolVersion } = done
    if (this.#options.registry.get(toHex(identity)) !== undefined) {
      return this.#refuse('duplicate-session', DUPLICATE_SESSION_TEXT)
    }
    // Again: of many handshakes at once, each was within the limit.
    if (!this.#mayEnrol(identity)) return
    if (store.client(identity) === undefined) this.#options.registrations.take()
    // A login in the same second is a later session: clients log in right after they have registered.
    this.#decide(identity, Math.floor(world.clock.now() / 1000) - 1)
    const entered = store.register(identity, sharedKey, (durable) => {
      if (this.#phase.phase !== 'deciding') return
      const stored = durable ? store.client(identity) : undefined
      if (stored === undefined) return this.#refuse('storage', STORAGE_TEXT)
      if (done.send !== undefined) this.#socket.send(done.send)
      this.#send({ type: 'register', protocolVersion, status: true, upgradeMode: false })
      this.#open(identity, stored)
    })
    if (!entered) this.#refuse('clients', STORAGE_TEXT)
  }

  /** Whoever is known may register anew: that makes the table no longer. */
  #mayEnrol(identity: Uint8Array): boolean {
    if (this.#options.registrations.allows() || this.#host.store.client(identity) !== undefined) return true
    this.#refuse('registrations-of-address', STORAGE_TEXT)
    return false
  }

  #login(request: AuthenticateV2): void {
    const refusal = checkLogin(this.#host, request)
    if (refusal !== undefined) return this.#refuse(`login-${refusal.reason}`, authenticationRefusalText(refusal))
    const [{ registry }, key] = [this.#options, toHex(request.clientIdentity)]
    const older = registry.get(key)
    if (older === undefined) return this.#admit(request)
    if (request.requestUnixTimestamp <= older.timestamp) return this.#refuse('stale-session', STALE_SESSION_TEXT)
    this.#phase = { phase: 'deciding' }
    this.#deadline.cancel()
    this.#pacer.hold('answer')
    older.probe((alive) => {
      if (this.#phase.phase !== 'deciding') return
      const open = registry.get(key)
      // A third session may have been quicker.
      if (alive || (open !== undefined && open !== older)) {
        return this.#refuse('duplicate-session', DUPLICATE_SESSION_TEXT)
      }
      older.drop()
      // Dropping it answers every probe of it: a third session may have been let in by that, just now.
      if (registry.get(key) !== undefined) return this.#refuse('duplicate-session', DUPLICATE_SESSION_TEXT)
      this.#admit(request)
    })
  }

  #admit(request: AuthenticateV2): void {
    const { store } = this.#host
    const { clientIdentity: identity, requestUnixTimestamp: timestamp, nonce } = request
    // Again: while the older session was asked, another login may have been accepted and ended.
    const refusal = checkStoredLogin(this.#host, request)
    if (refusal !== undefined) return this.#refuse(`login-${refusal.reason}`, authenticationRefusalText(refusal))
    this.#decide(identity, timestamp)
    store.login(identity, { timestamp, nonce }, (durable) => {
      if (this.#phase.phase !== 'deciding') return
      const stored = durable ? store.client(identity) : undefined
      if (stored === undefined) return this.#refuse('storage', STORAGE_TEXT)
      this.#open(identity, stored, (client) =>
        this.#send({
          type: 'authenticate',
          protocolVersion: answeredProtocol(request.protocolVersion, true),
          status: true,
          bandwidthRemaining: client.bandwidthRemaining,
          upgradeMode: false,
        }),
      )
    })
  }

  /** From here on this is the client's session, and it is not read until it is open. */
  #decide(identity: Uint8Array, timestamp: number): void {
    this.#phase = { phase: 'deciding' }
    this.#deadline.cancel()
    this.#pacer.hold('answer')
    this.timestamp = timestamp
    this.#key = toHex(identity)
    this.#options.registry.enter(this.#key)
  }

  #open(identity: Uint8Array, { sharedKey }: StoredClient, answer?: (client: OpenSession) => void): void {
    const client = new OpenSession({
      host: this.#host,
      socket: this.#socket,
      pacer: this.#pacer,
      identity,
      sharedKey,
      onRefused: (reason, message) => this.#refuse(reason, message),
    })
    this.#phase = { phase: 'open', client }
    this.#leaveQueue()
    answer?.(client)
    this.#pacer.release('answer')
    // Behind the answer: a client that has just registered installs its key with it.
    client.drain()
  }

  /** Ends the connection, saying why where the client can still be told. */
  #refuse(reason: ConnectionRefusal, message?: string): void {
    if (this.#phase.phase === 'closed') return
    this.#host.counters.close(reason)
    if (message === undefined) return this.drop()
    this.#send(errorResponse(message))
    this.end()
  }

  #close(): void {
    const state = this.#phase
    if (state.phase === 'closed') return
    this.#phase = { phase: 'closed' }
    this.#deadline.cancel()
    if (this.#key !== undefined) this.#options.registry.leave(this.#key)
    if (state.phase === 'open') state.client.close()
    this.#leaveQueue()
    this.#options.onClosed()
  }

  #send(response: ControlResponse): void {
    this.#socket.send(encodeControlResponse(response))
  }

  #leaveQueue(): void {
    if (this.#admitted) return
    this.#admitted = true
    this.#options.onAdmitted()
  }
}
