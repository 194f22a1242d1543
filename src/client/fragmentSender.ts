/** Sees one fragment through: queued, sent, waited for, queued again, until it is acknowledged or given up. @module */
import { nanos } from '../foundation/base/units.ts'
import type { FragmentId } from '../protocol/packet/acks.ts'
import type { Fragment } from '../protocol/packet/fragments.ts'
import type { PreparedPacket } from '../protocol/packet/prepare.ts'
import type { Lane, LaneQueue } from './laneQueue.ts'
import type { Awaiting, PendingAcks } from './pendingAcks.ts'
import type { Outgoing } from './sender.ts'
import type { FragmentCounts } from './streamVitals.ts'

export interface FragmentSenderOptions {
  readonly lanes: LaneQueue<Outgoing>
  readonly pending: PendingAcks
  readonly maxRetransmissions: number
  /** Something was queued or the window moved. */
  readonly wake: () => void
}

export interface FragmentJob {
  readonly fragment: Fragment
  readonly lane: Lane
  readonly maxRetransmissions?: number
  /** Of the conversation that it belongs to. */
  readonly counts?: FragmentCounts | undefined
  /** Aborted: it is not sent again. */
  readonly until?: AbortSignal | undefined
  /** undefined where there is no route to the recipient: counts as sent and lost. */
  prepare(): PreparedPacket | undefined
  /** Gets what each transmission needs before it may join its lane, now or later. Absent: nothing. */
  acquire?(turn: Turn): void
  /** The link took the packet: what it needed is used up. */
  sent?(): void
  /** What was acquired is not needed after all. */
  discard?(): void
}

/** One transmission that waits for what it needs. */
export interface Turn {
  readonly lane: Lane
  /** False once the fragment is acknowledged: do not spend anything on it. */
  isNeeded(): boolean
  /** It has what it needs: into its lane. */
  queue(): void
  /** It will never have it. */
  giveUp(): void
}

export const RETRANSMISSIONS: Lane = 'retransmission'

export class FragmentSender {
  readonly #options: FragmentSenderOptions

  constructor(options: FragmentSenderOptions) {
    this.#options = options
  }

  send(job: FragmentJob): void {
    new Delivery(this.#options, job).begin(job.lane)
  }
}

class Delivery implements Outgoing, Awaiting {
  readonly maxRetransmissions: number
  readonly #options: FragmentSenderOptions
  readonly #job: FragmentJob
  readonly #id: FragmentId
  #everSent = false

  constructor(options: FragmentSenderOptions, job: FragmentJob) {
    this.#options = options
    this.#job = job
    this.#id = { setId: job.fragment.setId, position: job.fragment.position }
    this.maxRetransmissions = job.maxRetransmissions ?? options.maxRetransmissions
  }

  begin(lane: Lane): void {
    const turn: Turn = {
      lane,
      isNeeded: () => this.#isNeeded,
      queue: () => {
        this.#options.lanes.push(lane, this)
        this.#options.wake()
      },
      giveUp: () => this.givenUp(),
    }
    if (this.#job.acquire === undefined) turn.queue()
    else this.#job.acquire(turn)
  }

  prepare(): PreparedPacket | undefined {
    if (this.#job.until?.aborted) this.#options.pending.cancel(this.#id)
    // Queued again, and acknowledged or of no use while it waited.
    if (!this.#isNeeded) {
      this.discard()
      return undefined
    }
    const prepared = this.#job.prepare()
    if (prepared === undefined) this.#await(nanos(0))
    return prepared
  }

  sent(prepared: PreparedPacket): void {
    const { counts } = this.#job
    if (counts !== undefined) counts[this.#everSent ? 'again' : 'sent']++
    this.#job.sent?.()
    this.#await(prepared.expectedRoundTrip)
  }

  discard(): void {
    this.#job.discard?.()
  }

  acknowledged(): void {
    const { counts } = this.#job
    if (counts !== undefined) counts.acknowledged++
  }

  retransmit(): void {
    this.begin(RETRANSMISSIONS)
  }

  givenUp(): void {
    this.#options.pending.cancel(this.#id)
    if (this.#job.counts !== undefined) this.#job.counts.givenUp++
    this.#job.discard?.()
    this.#options.wake()
  }

  get #isNeeded(): boolean {
    return !this.#everSent || this.#options.pending.has(this.#id)
  }

  #await(expected: PreparedPacket['expectedRoundTrip']): void {
    this.#everSent = true
    this.#options.pending.sent(this.#id, expected, this)
  }
}
