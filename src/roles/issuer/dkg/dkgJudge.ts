/**
 * What can be checked of what members say, apart from who says it when. Everybody judges alike but for the weights under which
 * equations are checked together: a lie gets past one member in 2¹²⁸. @module
 */
import type { CommitmentKind, Contribution, DkgEngine } from '../../../protocol/credentials/dkgEngine.ts'
import { HIDDEN_SHARE_BYTES, PLAIN_SHARE_BYTES } from '../../../protocol/credentials/dkgPolynomials.ts'
import type { DkgMessage, Item } from './dkgMessages.ts'
import type { DkgSession } from './dkgSession.ts'
import { BOX_TAG_BYTES } from './shareBox.ts'

export type Deal = Extract<DkgMessage, { phase: 'deal' }>

export class DkgJudge {
  protected readonly session: DkgSession
  protected readonly engine: DkgEngine

  constructor(session: DkgSession, engine: DkgEngine) {
    this.session = session
    this.engine = engine
  }

  /** A new key must stay hidden until it is settled who makes it; an old one is known, and what is dealt must be seen to be its. */
  get kind(): CommitmentKind {
    return this.session.plan.previous === undefined ? 'pedersen' : 'feldman'
  }

  get threshold(): number {
    return this.session.plan.threshold
  }

  /** Whether there is a commitment, and something for each of `receivers`; in a resharing, whether it is the dealer's old share. */
  async dealHolds(dealer: number, deal: Deal, receivers: readonly number[]): Promise<boolean> {
    const length = BOX_TAG_BYTES + (this.kind === 'pedersen' ? HIDDEN_SHARE_BYTES : PLAIN_SHARE_BYTES)
    const complete =
      deal.shares.length === receivers.length &&
      deal.shares.every(({ index, bytes }, i) => index === receivers[i] && bytes.length === length)
    if (!complete) return false
    return this.engine.commitmentHolds(this.kind, this.threshold, deal.commitment, this.constantOf(dealer))
  }

  /** Whether what I was given is what the dealer committed to. */
  receivedHolds(deal: Deal, receiver: number, share: Uint8Array): Promise<boolean> {
    return this.#dealtHolds(deal, receiver, share)
  }

  /** The same of what was shown to everybody: in an answer, in an accusation, for rebuilding. */
  shownHolds(deal: Deal, receiver: number, share: Uint8Array): Promise<boolean> {
    return this.#dealtHolds(deal, receiver, share)
  }

  /** Whether it is a Feldman commitment in itself. */
  openingHolds(opening: Uint8Array): Promise<boolean> {
    return this.engine.commitmentHolds('feldman', this.threshold, opening)
  }

  /** Whether a share that fits the first commitment of a dealer fits its second. */
  openingFits(opening: Uint8Array, receiver: number, share: Uint8Array): Promise<boolean> {
    return this.engine.shareHolds('feldman', this.threshold, opening, receiver, share.subarray(0, PLAIN_SHARE_BYTES))
  }

  /** What a dealer would have opened, of shares that were shown and hold; undefined of fewer than t. */
  async rebuild(_dealer: number, shares: readonly Item[]): Promise<Uint8Array | undefined> {
    if (shares.length < this.threshold) return undefined
    // They all lie on one polynomial, or somebody knows the logarithm of h: which of them are taken is no matter.
    return this.engine.reconstruct(
      this.threshold,
      shares.slice(0, this.threshold).map(({ index, bytes }) => ({ index, share: bytes })),
    )
  }

  combine(
    contributions: readonly Contribution[],
    indices: readonly number[],
  ): Promise<{ readonly masterKey: Uint8Array; readonly keys: readonly Uint8Array[] }> {
    return this.engine.combine(this.#how, this.threshold, contributions, indices)
  }

  combineShares(
    shares: readonly Contribution[],
  ): Promise<{ readonly secretKey: Uint8Array; readonly key: Uint8Array }> {
    return this.engine.combineShares(this.#how, shares)
  }

  protected constantOf(dealer: number): Uint8Array | undefined {
    return this.session.plan.previous?.members.find(({ index }) => index === dealer)?.key
  }

  get #how(): 'sum' | 'interpolate' {
    return this.session.plan.previous === undefined ? 'sum' : 'interpolate'
  }

  #dealtHolds(deal: Deal, receiver: number, share: Uint8Array): Promise<boolean> {
    return this.engine.shareHolds(this.kind, this.threshold, deal.commitment, receiver, share)
  }
}
