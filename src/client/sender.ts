/**
 * Decides when packets leave. With a main stream, one packet leaves at every tick of a Poisson clock: a real one where one
 * waits, else loop cover. Without it, real packets leave at once, paced by a window of unacknowledged fragments. The
 * independent loop stream runs beside either. @module
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
  /** undefined where it can no longer be sent; the owner has dealt with it. */
  prepare(): PreparedPacket | undefined
  /** It is on its way: the moment its ack is waited from. */
  sent(prepared: PreparedPacket): void
}

export interface SenderOptions {
  readonly clock: Clock
  readonly random: Random
  readonly params: TrafficParams
  readonly lanes: LaneQueue<Outgoing>
  /** False where the packet was not taken. */
  readonly transmit: (packet: MixnetPacket) => boolean
  readonly canTransmit: () => boolean
  /** undefined where no cover can be made: no topology. */
  readonly prepareCover: () => MixnetPacket | undefined
  /** Fragments sent and not yet acknowledged. */
  readonly unacknowledged: () => number
  readonly meter: Meter
}

// Wrapping costs most of a millisecond: after so many packets other work gets its turn.
const PACKETS_PER_TURN = 4
// A process that slept must not send everything it missed in one burst that nobody else sends.
const MAX_LAG = millis(500)

export class Sender {
  readonly #options: SenderOptions
  readonly #mainTimes: RandomStream
  readonly #loopTimes: RandomStream
  readonly #real: Counter
  readonly #mainCover: Counter
  readonly #loopCover: Counter
  #mainTimer: Timer | undefined
  #loopTimer: Timer | undefined
  #pumping = false
  #running = false

  constructor(options: SenderOptions) {
    this.#options = options
    this.#mainTimes = options.random.stream('main-stream')
    this.#loopTimes = options.random.stream('loop-stream')
    const help = 'Packets sent into the mixnet'
    this.#real = options.meter.counter('client_sent_total', help, { kind: 'real' })
    this.#mainCover = options.meter.counter('client_sent_total', help, { kind: 'main-cover' })
    this.#loopCover = options.meter.counter('client_sent_total', help, { kind: 'loop-cover' })
  }

  start(): void {
    if (this.#running) return
    this.#running = true
    const { params, clock } = this.#options
    if (params.mainStreamInterval !== undefined) this.#tickMain(clock.monotonic())
    if (params.loopCoverInterval !== undefined) this.#tickLoop()
    this.wake()
  }

  stop(): void {
    this.#running = false
    this.#mainTimer?.cancel()
    this.#loopTimer?.cancel()
  }

  /** Something was queued, acknowledged, or the link opened. Matters only without a main stream. */
  wake(): void {
    if (!this.#running || this.#pumping || this.#options.params.mainStreamInterval !== undefined) return
    this.#pumping = true
    this.#options.clock.soon(() => this.#pump())
  }

  #pump(): void {
    this.#pumping = false
    if (!this.#running) return
    const { params, unacknowledged, lanes } = this.#options
    for (let sent = 0; sent < PACKETS_PER_TURN; sent++) {
      if (lanes.total === 0 || unacknowledged() >= params.unacknowledgedWindow || !this.#options.canTransmit()) return
      this.#sendReal()
    }
    this.wake()
  }

  #tickMain(previous: Millis): void {
    const { clock, params } = this.#options
    const now = clock.monotonic()
    const due = Math.max(previous, now - MAX_LAG) + exponential(this.#mainTimes, params.mainStreamInterval as Millis)
    this.#mainTimer = clock.after(millis(Math.max(0, due - now)), () => {
      if (this.#options.canTransmit() && !this.#sendReal()) this.#sendCover(this.#mainCover)
      this.#tickMain(millis(due))
    })
  }

  #tickLoop(): void {
    const { clock, params } = this.#options
    this.#loopTimer = clock.after(millis(exponential(this.#loopTimes, params.loopCoverInterval as Millis)), () => {
      if (this.#options.canTransmit()) this.#sendCover(this.#loopCover)
      this.#tickLoop()
    })
  }

  /** False where nothing real was sent. */
  #sendReal(): boolean {
    for (let outgoing = this.#options.lanes.pop(); outgoing !== undefined; outgoing = this.#options.lanes.pop()) {
      const prepared = outgoing.prepare()
      if (prepared === undefined) continue
      this.#options.transmit(prepared)
      // Also where the link did not take it: the ack then stays away and it is sent again.
      outgoing.sent(prepared)
      this.#real.value++
      return true
    }
    return false
  }

  #sendCover(counter: Counter): void {
    const cover = this.#options.prepareCover()
    if (cover !== undefined && this.#options.transmit(cover)) counter.value++
  }
}
