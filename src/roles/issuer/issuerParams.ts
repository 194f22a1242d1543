/** Numbers of the issuer, each with its unit and where it comes from. @module */
import { hours, type Millis, minutes, seconds } from '../../foundation/base/units.ts'

export interface IssuerParams {
  /** Connections of the HTTP port. */
  readonly maxConnections: number
  readonly requestTimeout: Millis
  /** Requests for books worked on at a time. The engine does one after the other; most of the time is the ledger's. */
  readonly maxSigning: number
  /** Requests for books that wait. At 200 a second the last of them waits two and a half. */
  readonly maxSigningWaiting: number
  /** Tickets that wait for a verdict: eight full batches, a second and a half of the engine. */
  readonly maxVerifying: number
  /** Tickets verified together. Beyond 64 a batch is hardly cheaper, and whoever comes behind it waits longer. */
  readonly maxBatch: number
  /** Redemptions and audits at a time: each reads thousands of rows. */
  readonly maxHeavy: number
  /** For the deposit ledger to answer. */
  readonly ledgerTimeout: Millis
  /** For another issuer's part of a list. */
  readonly partTimeout: Millis
  /** Between two attempts to put a list together: otherwise every request for it would be n to the others. */
  readonly listRetry: Millis
  /** Between two looks at what is to be prepared and what is too old. */
  readonly lookInterval: Millis
  /** Verified tickets are remembered so long: a book lives for seven days, and a payment may come a day late. */
  readonly ticketMemory: Millis
  /** Answers to redemptions are repeated so long. */
  readonly batchMemory: Millis
  /** Tickets remembered at most, about 1.5 kB each on disk. Beyond it none are verified, because a double spend would pass. */
  readonly maxTickets: number
  /** Double spenders remembered at most; the oldest go. */
  readonly maxDoubleSpenders: number
}

export const DEFAULT_ISSUER_PARAMS: IssuerParams = {
  maxConnections: 4096,
  requestTimeout: seconds(30),
  maxSigning: 16,
  maxSigningWaiting: 512,
  maxVerifying: 512,
  maxBatch: 64,
  maxHeavy: 4,
  ledgerTimeout: seconds(10),
  partTimeout: seconds(10),
  listRetry: seconds(5),
  lookInterval: minutes(5),
  ticketMemory: hours(8 * 24),
  batchMemory: hours(60 * 24),
  maxTickets: 8_000_000,
  maxDoubleSpenders: 1_000_000,
}
