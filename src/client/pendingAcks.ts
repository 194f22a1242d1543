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

export class PendingAcks {
  readonly #clock: Clock
  readonly #params: Pick<TrafficParams, 'ackWaitMultiplier' | 'ackWaitAddition'>
  readonly #pending = new Map<number, Pending>()
  readonly #acked: Counter
  readonly #retransmitted: Counter
  readonly #givenUp: Counter
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
    const awaiting = this.#pending.get(keyOf(id))?.awaiting
    if (awaiting === undefined) return false
    this.cancel(id)
    this.#acked.value++
    awaiting.acknowledged?.()
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
    this.#inFlight = 0
  }

  #patience(expected: Nanos): Millis {
    return millis(this.#params.ackWaitMultiplier * nanosToMillis(expected) + this.#params.ackWaitAddition)
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
