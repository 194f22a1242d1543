/**
 * One TCP connection of a program to whatever it takes for its destination, ended here. RFC 9293, as far as a passive opener needs it. The
 * program speaks to us over a device on the same machine, or through the mixnet, at whose exit we are. @module
 */
import { MixnetError } from '../../foundation/base/errors.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'
import type { Connection, ConnectionHandlers, Endpoint } from '../../foundation/platform/net.ts'
import { advanced, FLAG, isBefore, type TcpSegment } from '../../protocol/wire/ip/tcpSegment.ts'
import type { TcpTiming } from './roundTrip.ts'
import { TcpReceiving } from './tcpReceiving.ts'
import { TcpSending } from './tcpSending.ts'

export interface LocalTcpConnectionOptions {
  readonly clock: Clock
  /** The program, and what it connects to. */
  readonly remote: Endpoint
  readonly local: Endpoint
  /** Of the program. */
  readonly syn: Pick<TcpSegment, 'sequence' | 'window' | 'windowShift' | 'takesSack'>
  readonly ourSequence: number
  /** Bytes of a segment to the program, and of one from it. */
  readonly mss: number
  readonly ourMss: number
  readonly timing: TcpTiming
  /** Bytes that may be kept now, each way. */
  readonly room: () => number
  /** While true, no more data goes out than is under way. */
  readonly isHeld: () => boolean
  readonly send: (segment: OutgoingSegment) => void
  /** Nothing more comes or goes. */
  readonly finished: () => void
}

export type OutgoingSegment = Omit<TcpSegment, 'data'> & { readonly data?: Uint8Array }

/** Without scaling a window is 16 bits. */
const MOST_UNSCALED = 65_535
/** What is under way to us at most, where the program scales its windows: as much as its side of the tunnel keeps (ipTunnel.ts), so that nothing is lost there. */
const RECEIVE_WINDOW = 128 * 1024
const SHIFT = 2
/**
 * Of who scales by nothing, for it keeps 64 KiB at most itself. smoltcp in mix-tunnel 0.2.1 writes what a window takes into a queue of eight packets,
 * which loses the rest until a timeout of 5 s: 100 kB up took 13 s, and take 4 s so. A kernel that was given so little sends as much in a round trip.
 */
const SMALL_SEGMENTS = 8

export class LocalTcpConnection implements Connection {
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly #options: LocalTcpConnectionOptions
  readonly #receiving: TcpReceiving
  readonly #sending: TcpSending
  #handlers: ConnectionHandlers | undefined
  #state: 'opening' | 'open' | 'lingering' | 'over' = 'opening'
  #isPaused = false
  /** What the program was told last that it may send. */
  #saidWindow = 0
  #endTold = false
  /** By `destroy`. */
  #isLeft = false
  #error: MixnetError | undefined
  #lingering: Timer | undefined

  constructor(options: LocalTcpConnectionOptions) {
    const { clock, timing, syn, ourSequence, mss, room, isHeld } = options
    this.#options = options
    this.local = options.local
    this.remote = options.remote
    this.#receiving = new TcpReceiving(advanced(syn.sequence, 1), () => Math.min(room(), this.#mostReceived))
    this.#sending = new TcpSending({
      clock,
      timing,
      sequence: ourSequence,
      mss,
      window: syn.window,
      room,
      isHeld,
      emit: (flags, sequence, data) => this.#emit(flags, sequence, data),
      lost: (error) => this.#close(error),
    })
  }

  /** Says that it is connected. */
  accept(): void {
    if (this.#state === 'opening') this.#sending.accept()
  }

  get #scales(): boolean {
    return this.#options.syn.windowShift !== undefined
  }

  get #mostReceived(): number {
    const { syn, ourMss } = this.#options
    if (syn.windowShift === undefined) return MOST_UNSCALED
    return syn.windowShift === 0 ? SMALL_SEGMENTS * ourMss : RECEIVE_WINDOW
  }

  attach(handlers: ConnectionHandlers): void {
    if (this.#handlers) throw new MixnetError('INTERNAL', { what: 'connection attached twice' })
    this.#handlers = handlers
    if (this.#state === 'over') this.#options.clock.soon(() => this.#tellClosed())
    else this.#deliver()
  }

  get bufferedBytes(): number {
    return this.#sending.queuedBytes
  }

  write(chunks: readonly Uint8Array[]): boolean {
    return this.#state === 'over' || this.#sending.hasEnd || this.#sending.write(chunks)
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    // Not the window now: others that were there may have gone meanwhile, which nobody has told the program.
    const wasShut = this.#saidWindow < this.#options.ourMss
    this.#deliver()
    // The kernel waits for it, and would otherwise probe.
    if (wasShut && this.#state === 'open') this.#acknowledge()
    this.#endWhenDone()
  }

  end(): void {
    this.#sending.end()
  }

  /** Its turn, where what goes out is held at times: one segment. False: it has none to send. */
  takeTurn(): boolean {
    return this.#sending.push(1)
  }

  destroy(): void {
    // Both sides have said all; a reset would only say that it failed.
    if (this.#state === 'lingering') return
    if (this.#state === 'over' || this.#isLeft || !this.#sending.isAccepted) return this.reset()
    // What it was told is still to arrive; what it says from now on, nobody hears.
    this.#isLeft = true
    this.#endTold = true
    this.#receiving.clear()
    this.#sending.abandon()
    this.#tellClosed()
    this.#endWhenDone()
  }

  reset(): void {
    if (this.#state === 'over') return
    this.#emit(FLAG.rst | FLAG.ack, this.#sending.next)
    this.#close(undefined)
  }

  /** A segment of the program. */
  receive(segment: TcpSegment): void {
    const { sequence, flags, data } = segment
    if ((flags & FLAG.rst) !== 0) {
      // A blind one from elsewhere cannot be: nobody else has the device. Behind a hole, for what was lost before it never comes again.
      const ahead = (sequence - this.#receiving.expected) | 0
      if (ahead >= 0 && ahead <= this.#mostReceived) this.#close(new MixnetError('CONNECTION_CLOSED'))
      return
    }
    if ((flags & FLAG.syn) !== 0) return this.#state === 'opening' ? this.#sending.again() : this.#acknowledge()
    if ((flags & FLAG.ack) === 0) return
    this.#acknowledged(segment)
    if (this.#state === 'opening' || this.#state === 'over') return
    this.#take(sequence, data, (flags & FLAG.fin) !== 0)
    if (this.#state === 'open') this.#sending.push()
    this.#endWhenDone()
  }

  // ---- from the program

  #take(sequence: number, data: Uint8Array, fin: boolean): void {
    // What nobody hears any more it must not take for delivered; its end it may.
    if (this.#isLeft && isBefore(this.#receiving.expected, advanced(sequence, data.length))) return this.reset()
    // A keep-alive probe repeats a number that we have.
    if (data.length === 0 && !fin && !isBefore(sequence, this.#receiving.expected)) return
    this.#receiving.take(sequence, data, fin)
    this.#deliver()
    // Its last segment may come again, and be acknowledged again.
    if (this.#state !== 'over') this.#acknowledge()
  }

  #deliver(): void {
    const handlers = this.#handlers
    if (handlers === undefined) return
    while (!this.#isPaused && this.#state === 'open' && this.#receiving.readyBytes > 0) {
      handlers.data(this.#receiving.read())
    }
    const hasAll = this.#receiving.hasEnded && this.#receiving.readyBytes === 0
    if (!hasAll || this.#endTold || this.#state !== 'open') return
    this.#endTold = true
    if (handlers.end) handlers.end()
    else this.destroy()
  }

  // ---- to the program

  #acknowledged({ acknowledgment, window, sack = [] }: TcpSegment): void {
    const { windowShift = 0, takesSack = false } = this.#options.syn
    const hasRoom = this.#sending.acknowledged({
      acknowledgment,
      window: window << windowShift,
      knowsHoles: takesSack,
      // What is below came twice, and is no hole.
      hasHole: sack.some(([from]) => isBefore(acknowledgment, from)),
    })
    if (this.#state === 'opening' && this.#sending.isOpen) this.#state = 'open'
    if (hasRoom) this.#handlers?.drain?.()
  }

  #acknowledge(): void {
    this.#emit(FLAG.ack, this.#sending.next)
  }

  #emit(flags: number, sequence: number, data?: Uint8Array): void {
    const { syn, ourMss, send } = this.#options
    const isSyn = (flags & FLAG.syn) !== 0
    const { window } = this.#receiving
    this.#saidWindow = isSyn ? Math.min(MOST_UNSCALED, window) : window
    send({
      sequence,
      acknowledgment: this.#receiving.expected,
      flags,
      window: !isSyn && this.#scales ? this.#saidWindow >> SHIFT : this.#saidWindow,
      // Theirs counts only where we say one too.
      ...(isSyn ? { mss: ourMss, windowShift: this.#scales ? SHIFT : undefined, takesSack: syn.takesSack } : {}),
      // With data it would be longer than the device takes; what brought something to name is acknowledged by itself anyway.
      ...(!isSyn && data === undefined && syn.takesSack === true ? { sack: this.#receiving.ranges() } : {}),
      ...(data === undefined ? {} : { data }),
    })
  }

  // ---- ends

  #endWhenDone(): void {
    if (!this.#sending.endAcknowledged || !this.#endTold || this.#state !== 'open') return
    const { clock, timing, finished } = this.#options
    this.#tellClosed()
    this.#state = 'lingering'
    this.#sending.stop()
    // Until then a FIN that comes again is acknowledged again.
    this.#lingering = clock.after(timing.linger, () => {
      this.#state = 'over'
      finished()
    })
  }

  #close(error: MixnetError | undefined): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#lingering?.cancel()
    this.#sending.stop()
    this.#receiving.clear()
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
