/**
 * One TCP connection of a program to whatever it takes for its destination, ended here. RFC 9293, as far as a passive opener needs it. The
 * program speaks to us over a device on the same machine, where what is lost is sent again from there on, or through the mixnet, at whose exit
 * we are: there a round trip takes seconds under load, as long as the program's own queue of acknowledgments is, so the time that is waited
 * follows what was measured (RFC 6298), and only what was missing is sent again. There is no congestion control in either: the window of 64 KiB
 * is all that can be under way, the device has room for it, and the mixnet takes no packet before there is room and sends again what it loses, so
 * that nothing is ever lost for too many. @module
 */
import { MixnetError } from '../../foundation/base/errors.ts'
import { seconds } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'
import type { Connection, ConnectionHandlers, Endpoint } from '../../foundation/platform/net.ts'
import { advanced, FLAG, isBefore, type TcpSegment } from '../../protocol/wire/ip/tcpSegment.ts'
import { ByteRing } from './byteRing.ts'
import { RoundTrip, type TcpTiming } from './roundTrip.ts'

export interface LocalTcpConnectionOptions {
  readonly clock: Clock
  /** The program, and what it connects to. */
  readonly remote: Endpoint
  readonly local: Endpoint
  /** Of the program's SYN. */
  readonly sequence: number
  readonly ourSequence: number
  /** Bytes of a segment to the program, and of one from it. */
  readonly mss: number
  readonly ourMss: number
  readonly window: number
  readonly timing: TcpTiming
  /** While true, no more data goes out than is under way. */
  readonly isHeld: () => boolean
  readonly send: (segment: OutgoingSegment) => void
  /** Nothing more comes or goes. */
  readonly finished: () => void
}

export interface OutgoingSegment extends Pick<TcpSegment, 'sequence' | 'acknowledgment' | 'flags' | 'window'> {
  readonly mss?: number | undefined
  readonly data?: Uint8Array
}

/** Without window scaling a window is 16 bits. */
const WINDOW = 65_535
const HIGH_WATER_BYTES = 64 * 1024
/** For the program's last FIN to be lost and come again. */
const LINGER = seconds(5)

export class LocalTcpConnection implements Connection {
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly #options: LocalTcpConnectionOptions
  #handlers: ConnectionHandlers | undefined
  #state: 'opening' | 'open' | 'lingering' | 'over' = 'opening'
  /** The next byte from the program, and the first to it that it has not acknowledged. */
  #expected: number
  #unacknowledged: number
  #next: number
  /** The highest that `next` ever was: it goes back where something was lost. */
  #highest: number
  #window: number
  readonly #queue = new ByteRing()
  /** Bytes of the queue that are under way. */
  #inFlight = 0
  /** Taken from the kernel and not yet by the handler: it pauses. */
  readonly #held = new ByteRing()
  #isPaused = false
  #theirEnd = false
  #endTold = false
  #ourEnd = false
  #finSent = false
  #finAcknowledged = false
  #needsDrain = false
  /** By `destroy`. */
  #isLeft = false
  #error: MixnetError | undefined
  #timer: Timer | undefined
  #tries = 0
  readonly #trip: RoundTrip
  /** What was under way when something was missing: until then what is missing next goes again at once, and nothing new behind the hole. */
  #recoverTo: number | undefined

  constructor(options: LocalTcpConnectionOptions) {
    this.#options = options
    this.local = options.local
    this.remote = options.remote
    this.#expected = advanced(options.sequence, 1)
    this.#unacknowledged = this.#next = this.#highest = options.ourSequence
    this.#window = options.window
    this.#trip = new RoundTrip(options.timing)
  }

  /** Says that it is connected. */
  accept(): void {
    if (this.#state !== 'opening') return
    this.#emit(FLAG.syn | FLAG.ack, { sequence: this.#unacknowledged, mss: this.#options.ourMss })
    this.#advance(1)
    this.#schedule()
  }

  attach(handlers: ConnectionHandlers): void {
    if (this.#handlers) throw new MixnetError('INTERNAL', { what: 'connection attached twice' })
    this.#handlers = handlers
    if (this.#state === 'over') this.#options.clock.soon(() => this.#tellClosed())
    else this.#deliver()
  }

  get bufferedBytes(): number {
    return this.#queue.length
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#state === 'over' || this.#ourEnd) return true
    for (const chunk of chunks) this.#queue.push(chunk)
    this.#push()
    this.#needsDrain ||= this.#queue.length > HIGH_WATER_BYTES
    return this.#queue.length <= HIGH_WATER_BYTES
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    const wasShut = this.#freeWindow() < this.#options.ourMss
    this.#deliver()
    // The kernel waits for it, and would otherwise probe.
    if (wasShut && this.#state === 'open') this.#acknowledge()
  }

  end(): void {
    this.#ourEnd = true
    this.#push()
  }

  /** Its turn, where what goes out is held at times: one segment. False: it has none to send. */
  takeTurn(): boolean {
    return this.#push(1)
  }

  destroy(): void {
    // Both sides have said all; a reset would only say that it failed.
    if (this.#state === 'lingering') return
    const isAccepted = this.#next !== this.#unacknowledged || this.#state === 'open'
    if (this.#state === 'over' || this.#isLeft || !isAccepted) return this.reset()
    // What it was told is still to arrive; what it says from now on, nobody hears.
    this.#isLeft = true
    this.#theirEnd = this.#endTold = true
    this.#held.clear()
    this.end()
    this.#tellClosed()
  }

  reset(): void {
    if (this.#state === 'over') return
    this.#emit(FLAG.rst | FLAG.ack, {})
    this.#close(undefined)
  }

  /** A segment of the program. */
  receive({ sequence, acknowledgment, flags, window, data }: TcpSegment): void {
    if ((flags & FLAG.rst) !== 0) {
      // A blind one from elsewhere cannot be: nobody else has the device. Behind a hole, for what was lost before it never comes again.
      const ahead = (sequence - this.#expected) | 0
      if (ahead >= 0 && ahead <= WINDOW) this.#close(new MixnetError('CONNECTION_CLOSED'))
      return
    }
    if ((flags & FLAG.syn) !== 0) return this.#state === 'opening' ? this.#again() : this.#acknowledge()
    if ((flags & FLAG.ack) === 0) return
    this.#acknowledged(acknowledgment, window)
    // Its last segment may come again, and be acknowledged again.
    if (this.#state === 'lingering' && (flags & FLAG.fin) !== 0) return this.#acknowledge()
    if (this.#state !== 'open') return
    this.#take(sequence, data, (flags & FLAG.fin) !== 0)
    this.#push()
    this.#endWhenDone()
  }

  // ---- from the program

  #take(sequence: number, data: Uint8Array, fin: boolean): void {
    if (this.#isLeft && data.length > 0) return this.reset()
    if (data.length === 0 && !fin) {
      // A keep-alive probe repeats a number that we have.
      if (isBefore(sequence, this.#expected)) this.#acknowledge()
      return
    }
    const known = (this.#expected - sequence) | 0
    // A hole: what follows it comes again once this acknowledgment has been seen.
    if (known < 0 || known > data.length || this.#theirEnd) return this.#acknowledge()
    const fresh = data.subarray(known, known + this.#freeWindow())
    if (fresh.length > 0) {
      this.#expected = advanced(this.#expected, fresh.length)
      this.#held.push(fresh)
    }
    if (fin && known + fresh.length === data.length) {
      this.#expected = advanced(this.#expected, 1)
      this.#theirEnd = true
    }
    this.#deliver()
    if (this.#state === 'open') this.#acknowledge()
  }

  #freeWindow(): number {
    return Math.max(0, WINDOW - this.#held.length)
  }

  #deliver(): void {
    const handlers = this.#handlers
    if (handlers === undefined) return
    while (!this.#isPaused && this.#state === 'open' && this.#held.length > 0) {
      const chunk = this.#held.slice(0, this.#held.length)
      this.#held.clear()
      handlers.data(chunk)
    }
    if (this.#theirEnd && !this.#endTold && this.#held.length === 0 && this.#state === 'open') {
      this.#endTold = true
      if (handlers.end) handlers.end()
      else this.destroy()
    }
  }

  // ---- to the program

  #acknowledged(acknowledgment: number, window: number): void {
    // Of what was never sent: from another life of the program's port.
    if (isBefore(this.#highest, acknowledgment)) return
    const wasShut = this.#window === 0
    this.#window = window
    let count = (acknowledgment - this.#unacknowledged) | 0
    if (count <= 0) {
      if (count === 0 && wasShut && this.#state === 'open') this.#answeredProbe()
      return
    }
    this.#tries = 0
    this.#trip.acknowledged(acknowledgment, this.#options.clock.monotonic())
    this.#unacknowledged = acknowledgment
    if (this.#state === 'opening') {
      this.#state = 'open'
      count--
    }
    if (this.#ourEnd && count > this.#queue.length) this.#finAcknowledged = true
    if (isBefore(this.#next, acknowledgment)) this.#next = acknowledgment
    this.#forget(Math.min(count, this.#queue.length))
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#recoverTo !== undefined) {
      if (isBefore(acknowledgment, this.#recoverTo)) this.#again()
      else this.#recoverTo = undefined
    }
    this.#schedule()
    if (this.#needsDrain && this.#queue.length <= HIGH_WATER_BYTES / 2) {
      this.#needsDrain = false
      this.#handlers?.drain?.()
    }
  }

  /** The program lives: it only does not read (RFC 9293 3.8.6.1 lets it, for however long), or reads again. */
  #answeredProbe(): void {
    // One that we have left would keep us for nothing.
    if (this.#window === 0) {
      if (!this.#isLeft) this.#tries = Math.min(this.#tries, this.#options.timing.tries - 1)
      return
    }
    // Nothing went into it while it was closed: who opens and closes it in turns would get everything again each time.
    if (this.#tries === 0) return
    // What went into the closed window was thrown away there.
    this.#tries = 0
    this.#rewind()
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #forget(count: number): void {
    this.#inFlight = Math.max(0, this.#inFlight - count)
    this.#queue.forget(count)
  }

  /** Sends what the window has room for, at most so many segments, and the end behind the last byte. True: data went. */
  #push(most = Number.POSITIVE_INFINITY): boolean {
    if (this.#state !== 'open') return false
    // Into a closed window goes one byte at a time: its answer says when it opens.
    const window = this.#tries > 0 ? Math.max(1, this.#window) : this.#window
    let count = 0
    // What is sent may be what holds it.
    const mayGo = (): boolean => count < most && this.#recoverTo === undefined && !this.#options.isHeld()
    while (this.#inFlight < Math.min(this.#queue.length, window) && mayGo()) {
      count++
      const length = Math.min(this.#options.mss, this.#queue.length - this.#inFlight, window - this.#inFlight)
      this.#emit(FLAG.ack | FLAG.psh, { data: this.#queue.slice(this.#inFlight, length) })
      this.#inFlight += length
      if (this.#next === this.#highest) this.#trip.sent(advanced(this.#next, length), this.#options.clock.monotonic())
      this.#advance(length)
    }
    if (this.#ourEnd && !this.#finSent && this.#inFlight === this.#queue.length) {
      this.#emit(FLAG.fin | FLAG.ack, {})
      this.#finSent = true
      this.#advance(1)
    }
    this.#schedule()
    return count > 0
  }

  #advance(by: number): void {
    this.#next = advanced(this.#next, by)
    if (isBefore(this.#highest, this.#next)) this.#highest = this.#next
  }

  /** While something is under way, or a closed window has to be asked after. */
  #schedule(): void {
    // Whatever else comes in the meantime does not put it off.
    if (this.#state === 'lingering' || this.#timer !== undefined) return
    const waits = this.#next !== this.#unacknowledged || this.#inFlight < this.#queue.length
    if (!waits || this.#state === 'over') return
    this.#timer = this.#options.clock.after(this.#trip.timeout(this.#tries), () => {
      this.#timer = undefined
      this.#late()
    })
  }

  #late(): void {
    if (++this.#tries > this.#options.timing.tries)
      return this.#close(new MixnetError('TIMEOUT', { what: 'acknowledgment' }))
    this.#trip.late()
    if (this.#options.timing.measured !== undefined && this.#inFlight > 0) this.#recoverTo = this.#highest
    this.#again()
    this.#schedule()
  }

  /** What was not acknowledged, from the beginning: the first segment of it, where the others cost seconds and may be there. */
  #again(): void {
    if (this.#state === 'opening') {
      const flags = FLAG.syn | FLAG.ack
      if (this.#next !== this.#unacknowledged)
        this.#emit(flags, { sequence: this.#unacknowledged, mss: this.#options.ourMss })
      return
    }
    const first = Math.min(this.#inFlight, this.#options.mss)
    if (this.#options.timing.measured !== undefined && first > 0) {
      return this.#emit(FLAG.ack | FLAG.psh, { sequence: this.#unacknowledged, data: this.#queue.slice(0, first) })
    }
    this.#rewind()
    this.#push()
  }

  #rewind(): void {
    this.#next = this.#unacknowledged
    this.#inFlight = 0
    this.#recoverTo = undefined
    this.#finSent = this.#finAcknowledged
  }

  #acknowledge(): void {
    this.#emit(FLAG.ack, { sequence: this.#next })
  }

  #emit(
    flags: number,
    { sequence = this.#next, mss, data }: { sequence?: number; mss?: number; data?: Uint8Array },
  ): void {
    this.#options.send({
      sequence,
      acknowledgment: this.#expected,
      flags,
      window: this.#freeWindow(),
      ...(mss === undefined ? {} : { mss }),
      ...(data === undefined ? {} : { data }),
    })
  }

  // ---- ends

  #endWhenDone(): void {
    if (!this.#finAcknowledged || !this.#endTold || this.#state !== 'open') return
    const { clock, finished } = this.#options
    this.#tellClosed()
    this.#state = 'lingering'
    // Until then a FIN that comes again is acknowledged again.
    this.#timer?.cancel()
    this.#timer = clock.after(LINGER, () => {
      this.#state = 'over'
      finished()
    })
  }

  #close(error: MixnetError | undefined): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#timer?.cancel()
    this.#queue.clear()
    this.#held.clear()
    this.#inFlight = 0
    this.#error = error
    this.#tellClosed()
    this.#options.finished()
  }

  #tellClosed(): void {
    const handlers = this.#handlers
    this.#handlers = undefined
    handlers?.close(this.#error)
  }
}
