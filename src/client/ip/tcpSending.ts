/**
 * What goes in one direction of a TCP connection that ends here, until it is acknowledged. There is no congestion control (ADR 17): the device has
 * room for a window, and the mixnet takes no packet before there is room and sends again what it loses, so that nothing is ever lost for too many. What
 * bounds it is the receiver's window, and how much may be kept for it. @module
 */
import { MixnetError } from '../../foundation/base/errors.ts'
import { minutes } from '../../foundation/base/units.ts'
import type { Clock, Timer } from '../../foundation/platform/clock.ts'
import { advanced, FLAG, isBefore } from '../../protocol/wire/ip/tcpSegment.ts'
import { ByteRing } from './byteRing.ts'
import { RoundTrip, type TcpTiming } from './roundTrip.ts'

export interface TcpSendingOptions {
  readonly clock: Clock
  readonly timing: TcpTiming
  /** Of our SYN. */
  readonly sequence: number
  /** Bytes of a segment. */
  readonly mss: number
  readonly window: number
  /** Bytes that may be kept for the receiver now. */
  readonly room: () => number
  /** While true, no more data goes out than is under way. */
  readonly isHeld: () => boolean
  readonly emit: (flags: number, sequence: number, data?: Uint8Array) => void
  /** It does not answer. */
  readonly lost: (error: MixnetError) => void
}

export interface Heard {
  readonly acknowledgment: number
  readonly window: number
  /** Whether the receiver says what it has behind a hole, and has something there. */
  readonly knowsHoles: boolean
  readonly hasHole: boolean
}

/**
 * For all that was said to who was left, however it goes on acknowledging: nobody else looks after it, and a byte a minute would hold half a MiB for a
 * year. That much in so long is less than 1 kB/s, far below what the mixnet carries where it is slowest.
 */
const ABANDONED_TIMEOUT = minutes(10)

export class TcpSending {
  readonly #options: TcpSendingOptions
  /** The first byte that is not acknowledged. */
  #unacknowledged: number
  #next: number
  /** The highest that `next` ever was: it goes back where something was lost. */
  #highest: number
  #window: number
  readonly #queue = new ByteRing()
  /** Bytes of the queue that are under way. */
  #inFlight = 0
  #state: 'opening' | 'open' | 'over' = 'opening'
  #hasEnd = false
  #abandoned: Timer | undefined
  #endSent = false
  #endAcknowledged = false
  #needsDrain = false
  #timer: Timer | undefined
  #tries = 0
  readonly #trip: RoundTrip
  /** What was under way when something was missing: until then what is missing next goes again at once, and nothing new behind the hole. */
  #recoverTo: number | undefined

  constructor(options: TcpSendingOptions) {
    this.#options = options
    this.#unacknowledged = this.#next = this.#highest = options.sequence
    this.#window = options.window
    this.#trip = new RoundTrip(options.timing)
  }

  get next(): number {
    return this.#next
  }

  get queuedBytes(): number {
    return this.#queue.length
  }

  get hasEnd(): boolean {
    return this.#hasEnd
  }

  /** It was said that nothing more comes, and heard. */
  get endAcknowledged(): boolean {
    return this.#endAcknowledged
  }

  /** The other side has heard that it is connected. */
  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /** Our SYN is out. */
  get isAccepted(): boolean {
    return this.#next !== this.#unacknowledged || this.#state === 'open'
  }

  /** Says that it is connected. */
  accept(): void {
    this.#options.emit(FLAG.syn | FLAG.ack, this.#unacknowledged)
    this.#advance(1)
    this.#schedule()
  }

  /** False: whoever writes waits for `acknowledged` to say that there is room. */
  write(chunks: readonly Uint8Array[]): boolean {
    for (const chunk of chunks) this.#queue.push(chunk)
    this.push()
    const isFull = this.#queue.length > this.#options.room()
    this.#needsDrain ||= isFull
    return !isFull
  }

  end(): void {
    this.#hasEnd = true
    this.push()
  }

  /** The same, and nobody waits for it: a receiver that does not read gets the usual tries, and one that reads too slowly ten minutes. Once. */
  abandon(): void {
    const { clock, lost } = this.#options
    this.#abandoned = clock.after(ABANDONED_TIMEOUT, () => lost(unanswered()))
    this.end()
  }

  /** What the other side has. Returns whether there is room again, for who waits for it. */
  acknowledged({ acknowledgment, window, knowsHoles, hasHole }: Heard): boolean {
    // Of what was never sent: from another life of the program's port.
    if (this.#state === 'over' || isBefore(this.#highest, acknowledgment)) return false
    let count = (acknowledgment - this.#unacknowledged) | 0
    // One that others overtook: it says nothing new of the window either.
    if (count < 0) return false
    // Of two that acknowledge the same the smaller was overtaken, as a rule: a receiver should not take back what it gave. One that does (RFC 9293
    // 3.8.6 has us bear it) acknowledges nothing more, and says so to what goes again; if that was overtaken after all, the next opens it.
    const isTakenBack = window === 0 && this.#tries > 0
    const wasShut = this.#window === 0 || isTakenBack
    this.#window = count === 0 && !isTakenBack ? Math.max(this.#window, window) : window
    if (count === 0) {
      if (wasShut && this.#state === 'open') this.#answeredProbe()
      return false
    }
    this.#tries = 0
    this.#trip.acknowledged(acknowledgment, this.#options.clock.monotonic())
    this.#unacknowledged = acknowledgment
    if (this.#state === 'opening') {
      this.#state = 'open'
      count--
    }
    if (this.#hasEnd && count > this.#queue.length) this.#endAcknowledged = this.#endSent = true
    if (isBefore(this.#next, acknowledgment)) this.#next = acknowledgment
    this.#forget(Math.min(count, this.#queue.length))
    this.#cancel()
    if (this.#recoverTo !== undefined) {
      // Who would name what came behind a hole, and names nothing, waits for what is on its way.
      if (!isBefore(acknowledgment, this.#recoverTo) || (knowsHoles && !hasHole)) this.#recoverTo = undefined
      else this.again()
    }
    this.#schedule()
    if (!this.#needsDrain || this.#queue.length > this.#options.room() / 2) return false
    this.#needsDrain = false
    return true
  }

  /** Sends what the window has room for, at most so many segments, and the end behind the last byte. True: data went. */
  push(most: number = Number.POSITIVE_INFINITY): boolean {
    if (this.#state !== 'open') return false
    const { mss, emit, clock } = this.#options
    // Into a closed window goes one byte at a time: its answer says when it opens.
    const window = this.#tries > 0 ? Math.max(1, this.#window) : this.#window
    let count = 0
    // What is sent may be what holds it.
    const mayGo = (): boolean => count < most && this.#recoverTo === undefined && !this.#options.isHeld()
    while (this.#inFlight < Math.min(this.#queue.length, window) && mayGo()) {
      count++
      const length = Math.min(mss, this.#queue.length - this.#inFlight, window - this.#inFlight)
      emit(FLAG.ack | FLAG.psh, this.#next, this.#queue.slice(this.#inFlight, length))
      this.#inFlight += length
      // What asks after a closed window is thrown away there, and goes twice: it would measure how long the window was closed.
      const isNew = this.#next === this.#highest && this.#tries === 0
      if (isNew) this.#trip.sent(advanced(this.#next, length), clock.monotonic())
      this.#advance(length)
    }
    if (this.#hasEnd && !this.#endSent && this.#inFlight === this.#queue.length) {
      emit(FLAG.fin | FLAG.ack, this.#next)
      this.#endSent = true
      this.#advance(1)
    }
    this.#schedule()
    return count > 0
  }

  /** What was not acknowledged, from the beginning: the first segment of it, where the others cost seconds and may be there. */
  again(): void {
    const { mss, timing, emit } = this.#options
    if (this.#state === 'opening') {
      if (this.#next !== this.#unacknowledged) emit(FLAG.syn | FLAG.ack, this.#unacknowledged)
      return
    }
    const first = Math.min(this.#inFlight, mss)
    if (timing.measured !== undefined && first > 0) {
      return emit(FLAG.ack | FLAG.psh, this.#unacknowledged, this.#queue.slice(0, first))
    }
    this.#rewind()
    this.push()
  }

  /** Nothing goes any more. */
  stop(): void {
    this.#state = 'over'
    this.#abandoned?.cancel()
    this.#cancel()
    this.#queue.clear()
    this.#inFlight = 0
  }

  /** The program lives: it only does not read (RFC 9293 3.8.6.1 lets it, for however long), or reads again. */
  #answeredProbe(): void {
    if (this.#window === 0) {
      if (this.#abandoned === undefined) this.#tries = Math.min(this.#tries, this.#options.timing.tries - 1)
      return
    }
    // Nothing went into it while it was closed: who opens and closes it in turns would get everything again each time.
    if (this.#tries === 0) return
    // What went into the closed window was thrown away there.
    this.#tries = 0
    this.#rewind()
    this.#cancel()
  }

  #forget(count: number): void {
    this.#inFlight = Math.max(0, this.#inFlight - count)
    this.#queue.forget(count)
  }

  #advance(by: number): void {
    this.#next = advanced(this.#next, by)
    if (isBefore(this.#highest, this.#next)) this.#highest = this.#next
  }

  /** While something is under way, or a closed window has to be asked after. What is only held waits for its turn. */
  #schedule(): void {
    // Whatever else comes in the meantime does not put it off.
    if (this.#timer !== undefined || this.#state === 'over') return
    const waits = this.#next !== this.#unacknowledged || (this.#window === 0 && this.#queue.length > 0)
    if (!waits) return
    this.#timer = this.#options.clock.after(this.#trip.timeout(this.#tries), () => {
      this.#timer = undefined
      this.#late()
    })
  }

  #late(): void {
    const { timing, lost, isHeld } = this.#options
    // Nothing is under way: held, it asked after no window, and nobody owes it an answer.
    if (this.#next === this.#unacknowledged && isHeld()) return
    if (++this.#tries > timing.tries) return lost(unanswered())
    this.#trip.late()
    if (timing.measured !== undefined && this.#inFlight > 0) this.#recoverTo = this.#highest
    this.again()
    this.#schedule()
  }

  #rewind(): void {
    this.#next = this.#unacknowledged
    this.#inFlight = 0
    this.#recoverTo = undefined
    this.#endSent = this.#endAcknowledged
  }

  #cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}

const unanswered = (): MixnetError => new MixnetError('TIMEOUT', { what: 'acknowledgment' })
