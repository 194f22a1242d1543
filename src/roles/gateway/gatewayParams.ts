/** Limits of a gateway. The protocol's numbers (docs/spec/gateway.md) say so; the others are ours to tune. @module */
import { hours, type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'
import type { RegistrationLimits } from './registrationBudgets.ts'
import { DEFAULT_TICKET_PARAMS, type TicketParams } from './ticketParams.ts'

const KIB = 1024
const MIB = 1024 * KIB

export interface GatewayParams extends RegistrationLimits, TicketParams {
  /** Protocol: 8192. */
  readonly maxConnections: number
  /** Connections that have not logged in. */
  readonly maxUnauthenticated: number
  /** From one IPv4 address or one IPv6 /64. */
  readonly maxPerAddress: number
  /** The same, of those that have not logged in: a tenth of all, so that one address cannot keep everybody out. */
  readonly maxUnauthenticatedPerAddress: number
  /** Answers waiting for a client that has not logged in; who asks and does not read is closed. */
  readonly maxAdmissionBufferedBytes: number
  /** Protocol: 1.5 s. */
  readonly upgradeTimeout: Millis
  /** For each message before the login. Protocol: 10 s. */
  readonly messageTimeout: Millis
  /** For all of them together: `supportedProtocol` may be asked any number of times, but not for ever. */
  readonly admissionTimeout: Millis
  /** For each message of a registration. Protocol: 5 s. */
  readonly handshakeTimeout: Millis
  /** A longer message ends the connection. The longest honest one is a forward request of 33 KB. */
  readonly maxMessageBytes: number
  /** Texts before the login: a registration's first has 500 characters. */
  readonly maxAdmissionCharacters: number
  /** Texts of a session: a ticket has 6,000 characters. */
  readonly maxTextCharacters: number

  /** Messages handled of one session before the others get their turn. */
  readonly messagesPerTurn: number
  /** How often sessions that were made to wait are looked at. */
  readonly resumeEvery: Millis
  /** More waiting for a client to read it: nothing more is read from that client, so it causes no more answers. */
  readonly pauseAboveBufferedBytes: number
  /** Still more: the session is closed, what was pushed goes to the inbox. */
  readonly closeAboveBufferedBytes: number

  /**
   * From a message's arrival to its SURB-ack, whatever happened to it meanwhile. Released when the client has it, an ack would
   * tell every sender whether the client is there, and how far from its gateway; official gateways release at once, always.
   */
  readonly ackHold: Millis
  /** A ping's answer confirms what was pushed before it. Without one for so long, what was pushed is stored. Protocol: 1 s. */
  readonly pongTimeout: Millis
  /** A session that answers no ping for so long is closed. */
  readonly stallTimeout: Millis
  /** A session in which nothing happened for so long is pinged, or dead connections would never be noticed. */
  readonly idlePingAfter: Millis
  /** Pushed and not confirmed, for one session; beyond it messages wait in the inbox. */
  readonly maxUnconfirmedBytes: number
  /** The same for all sessions together: they are kept in memory until confirmed or stored. */
  readonly maxUnconfirmedTotalBytes: number

  /** Clients registered. For more, clients are forgotten that were never used or are long idle; where there are none, newcomers are refused. */
  readonly maxClients: number
  /** A client that did not log in for so long is forgotten. */
  readonly clientRetention: Millis
  /** One that registered and did nothing else since: it has nothing to lose but the registration. */
  readonly unusedRetention: Millis
  /** How long ago an unused client must have been here to be forgotten for a newcomer. More than `idlePingAfter`: nobody who is connected. */
  readonly evictUnusedAfter: Millis
  /** The same of one that was used, where there are no unused ones. */
  readonly evictIdleAfter: Millis
  readonly maxInboxBytesPerClient: number
  readonly maxInboxBytes: number
  /** Protocol: 24 h. */
  readonly inboxRetention: Millis
  /** Protocol: an hour. */
  readonly purgeEvery: Millis
  /** Rows one purge step may delete; more follow in later turns. */
  readonly purgeBatch: number
  /** Stored messages pushed before the next confirmation is awaited. Protocol: 100. */
  readonly inboxBatchMessages: number
  readonly inboxBatchBytes: number
  /** Between two commits, each of which waits for the disk: at 10 ms it is at most 100 times a second. */
  readonly commitInterval: Millis
  /** Waiting for a commit: beyond it the commit happens at once. */
  readonly maxStagedBytes: number
  /** What a client used of its bandwidth is on disk no later than this. A crash gives it back to the client. */
  readonly balanceFlushAfter: Millis

  /** Packets waiting for the end of the turn, for one embedded client. */
  readonly localQueueCapacity: number
  /** Whether clients get bandwidth for asking (official: enforce_zk_nyms = false). */
  readonly freeBandwidth: boolean
}

export const DEFAULT_GATEWAY_PARAMS: GatewayParams = {
  ...DEFAULT_TICKET_PARAMS,
  maxConnections: 8192,
  maxUnauthenticated: 1024,
  maxPerAddress: 1024,
  maxUnauthenticatedPerAddress: 96,
  maxAdmissionBufferedBytes: 16 * KIB,
  upgradeTimeout: millis(1500),
  messageTimeout: seconds(10),
  admissionTimeout: seconds(60),
  handshakeTimeout: seconds(5),
  maxMessageBytes: 64 * KIB,
  maxAdmissionCharacters: 4 * KIB,
  maxTextCharacters: 32 * KIB,

  messagesPerTurn: 32,
  resumeEvery: millis(10),
  pauseAboveBufferedBytes: 128 * KIB,
  closeAboveBufferedBytes: 2 * MIB,

  ackHold: millis(250),
  pongTimeout: seconds(1),
  stallTimeout: seconds(60),
  idlePingAfter: minutes(5),
  maxUnconfirmedBytes: MIB,
  maxUnconfirmedTotalBytes: 64 * MIB,

  maxClients: 1_000_000,
  clientRetention: hours(90 * 24),
  unusedRetention: hours(24),
  evictUnusedAfter: minutes(15),
  evictIdleAfter: hours(7 * 24),
  // Behind one address there may be a whole university; its newcomers of a day.
  registrationsPerAddress: 512,
  registrationsComeBackIn: hours(24),
  // Some 8 MiB.
  maxRegisteringAddresses: 65_536,
  maxInboxBytesPerClient: 32 * MIB,
  maxInboxBytes: 1024 * MIB,
  inboxRetention: hours(24),
  purgeEvery: hours(1),
  purgeBatch: 1000,
  inboxBatchMessages: 100,
  inboxBatchBytes: 256 * KIB,
  commitInterval: millis(10),
  maxStagedBytes: 8 * MIB,
  balanceFlushAfter: seconds(1),

  localQueueCapacity: 4096,
  freeBandwidth: true,
}

/** A network on one machine: whoever tries things out there registers from one address all day. */
export const LOOPBACK_GATEWAY_PARAMS: GatewayParams = { ...DEFAULT_GATEWAY_PARAMS, registrationsPerAddress: 65_536 }
