/**
 * What a tunnel and its router say to each other: frames of one stream, under a pseudonym of its own, with numbers for those that put them in order.
 * Format: docs/spec/exit.md. @module
 */
import { equalBytes } from '../../foundation/base/bytes.ts'
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import type { Recipient } from '../../protocol/packet/recipient.ts'
import {
  decodeIpPacketResponse,
  encodeIpPacketRequest,
  type IpPacketRequest,
  type IpPacketResponse,
} from '../../protocol/wire/exit/ipPacketRouter.ts'
import { decodeStreamFrame, encodeStreamFrame, looksLikeStreamFrame } from '../../protocol/wire/exit/streamFrame.ts'
import { type Timestamp, timestampFromMillis } from '../../protocol/wire/timestamp.ts'
import type { Lane } from '../laneQueue.ts'
import type { MixnetClient, Pseudonym, ReceivedMessage, SendOptions } from '../mixnetClient.ts'

export type TalkClient = Pick<MixnetClient, 'send' | 'hold' | 'release' | 'closeLane'>

export interface Heard {
  readonly response: IpPacketResponse
  /** Of its frame. */
  readonly sequence: number
}

const MAX_SEQUENCE = 0xffffffff

export class RouterTalk {
  readonly #world: ClientWorld
  readonly #client: TalkClient
  readonly #streamId: bigint
  readonly #as: Pseudonym
  readonly #dropped = new AbortController()
  #sequence = 0
  readonly router: Recipient
  readonly lane: Lane
  version: 9 | 10 = 10

  constructor(world: ClientWorld, client: TalkClient, router: Recipient) {
    this.#world = world
    this.#client = client
    this.#streamId = drawId(world.random.stream('ip-stream'))
    this.router = router
    this.lane = `ip:${this.#streamId}`
    this.#as = client.hold(router, this.lane)
  }

  /** A question: the router repeats `requestId` in its answer. Throws as `MixnetClient.send`. */
  async ask(
    kind: 'connect' | 'disconnect',
    requestId: bigint,
    more?: Pick<SendOptions, 'surbs' | 'counts'>,
  ): Promise<void> {
    const timestamp = this.#now()
    const request = kind === 'connect' ? ({ kind, bufferTimeoutMs: undefined } as const) : ({ kind } as const)
    await this.#send({ ...request, requestId, timestamp }, more)
  }

  /** Packets. Throws as `MixnetClient.send`. */
  async carry(bundle: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.#send({ kind: 'data', bundle }, { signal })
  }

  /** undefined: not of this stream. 'nothing': of this one, and to be dropped. What the response holds are views into the message. */
  read({ repliedBy, data }: ReceivedMessage): Heard | 'nothing' | undefined {
    if (repliedBy === undefined || !equalBytes(repliedBy.identity, this.router.identity)) return undefined
    if (!looksLikeStreamFrame(data)) return undefined
    const heard = tryDecode(() => {
      const frame = decodeStreamFrame(data)
      if (frame.streamId !== this.#streamId) return undefined
      return { ...decodeIpPacketResponse(frame.content), sequence: frame.sequence }
    })
    if (heard === undefined) return undefined
    // One of another version answers what was asked before.
    return isMixnetError(heard) || heard.version !== this.version ? 'nothing' : heard
  }

  newRequestId(): bigint {
    return drawId(this.#world.random.stream('ip-request'))
  }

  /** Nobody waits for an answer: what has not arrived does not leave again. A question that did would hold a place, and an engine, for a minute. */
  drop(): void {
    this.#dropped.abort()
    this.#client.closeLane(this.lane)
  }

  /** The pseudonym is nobody's any more. */
  end(): void {
    this.#client.release(this.#as)
  }

  async #send(request: IpPacketRequest, more?: Pick<SendOptions, 'surbs' | 'counts' | 'signal'>): Promise<void> {
    const content = encodeIpPacketRequest(this.version, request)
    const sequence = this.#sequence
    this.#sequence = sequence === MAX_SEQUENCE ? 0 : sequence + 1
    const data = encodeStreamFrame({ streamId: this.#streamId, type: 'data', sequence, content })
    const { router: to, lane } = this
    await this.#client.send({ to, data, lane, anonymous: true, as: this.#as, until: this.#dropped.signal, ...more })
  }

  /** No router checks it, and by the milliseconds it would know our clock, in whatever tunnel: the minute will do. */
  #now(): Timestamp {
    const { unixSeconds } = timestampFromMillis(this.#world.clock.now())
    return { unixSeconds: unixSeconds - (unixSeconds % 60), nanoseconds: 0 }
  }
}

function drawId(random: RandomStream): bigint {
  const bytes = random.bytes(8)
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
}
