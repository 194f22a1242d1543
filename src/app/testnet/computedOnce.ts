/**
 * Issuers of one process do each for itself what anybody could do for all of them: check the same public commitments, put the same
 * public lists together. Here it is done once. Only for networks in which nobody lies, since who asks first is believed by the others;
 * what each issuer keeps secret, and what it says, stays its own. @module
 */
import { toHex } from '../../foundation/base/bytes.ts'
import type { DkgEngine } from '../../protocol/credentials/dkgEngine.ts'
import type { AggregatedList, CredentialEngine } from '../../protocol/credentials/engine.ts'

/** Of a hundred expiration dates, or all commitments of a session of ten. */
const MOST_KEPT = 256

/** An aggregated signature is the same whichever issuers' parts it is made of. */
export function listsOnce(engine: CredentialEngine): CredentialEngine {
  const lists = new Kept<AggregatedList>()
  return {
    ...engine,
    aggregateList: (topic, masterKey, parts) =>
      lists.get(
        `${JSON.stringify(topic)} ${toHex(masterKey)}`,
        () => engine.aggregateList(topic, masterKey, parts),
        (list) => list.kind === 'aggregated',
      ),
  }
}

export function commitmentsOnce(engine: DkgEngine): DkgEngine {
  const holds = new Kept<boolean>()
  const combined = new Kept<Awaited<ReturnType<DkgEngine['combine']>>>()
  return {
    draw: (...args) => engine.draw(...args),
    commit: (...args) => engine.commit(...args),
    shares: (...args) => engine.shares(...args),
    shareHolds: (...args) => engine.shareHolds(...args),
    reconstruct: (...args) => engine.reconstruct(...args),
    combineShares: (...args) => engine.combineShares(...args),
    commitmentHolds: (kind, threshold, commitment, constant) =>
      holds.get([kind, threshold, toHex(commitment), constant && toHex(constant)].join(' '), () =>
        engine.commitmentHolds(kind, threshold, commitment, constant),
      ),
    combine: (how, threshold, commitments, indices) =>
      combined.get(
        [how, threshold, indices, ...commitments.map(({ dealer, bytes }) => `${dealer} ${toHex(bytes)}`)].join(' '),
        () => engine.combine(how, threshold, commitments, indices),
      ),
  }
}

class Kept<T> {
  readonly #kept = new Map<string, Promise<T>>()

  /** What was made under that name, or is being made. What failed, or is not to be kept, is made again. */
  get(name: string, make: () => Promise<T>, keep: (made: T) => boolean = () => true): Promise<T> {
    const kept = this.#kept.get(name)
    if (kept !== undefined) return kept
    const forget = () => this.#kept.delete(name)
    const making = make().then(
      (made) => {
        if (!keep(made)) forget()
        return made
      },
      (error: unknown) => {
        forget()
        throw error
      },
    )
    if (this.#kept.size >= MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value as string)
    this.#kept.set(name, making)
    return making
  }
}
