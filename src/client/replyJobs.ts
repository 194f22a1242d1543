/** Fragments that travel through reply SURBs: each transmission takes another one. @module */
import type { Fragment } from '../protocol/packet/fragments.ts'
import type { PreparedPacket } from '../protocol/packet/prepare.ts'
import type { ReplySurb } from '../protocol/packet/replySurb.ts'
import type { FragmentJob, Turn } from './fragmentSender.ts'
import type { Lane } from './laneQueue.ts'
import type { ReplyStock, SenderTag } from './replyStock.ts'

export interface ReplyJobsOptions {
  readonly stock: ReplyStock
  /** undefined where there is no route for the ack. */
  readonly prepare: (fragment: Fragment, surb: ReplySurb) => PreparedPacket | undefined
  /** Of replies. */
  readonly maxRetransmissions: number
}

interface SurbJob {
  readonly tag: SenderTag
  readonly fragment: Fragment
  readonly lane: Lane
  readonly maxRetransmissions: number
}

type Acquire = (turn: Turn, send: (surb: ReplySurb) => void) => void

const SURB_REQUESTS: Lane = 'surb-requests'
// Nym: the same. After some time without SURBs the stock asks anew.
const MAX_REQUEST_RETRANSMISSIONS = 10

export class ReplyJobs {
  readonly #options: ReplyJobsOptions

  constructor(options: ReplyJobsOptions) {
    this.#options = options
  }

  /** Waits for SURBs where there are none. */
  reply(tag: SenderTag, fragment: Fragment, lane: Lane): FragmentJob {
    const { stock, maxRetransmissions } = this.#options
    return this.#job({ tag, fragment, lane, maxRetransmissions }, (turn, send) => {
      const reply = { lane: turn.lane, isNeeded: turn.isNeeded, send, abandon: turn.giveUp }
      if (!stock.enqueue(tag, reply)) turn.giveUp()
    })
  }

  /** A request for SURBs: goes at once, with `first`, and is repeated with the reserve; where that is used up, nobody is believed to have heard it. */
  request(tag: SenderTag, fragment: Fragment, first: ReplySurb, amount: number): FragmentJob {
    const { stock } = this.#options
    let next: ReplySurb | undefined = first
    const maxRetransmissions = MAX_REQUEST_RETRANSMISSIONS
    return this.#job({ tag, fragment, lane: SURB_REQUESTS, maxRetransmissions }, (turn, send) => {
      const surb = next ?? stock.take(tag)
      next = undefined
      if (surb !== undefined) return send(surb)
      stock.unanswered(tag, amount)
      turn.giveUp()
    })
  }

  #job({ tag, fragment, lane, maxRetransmissions }: SurbJob, acquire: Acquire): FragmentJob {
    const { stock, prepare } = this.#options
    // Kept until the link takes the packet: what never left can be used again.
    let held: ReplySurb | undefined
    return {
      fragment,
      lane,
      maxRetransmissions,
      acquire: (turn) => {
        if (held !== undefined) return turn.queue()
        acquire(turn, (surb) => {
          held = surb
          turn.queue()
        })
      },
      prepare: () => held && prepare(fragment, held),
      sent: () => {
        held = undefined
      },
      discard: () => {
        if (held !== undefined) stock.giveBack(tag, held)
        held = undefined
      },
    }
  }
}
