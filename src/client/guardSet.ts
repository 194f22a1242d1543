/**
 * The few gateways a client enters through: drawn once, kept for long, tried in their order before any other. Who drew a new one
 * at random whenever the last stays away could be led to anybody's gateway by taking down the honest ones, one after the other;
 * this client then has but a few more to lose (docs/adr/0011-entry-guards.md).
 *
 * Beyond its first ones the set grows only when all of them are away for longer than the caller's patience, by one at a time, up
 * to a bound, and what was drawn so is remembered too: else each take-down would be another draw. @module
 */
import type { RandomStream } from '../foundation/platform/random.ts'

export interface GuardParams {
  /** Drawn at the beginning, and filled up to when one is gone for good. */
  readonly size: number
  /** With those drawn while all were away. */
  readonly maxSize: number
  /** Left out by the directory for so many days in a row, a guard is gone. */
  readonly goneAfterDays: number
  /** One drawn in need is forgotten so long after it was drawn. */
  readonly needLastsDays: number
}

export interface Guard {
  /** Base58 identity. */
  readonly name: string
  /** Days since the Unix epoch: finer is nobody's business who reads the file. */
  readonly drawnOn: number
  readonly unlistedSince: number | undefined
}

export interface Candidate {
  readonly name: string
  /** Of two, one with twice the weight is drawn first twice as often. */
  readonly weight: number
}

/** What a review goes by. */
export interface Listing {
  readonly today: number
  readonly isListed: (name: string) => boolean
  /** Who may be drawn; members are passed over. */
  readonly candidates: () => readonly Candidate[]
  /** Those in use now, and the one that served last: not forgotten. */
  readonly inUse: readonly (string | undefined)[]
}

export class GuardSet {
  readonly #params: GuardParams
  readonly #random: RandomStream
  /** In the order in which they are tried. */
  #guards: readonly Guard[]

  constructor(params: GuardParams, random: RandomStream, guards: readonly Guard[]) {
    this.#params = params
    this.#random = random
    this.#guards = guards.slice(0, params.maxSize)
  }

  get guards(): readonly Guard[] {
    return this.#guards
  }

  get names(): readonly string[] {
    return this.#guards.map(({ name }) => name)
  }

  /** Not one that was drawn in need. */
  isFirst(name: string): boolean {
    return this.names.slice(0, this.#params.size).includes(name)
  }

  /** The user's own choice, or that of a time without guards: before all others, and instead of the last of the first ones. */
  adopt(name: string, today: number): void {
    const others = this.#guards.filter((guard) => guard.name !== name)
    const excess = others.length >= this.#params.size ? 1 : 0
    others.splice(this.#params.size - 1, excess)
    this.#guards = [{ name, drawnOn: today, unlistedSince: undefined }, ...others]
  }

  /** Notes who is listed, forgets who is gone, fills up. True where anything changed. */
  review({ today, isListed, candidates, inUse }: Listing): boolean {
    const { size, goneAfterDays, needLastsDays } = this.#params
    const before = this.#guards
    const kept = before
      .map((guard) => {
        // A day to come was written by a clock that was ahead: counted from there, nobody would be forgotten for years.
        const unlistedSince = isListed(guard.name) ? undefined : Math.min(guard.unlistedSince ?? today, today)
        const drawnOn = Math.min(guard.drawnOn, today)
        const isSame = unlistedSince === guard.unlistedSince && drawnOn === guard.drawnOn
        return isSame ? guard : { ...guard, drawnOn, unlistedSince }
      })
      .filter(({ name, unlistedSince }) => inUse.includes(name) || today - (unlistedSince ?? today) < goneAfterDays)
    // Counted among those that are left: one drawn in need takes the place of a first one that is gone, before any stranger.
    this.#guards = kept.filter(
      ({ name, drawnOn }, rank) => rank < size || inUse.includes(name) || today - drawnOn < needLastsDays,
    )
    while (this.#guards.length < size && this.#draw(candidates(), today) !== undefined);
    return this.#guards.length !== before.length || this.#guards.some((guard, rank) => guard !== before[rank])
  }

  /** One more, in need. undefined at the bound, or where there is nobody to draw. */
  grow({ today, candidates }: Pick<Listing, 'today' | 'candidates'>): string | undefined {
    return this.#guards.length < this.#params.maxSize ? this.#draw(candidates(), today) : undefined
  }

  #draw(candidates: readonly Candidate[], today: number): string | undefined {
    const strangers = candidates.filter(({ name }) => !this.names.includes(name))
    const name = drawByWeight(this.#random, strangers)
    if (name !== undefined) this.#guards = [...this.#guards, { name, drawnOn: today, unlistedSince: undefined }]
    return name
  }
}

function drawByWeight(random: RandomStream, candidates: readonly Candidate[]): string | undefined {
  let left = random.uniform() * candidates.reduce((sum, { weight }) => sum + weight, 0)
  for (const { name, weight } of candidates) {
    left -= weight
    if (left < 0) return name
  }
  // Weights of nothing but zero, or the last rounding error.
  return candidates.at(-1)?.name
}
