/** How a client deals with its gateway: deadlines, bounds, patience. The protocol's own numbers: wire/gateway/protocol.ts. @module */
import { type Millis, millis, minutes, seconds } from '../foundation/base/units.ts'
import { CLAIM_THRESHOLD_BYTES } from '../protocol/wire/gateway/protocol.ts'
import type { GuardParams } from './guardSet.ts'

export interface EntryParams {
  /** For one URL of a gateway: TCP, TLS and the upgrade. */
  readonly connectTimeout: Millis
  /** For each answer before the link is open, and for a claim. Official peers allow 5 s in the handshake. */
  readonly stepTimeout: Millis
  /** URLs of one gateway tried in one attempt. */
  readonly maxUrls: number
  /** A longer message closes the connection. The longest honest one is a pushed packet of 32 KiB. */
  readonly maxMessageBytes: number
  /** Bytes waiting for the socket above which `send` refuses. */
  readonly maxBufferedBytes: number
  /** Claims follow each other no closer, whatever the gateway says of the balance. */
  readonly claimSpacing: Millis
  /** Clients claim when the balance they know is below this. Less only in tests, where a ticket is used up in seconds. */
  readonly claimBelow: number
  /** Unreadable texts, errors or frames in a row after which a gateway makes no sense any more. */
  readonly maxNonsense: number
  /** Silence after which an idle gateway is asked for a sign of life, and one that has packets to answer. */
  readonly idleProbeAfter: Millis
  readonly busyProbeAfter: Millis
  /** Silence after the question that means the connection is dead. */
  readonly probeTimeout: Millis
  readonly retry: RetryParams
  /** How long `close` waits for the gateway's goodbye. */
  readonly closeTimeout: Millis
  readonly failover: FailoverParams
}

export interface RetryParams {
  /** Wait after the first failure; doubles with every further one, and each is shortened at random by up to half. */
  readonly first: Millis
  readonly max: Millis
  /** A connection that lived so long ends the row of failures. */
  readonly stableAfter: Millis
  /** After a login that was refused for its timestamp: at least the next second. */
  readonly staleLogin: Millis
}

export interface FailoverParams {
  /**
   * How long a gateway that served before may be away. Moving changes the client's address, so a restart is waited for; but one that
   * has gone silent is noticed after 15 to 20 s, and with these must be left within the minute that a request has: the next one works.
   * A gateway that never served has one attempt.
   */
  readonly downtime: Millis
  /** For how long a gateway that was away is not chosen, and one that refused. */
  readonly avoidAway: Millis
  readonly avoidRefused: Millis
  readonly guards: GuardParams
  /**
   * How long all guards may be away, while the directory answers, before one more is drawn; and how long each further draw takes. What
   * somebody has to hold down to lead a client one step on. As long may the directory leave all of them out, where one serves yet.
   */
  readonly patience: Millis
  /** The same for a client that no gateway has ever served: it has nobody to be faithful to, and somebody waits for it. */
  readonly firstPatience: Millis
  /** After so long at a gateway that was drawn in need, the first guards are tried again. */
  readonly returnAfter: Millis
  /** How long a gateway that was left is listened to: for the messages on their way there, and for those in its inbox. */
  readonly linger: Millis
}

export const DEFAULT_ENTRY_PARAMS: EntryParams = {
  connectTimeout: seconds(5),
  stepTimeout: seconds(5),
  maxUrls: 4,
  maxMessageBytes: 65_536,
  maxBufferedBytes: 262_144,
  claimSpacing: seconds(5),
  claimBelow: CLAIM_THRESHOLD_BYTES,
  maxNonsense: 32,
  idleProbeAfter: seconds(45),
  busyProbeAfter: seconds(5),
  probeTimeout: seconds(10),
  retry: { first: millis(500), max: seconds(30), stableAfter: seconds(10), staleLogin: millis(1100) },
  closeTimeout: millis(500),
  failover: {
    downtime: seconds(35),
    avoidAway: seconds(60),
    avoidRefused: minutes(10),
    // Tor: one or two guards in use out of three, at most 20 ever sampled. Three survive two failures at once; six is what a
    // client can be made to meet in a month.
    guards: { size: 3, maxSize: 6, goneAfterDays: 30, needLastsDays: 30 },
    patience: minutes(10),
    firstPatience: seconds(5),
    returnAfter: minutes(30),
    linger: minutes(5),
  },
}
