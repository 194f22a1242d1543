/**
 * What auditors ask: how many books were issued, for which deposits, and proofs for a sample of them. All of it is public: a partial
 * signature is worth nothing without its opening, and says nothing of who spends the book. @module
 */
import type { World } from '../../foundation/platform/world.ts'
import type { JsonObject } from '../../protocol/wire/directory/json.ts'
import {
  challengeAnswerToJson,
  type IssuedSample,
  type IssuedTicketbook,
  issuedDataToJson,
  issuedForToJson,
} from '../../protocol/wire/issuer/issuedTicketbooks.ts'
import { merkleProof, merkleRoot } from '../../protocol/wire/issuer/merkle.ts'
import type { IssuedLeaf, IssuerStore } from './issuerStore.ts'

export class Audits {
  readonly #crypto: World['crypto']
  readonly #store: IssuerStore

  constructor({ crypto }: Pick<World, 'crypto'>, store: IssuerStore) {
    this.#crypto = crypto
    this.#store = store
  }

  issuedFor(expiration: number): JsonObject {
    const leaves = this.#store.leaves(expiration)
    return issuedForToJson(
      expiration,
      leaves,
      merkleRoot(
        this.#crypto,
        leaves.map(({ hash }) => hash),
      ),
    )
  }

  /** Undefined where one of the deposits has no book here. */
  commitment(sample: IssuedSample): JsonObject | undefined {
    const leaves = this.#store.leaves(sample.expiration)
    // In an epoch change a deposit may have two leaves; the later is what its data is of.
    const latest = new Map(leaves.map((leaf) => [leaf.depositId, leaf]))
    const found = sample.deposits.map((id) => latest.get(id))
    if (found.length === 0 || found.some((leaf) => leaf === undefined)) return undefined
    const chosen = (found as IssuedLeaf[]).toSorted((a, b) => a.merkleIndex - b.merkleIndex)
    const hashes = leaves.map(({ hash }) => hash)
    return challengeAnswerToJson(sample, {
      proof: merkleProof(
        this.#crypto,
        hashes,
        chosen.map(({ merkleIndex }) => merkleIndex),
      ),
      leaves: chosen.map(({ merkleIndex: index, hash }) => ({ index, hash })),
      total: leaves.length,
      root: merkleRoot(this.#crypto, hashes) as Uint8Array,
    })
  }

  /** As commitment. */
  data(sample: IssuedSample): JsonObject | undefined {
    const books = sample.deposits.map((id) => this.#store.issuedFor(sample.expiration, id))
    if (books.length === 0 || books.some((book) => book === undefined)) return undefined
    return issuedDataToJson(sample, books as IssuedTicketbook[])
  }
}
