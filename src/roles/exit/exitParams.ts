/**
 * Limits of the exit (docs/spec/network-requester.md). What official requesters have too is cited; the others are ours to
 * tune. @module
 */
import { type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'
import { DEFAULT_QUIET_SENDERS, type QuietSenderLimits } from './quietSenders.ts'
import type { QuotaLimits } from './quotas.ts'

export interface EarlyDataLimits {
  /** Of one connection: messages, and bytes with what keeping a message costs. */
  readonly maxMessages: number
  readonly maxBytes: number
  /** Of all; the connection that waited longest goes first. */
  readonly maxConnections: number
  readonly maxTotalBytes: number
  /** For the connect request to come after the first data. */
  readonly lifetime: Millis
}

/** `connects` are connections not yet made; `bytes` are clients' bytes not yet taken; `answers` are those outside a connection. */
export type ExitResource = 'connections' | 'connects' | 'bytes' | 'answers'

export interface ExitParams {
  /** Of one name, waiting for a turn included. */
  readonly lookupTimeout: Millis
  /** Lookups under way. Node runs four at a time and keeps the others waiting. */
  readonly maxLookups: number
  /** Of one address; at most `maxAddresses` of a name are tried. With the lookup, less than a client waits (30 s). */
  readonly connectTimeout: Millis
  readonly maxAddresses: number
  /** The destination is read while the connection's lane holds at most this many packets (Nym: 30). */
  readonly lanePackets: number
  /** An empty message after this long without one (Nym: 60 s). */
  readonly keepAliveInterval: Millis
  /** Nothing either way: the connection ends. (Nym: 5 min, and only the client's messages count.) */
  readonly idleTimeout: Millis
  /**
   * Nothing from the client, whatever the destination sends: it is gone. Above any keep-alive, and above clients' own limits. Where it should
   * send keep-alives, `idleTimeout` is enough (Nym: for all).
   */
  readonly silenceTimeout: Millis
  /** One side ended: the other may go on for this long in all, since a client that gave up looks the same as one that listens. */
  readonly halfClosedTimeout: Millis
  /**
   * The destination ended and the client, told so, says nothing: not even its keep-alives, once a minute. Where there is room for no more
   * connections, also others of whom so many are missing give way.
   */
  readonly lingerTimeout: Millis
  /** The destination is gone: for the last messages to leave (Nym: 4 min). */
  readonly drainTimeout: Millis
  /** Messages a stream may be ahead of the next one (Nym: 1,000), and bytes of one connection not yet taken by its destination. */
  readonly maxAhead: number
  readonly maxConnectionBytes: number
  readonly quotas: QuotaLimits<ExitResource>
  readonly early: EarlyDataLimits
  readonly quietSenders: QuietSenderLimits
  /** Connections remembered after their end, so that stragglers open nothing. */
  readonly maxRemembered: number
  readonly rememberFor: Millis
  /** For an answer outside a connection to be taken by the mixnet client. */
  readonly answerTimeout: Millis
  /** For connections to tell their clients goodbye. */
  readonly stopTimeout: Millis
  /** How often timeouts are looked at. */
  readonly reviewInterval: Millis
}

const MIB = 1024 * 1024

export const DEFAULT_EXIT_PARAMS: ExitParams = {
  lookupTimeout: seconds(5),
  maxLookups: 16,
  connectTimeout: seconds(7),
  maxAddresses: 3,
  lanePackets: 30,
  keepAliveInterval: seconds(60),
  idleTimeout: minutes(5),
  silenceTimeout: minutes(30),
  halfClosedTimeout: minutes(10),
  lingerTimeout: seconds(150),
  drainTimeout: minutes(1),
  maxAhead: 1000,
  maxConnectionBytes: 8 * MIB,
  quotas: {
    connections: { perSender: 256, overall: 1024 },
    connects: { perSender: 32, overall: 256 },
    bytes: { perSender: 32 * MIB, overall: 64 * MIB },
    answers: { perSender: 16, overall: 256 },
  },
  early: {
    maxMessages: 1000,
    maxBytes: 8 * MIB,
    maxConnections: 4096,
    maxTotalBytes: 32 * MIB,
    lifetime: seconds(60),
  },
  quietSenders: DEFAULT_QUIET_SENDERS,
  maxRemembered: 10_000,
  rememberFor: minutes(10),
  answerTimeout: seconds(30),
  stopTimeout: seconds(2),
  reviewInterval: millis(1000),
}
