/**
 * What leaves on the websocket of a client that has logged in: answers in the order of requests, and sealed pushes. It is
 * also where a client's own slowness is felt: first it is not read any more, then it is given up. @module
 */
import type { Secret } from '../../foundation/base/secret.ts'
import type { WebSocketConnection } from '../../foundation/platform/net.ts'
import { sealPush } from '../../protocol/wire/gateway/binary.ts'
import { type ControlResponse, encodeControlResponse } from '../../protocol/wire/gateway/control.ts'
import { type EncryptedResponse, sealEncryptedResponse } from '../../protocol/wire/gateway/encryptedRequests.ts'
import { errorResponse } from '../../protocol/wire/gateway/errorTexts.ts'
import { NONCE_BYTES } from '../../protocol/wire/gateway/protocol.ts'
import type { RequestRefusal } from './counters.ts'
import type { Pacer } from './pacer.ts'
import type { SessionHost } from './sessionHost.ts'

export interface ClientChannelOptions {
  readonly host: SessionHost
  readonly socket: WebSocketConnection
  readonly pacer: Pacer
  readonly sharedKey: Secret
}

export class ClientChannel {
  readonly #host: SessionHost
  readonly #socket: WebSocketConnection
  readonly #pacer: Pacer
  readonly #sharedKey: Secret
  #closed = false

  constructor(options: ClientChannelOptions) {
    this.#host = options.host
    this.#socket = options.socket
    this.#pacer = options.pacer
    this.#sharedKey = options.sharedKey
  }

  respond(response: ControlResponse): void {
    this.#socket.send(encodeControlResponse(response))
    if (this.#isSlow()) this.#waitForRoom()
  }

  respondSealed(type: EncryptedResponse['type']): void {
    const { crypto } = this.#host.world
    this.respond(sealEncryptedResponse(crypto, this.#sharedKey.expose(), { type }, this.#nonce()))
  }

  refuse(reason: RequestRefusal, message: string): void {
    this.#host.counters.refuse(reason)
    this.respond(errorResponse(message))
  }

  /** Nothing more is read until the returned function has answered: answers keep the order of requests. */
  answerLater(): (answer: () => void) => void {
    this.#pacer.hold('answer')
    return (answer) => {
      if (this.#closed) return
      answer()
      this.#pacer.release('answer')
    }
  }

  /** The way into the mixnet is full: nothing more is read until it is not. */
  awaitRoom(): void {
    if (this.#host.congested()) this.#waitForRoom()
  }

  /** False where the client reads so slowly that nothing more can be pushed: its session has to end. */
  push(payload: Uint8Array): boolean {
    if (this.#socket.bufferedBytes > this.#host.params.closeAboveBufferedBytes) return false
    this.#seal(payload)
    this.#host.counters.pushed.value++
    return true
  }

  /** False where too much waits already. Nobody waits for an ack but the client itself. */
  pushAck(ack: Uint8Array): boolean {
    if (this.#closed || this.#isSlow()) return false
    this.#seal(ack)
    return true
  }

  ping(data: Uint8Array): void {
    this.#socket.ping(data)
  }

  /** Answers still being made are not given any more. */
  close(): void {
    this.#closed = true
  }

  #isSlow(): boolean {
    return this.#socket.bufferedBytes > this.#host.params.pauseAboveBufferedBytes
  }

  #waitForRoom(): void {
    if (!this.#pacer.hold('crowd')) return
    this.#host.resumeLater(() => {
      if (this.#closed) return true
      if (this.#host.congested() || this.#isSlow()) return false
      this.#pacer.release('crowd')
      return true
    })
  }

  #seal(payload: Uint8Array): void {
    this.#socket.send(sealPush(this.#host.world.crypto, this.#sharedKey.expose(), payload, this.#nonce()))
  }

  #nonce(): Uint8Array {
    return this.#host.world.random.stream('gateway-nonce').bytes(NONCE_BYTES)
  }
}
