/** Who pays for tickets that issuers voted for: the ledger, filled in by the node; without one a redemption ends with the votes. @module */

import type { PayingContract } from '../../protocol/wire/issuer/redemption.ts'

export interface SignedVote {
  /** Of the issuer when it voted: it may be later than that of the tickets. */
  readonly epochId: number
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array
}

export interface VotedBatch {
  /** SHA-256 of the serial numbers. */
  readonly digest: Uint8Array
  readonly count: number
  /** By the issuer's index; a threshold of them or more. */
  readonly votes: ReadonlyMap<number, SignedVote>
}

export type RedeemOutcome =
  /** Now, or by an earlier call of which nobody heard the end: then nobody knows how much. In millionths of NYM. */
  | { readonly kind: 'paid'; readonly unym: bigint | undefined }
  /** Not now; the same batch may be paid later. */
  | { readonly kind: 'later'; readonly reason: string }

export interface Redeemer {
  /** Whom votes must name. */
  readonly payer: PayingContract
  /** Of one batch it is paid once, however often it is asked. Throws what the ledger throws: asked again later. */
  redeem(batch: VotedBatch, signal: AbortSignal): Promise<RedeemOutcome>
}
