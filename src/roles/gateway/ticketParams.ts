/** Limits of a gateway that takes tickets. The protocol's numbers (docs/spec/gateway.md, "Tickets") say so; the others are ours. @module */
import { hours, type Millis, minutes, seconds } from '../../foundation/base/units.ts'

export interface TicketParams {
  /** Between a pay info's time and the clock, either way. Protocol: 30 s. */
  readonly payInfoTolerance: Millis
  /** Pay infos remembered while they could come again. At 100 tickets a second it is 6,000. */
  readonly maxPayInfos: number
  /** Tickets that wait for their proofs to be checked, and for their commit; more are refused. */
  readonly maxTicketsWaiting: number
  /** Of one client: its session gives one at a time, but it may have lost its connection and come back. */
  readonly maxTicketsOfClient: number
  /** Proofs checked in one go: at 64 most of what many at once save is saved, and nobody waits for more than two batches' time. */
  readonly ticketBatch: number
  /** For one batch, when it is the checking itself that hangs. */
  readonly ticketTimeout: Millis
  /** Bad tickets in a row of time that end a client's session, and every further one. */
  readonly badTickets: number
  /** For all of them to be forgiven. */
  readonly badTicketsForgivenIn: Millis
  /** Clients whose bad tickets are remembered. */
  readonly maxFailingClients: number
  /** What tickets are worth in units of their official value: below 1 in tests, where a client must use a ticket up in minutes. */
  readonly ticketScale: number

  /** Questions to issuers under way. Protocol: 32. */
  readonly issuersAtOnce: number
  /** Tickets whose issuers are asked at the same time. */
  readonly ticketsClearedAtOnce: number
  readonly issuerTimeout: Millis
  /** Between two questions to issuers that did not answer. Protocol: 300 s; half of that more at random, or all tickets of an outage come at once. */
  readonly issuerRetry: Millis
  /** An issuer that did not answer is asked about no ticket for so long: one that is cut off would hold up the tickets of all the others. */
  readonly issuerPause: Millis
  /** Part of the issuers that makes a ticket a verified one. Protocol: 0.7. */
  readonly acceptedQuorum: number
  /** Part of them that makes it a bad one. Protocol: 0.3. */
  readonly rejectedQuorum: number
  /** What a bad ticket costs, in units of its value. Protocol: 10. */
  readonly penaltyFactor: number
  /** Issuers judge no ticket of the day before yesterday. */
  readonly clearingGivenUpAfter: Millis

  /** Verified tickets that make a redemption. Protocol: 100. */
  readonly redeemFrom: number
  /** And the age of the oldest that makes one of fewer. Protocol: 483,840 s, before issuers forget it. */
  readonly redeemAfter: Millis
  /** Tickets of one redemption. The protocol has a u16 for it; ours is what a small HTTP body holds. */
  readonly redeemAtMost: number
  /** How often it is looked whether one is due. */
  readonly redeemEvery: Millis
  /**
   * How long spent serial numbers are remembered, from their day. A ticket can be spent on no more than seven days; twice that, since
   * a clock may be set wrong.
   */
  readonly serialRetention: Millis
}

export const DEFAULT_TICKET_PARAMS: TicketParams = {
  payInfoTolerance: seconds(30),
  maxPayInfos: 65_536,
  maxTicketsWaiting: 512,
  maxTicketsOfClient: 2,
  ticketBatch: 64,
  ticketTimeout: seconds(60),
  badTickets: 5,
  badTicketsForgivenIn: hours(1),
  maxFailingClients: 65_536,
  ticketScale: 1,

  issuersAtOnce: 32,
  ticketsClearedAtOnce: 16,
  issuerTimeout: seconds(10),
  issuerRetry: seconds(300),
  issuerPause: seconds(60),
  acceptedQuorum: 0.7,
  rejectedQuorum: 0.3,
  penaltyFactor: 10,
  clearingGivenUpAfter: hours(48),

  redeemFrom: 100,
  redeemAfter: seconds(483_840),
  redeemAtMost: 1000,
  redeemEvery: minutes(10),
  serialRetention: hours(14 * 24),
}
