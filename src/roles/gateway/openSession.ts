/**
 * The session of a client that has logged in: its requests, one answer to each, and what is pushed to it. Nothing a client
 * does or does not do holds more than the bounds of gatewayParams.ts. Rules: docs/spec/gateway.md. @module
 */
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import type { Secret } from '../../foundation/base/secret.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import { type PacketSize, packetSizeByTotal } from '../../protocol/packet/sizes.ts'
import { openForward } from '../../protocol/wire/gateway/binary.ts'
import { type ControlRequest, parseControlRequest } from '../../protocol/wire/gateway/control.ts'
import { openEncryptedRequest } from '../../protocol/wire/gateway/encryptedRequests.ts'
import {
  binaryRefusalText,
  ENCRYPTED_REQUEST_TEXT,
  illegalRequestText,
  MALFORMED_TEXT_REQUEST_TEXT,
  MALFORMED_TICKET_TEXT,
  OLD_CREDENTIAL_TEXT,
  ONLY_CREDENTIALS_TEXT,
  STORAGE_TEXT,
  UPGRADE_MODE_TEXT,
} from '../../protocol/wire/gateway/errorTexts.ts'
import { GATEWAY_PROTOCOL } from '../../protocol/wire/gateway/protocol.ts'
import { openTicket } from '../../protocol/wire/gateway/ticket.ts'
import type { MixPacket } from '../../protocol/wire/mixPacket.ts'
import type { Account } from './account.ts'
import type { Balance, TicketVerdict } from './bandwidth.ts'
import { ClientChannel, type ClientChannelOptions } from './clientChannel.ts'
import type { ConnectionRefusal } from './counters.ts'
import type { InboxRow } from './gatewaySchema.ts'
import type { Pacer } from './pacer.ts'
import { type Delivery, Receipts } from './receipts.ts'
import type { SessionHost } from './sessionHost.ts'

export interface OpenSessionOptions extends ClientChannelOptions {
  readonly identity: Uint8Array
  /** Ends the session, with a last word where there is one; it calls `close` here. */
  readonly onRefused: (reason: ConnectionRefusal, message?: string) => void
}

export class OpenSession {
  readonly #host: SessionHost
  readonly #channel: ClientChannel
  readonly #pacer: Pacer
  readonly #identity: Uint8Array
  readonly #sharedKey: Secret
  readonly #account: Account
  readonly #balance: Balance
  readonly #receipts: Receipts
  readonly #onRefused: OpenSessionOptions['onRefused']
  #flush: Timer | undefined
  /** Behind which stored message the inbox has been pushed. */
  #cursor = 0
  #draining = false
  #lastHeard: number
  #closed = false

  constructor(options: OpenSessionOptions) {
    const { host } = options
    this.#host = host
    this.#channel = new ClientChannel(options)
    this.#pacer = options.pacer
    this.#identity = options.identity
    this.#sharedKey = options.sharedKey
    this.#account = host.store.accounts.open(options.identity)
    this.#balance = this.#account.balance
    this.#onRefused = options.onRefused
    this.#lastHeard = host.world.clock.monotonic()
    this.#receipts = new Receipts({
      clock: host.world.clock,
      random: host.world.random.stream('gateway-ping'),
      budget: host.budget,
      pongTimeout: host.params.pongTimeout,
      stallTimeout: host.params.stallTimeout,
      ping: (data) => this.#channel.ping(data),
      keep: (payload, done) => this.#keep(payload, done),
      remove: (rows) => host.store.remove(this.#identity, rows),
      onConfirmed: (messages) => {
        host.counters.confirmed.value += messages
        this.#draining = false
        this.drain()
      },
      onStalled: () => this.#onRefused('stalled'),
    })
  }

  get bandwidthRemaining(): number {
    return this.#balance.available(this.#host.store.now())
  }

  text(message: string): void {
    this.#heard()
    if (message.length > this.#host.params.maxTextCharacters) return this.#onRefused('too-long')
    const request = tryDecode(() => parseControlRequest(message))
    if (isMixnetError(request)) {
      this.#channel.refuse('text-malformed', `${MALFORMED_TEXT_REQUEST_TEXT}${String(request.details.why ?? '')}`)
    } else {
      this.#request(request)
    }
  }

  /** A forward request: exactly one answer, whatever becomes of it. */
  binary(frame: Uint8Array): void {
    this.#heard()
    const { world, store, forward, counters } = this.#host
    const opened = openForward(world.crypto, this.#sharedKey.expose(), frame)
    if (opened.kind === 'refused') {
      return this.#channel.refuse(`frame-${opened.reason}`, binaryRefusalText(opened.reason))
    }
    const { packet, nextHop, rotation }: MixPacket = opened.packet
    // The codec took only packets of a known size.
    const size = packetSizeByTotal(packet.length) as PacketSize
    const now = store.now()
    if (!this.#balance.charge(size.totalBytes, now)) {
      counters.refuse('bandwidth')
      const available = this.#balance.available(now)
      const error = { kind: 'outOfBandwidth', required: size.totalBytes, available } as const
      return this.#channel.respond({ type: 'typedError', error })
    }
    this.#flushLater()
    counters.forwarded.value++
    forward(nextHop, { size, rotation, packet })
    this.#channel.respond({ type: 'send', remainingBandwidth: this.#balance.available(now), upgradeMode: false })
    this.#channel.awaitRoom()
  }

  pong(data: Uint8Array): void {
    this.#lastHeard = this.#host.world.clock.monotonic()
    this.#receipts.pong(data)
  }

  /** Pushes a message, for which a receipt is awaited. False where it has to go to the inbox instead. */
  push(delivery: Delivery): boolean {
    const { params, budget } = this.#host
    const bytes = delivery.payload.length
    if (this.#closed || this.#receipts.silent) return false
    if (this.#receipts.unconfirmedBytes + bytes > params.maxUnconfirmedBytes) return false
    if (budget.bytes + bytes > params.maxUnconfirmedTotalBytes) return false
    if (!this.#push(delivery.payload)) return false
    this.#receipts.pushed(delivery)
    return true
  }

  /** Pushes an ack. A slow client loses it. */
  pushAck(ack: Uint8Array): boolean {
    return this.#channel.pushAck(ack)
  }

  /** Pushes what waits in the inbox, a batch at a time: the next follows the confirmation of the last. */
  drain(): void {
    if (this.#closed || this.#draining || this.#receipts.silent) return
    const { params, budget, store } = this.#host
    const alone = this.#receipts.unconfirmedBytes === 0
    if (!alone && this.#receipts.unconfirmedBytes + params.inboxBatchBytes > params.maxUnconfirmedBytes) return
    if (!alone && budget.bytes + params.inboxBatchBytes > params.maxUnconfirmedTotalBytes) return
    for (const message of store.read(this.#identity, this.#cursor, (id) => this.#receipts.hasRow(id))) {
      if (!this.#push(message.payload)) return
      this.#cursor = message.id
      this.#draining = true
      this.#receipts.pushed({ id: message.id, bytes: message.bytes })
    }
  }

  probe(done: (alive: boolean) => void): void {
    this.#receipts.probe(done)
  }

  /** Pings a client that has said nothing for long. */
  sweep(now: number): void {
    if (now - this.#lastHeard >= this.#host.params.idlePingAfter) this.#receipts.nudge()
    this.#host.store.seen(this.#identity)
  }

  /** What is not confirmed goes to the inbox. Answers still under way are not given any more. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#channel.close()
    this.#receipts.close()
    if (this.#flush !== undefined) this.#saveBalance()
    this.#host.store.accounts.close(this.#identity, this.#account)
  }

  #request(request: ControlRequest): void {
    const { params, store } = this.#host
    switch (request.type) {
      case 'supportedProtocol':
        return this.#channel.respond({ type: 'supportedProtocol', version: GATEWAY_PROTOCOL })
      case 'claimFreeTestnetBandwidth':
        if (!params.freeBandwidth) return this.#channel.refuse('claim', ONLY_CREDENTIALS_TEXT)
        this.#balance.claimFree(store.now())
        this.#flushLater()
        return this.#respondBandwidth()
      case 'ecashCredential':
        return this.#redeem(request)
      case 'encryptedRequest':
        return this.#encrypted(request)
      case 'upgradeModeJWT':
        return this.#channel.refuse('upgrade-mode', UPGRADE_MODE_TEXT)
      case 'bandwidthCredential':
      case 'bandwidthCredentialV2':
        return this.#channel.refuse('ticket', OLD_CREDENTIAL_TEXT)
      case 'registerHandshakeInitRequest':
        return this.#channel.refuse('text-illegal', illegalRequestText('RegisterHandshakeInitRequest'))
      case 'authenticate':
        return this.#channel.refuse('text-illegal', illegalRequestText('Authenticate'))
      case 'authenticateV2':
        return this.#channel.refuse('text-illegal', illegalRequestText('AuthenticateV2'))
    }
  }

  #redeem(request: { readonly encCredential: Uint8Array; readonly nonce: Uint8Array }): void {
    const { world, tickets } = this.#host
    const ticket = tryDecode(() => openTicket(world.crypto, this.#sharedKey.expose(), request))
    if (isMixnetError(ticket)) return this.#channel.refuse('ticket', MALFORMED_TICKET_TEXT)
    const answer = this.#channel.answerLater()
    tickets.verify(ticket, this.#identity).then((verdict) => this.#judged(verdict, answer))
  }

  /** Also where the session has ended meanwhile: a client that sent a ticket and lost its connection has its bandwidth at the next login. */
  #judged(verdict: TicketVerdict, answer: (run: () => void) => void): void {
    const { store, tickets } = this.#host
    if (verdict.kind === 'replay') return answer(() => this.#refuseReplay())
    if (verdict.kind === 'refused') {
      return answer(() => {
        if (verdict.last) this.#onRefused('bad-tickets', verdict.text)
        else this.#channel.refuse('ticket', verdict.text)
      })
    }
    store.accounts.grant(this.#identity, verdict.ticket, verdict.bandwidth, (outcome) => {
      tickets.settled(verdict.ticket, this.#identity, outcome === 'granted')
      answer(() => {
        if (outcome === 'granted') this.#respondBandwidth()
        else if (outcome === 'replay') this.#refuseReplay()
        else this.#channel.refuse('ticket', STORAGE_TEXT)
      })
    })
  }

  #encrypted(request: ControlRequest & { readonly type: 'encryptedRequest' }): void {
    const { world, store } = this.#host
    const opened = tryDecode(() => openEncryptedRequest(world.crypto, this.#sharedKey.expose(), request))
    if (isMixnetError(opened)) return this.#channel.refuse('encrypted-request', ENCRYPTED_REQUEST_TEXT)
    // No statistics are kept of sessions, so there are none to remember or to forget.
    if (opened.type === 'rememberMe') return this.#channel.respondSealed('rememberMeAck')
    if (!opened.client) return this.#channel.respondSealed('forgetMeAck')
    const answer = this.#channel.answerLater()
    store.forget(this.#identity, (durable) =>
      answer(() =>
        durable ? this.#channel.respondSealed('forgetMeAck') : this.#channel.refuse('encrypted-request', STORAGE_TEXT),
      ),
    )
  }

  #respondBandwidth(): void {
    this.#channel.respond({ type: 'bandwidth', availableTotal: this.bandwidthRemaining, upgradeMode: false })
  }

  #refuseReplay(): void {
    this.#host.counters.refuse('ticket')
    this.#channel.respond({ type: 'typedError', error: { kind: 'ticketReplay' } })
  }

  /** False where the client reads so slowly that its session is closed instead. */
  #push(payload: Uint8Array): boolean {
    if (this.#channel.push(payload)) return true
    this.#onRefused('slow')
    return false
  }

  #keep(payload: Uint8Array, done: (durable: boolean) => void): InboxRow | undefined {
    const { store, counters } = this.#host
    const kept = store.keep(this.#identity, payload, (durable) => {
      if (!durable) counters.drop('storage')
      done(durable)
    })
    if (typeof kept !== 'string') return kept
    counters.drop(kept)
    return undefined
  }

  #heard(): void {
    this.#lastHeard = this.#host.world.clock.monotonic()
    this.#pacer.count()
  }

  #flushLater(): void {
    this.#flush ??= this.#host.world.clock.after(this.#host.params.balanceFlushAfter, () => this.#saveBalance())
  }

  #saveBalance(): void {
    this.#flush?.cancel()
    this.#flush = undefined
    this.#host.store.accounts.save(this.#identity)
  }
}
