/**
 * The stream from a destination to its client: cuts what was read into messages that fill whole packets, numbers them, and
 * sends them one after the other while the lane holds few packets. What is there goes at once, however little; what comes
 * while the lane is full goes together. Rules: docs/spec/network-requester.md, "Ordered streams". @module
 */
import type { Lane } from '../../client/laneQueue.ts'
import { PACKET_SIZE } from '../../client/packetFactory.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Counter } from '../../foundation/base/observe.ts'
import type { Millis } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import { fragmentBytes } from '../../protocol/packet/sizes.ts'
import { ByteQueue } from './byteQueue.ts'
import {
  encodeProviderAnswer,
  type ReplyPath,
  type RequesterClient,
  type RequestVersions,
  sendAnswer,
} from './replyPath.ts'

export interface ClientWriterOptions {
  readonly clock: Clock
  readonly client: RequesterClient
  readonly connectionId: bigint
  readonly lane: Lane
  readonly path: ReplyPath
  readonly versions: RequestVersions
  /** Packets in the lane above which messages wait. */
  readonly lanePackets: number
  /** Room again after `write` returned false. */
  readonly drained: () => void
  /** The closed mark is sent. */
  readonly finished: () => void
  /** The client cannot be answered any more. */
  readonly lost: () => void
  readonly bytes: Counter
}

// Packets per message: one lost packet holds up its message only, and headers stay under one percent.
const PACKETS_PER_MESSAGE = 4
const FRAGMENT_HEADER_BYTES = 7
/** Message kind and content tag, envelope, stream header, and the byte that ends the message. */
const MESSAGE_OVERHEAD_BYTES = 2 + 2 + 19 + 1
const MESSAGE_BYTES =
  PACKETS_PER_MESSAGE * (fragmentBytes(PACKET_SIZE) - FRAGMENT_HEADER_BYTES) - MESSAGE_OVERHEAD_BYTES

export class ClientWriter {
  readonly #options: ClientWriterOptions
  readonly #waiting = new ByteQueue()
  readonly #aborted = new AbortController()
  #state: 'idle' | 'running' | 'finished' = 'idle'
  #emptyDue: 'hello' | 'keep-alive' | undefined
  #ended = false
  #goodbye = false
  #full = false
  #sequence = 0n
  #wake: (() => void) | undefined
  #lastSent: Millis
  #lastData: Millis

  constructor(options: ClientWriterOptions) {
    this.#options = options
    this.#lastSent = this.#lastData = options.clock.monotonic()
  }

  get isFinished(): boolean {
    return this.#state === 'finished'
  }

  /** When the last message was taken by the mixnet client, and the last one with data. */
  get lastSent(): Millis {
    return this.#lastSent
  }

  get lastData(): Millis {
    return this.#lastData
  }

  /** An empty message, before all others: it says that the connection was made. A failure is an end without it. */
  hello(): void {
    this.#emptyDue = 'hello'
    this.#run()
  }

  keepAlive(): void {
    this.#emptyDue ??= 'keep-alive'
    this.#run()
  }

  /** Keeps `chunk`. False where enough waits. */
  write(chunk: Uint8Array): boolean {
    this.#waiting.push(chunk)
    this.#full = this.#waiting.length >= MESSAGE_BYTES
    this.#run()
    return !this.#full
  }

  /** The closed mark, behind all that was written; with `goodbye`, finished only when it has left the lane. */
  end(goodbye = false): void {
    this.#ended = true
    this.#goodbye ||= goodbye
    this.#run()
  }

  /** Sends nothing more, tells nobody. */
  abort(): void {
    this.#aborted.abort()
    this.#waiting.clear()
    if (this.#state === 'running') this.#run()
  }

  #run(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
    if (this.#state !== 'idle') return
    this.#state = 'running'
    this.#sendAll().then(this.#options.finished, (error: unknown) => {
      if (!isMixnetError(error)) throw error
      if (!this.#aborted.signal.aborted) this.#options.lost()
    })
  }

  async #sendAll(): Promise<void> {
    const { client, lane, lanePackets } = this.#options
    const { signal } = this.#aborted
    for (let closed = false; !closed; ) {
      if (!this.#hasNews) await new Promise<void>((resolve) => (this.#wake = resolve))
      await client.whenLaneBelow(lane, lanePackets, signal)
      closed = await this.#sendNext()
    }
    if (this.#goodbye) await client.whenLaneBelow(lane, 0, signal)
    this.#state = 'finished'
  }

  get #hasNews(): boolean {
    return this.#emptyDue !== undefined || this.#waiting.length > 0 || this.#ended || this.#aborted.signal.aborted
  }

  async #sendNext(): Promise<boolean> {
    const { clock, client, connectionId, lane, path, versions, bytes } = this.#options
    const hello = this.#emptyDue === 'hello'
    this.#emptyDue = undefined
    const data = this.#waiting.take(hello ? 0 : MESSAGE_BYTES)
    const closed = this.#ended && this.#waiting.length === 0 && !hello
    const body = { kind: 'networkData', connectionId, closed, sequence: this.#sequence++, data } as const
    if (this.#full && this.#waiting.length < MESSAGE_BYTES) {
      this.#full = false
      this.#options.drained()
    }
    const message = { path, lane, data: encodeProviderAnswer(versions, body), signal: this.#aborted.signal }
    await sendAnswer(client, message)
    bytes.value += data.length
    this.#lastSent = clock.monotonic()
    if (data.length > 0) this.#lastData = this.#lastSent
    return closed
  }
}
