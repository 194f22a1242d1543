/**
 * One websocket to a gateway, from its upgrade to its end: the login, then packets both ways. Format: docs/spec/gateway.md.
 * An official client gives up at the first thing it does not understand; this one counts it, and gives up when nothing else
 * comes. @module
 */

import { isMixnetError, tryDecode } from '../foundation/base/errors.ts'
import type { Meter } from '../foundation/base/observe.ts'
import type { Secret } from '../foundation/base/secret.ts'
import type { WebSocketConnection } from '../foundation/platform/net.ts'
import type { ClientWorld } from '../foundation/platform/world.ts'
import { openPush, sealForward } from '../protocol/wire/gateway/binary.ts'
import {
  type ControlRequest,
  type ControlResponse,
  encodeControlRequest,
  parseControlResponse,
} from '../protocol/wire/gateway/control.ts'
import { ONLY_CREDENTIALS_TEXT } from '../protocol/wire/gateway/errorTexts.ts'
import { NONCE_BYTES } from '../protocol/wire/gateway/protocol.ts'
import type { MixPacket } from '../protocol/wire/mixPacket.ts'
import { Bandwidth } from './bandwidth.ts'
import type { EntryParams } from './entryParams.ts'
import { type GatewayIdentities, GatewayLogin, type LoggedIn } from './gatewayLogin.ts'
import { type GatewayFailure, lost, readRefusal, timedOut } from './gatewayRefusals.ts'
import { SignsOfLife } from './signsOfLife.ts'
import type { Payment, TicketSource } from './ticketSource.ts'

export interface GatewaySessionOptions extends GatewayIdentities {
  readonly world: ClientWorld
  readonly params: EntryParams
  /** Absent: only what gateways give for nothing is asked for. */
  readonly tickets?: TicketSource | undefined
  readonly meter: Meter
  readonly opened: () => void
  readonly pushed: (plaintext: Uint8Array) => void
  /** Once, unless `close` was called. The socket is closed. */
  readonly ended: (failure: GatewayFailure) => void
}

interface OpenSession {
  readonly key: Secret
  readonly protocol: number
  readonly bandwidth: Bandwidth
  readonly life: SignsOfLife
}

type Nonsense = 'text' | 'error' | 'frame'

export class GatewaySession {
  readonly #options: GatewaySessionOptions
  readonly #socket: WebSocketConnection
  readonly #closed: Promise<void>
  readonly #login: GatewayLogin
  readonly #payment: Payment | undefined
  readonly #nonsense: Record<Nonsense, number> = { text: 0, error: 0, frame: 0 }
  #open: OpenSession | undefined
  #ended = false
  #probing = false

  /** `socket` was opened just now and is attached here. */
  constructor(socket: WebSocketConnection, options: GatewaySessionOptions) {
    this.#options = options
    this.#socket = socket
    this.#payment = options.tickets?.payment({
      gateway: options.gateway,
      send: (request) => this.#ask(request),
      // What is left is used up meanwhile, unless a ticket is in doubt: the next login says what became of it.
      failed: (failure) => {
        if (this.#open?.bandwidth.exhausted !== false || failure.error.code === 'TIMEOUT') this.#end(failure)
      },
    })
    this.#login = new GatewayLogin({
      ...options,
      payment: this.#payment,
      claim: () => this.#claim(),
      send: (text) => socket.send(text),
      nonsense: () => this.#madeNoSense('text'),
      done: (result) => this.#loggedIn(result),
      failed: (failure) => this.#end(failure),
    })
    this.#closed = new Promise((resolve) => {
      socket.attach({
        text: (text) => this.#text(text),
        binary: (frame) => this.#binary(frame),
        close: (error) => {
          resolve()
          this.#end(lost(error === undefined ? 'it closed the connection' : 'the connection broke', error))
        },
      })
    })
  }

  get isOpen(): boolean {
    return this.#open !== undefined
  }

  /** False where it is not open, has no bandwidth, or too much waits already. */
  send(packet: MixPacket): boolean {
    const { world, params } = this.#options
    if (this.#open === undefined || this.#open.bandwidth.exhausted) return false
    if (this.#socket.bufferedBytes > params.maxBufferedBytes) return false
    const { key, protocol, life } = this.#open
    const nonce = world.random.stream('gateway').bytes(NONCE_BYTES)
    this.#socket.send(sealForward(world.crypto, key.expose(), packet, protocol, nonce))
    this.#options.tickets?.sent(this.#options.gateway, packet.packet.length)
    life.sent()
    return true
  }

  /** Says goodbye; no handler is called any more. */
  async close(): Promise<void> {
    const { world, params } = this.#options
    this.#stop()
    this.#socket.close()
    const limit = world.clock.after(params.closeTimeout, () => this.#socket.destroy())
    await this.#closed
    limit.cancel()
  }

  #loggedIn({ protocol, balance, claimed, claimRefused }: LoggedIn): void {
    const { world, params } = this.#options
    const { clock } = world
    const bandwidth = new Bandwidth(
      {
        clock,
        spacing: params.claimSpacing,
        answerWithin: params.stepTimeout,
        claimBelow: params.claimBelow,
        claim: () => this.#claim(),
        failed: (why) => {
          if (this.#payment?.awaitsTicket) return
          this.#end(why === 'refused' ? readRefusal(ONLY_CREDENTIALS_TEXT) : timedOut('the bandwidth'))
        },
      },
      { balance, claimed, refused: claimRefused },
    )
    const life = new SignsOfLife({
      clock,
      idleProbeAfter: params.idleProbeAfter,
      busyProbeAfter: params.busyProbeAfter,
      probeTimeout: params.probeTimeout,
      // A question that every gateway answers, and that browsers can ask: they have no pings.
      ask: () => {
        this.#probing = true
        this.#ask({ type: 'supportedProtocol' })
      },
      gone: () => this.#end(lost('it does not answer any more')),
    })
    this.#open = { key: this.#login.key as Secret, protocol, bandwidth, life }
    this.#options.opened()
  }

  #text(text: string): void {
    if (this.#ended) return
    if (this.#open === undefined) return this.#login.text(text)
    this.#open.life.heard()
    const response = tryDecode(() => parseControlResponse(text))
    if (isMixnetError(response)) this.#madeNoSense('text')
    else this.#answered(response, this.#open.bandwidth)
  }

  /** Texts of an open session; those of known type are harmless. */
  #answered(response: ControlResponse, bandwidth: Bandwidth): void {
    if (this.#payment?.answered(response, this.#login.key as Secret)) return
    switch (response.type) {
      case 'send':
        this.#nonsense.text = this.#nonsense.error = 0
        return bandwidth.remaining(response.remainingBandwidth, !response.upgradeMode)
      case 'bandwidth':
        return bandwidth.granted(response.availableTotal)
      case 'typedError':
        if (response.error.kind !== 'outOfBandwidth') return this.#madeNoSense('error')
        this.#count('out-of-bandwidth')
        return bandwidth.ranOut()
      case 'error':
        // Answers carry no number: the words say whether it was the claim, and anything answers a sign of life.
        if (response.message.includes(ONLY_CREDENTIALS_TEXT)) bandwidth.claimRefused()
        else if (this.#probing) this.#probing = false
        else this.#madeNoSense('error')
        return
      case 'supportedProtocol':
        this.#probing = false
        return
      default:
    }
  }

  #binary(frame: Uint8Array): void {
    if (this.#ended) return
    this.#open?.life.heard()
    const { key } = this.#login
    const opened = key && openPush(this.#options.world.crypto, key.expose(), frame)
    if (opened?.kind !== 'pushed') return this.#madeNoSense('frame')
    this.#nonsense.frame = 0
    if (this.#open === undefined) this.#login.progressed()
    this.#options.pushed(opened.message)
  }

  /** Passed over, but not for ever: both sides may have come to mean different things. */
  #madeNoSense(what: Nonsense): void {
    this.#count(what)
    if (++this.#nonsense[what] >= this.#options.params.maxNonsense) this.#end(lost('what it says makes no sense'))
  }

  #count(reason: Nonsense | 'out-of-bandwidth'): void {
    const help = 'Messages of the gateway that bring nothing'
    this.#options.meter.counter('client_gateway_odd_total', help, { reason }).value++
  }

  #claim(): void {
    if (this.#payment === undefined) this.#ask({ type: 'claimFreeTestnetBandwidth' })
    else this.#payment.claim(this.#login.key as Secret)
  }

  #ask(request: ControlRequest): void {
    this.#socket.send(encodeControlRequest(request))
  }

  #end(failure: GatewayFailure): void {
    if (this.#ended) return
    this.#stop()
    this.#socket.close()
    this.#options.ended(failure)
  }

  #stop(): void {
    this.#ended = true
    this.#login.stop()
    this.#payment?.stop()
    this.#open?.bandwidth.stop()
    this.#open?.life.stop()
    this.#open = undefined
  }
}
