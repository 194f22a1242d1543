/**
 * One program on the local websocket: its requests are read and answered in their own form, text or binary, and the messages that
 * arrive are pushed in the form it used last. A program that does not read is first not read either, then given up. @module
 */

import { fromBase58 } from '../foundation/base/base58.ts'
import type { Meter } from '../foundation/base/observe.ts'
import { type Millis, millis } from '../foundation/base/units.ts'
import type { CryptoProvider } from '../foundation/crypto/provider.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'
import type { WebSocketConnection } from '../foundation/platform/net.ts'
import type { LocalError } from '../protocol/wire/client/localError.ts'
import { decodeLocalRequest, decodeLocalRequestText, type LocalRequest } from '../protocol/wire/client/localRequests.ts'
import {
  encodeLocalResponse,
  encodeLocalResponseText,
  type LocalResponse,
} from '../protocol/wire/client/localResponses.ts'
import type { LocalRequests } from './localRequests.ts'
import type { ReceivedMessage } from './mixnetClient.ts'

export interface LocalSessionLimits {
  /** What may wait for the program to read; more messages stay in the inbox, and no more requests are read. */
  readonly bufferedBytes: number
  /** For a program to read anything of that. */
  readonly stuckTimeout: Millis
}

export interface LocalSessionOptions {
  readonly clock: Clock
  readonly crypto: CryptoProvider
  readonly socket: WebSocketConnection
  readonly requests: LocalRequests
  readonly messages: (signal: AbortSignal) => AsyncIterable<ReceivedMessage>
  readonly limits: LocalSessionLimits
  readonly meter: Meter
  readonly closed: () => void
}

type Form = 'text' | 'binary'

// A websocket tells nobody when it has room again.
const LOOK_AGAIN_AFTER = millis(50)

export class LocalSession {
  readonly #options: LocalSessionOptions
  readonly #over = new AbortController()
  #form: Form = 'binary'
  #timer: Timer | undefined
  #roomFor: (() => void) | undefined
  /** What waited when the program last read something, and when that was. */
  #progress: { bytes: number; at: Millis } | undefined

  constructor(options: LocalSessionOptions) {
    this.#options = options
    const { socket, crypto, closed } = options
    socket.attach({
      text: (message) => this.#take('text', decodeLocalRequestText(crypto, message)),
      binary: (message) => this.#take('binary', decodeLocalRequest(crypto, message)),
      close: () => {
        this.#over.abort()
        this.#timer?.cancel()
        this.#roomFor?.()
        closed()
      },
    })
    void this.#push()
  }

  #take(form: Form, request: LocalRequest | LocalError): void {
    this.#form = form
    const answer = (response: LocalResponse) => this.#say(form, response)
    if (request.type !== 'error') this.#options.requests.take(request, answer)
    else {
      this.#options.meter.counter('local_api_malformed_total', 'Requests that were none', { kind: request.kind })
        .value++
      answer(request)
    }
    if (this.#isCrowded || this.#options.requests.isFull) this.#wait()
  }

  /** An inbox gives each message once: it is asked for the next only where this one can go. */
  async #push(): Promise<void> {
    for await (const { data, sender } of this.#options.messages(this.#over.signal)) {
      this.#say(this.#form, {
        type: 'received',
        senderTag: sender === undefined ? undefined : fromBase58(sender, 'sender'),
        data,
      })
      if (!this.#isCrowded) continue
      this.#wait()
      await new Promise<void>((resolve) => {
        this.#roomFor = resolve
      })
    }
  }

  #say(form: Form, response: LocalResponse): void {
    this.#options.socket.send(form === 'text' ? encodeLocalResponseText(response) : encodeLocalResponse(response))
  }

  get #isCrowded(): boolean {
    return this.#options.socket.bufferedBytes > this.#options.limits.bufferedBytes
  }

  #wait(): void {
    const { clock, socket } = this.#options
    if (this.#timer !== undefined || this.#over.signal.aborted) return
    socket.pause()
    this.#timer = clock.after(LOOK_AGAIN_AFTER, () => {
      this.#timer = undefined
      if (this.#isStuck()) {
        this.#options.meter.counter('local_api_closed_total', 'Local programs given up', { reason: 'slow' }).value++
        return socket.destroy()
      }
      if (!this.#isCrowded) {
        this.#roomFor?.()
        this.#roomFor = undefined
        if (!this.#options.requests.isFull) return socket.resume()
      }
      this.#wait()
    })
  }

  /** It holds the only place that there is. */
  #isStuck(): boolean {
    const { clock, socket, limits } = this.#options
    const [bytes, now] = [socket.bufferedBytes, clock.monotonic()]
    if (!this.#isCrowded) this.#progress = undefined
    else if (this.#progress === undefined || bytes < this.#progress.bytes) this.#progress = { bytes, at: now }
    else this.#progress.bytes = bytes
    return this.#progress !== undefined && now - this.#progress.at >= limits.stuckTimeout
  }
}
