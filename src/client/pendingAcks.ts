/** Fragments on their way. Each is acknowledged, sent again when its ack stays away too long, or given up. @module */
import type { Counter, Meter } from '../foundation/base/observe.ts'
import { type Millis, millis, type Nanos, nanosToMillis } from '../foundation/base/units.ts'
import type { Clock, Timer } from '../foundation/platform/clock.ts'
import type { FragmentId } from '../protocol/packet/acks.ts'
import type { TrafficParams } from './trafficParams.ts'

export interface Awaiting {
  /** How often it may be sent again. */
  readonly maxRetransmissions: number
  /** Its ack came. */
  acknowledged?(): void
  /** Its ack stayed away: queue it again. */
  retransmit(): void
  /** The last retransmission went unanswered too. */
  givenUp(): void
}

/** No timer: it waits in a lane to be sent again. */
interface Pending {
  readonly awaiting: Awaiting
  transmissions: number
  timer: Timer | undefined
}

// Acks of a busy machine come late, and what is sent again for nothing takes the slots, and the SURBs, of what is not. So an ack that
// proves to have been late makes us wait longer for all, up to some 6 s; about one in forty may be late before the patience grows.
const LONGER = 1.2
const SHORTER = 0.995
const MOST_PATIENCE = 4
const REMEMBERED = 512

export class PendingAcks {
  readonly #clock: Clock
  readonly #params: Pick<TrafficParams, 'ackWaitMultiplier' | 'ackWaitAddition'>
  readonly #pending = new Map<number, Pending>()
  readonly #acked: Counter
  readonly #retransmitted: Counter
  readonly #givenUp: Counter
  /** Acknowledged, and sent more than once: oldest first. A second ack shows that the first was late, not lost. */
  readonly #repeated = new Set<number>()
  #patienceFactor = 1
  #inFlight = 0

  constructor(clock: Clock, params: Pick<TrafficParams, 'ackWaitMultiplier' | 'ackWaitAddition'>, meter: Meter) {
    this.#clock = clock
    this.#params = params
    this.#acked = meter.counter('client_acked_total', 'Fragments acknowledged')
    this.#retransmitted = meter.counter('client_retransmitted_total', 'Fragments sent again')
    this.#givenUp = meter.counter('client_given_up_total', 'Fragments given up')
    meter.gauge('client_unacknowledged', 'Fragments on their way', () => this.#inFlight)
  }

  /** Sent and neither acknowledged nor waiting to be sent again. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Notes that the fragment was handed over; `expected` is the sum of the delays of packet and ack. */
  sent(id: FragmentId, expected: Nanos, awaiting: Awaiting): void {
    const key = keyOf(id)
    let pending = this.#pending.get(key)
    if (pending === undefined) {
      pending = { awaiting, transmissions: 0, timer: undefined }
      this.#pending.set(key, pending)
    }
    pending.transmissions++
    if (pending.timer !== undefined) pending.timer.cancel()
    else this.#inFlight++
    pending.timer = this.#clock.after(this.#patience(expected), () => this.#expired(key))
  }

  /** Whether the fragment is still unacknowledged: one queued again may have been acknowledged late, and need not be sent. */
  has(id: FragmentId): boolean {
    return this.#pending.has(keyOf(id))
  }

  /** False for an ack nobody waits for: a duplicate, or of an earlier life. */
  acknowledge(id: FragmentId): boolean {
    const key = keyOf(id)
    const pending = this.#pending.get(key)
    if (pending === undefined) {
      if (this.#repeated.delete(key)) this.#wasLate()
      return false
    }
    if (pending.transmissions > 1) this.#remember(key)
    else if (pending.timer === undefined) this.#wasLate()
    else this.#patienceFactor = Math.max(1, this.#patienceFactor * SHORTER)
    this.cancel(id)
    this.#acked.value++
    pending.awaiting.acknowledged?.()
    return true
  }

  /** Stops waiting, silently: its message was cancelled. False where nobody waited. */
  cancel(id: FragmentId): boolean {
    const key = keyOf(id)
    const pending = this.#pending.get(key)
    if (pending === undefined) return false
    this.#pending.delete(key)
    if (pending.timer !== undefined) this.#inFlight--
    pending.timer?.cancel()
    return true
  }

  stop(): void {
    for (const pending of this.#pending.values()) pending.timer?.cancel()
    this.#pending.clear()
    this.#repeated.clear()
    this.#inFlight = 0
  }

  #remember(key: number): void {
    this.#repeated.add(key)
    if (this.#repeated.size <= REMEMBERED) return
    for (const oldest of this.#repeated) {
      this.#repeated.delete(oldest)
      return
    }
  }

  #wasLate(): void {
    this.#patienceFactor = Math.min(MOST_PATIENCE, this.#patienceFactor * LONGER)
  }

  #patience(expected: Nanos): Millis {
    const { ackWaitMultiplier, ackWaitAddition } = this.#params
    return millis(this.#patienceFactor * (ackWaitMultiplier * nanosToMillis(expected) + ackWaitAddition))
  }

  #expired(key: number): void {
    const pending = this.#pending.get(key)
    if (pending === undefined) return
    pending.timer = undefined
    this.#inFlight--
    if (pending.transmissions > pending.awaiting.maxRetransmissions) {
      this.#pending.delete(key)
      this.#givenUp.value++
      pending.awaiting.givenUp()
    } else {
      this.#retransmitted.value++
      pending.awaiting.retransmit()
    }
  }
}

const POSITIONS = 256
const keyOf = ({ setId, position }: FragmentId): number => setId * POSITIONS + position
