/** Sees one fragment through: queued, sent, waited for, queued again, until it is acknowledged or given up. @module */
import { nanos } from '../foundation/base/units.ts'
import type { Fragment } from '../protocol/packet/fragments.ts'
import type { PreparedPacket } from '../protocol/packet/prepare.ts'
import type { Lane, LaneQueue } from './laneQueue.ts'
import type { Awaiting, PendingAcks } from './pendingAcks.ts'
import type { Outgoing } from './sender.ts'

const RETRANSMISSIONS: Lane = 'retransmission'

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
  /** undefined where there is no route just now. */
  readonly prepare: () => PreparedPacket | undefined
  /** What sending again means, where it is not preparing the same again: a reply needs another SURB. */
  readonly again?: () => void
  readonly maxRetransmissions?: number
}

export class FragmentSender {
  readonly #options: FragmentSenderOptions

  constructor(options: FragmentSenderOptions) {
    this.#options = options
  }

  send(job: FragmentJob): void {
    const { lanes, pending, wake } = this.#options
    const { setId, position } = job.fragment
    const id = { setId, position }
    let transmissions = 0
    const awaiting: Awaiting = {
      maxRetransmissions: job.maxRetransmissions ?? this.#options.maxRetransmissions,
      retransmit: () => {
        if (job.again === undefined) lanes.push(RETRANSMISSIONS, outgoing)
        else job.again()
        wake()
      },
      acknowledged: () => {},
      givenUp: () => {},
    }
    const outgoing: Outgoing = {
      prepare: () => {
        // Queued again, and acknowledged while it waited.
        if (transmissions > 0 && !pending.has(id)) return undefined
        const prepared = job.prepare()
        // No route: counts as sent and lost, so that it comes back after the usual wait.
        if (prepared === undefined) pending.sent(id, nanos(0), awaiting)
        transmissions++
        return prepared
      },
      sent: (prepared) => pending.sent(id, prepared.expectedRoundTrip, awaiting),
    }
    lanes.push(job.lane, outgoing)
    wake()
  }

  /** Nobody waits for its ack any more. */
  abandon({ setId, position }: Fragment): void {
    this.#options.pending.cancel({ setId, position })
  }
}
