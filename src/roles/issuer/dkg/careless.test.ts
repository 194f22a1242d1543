/** Judges without one of their checks: what a lie must be shown to get past, before stopping it counts for anything. @module */
import type { Contribution } from '../../../protocol/credentials/dkgEngine.ts'
import { type Deal, DkgJudge } from './dkgJudge.ts'
import type { Item } from './dkgMessages.ts'

/** Takes whatever share it is given. */
export class TakesAnyShare extends DkgJudge {
  override receivedHolds(): Promise<boolean> {
    return Promise.resolve(true)
  }
}

/** Takes whatever a dealer shows in answer to a complaint, and members for rebuilding. */
export class TakesAnyAnswer extends DkgJudge {
  override shownHolds(): Promise<boolean> {
    return Promise.resolve(true)
  }
}

/** Does not ask whether an opening is of what was dealt. */
export class TakesAnyOpening extends DkgJudge {
  override openingFits(): Promise<boolean> {
    return Promise.resolve(true)
  }
}

/** Does not ask whether the halves of an opening belong together. */
export class TakesAnyHalves extends DkgJudge {
  override openingHolds(): Promise<boolean> {
    return Promise.resolve(true)
  }
}

/** Does not ask whether what an old member deals is its share. */
export class TakesAnyConstant extends DkgJudge {
  protected override constantOf(): Uint8Array | undefined {
    return undefined
  }
}

/** Goes on without dealers that open nothing, as Pedersen's own protocol does. */
export class LeavesOut extends DkgJudge {
  readonly #out = new Set<number>()

  override rebuild(dealer: number, shares: readonly Item[]): Promise<Uint8Array | undefined> {
    this.#out.add(dealer)
    return super.rebuild(dealer, shares)
  }

  override combine(parts: readonly Contribution[], indices: readonly number[]): ReturnType<DkgJudge['combine']> {
    return super.combine(this.#kept(parts), indices)
  }

  override combineShares(parts: readonly Contribution[]): ReturnType<DkgJudge['combineShares']> {
    return super.combineShares(this.#kept(parts))
  }

  #kept(parts: readonly Contribution[]): Contribution[] {
    return parts.filter(({ dealer }) => !this.#out.has(dealer))
  }
}

/** Takes what is no commitment, or leaves somebody out. */
export class TakesAnyDeal extends DkgJudge {
  override dealHolds(_dealer: number, _deal: Deal): Promise<boolean> {
    return Promise.resolve(true)
  }
}
