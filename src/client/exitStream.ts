/**
 * One TCP connection made for us by a network requester: an ordered byte stream each way, over messages that the mixnet
 * reorders. The protocol acknowledges no connect; the requester's first data message, usually empty, is the sign that it
 * worked. Format: docs/spec/exit.md. @module
 */
import { MixnetError } from '../foundation/base/errors.ts'
import type { Millis } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'
import type { SocketData } from '../protocol/wire/exit/socks5Messages.ts'
import { OrderedBuffer } from './orderedBuffer.ts'

export interface ExitStreamHandlers {
  /** The handler's until it returns. */
  data(chunk: Uint8Array): void
  /** The destination will send no more. */
  end(): void
  /** Called exactly once, last; without an error where both sides had ended. */
  close(error?: MixnetError): void
}

export interface ExitStreamParams {
  /** For the exit to confirm the connection, or send its first byte. */
  readonly openTimeout: Millis
  /** Without a message from the exit. Nym: 5 min. */
  readonly idleTimeout: Millis
  /** Messages and bytes that may wait for an earlier one. */
  readonly maxAhead: number
  readonly maxHeldBytes: number
  /** Received and not taken while paused; more ends the stream, since the protocol cannot tell the exit to wait. */
  readonly maxPausedBytes: number
}

export interface ExitStreamOptions {
  readonly clock: Clock
  readonly connectionId: bigint
  readonly params: ExitStreamParams
  /** Bytes per message that fill whole packets. */
  readonly messageBytes: number
  /** Queues one message; resolves when there is room for the next. */
  readonly send: (data: Omit<SocketData, 'connectionId'>, signal: AbortSignal) => Promise<void>
  /** The stream is over: forget it, and what it still wanted to send if `abandon`. */
  readonly finished: (abandon: boolean) => void
}

export class ExitStream {
  readonly #options: ExitStreamOptions
  readonly #inbound: OrderedBuffer
  readonly #opened = Promise.withResolvers<void>()
  readonly #aborted = new AbortController()
  #handlers: ExitStreamHandlers | undefined
  #timer: Timer | undefined
  #state: 'opening' | 'open' | 'closed' = 'opening'
  #sequence = 0n
  #sending: Promise<void> = Promise.resolve()
  #localEnded = false
  #remoteEnded = false
  #endTold = false
  #paused = false
  #held: Uint8Array[] = []
  #heldBytes = 0
  #failure: MixnetError | undefined

  constructor(options: ExitStreamOptions) {
    this.#options = options
    const { maxAhead, maxHeldBytes } = options.params
    this.#inbound = new OrderedBuffer({ maxAhead, maxBytes: maxHeldBytes })
    // Nobody has to wait for it.
    this.#opened.promise.catch(() => {})
    this.#timer = options.clock.after(options.params.openTimeout, () =>
      this.fail(new MixnetError('EXIT_UNREACHABLE', { waitedMs: options.params.openTimeout })),
    )
  }

  get connectionId(): bigint {
    return this.#options.connectionId
  }

  /** Resolves when the exit has connected. Rejects with EXIT_REFUSED, HOST_UNKNOWN, DESTINATION_UNREACHABLE, EXIT_UNREACHABLE or ABORTED. */
  get opened(): Promise<void> {
    return this.#opened.promise
  }

  /** What arrived before is delivered at once. */
  attach(handlers: ExitStreamHandlers): void {
    this.#handlers = handlers
    this.#flush()
    if (this.#state === 'closed') handlers.close(this.#failure)
  }

  /** Resolves when there is room for more. Data may be written before `opened`: it travels behind the connect. */
  write(data: Uint8Array): Promise<void> {
    if (this.#state === 'closed' || this.#localEnded) return Promise.reject(new MixnetError('CONNECTION_CLOSED'))
    for (let offset = 0; offset < data.length; offset += this.#options.messageBytes) {
      this.#queue(data.subarray(offset, offset + this.#options.messageBytes), false)
    }
    return this.#sending
  }

  /** No more will be written; the destination may still answer. */
  end(): void {
    if (this.#state === 'closed' || this.#localEnded) return
    this.#localEnded = true
    this.#queue(new Uint8Array(0), true)
    if (this.#remoteEnded) this.#finish(undefined)
  }

  /** Gives up both directions; the exit is told. */
  destroy(error?: MixnetError): void {
    if (this.#state === 'closed') return
    if (!this.#localEnded) {
      this.#localEnded = true
      this.#sequence++
      // Told at once, past what still waits: the exit closes when all before it has come, or after its idle time.
      this.#options
        .send({ sequence: this.#sequence - 1n, closed: true, data: new Uint8Array(0) }, new AbortController().signal)
        .catch(() => {})
    }
    this.#finish(error ?? new MixnetError('ABORTED'))
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#flush()
  }

  /** A message of the exit, in whatever order it came. */
  receive({ sequence, closed, data }: SocketData): void {
    if (this.#state === 'closed') return
    const result = this.#inbound.push(sequence, data, closed)
    if (result.kind === 'overflow')
      return this.fail(new MixnetError('EXIT_UNREACHABLE', { why: 'its messages are out of bounds' }))
    if (result.kind === 'nothing') return
    if (this.#state === 'opening') {
      // An exit that cannot connect says so by closing before it sent anything.
      if (result.closed && result.data.length === 0) return this.fail(new MixnetError('DESTINATION_UNREACHABLE'))
      this.#state = 'open'
      this.#opened.resolve()
    }
    this.#touch()
    this.#held.push(...result.data)
    for (const chunk of result.data) this.#heldBytes += chunk.length
    if (result.closed) this.#remoteEnded = true
    this.#flush()
    if (this.#heldBytes > this.#options.params.maxPausedBytes)
      this.fail(new MixnetError('QUEUE_FULL', { bytes: this.#heldBytes }))
  }

  /** Ends the stream for a reason the exit or the network gave. */
  fail(error: MixnetError): void {
    if (this.#state === 'closed') return
    this.#localEnded = true
    this.#finish(error)
  }

  #queue(data: Uint8Array, closed: boolean): void {
    const sequence = this.#sequence++
    this.#sending = this.#sending.then(() => this.#options.send({ sequence, closed, data }, this.#aborted.signal))
    // Seen by whoever awaits the write; a stream that ended has said why already.
    this.#sending.catch(() => {})
  }

  #flush(): void {
    if (this.#handlers === undefined) return
    while (!this.#paused && this.#held.length > 0) {
      const chunk = this.#held.shift() as Uint8Array
      this.#heldBytes -= chunk.length
      this.#handlers.data(chunk)
    }
    if (this.#paused || this.#held.length > 0 || !this.#remoteEnded || this.#state !== 'open') return
    if (this.#localEnded) this.#finish(undefined)
    else if (!this.#endTold) {
      this.#endTold = true
      this.#handlers.end()
    }
  }

  #touch(): void {
    this.#timer?.cancel()
    const { clock, params } = this.#options
    this.#timer = clock.after(params.idleTimeout, () =>
      this.fail(new MixnetError('TIMEOUT', { what: 'idle connection' })),
    )
  }

  #finish(error: MixnetError | undefined): void {
    this.#timer?.cancel()
    this.#state = 'closed'
    this.#failure = error
    this.#held = []
    this.#heldBytes = 0
    this.#opened.reject(error ?? new MixnetError('CONNECTION_CLOSED'))
    if (error !== undefined) this.#aborted.abort()
    this.#options.finished(error !== undefined)
    this.#handlers?.close(error)
  }
}
