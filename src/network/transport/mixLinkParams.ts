/** Limits of links between nodes. The protocol's numbers are cited; the others are ours to tune. @module */
import { type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'

export interface BackoffParams {
  /** After the first timeout or failed handshake; doubles with every further one. */
  readonly first: Millis
  readonly max: Millis
  /** After a refused connection, always the same: somebody is at home and said no, so asking soon costs nobody much. */
  readonly refused: Millis
}

export interface MixEgressParams {
  /** 7 drops the rotation flag, and every node understands it; 8 keeps it. */
  readonly frameVersion: 7 | 8
  /** Frames that may wait for one next hop. */
  readonly queueCapacity: number
  /** Packet bytes that may wait for all next hops together: 2,000 frames of 33 KB to each of 100 hops would be 6.6 GB. */
  readonly maxQueuedBytes: number
  /** Next hops remembered at once. */
  readonly maxNextHops: number
  /** One write takes no more than this and one frame. */
  readonly maxBatchBytes: number
  readonly connectTimeout: Millis
  /** For the whole Noise handshake, on top of the connect timeout. */
  readonly handshakeTimeout: Millis
  readonly backoff: BackoffParams
  /** Frames wait for a next hop that is away no longer than this: later they would only arrive too late. */
  readonly holdLimit: Millis
  /** A link that dies younger than this counts as a failed attempt, so a peer that accepts and hangs up is not hammered. */
  readonly provenAfter: Millis
  /** A peer that reads nothing for so long is given up. */
  readonly stallTimeout: Millis
  /** A link without frames for so long is closed, and opened again on demand. */
  readonly idleTimeout: Millis
  /** How often stalls and idleness are looked for. */
  readonly sweepEvery: Millis
  /** How long closing may wait for the peers to take what is queued. */
  readonly drainLimit: Millis
}

export interface MixIngressParams {
  readonly maxConnections: number
  /** From one IPv4 address or one IPv6 /64. */
  readonly maxPerAddress: number
  /** From addresses that no known node announces, where the caller can tell. */
  readonly maxStrangers: number
  /** Noise handshakes in progress: each costs up to four multiplications. */
  readonly maxHandshakes: number
  readonly handshakeTimeout: Millis
  /** From accepting to the first whole frame. Peers connect because they have something to send. */
  readonly firstFrameTimeout: Millis
  /** From the first byte of a frame to its last. */
  readonly frameTimeout: Millis
  /** Longer than any sender's own limit, so that it is the sender who closes and nothing is lost. */
  readonly idleTimeout: Millis
  readonly sweepEvery: Millis
}

/** Of the official nodes (spec/sphinx.md 2.19). */
const OFFICIAL_BACKOFF: BackoffParams = { first: seconds(10), max: seconds(300), refused: millis(250) }

/**
 * For networks on one machine. The official 10 s protect strangers from being dialled by thousands; here nobody is a stranger,
 * a timeout means a busy core rather than a dead continent, and ten silent seconds are what people take for a broken program.
 */
const LOOPBACK_BACKOFF: BackoffParams = { first: millis(250), max: seconds(5), refused: millis(100) }

export const DEFAULT_EGRESS_PARAMS: MixEgressParams = {
  frameVersion: 7,
  queueCapacity: 2000,
  maxQueuedBytes: 64 * 1024 * 1024,
  maxNextHops: 4096,
  maxBatchBytes: 256 * 1024,
  connectTimeout: millis(1500),
  handshakeTimeout: millis(1500),
  backoff: OFFICIAL_BACKOFF,
  holdLimit: seconds(2),
  provenAfter: seconds(5),
  stallTimeout: seconds(10),
  idleTimeout: minutes(5),
  sweepEvery: seconds(5),
  drainLimit: millis(500),
}

export const DEFAULT_INGRESS_PARAMS: MixIngressParams = {
  maxConnections: 4096,
  maxPerAddress: 64,
  maxStrangers: 1024,
  maxHandshakes: 256,
  handshakeTimeout: millis(1500),
  firstFrameTimeout: seconds(30),
  frameTimeout: seconds(10),
  idleTimeout: minutes(30),
  sweepEvery: seconds(1),
}

/** Frame version 8 because every peer is ours, backoff for one machine. */
export const LOOPBACK_EGRESS_PARAMS: MixEgressParams = {
  ...DEFAULT_EGRESS_PARAMS,
  frameVersion: 8,
  backoff: LOOPBACK_BACKOFF,
}

/** Where the system has one loopback address, all nodes share it. */
export const LOOPBACK_INGRESS_PARAMS: MixIngressParams = { ...DEFAULT_INGRESS_PARAMS, maxPerAddress: 4096 }
