/**
 * One TCP connection to a destination on a client's behalf. Rules and timings: docs/spec/network-requester.md.
 *
 *     opening ── connected ──▶ open ── destination gone, or a limit ──▶ draining ── closed mark sent ──▶ closed
 *
 * Open, each side may end alone. Towards the client the end is a message with the closed mark; towards the destination a
 * FIN. Draining, there is no TCP connection any more and only what the client is still owed is sent. A client that gives
 * up both directions says so by a second closing message with another sequence number: official exits ignore it.
 * @module
 */
import type { Lane } from '../../client/laneQueue.ts'
import { OrderedBuffer } from '../../client/orderedBuffer.ts'
import type { MixnetError } from '../../foundation/base/errors.ts'
import type { Counter } from '../../foundation/base/observe.ts'
import { type Millis, millis } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { Connection } from '../../foundation/platform/net.ts'
import type { SocketData } from '../../protocol/wire/exit/socks5Messages.ts'
import { ByteQueue, compact } from './byteQueue.ts'
import { ClientWriter } from './clientWriter.ts'
import type { ExitParams } from './exitParams.ts'
import type { ReplyPath, RequesterClient, RequestVersions } from './replyPath.ts'

export type CloseReason =
  /** Both sides had ended. */
  | 'ended'
  | 'refused'
  | 'unreachable'
  | 'reset'
  /** The client gave up both directions. */
  | 'abandoned'
  /** Sequence numbers too far ahead, or too many bytes out of order. */
  | 'out-of-bounds'
  /** More than may wait for the destination to take it. */
  | 'slow-destination'
  /** More than may wait of this sender, or of all. */
  | 'too-many-bytes'
  | 'no-reply-path'
  | 'idle'
  | 'silent'
  /** Silent, and another wanted its place. */
  | 'gave-way'
  | 'half-closed'
  | 'stopped'

export interface ExitConnectionOptions {
  readonly clock: Clock
  readonly client: RequesterClient
  readonly connectionId: bigint
  readonly lane: Lane
  readonly path: ReplyPath
  readonly versions: RequestVersions
  readonly params: ExitParams
  /** Asks for room for so many more bytes of the client's. */
  readonly reserve: (bytes: number) => boolean
  readonly release: (bytes: number) => void
  /** Called exactly once, last. */
  readonly finished: (reason: CloseReason) => void
  readonly toClient: Counter
  readonly toDestination: Counter
}

/** Handed to TCP at once; what it does not take waits here, where it is counted. */
const WRITE_BATCH_BYTES = 65_536

export class ExitConnection {
  readonly #options: ExitConnectionOptions
  readonly #inbound: OrderedBuffer
  readonly #forDestination = new ByteQueue()
  readonly #toClient: ClientWriter
  readonly #opening = new AbortController()
  #state: 'opening' | 'open' | 'draining' | 'closed' = 'opening'
  #tcp: Connection | undefined
  #tcpBlocked = false
  #tcpEnded = false
  #clientEnded = false
  #closingSequence: bigint | undefined
  #destinationEnded = false
  #reserved = 0
  #reason: CloseReason = 'ended'
  #lastHeard: Millis
  #halfClosedSince: Millis | undefined
  #drainingSince: Millis | undefined

  constructor(options: ExitConnectionOptions) {
    this.#options = options
    const { clock, params, toClient } = options
    this.#inbound = new OrderedBuffer({ maxAhead: params.maxAhead, maxBytes: params.maxConnectionBytes })
    this.#lastHeard = clock.monotonic()
    this.#toClient = new ClientWriter({
      ...options,
      lanePackets: params.lanePackets,
      bytes: toClient,
      drained: () => this.#tcp?.resume(),
      finished: () => {
        // Open, the client may still send: the connection's end is TCP's.
        if (this.#state === 'draining') this.#finish(this.#reason)
      },
      lost: () => this.#finish('no-reply-path'),
    })
  }

  /** Fires when the connection is no longer wanted before it was made. */
  get opening(): AbortSignal {
    return this.#opening.signal
  }

  /** Bytes of the client's that wait here. */
  get reservedBytes(): number {
    return this.#reserved
  }

  /** For how long a client that should say something once a minute has not; 0 of those that need not. */
  missedFor(now: Millis): Millis {
    return this.#keepsAlive ? millis(now - this.#lastHeard) : millis(0)
  }

  /** Takes over a fresh TCP connection, and tells the client at once. */
  open(tcp: Connection): void {
    if (this.#state !== 'opening') return tcp.destroy()
    this.#state = 'open'
    this.#tcp = tcp
    this.#toClient.hello()
    tcp.attach({
      data: (chunk) => this.#read(chunk),
      drain: () => {
        this.#tcpBlocked = false
        this.#write()
        this.#account()
      },
      end: () => this.#destinationEnds(),
      close: (error) => this.#tcpCloses(error),
    })
    this.#write()
    this.#account()
  }

  /** A message of the client, in whatever order it came. */
  receive({ sequence, closed, data }: SocketData): void {
    if (this.#state === 'closed' || this.#state === 'draining') return
    this.#lastHeard = this.#options.clock.monotonic()
    if (closed) {
      if (this.#closingSequence !== undefined && this.#closingSequence !== sequence) return this.#finish('abandoned')
      this.#closingSequence = sequence
    }
    const result = this.#inbound.push(sequence, compact(data), closed)
    if (result.kind === 'overflow') return this.fail('out-of-bounds')
    if (result.kind === 'deliver') {
      for (const chunk of result.data) this.#forDestination.push(chunk)
      if (result.closed) this.#clientEnds()
      this.#write()
    }
    this.#account()
  }

  /** Ends the connection from here. What was read still goes to the client, then the closed mark. */
  fail(reason: CloseReason): void {
    if (this.#state === 'closed' || this.#state === 'draining') return
    this.#opening.abort()
    this.#drain(reason)
    this.#tcp?.destroy()
  }

  /** Ends the connection without a word: the client is told otherwise, or cannot be. */
  drop(reason: CloseReason): void {
    this.#finish(reason)
  }

  /** Looks at the timeouts and the keep-alive. */
  review(): void {
    const { clock, params } = this.#options
    const now = clock.monotonic()
    const passed = (since: Millis | undefined, limit: Millis): boolean => since !== undefined && now - since >= limit
    if (this.#state === 'draining') {
      if (passed(this.#drainingSince, params.drainTimeout)) this.#finish('no-reply-path')
    } else if (this.#state === 'open') {
      const { isFinished, lastSent, lastData } = this.#toClient
      if (isFinished && passed(this.#lastHeard, params.lingerTimeout)) this.#finish('half-closed')
      else if (passed(this.#halfClosedSince, params.halfClosedTimeout)) this.fail('half-closed')
      else if (passed(this.#lastHeard, params.idleTimeout) && passed(lastData, params.idleTimeout)) this.fail('idle')
      else if (passed(this.#lastHeard, this.#keepsAlive ? params.idleTimeout : params.silenceTimeout))
        this.fail('silent')
      else if (!isFinished && passed(lastSent, params.keepAliveInterval)) this.#toClient.keepAlive()
    }
  }

  /**
   * Who is answered through reply SURBs is a client of ours or an official SOCKS client, and both send empty messages until their side has
   * ended. mix-fetch, which gives its address, sends none.
   */
  get #keepsAlive(): boolean {
    return this.#options.path.kind === 'tag' && this.#closingSequence === undefined
  }

  // Towards the destination.

  #clientEnds(): void {
    this.#clientEnded = true
    this.#halfClosedSince ??= this.#options.clock.monotonic()
  }

  #write(): void {
    const tcp = this.#tcp
    if (tcp === undefined || this.#state !== 'open' || this.#tcpEnded) return
    while (!this.#tcpBlocked && this.#forDestination.length > 0) {
      const batch = this.#forDestination.take(WRITE_BATCH_BYTES)
      this.#options.toDestination.value += batch.length
      this.#tcpBlocked = !tcp.write([batch])
    }
    if (this.#forDestination.length > 0 || !this.#clientEnded) return
    this.#tcpEnded = true
    tcp.end()
  }

  /** Keeps the reservation equal to what is held, or closes. */
  #account(): void {
    if (this.#state !== 'opening' && this.#state !== 'open') return
    const { params, reserve, release } = this.#options
    const held = this.#inbound.heldBytes + this.#forDestination.length
    if (held > params.maxConnectionBytes) return this.fail('slow-destination')
    if (held < this.#reserved) release(this.#reserved - held)
    else if (held > this.#reserved && !reserve(held - this.#reserved)) return this.fail('too-many-bytes')
    this.#reserved = held
  }

  #releaseAll(): void {
    this.#forDestination.clear()
    this.#options.release(this.#reserved)
    this.#reserved = 0
  }

  // Towards the client.

  #read(chunk: Uint8Array): void {
    if (this.#state !== 'open') return
    if (!this.#toClient.write(chunk.slice())) this.#tcp?.pause()
  }

  #destinationEnds(): void {
    if (this.#state !== 'open') return
    this.#destinationEnded = true
    this.#halfClosedSince ??= this.#options.clock.monotonic()
    this.#toClient.end()
  }

  // The end.

  #tcpCloses(error: MixnetError | undefined): void {
    if (this.#state !== 'open') return
    const reason = error === undefined && this.#destinationEnded && this.#tcpEnded ? 'ended' : 'reset'
    this.#drain(reason)
  }

  #drain(reason: CloseReason): void {
    if (this.#toClient.isFinished) return this.#finish(reason)
    this.#state = 'draining'
    this.#reason = reason
    this.#drainingSince = this.#options.clock.monotonic()
    this.#releaseAll()
    // Whoever stops the exit stops its mixnet client next: the goodbye must have left by then.
    this.#toClient.end(reason === 'stopped')
  }

  #finish(reason: CloseReason): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#opening.abort()
    this.#tcp?.destroy()
    // Told everything, the client is left with what its lane still holds; otherwise nobody wants that any more.
    const { client, lane, path, finished } = this.#options
    if (!this.#toClient.isFinished) client.closeLane(lane, path.kind === 'tag' ? path.tag : undefined)
    this.#toClient.abort()
    this.#releaseAll()
    finished(reason)
  }
}
