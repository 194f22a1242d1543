/** Limits of the IP packet router (docs/spec/ip-packet-router.md). What official routers have too is cited; the others are ours to tune. @module */
import { SERVICE_TRAFFIC, type TrafficParams } from '../../../client/trafficParams.ts'
import { type Millis, millis, minutes, seconds } from '../../../foundation/base/units.ts'
import { DEFAULT_QUIET_SENDERS, type QuietSenderLimits } from '../quietSenders.ts'
import type { QuotaLimit } from '../quotas.ts'

export interface IpRouterParams {
  /** Connected at once. Each costs an engine's process where the engine is one: some megabytes. */
  readonly maxClients: number
  /** Being connected at once: the engine starts meanwhile. */
  readonly maxConnecting: number
  /** No packet from the client (Nym: 60 s). Pings do not count, there as here: they keep nothing alive that nobody uses. */
  readonly mixnetSilence: Millis
  /** No packet for the client (Nym: 5 min). */
  readonly worldSilence: Millis
  /** For a bundle to become full, where the client does not say (Nym: 20 ms), and the most that it may say. */
  readonly bundleWait: Millis
  readonly maxBundleWait: Millis
  /**
   * Of packets that wait for one client, in one message (Nym: 1,500). What is in one message stays in order: official clients
   * keep little of TCP that comes too early, and a window of 64 KiB in 45 messages comes in any order (docs/spec/ip-packet-router.md).
   */
  readonly bundleBytes: number
  /** Packets of the mixnet in a client's lane while the next bundle waits: as the requester has it (Nym: 30). */
  readonly lanePackets: number
  /** Bytes that wait for one client before its way out is asked to pause, and before the oldest are lost. */
  readonly pauseAtBytes: number
  readonly maxWaitingBytes: number
  /** A client's packets of TCP wait so long for those that they overtook, and take so many bytes of memory at most. */
  readonly patience: Millis
  readonly maxHeldBytes: number
  /** Of what waits for all clients. */
  readonly maxTotalBytes: number
  /** Of answers to questions, not yet taken by the mixnet client. */
  readonly answers: QuotaLimit
  readonly answerTimeout: Millis
  /** A client hears of refused destinations at most this often: each answer costs it a reply SURB. */
  readonly refusalInterval: Millis
  /** An address that was given back is nobody's for so long. */
  readonly addressRest: Millis
  /** For what clients are told at the end to leave. */
  readonly stopTimeout: Millis
  readonly quietSenders: QuietSenderLimits
  readonly reviewInterval: Millis
}

const KIB = 1024
const MIB = 1024 * KIB

export const DEFAULT_IP_ROUTER_PARAMS: IpRouterParams = {
  maxClients: 256,
  maxConnecting: 16,
  mixnetSilence: seconds(60),
  worldSilence: minutes(5),
  bundleWait: millis(20),
  maxBundleWait: millis(1000),
  bundleBytes: 9000,
  lanePackets: 30,
  pauseAtBytes: 64 * KIB,
  maxWaitingBytes: 256 * KIB,
  patience: seconds(4),
  maxHeldBytes: 512 * KIB,
  maxTotalBytes: 32 * MIB,
  answers: { perSender: 8, overall: 256 },
  stopTimeout: seconds(2),
  answerTimeout: seconds(30),
  refusalInterval: seconds(1),
  addressRest: minutes(2),
  quietSenders: DEFAULT_QUIET_SENDERS,
  reviewInterval: seconds(10),
}

/**
 * What carries IP packets at an exit: it sends again sooner. What a packet's TCP behind it takes for loss ends with how long it takes to mend, and
 * streams, which know what was lost, can wait. Where acks come late for other reasons it learns to wait as long as all (PendingAcks).
 */
export const ROUTER_TRAFFIC: TrafficParams = { ...SERVICE_TRAFFIC, ackWaitAddition: millis(400) }
