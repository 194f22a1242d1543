/** When packets leave a client and how hard it tries. Nym's defaults where Nym has the knob (docs/spec/packet.md, "Sending"). @module */
import { hours, type Millis, millis, minutes, seconds } from '../foundation/base/units.ts'
import { REASSEMBLER_DEFAULTS, type ReassemblerLimits } from '../protocol/packet/reassembly.ts'

export interface TrafficParams {
  /** Mean delay a packet asks for at each mix node, Exp-distributed; also that of its ack. */
  readonly averagePacketDelay: Millis
  readonly averageAckDelay: Millis
  /**
   * Mean time between two packets of the main stream: real where one waits, else loop cover, so a watcher sees the same stream
   * either way. undefined: real packets leave at once and there is no cover in this stream: volume and timing show.
   */
  readonly mainStreamInterval: Millis | undefined
  /** Mean time between two packets of the independent loop cover stream. undefined: none. */
  readonly loopCoverInterval: Millis | undefined
  /** Without a main stream: fragments on their way that may be unacknowledged before the next waits. */
  readonly unacknowledgedWindow: number
  /** An ack is waited for: multiplier · expected round trip + addition. */
  readonly ackWaitMultiplier: number
  readonly ackWaitAddition: Millis
  /** Times a fragment is sent again, some 1.6 s apart, before its message is given up. Waiting for a link does not count. */
  readonly maxRetransmissions: number
  /** Fragments queued in all lanes; senders wait above it. */
  readonly queueCapacity: number
  /** Fragments queued in one lane above which its sender waits. */
  readonly laneCapacity: number
  readonly replies: ReplyParams
  readonly reassembly: ReassemblerLimits
}

export interface ReplyParams {
  /** SURBs of a sender that only its SURB requests may use. Nym: 10. */
  readonly reserve: number
  /** Ask for more while fewer than this, fresh and asked for, are in stock. */
  readonly maxStock: number
  readonly minRequest: number
  readonly maxRequest: number
  /** The most SURBs one request of a peer is answered with. */
  readonly maxAllowedRequest: number
  readonly rerequestAfter: Millis
  readonly giveUpAfter: Millis
  readonly maxRerequests: number
  readonly maxKeyAge: Millis
  /** Reply keys remembered: SURBs sent out and not yet used. */
  readonly maxKeys: number
  /** Times a reply is sent again, each time with another SURB. Nym: 10; but a stream that lacks one fragment is broken. */
  readonly maxRetransmissions: number
  /** Senders whose SURBs are kept, of whom who was idle longest goes first; and SURBs of all of them, of which who has most loses some. */
  readonly maxSenders: number
  readonly maxSurbs: number
  /** Reply fragments that wait for a SURB: of one sender, above which replies to it wait; of all, above which some are lost. */
  readonly maxWaitingPerSender: number
  readonly maxWaiting: number
  /** Owner: SURBs kept at a recipient ahead of need, idle and while replies flow. */
  readonly idleTarget: number
  readonly busyTarget: number
}

export const DEFAULT_TRAFFIC: TrafficParams = {
  averagePacketDelay: millis(15),
  averageAckDelay: millis(15),
  mainStreamInterval: millis(20),
  loopCoverInterval: millis(200),
  unacknowledgedWindow: 256,
  ackWaitMultiplier: 1.5,
  ackWaitAddition: millis(1500),
  maxRetransmissions: 60,
  queueCapacity: 4096,
  laneCapacity: 64,
  replies: {
    reserve: 2,
    maxStock: 200,
    minRequest: 10,
    maxRequest: 50,
    maxAllowedRequest: 500,
    rerequestAfter: seconds(10),
    giveUpAfter: minutes(5),
    maxRerequests: 5,
    maxKeyAge: hours(24),
    maxKeys: 20_000,
    maxRetransmissions: 60,
    maxSenders: 10_000,
    maxSurbs: 50_000,
    maxWaitingPerSender: 1_024,
    maxWaiting: 16_384,
    idleTarget: 40,
    busyTarget: 300,
  },
  reassembly: REASSEMBLER_DEFAULTS,
}

/** What a service answering others uses: no main stream (its answers leave as they come, in a window), loops all the same. */
export const SERVICE_TRAFFIC: TrafficParams = { ...DEFAULT_TRAFFIC, mainStreamInterval: undefined }
