/**
 * One TCP connection made for us by a network requester: an ordered byte stream each way, over messages that the mixnet
 * reorders. The protocol acknowledges no connect; the requester's first message, usually empty, is the sign that it
 * worked. Format: docs/spec/exit.md. @module
 *
 *   opening ── first message ──► open ── both sides ended ──► closed
 *      └── refused, closed at once, no answer ──┴── destroyed, silent too long, out of bounds ──► closed with an error
 */
import { EMPTY_BYTES } from '../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../foundation/base/errors.ts'
import { type Millis, millis, seconds } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'
import type { SocketData } from '../protocol/wire/exit/socks5Messages.ts'
import { OrderedBuffer } from './orderedBuffer.ts'
import type { StreamVitals } from './streamVitals.ts'

export interface ExitStreamHandlers {
  /** Ownership of the chunk passes. */
  data(chunk: Uint8Array): void
  /** The destination will send no more. */
  end(): void
  /** Called exactly once, last; without an error where both sides had ended. May come before `attach` returns. */
  close(error?: MixnetError): void
}

export interface ExitStreamParams {
  /** For the exit to confirm the connection, or send its first byte. */
  readonly openTimeout: Millis
  /** Without a message from the exit, or with one missing while later ones come. Nym: 5 min, and for ever. */
  readonly idleTimeout: Millis
  /** Without a message to the exit, after which an empty one is sent: an exit gives up a silent client. Nym: 60 s. */
  readonly keepAliveInterval: Millis
  /** Messages and bytes that may wait for an earlier one. */
  readonly maxAhead: number
  readonly maxHeldBytes: number
  /** Received and not taken while paused; more ends the stream, since the protocol cannot tell the exit to wait. */
  readonly maxPausedBytes: number
}

/** Bytes that several streams hold together, and the most they may. */
export interface SharedMemory {
  bytes: number
  readonly limit: number
}

export interface ExitStreamOptions {
  readonly clock: Clock
  readonly connectionId: bigint
  readonly params: ExitStreamParams
  readonly memory: SharedMemory
  /** Bytes per message that fill whole packets. */
  readonly messageBytes: number
  readonly vitals?: StreamVitals
  /** Our own way into the mixnet is gone for now: the exit is not to blame for its silence. */
  readonly isCutOff?: () => boolean
  /** Nothing came from the exit for so long, though it was told something. True: it is being asked; false: say it again. */
  readonly suspicious?: () => boolean
  /** Queues the connect request. */
  readonly connect: (signal: AbortSignal) => Promise<void>
  /** Queues one message; resolves when there is room for the next. Where it rejects, nothing was queued. */
  readonly send: (data: Omit<SocketData, 'connectionId'>, signal: AbortSignal) => Promise<void>
  /**
   * The stream is over: forget it, and, if `abandon`, what is queued, since the exit no longer waits for it. `lastQueued` resolves when the
   * last message for the exit is queued.
   */
  readonly finished: (abandon: boolean, lastQueued: Promise<void>) => void
}

// A chunk keeps alive the message it was cut from, which came in at least one packet.
const LEAST_CHUNK_COST_BYTES = 2048

/** How often a stream looks at the time, and after how much silence it says so: long before `openTimeout` ends it. */
const TICK = seconds(5)
const SUSPECT_AFTER = seconds(10)
/** What a change of gateway takes (entryParams.ts, `downtime`): so much of a time without one does not count as the exit's. */
const MAX_EXCUSED = seconds(60)

const nothing = () => {}

export class ExitStream {
  readonly #options: ExitStreamOptions
  readonly #inbound: OrderedBuffer
  readonly #opened = Promise.withResolvers<void>()
  readonly #aborted = new AbortController()
  #handlers: ExitStreamHandlers | undefined
  #timer: Timer | undefined
  #state: 'opening' | 'open' | 'closed' = 'opening'
  #sending: Promise<void>
  #connectQueued = false
  #sequence = 0n
  #heardAt: Millis
  #sentAt: Millis
  #gapSince: Millis | undefined
  /** The first that was said since anything was heard. */
  #askedAt: Millis | undefined
  #suspected = false
  #lookedAt: Millis
  #excusedMs = 0
  #localEnded = false
  #remoteEnded = false
  #endTold = false
  #closeTold = false
  #paused = false
  #flushing = false
  #held: Uint8Array[] = []
  #heldBytes = 0
  #accounted = 0
  #failure: MixnetError | undefined

  constructor(options: ExitStreamOptions) {
    this.#options = options
    const { clock, params } = options
    this.#inbound = new OrderedBuffer({ maxAhead: params.maxAhead, maxBytes: params.maxHeldBytes })
    // Nobody has to wait for it.
    this.#opened.promise.catch(nothing)
    this.#heardAt = clock.monotonic()
    this.#sentAt = this.#heardAt
    this.#askedAt = this.#heardAt
    this.#lookedAt = this.#heardAt
    this.#sending = options.connect(this.#aborted.signal).then(() => {
      this.#connectQueued = true
    })
    this.#sending.catch((error: unknown) => this.#sendingFailed(error))
    this.#watch()
  }

  get connectionId(): bigint {
    return this.#options.connectionId
  }

  get vitals(): StreamVitals | undefined {
    return this.#options.vitals
  }

  /** Whether the exit has connected, and nothing has ended the stream since. */
  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /**
   * Resolves when the exit has connected. Rejects with EXIT_REFUSED, HOST_UNKNOWN, DESTINATION_UNREACHABLE, EXIT_UNREACHABLE,
   * GATEWAY_LOST, ABORTED, or what sending failed with.
   */
  get opened(): Promise<void> {
    return this.#opened.promise
  }

  /** What arrived before is delivered at once. */
  attach(handlers: ExitStreamHandlers): void {
    this.#handlers = handlers
    this.#flush()
    this.#tellClose()
  }

  /**
   * Resolves when there is room for more; until then the bytes must not change. Data may be written before `opened`: it
   * travels behind the connect. Rejects with what ended the stream, or CONNECTION_CLOSED after `end`.
   */
  write(data: Uint8Array): Promise<void> {
    if (this.#state === 'closed' || this.#localEnded) {
      return Promise.reject(this.#failure ?? new MixnetError('CONNECTION_CLOSED'))
    }
    if (data.length > 0) this.#askedAt ??= this.#options.clock.monotonic()
    for (let offset = 0; offset < data.length; offset += this.#options.messageBytes) {
      this.#queue(data.subarray(offset, offset + this.#options.messageBytes), false)
    }
    const written = this.#sending.catch((error: unknown) => {
      throw this.#failure ?? error
    })
    // Whoever does not wait learns of it from `close`.
    written.catch(nothing)
    return written
  }

  /** No more will be written; the destination may still answer. */
  end(): void {
    if (this.#state === 'closed' || this.#localEnded) return
    this.#localEnded = true
    this.#queue(EMPTY_BYTES, true)
    this.#flush()
  }

  /** Gives up both directions. What was queued is sent, what still waits for room is not; then the exit is told. */
  destroy(error: MixnetError = new MixnetError('ABORTED')): void {
    if (this.#state === 'closed') return
    const told = this.#sending
      .then(nothing, nothing)
      .then(() => {
        // An exit that never heard of the connection need not hear of its end. One that was told of our end already (`end`)
        // is told again: a message after the last one says that nobody listens either.
        if (!this.#connectQueued) return
        const last = { sequence: this.#sequence, closed: true, data: EMPTY_BYTES }
        return this.#options.send(last, new AbortController().signal)
      })
      .catch(nothing)
    this.#finish(error, false, told)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#flush()
  }

  /** A message of the exit, in whatever order it came. */
  receive({ sequence, closed, data }: Omit<SocketData, 'connectionId'>): void {
    if (this.#state === 'closed') return
    const hadGap = this.#inbound.hasGap
    const result = this.#inbound.push(sequence, data, closed)
    if (result.kind === 'overflow') {
      return this.destroy(new MixnetError('EXIT_UNREACHABLE', { why: 'its messages are out of bounds' }))
    }
    this.#heardAt = this.#options.clock.monotonic()
    this.#askedAt = undefined
    this.#suspected = false
    if (!this.#inbound.hasGap) this.#gapSince = undefined
    else if (!hadGap || result.kind === 'deliver') this.#gapSince = this.#heardAt
    if (this.#state === 'opening') {
      // An exit that cannot connect says so with an empty closing message before any other. Any other message, whatever is
      // still missing before it, can only come from a connection.
      if (sequence === 0n && closed && data.length === 0) return this.fail(new MixnetError('DESTINATION_UNREACHABLE'))
      this.#state = 'open'
      this.#opened.resolve()
    }
    if (result.kind === 'deliver') {
      for (const chunk of result.data) {
        this.#held.push(chunk)
        this.#heldBytes += costOf(chunk)
      }
      if (result.closed) this.#remoteEnded = true
      this.#flush()
    }
    this.#account()
  }

  /** Ends the stream for a reason that the exit gave, or because nothing can be sent to it. */
  fail(error: MixnetError): void {
    if (this.#state !== 'closed') this.#finish(error, true)
  }

  #queue(data: Uint8Array, closed: boolean): void {
    this.#sentAt = this.#options.clock.monotonic()
    this.#sending = this.#sending.then(async () => {
      await this.#options.send({ sequence: this.#sequence, closed, data }, this.#aborted.signal)
      // Only now, so that the number after the last message that was really queued is known whenever the stream ends.
      this.#sequence++
    })
    this.#sending.catch((error: unknown) => this.#sendingFailed(error))
  }

  #sendingFailed(error: unknown): void {
    this.fail(isMixnetError(error) ? error : new MixnetError('INTERNAL', {}, { cause: error }))
  }

  #flush(): void {
    // A reader that takes a chunk may resume at once, in the middle of being given it: what follows must wait for its end.
    if (this.#handlers === undefined || this.#flushing) return
    this.#flushing = true
    try {
      while (!this.#paused && this.#held.length > 0) {
        const chunk = this.#held.shift() as Uint8Array
        this.#heldBytes -= costOf(chunk)
        this.#handlers.data(chunk)
      }
    } finally {
      this.#flushing = false
    }
    if (this.#held.length > 0 || !this.#remoteEnded || this.#state !== 'open') return
    if (!this.#endTold) {
      this.#endTold = true
      this.#handlers.end()
    }
    // `end` may have ended our side, and with it the stream.
    if (this.#localEnded && this.#state === 'open') this.#finish(undefined, false)
  }

  #account(): void {
    if (this.#state === 'closed') return
    const { memory, params } = this.#options
    const holds = this.#heldBytes + this.#inbound.heldBytes
    memory.bytes += holds - this.#accounted
    this.#accounted = holds
    if (this.#heldBytes > params.maxPausedBytes || memory.bytes > memory.limit) {
      this.destroy(new MixnetError('QUEUE_FULL', { bytes: holds }))
    }
  }

  /** One timer for all limits, set again when it fires and not at every message. */
  #watch(): void {
    const { clock, params, isCutOff, suspicious } = this.#options
    const now = clock.monotonic()
    const opening = this.#state === 'opening'
    const cutOff = isCutOff?.() === true
    if (opening && cutOff) this.#excusedMs = Math.min(this.#excusedMs + now - this.#lookedAt, MAX_EXCUSED)
    this.#lookedAt = now
    if (!cutOff && !this.#suspected && this.#askedAt !== undefined && now >= this.#askedAt + SUSPECT_AFTER) {
      this.#suspected = suspicious?.() ?? true
      // It may have been what the exit was left for.
      if (this.#state === 'closed') return
    }
    // An exit that has sent its last message is silent with good reason: what counts then is whether we still send.
    const aliveAt = this.#remoteEnded ? Math.max(this.#heardAt, this.#sentAt) : this.#heardAt
    const silentAt = aliveAt + (opening ? params.openTimeout + this.#excusedMs : params.idleTimeout)
    // The exit believes that the missing message arrived (a gateway that was left took it), or gave it up: it will not come, and
    // keep-alives would hold the stream open for good.
    const brokenAt = (this.#gapSince ?? Number.POSITIVE_INFINITY) + params.idleTimeout
    if (now >= brokenAt) {
      return this.destroy(new MixnetError('EXIT_UNREACHABLE', { why: 'a part of its answer is missing' }))
    }
    if (now >= silentAt) {
      return this.destroy(
        opening
          ? new MixnetError(cutOff ? 'GATEWAY_LOST' : 'EXIT_UNREACHABLE', { waitedMs: now - this.#heardAt })
          : new MixnetError('TIMEOUT', { what: 'idle connection' }),
      )
    }
    if (!this.#localEnded && now >= this.#sentAt + params.keepAliveInterval) this.#queue(EMPTY_BYTES, false)
    const keepAliveAt = this.#localEnded ? Number.POSITIVE_INFINITY : this.#sentAt + params.keepAliveInterval
    this.#timer = clock.after(millis(Math.min(silentAt, brokenAt, keepAliveAt, now + TICK) - now), () => this.#watch())
  }

  #finish(error: MixnetError | undefined, abandon: boolean, lastQueued = this.#sending.catch(nothing)): void {
    this.#timer?.cancel()
    this.#state = 'closed'
    this.#localEnded = true
    this.#failure = error
    this.#held = []
    this.#heldBytes = 0
    this.#options.memory.bytes -= this.#accounted
    this.#accounted = 0
    this.#opened.reject(error ?? new MixnetError('CONNECTION_CLOSED'))
    if (error !== undefined) this.#aborted.abort()
    this.#options.finished(abandon, lastQueued)
    this.#tellClose()
  }

  #tellClose(): void {
    if (this.#state !== 'closed' || this.#closeTold || this.#handlers === undefined) return
    this.#closeTold = true
    this.#handlers.close(this.#failure)
  }
}

function costOf(chunk: Uint8Array): number {
  return Math.max(chunk.length, LEAST_CHUNK_COST_BYTES)
}
