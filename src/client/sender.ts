/**
 * Decides when packets leave. With a main stream, one packet leaves at every tick of a Poisson clock: a real one where one
 * waits, else loop cover. Without it, real packets leave at once, paced by a window of unacknowledged fragments. The
 * independent loop stream runs beside either.
 *
 * When a tick is due depends on nothing but the clock and the random stream. What is not promised: a packet is made when its
 * tick has come, and making a reply costs less than making any other, so within that fraction of a millisecond they differ.
 * @module
 */
import type { Counter, Meter } from '../foundation/base/observe.ts'
import { type Millis, millis } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'
import { exponential, type Random, type RandomStream } from '../foundation/platform/random.ts'
import type { MixnetPacket, PreparedPacket } from '../protocol/packet/prepare.ts'
import type { LaneQueue } from './laneQueue.ts'
import type { TrafficParams } from './trafficParams.ts'

/** One packet's worth of work: wrapped only when its turn comes, with the keys and routes of that moment. */
export interface Outgoing {
  /** undefined where there is nothing to send, or not now; the owner has dealt with it. */
  prepare(): PreparedPacket | undefined
  /** It is on its way: the moment its ack is waited from. */
  sent(prepared: PreparedPacket): void
  /** It will not be sent. */
  discard(): void
}

export interface SenderOptions {
  readonly clock: Clock
  readonly random: Random
  readonly params: Pick<TrafficParams, 'mainStreamInterval' | 'loopCoverInterval' | 'unacknowledgedWindow'>
  readonly lanes: LaneQueue<Outgoing>
  /** False where the packet was not taken. */
  readonly transmit: (packet: MixnetPacket) => boolean
  /** Whether the link is open and the topology known: nothing leaves its lane before. */
  readonly canTransmit: () => boolean
  /** undefined where no cover can be made. */
  readonly prepareCover: () => MixnetPacket | undefined
  /** Fragments sent and not yet acknowledged. */
  readonly unacknowledged: () => number
  readonly meter: Meter
}

// Wrapping costs most of a millisecond: after so many packets other work gets its turn.
const PACKETS_PER_TURN = 4
// Timers come late by a millisecond or a garbage collection: ticks so recent are made up for, or the mean rate would depend on
// the load. After a longer stall the stream goes on as if nothing had been: a burst is something nobody else sends.
const MADE_UP_TICKS = 5
// Without a main stream: how long a link whose buffer is full is left alone.
const FULL_LINK_PAUSE = millis(20)

export class Sender {
  readonly #options: SenderOptions
  readonly #mainTimes: RandomStream
  readonly #loopTimes: RandomStream
  readonly #real: Counter
  readonly #mainCover: Counter
  readonly #loopCover: Counter
  /** The next tick of the main stream; without one, the end of a pause. */
  #timer: Timer | undefined
  #loopTimer: Timer | undefined
  #pumping = false
  #running = false
  #loops = 0
  /** What the link did not take; it is the next. */
  #refused: Outgoing | undefined

  constructor(options: SenderOptions) {
    this.#options = options
    this.#mainTimes = options.random.stream('main-stream')
    this.#loopTimes = options.random.stream('loop-stream')
    const counter = (kind: string) =>
      options.meter.counter('client_sent_total', 'Packets sent into the mixnet', { kind })
    this.#real = counter('real')
    this.#mainCover = counter('main-cover')
    this.#loopCover = counter('loop-cover')
  }

  /** Cover sent so far, all of it loops. */
  get loopsSent(): number {
    return this.#loops
  }

  start(): void {
    if (this.#running) return
    this.#running = true
    const { params, clock } = this.#options
    if (params.mainStreamInterval !== undefined) this.#scheduleMain(clock.monotonic(), params.mainStreamInterval)
    if (params.loopCoverInterval !== undefined) this.#scheduleLoop(params.loopCoverInterval)
    this.wake()
  }

  stop(): void {
    this.#running = false
    this.#timer?.cancel()
    this.#loopTimer?.cancel()
    this.#refused = undefined
  }

  /** Something was queued, the window moved, or the link opened. Matters only without a main stream. */
  wake(): void {
    if (!this.#running || this.#pumping || this.#options.params.mainStreamInterval !== undefined) return
    this.#pumping = true
    this.#options.clock.soon(() => this.#pump())
  }

  #pump(): void {
    const { params, unacknowledged, canTransmit, clock } = this.#options
    for (let sent = 0; sent < PACKETS_PER_TURN; sent++) {
      if (!this.#running || unacknowledged() >= params.unacknowledgedWindow || !canTransmit() || !this.#sendReal()) {
        this.#pumping = false
        return
      }
      if (this.#refused !== undefined) {
        this.#timer = clock.after(FULL_LINK_PAUSE, () => this.#pump())
        return
      }
    }
    clock.soon(() => this.#pump())
  }

  #scheduleMain(previous: Millis, interval: Millis): void {
    if (!this.#running) return
    const { clock, canTransmit } = this.#options
    const now = clock.monotonic()
    const from = now - previous > MADE_UP_TICKS * interval ? now : previous
    const due = millis(from + exponential(this.#mainTimes, interval))
    this.#timer = clock.after(millis(Math.max(0, due - now)), () => {
      if (canTransmit() && !this.#sendReal()) this.#sendCover(this.#mainCover)
      this.#scheduleMain(due, interval)
    })
  }

  #scheduleLoop(interval: Millis): void {
    if (!this.#running) return
    const { clock, canTransmit } = this.#options
    this.#loopTimer = clock.after(millis(exponential(this.#loopTimes, interval)), () => {
      if (canTransmit()) this.#sendCover(this.#loopCover)
      this.#scheduleLoop(interval)
    })
  }

  /** False where nothing real waits. */
  #sendReal(): boolean {
    for (;;) {
      const outgoing = this.#refused ?? this.#options.lanes.pop()
      this.#refused = undefined
      if (outgoing === undefined) return false
      const prepared = outgoing.prepare()
      if (prepared === undefined) continue
      if (this.#options.transmit(prepared)) {
        outgoing.sent(prepared)
        this.#real.value++
      } else if (this.#running) this.#refused = outgoing
      return true
    }
  }

  #sendCover(counter: Counter): void {
    const cover = this.#options.prepareCover()
    if (cover === undefined || !this.#options.transmit(cover)) return
    this.#loops++
    counter.value++
  }
}
