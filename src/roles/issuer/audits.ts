/**
 * What auditors ask: how many books were issued, for which deposits, and proofs for a sample of them. All of it is public: a partial
 * signature is worth nothing without its opening, and says nothing of who spends the book. @module
 */
import type { World } from '../../foundation/platform/world.ts'
import type { JsonObject } from '../../protocol/wire/directory/json.ts'
import {
  challengeAnswerToJson,
  type IssuedDeposit,
  type IssuedSample,
  type IssuedTicketbook,
  issuedDataToJson,
  issuedForToJson,
} from '../../protocol/wire/issuer/issuedTicketbooks.ts'
import { MerkleTree } from '../../protocol/wire/issuer/merkle.ts'
import type { IssuerStore } from './issuerStore.ts'

/** Trees kept: books are of a week, and may be looked at for two days more. */
const MAX_TREES = 16

interface Grown {
  readonly tree: MerkleTree
  readonly deposits: IssuedDeposit[]
  /** The leaf of each deposit. In an epoch change one may have two; the later is what its data is of. */
  readonly latest: Map<number, number>
}

export class Audits {
  readonly #crypto: World['crypto']
  readonly #store: IssuerStore
  readonly #grown = new Map<number, Grown>()

  constructor({ crypto }: Pick<World, 'crypto'>, store: IssuerStore) {
    this.#crypto = crypto
    this.#store = store
  }

  issuedFor(expiration: number): JsonObject {
    const { tree, deposits } = this.#grow(expiration)
    return issuedForToJson(expiration, deposits, tree.root)
  }

  /** Undefined where one of the deposits has no book here. */
  commitment(sample: IssuedSample): JsonObject | undefined {
    const { tree, latest } = this.#grow(sample.expiration)
    const found = sample.deposits.map((id) => latest.get(id))
    if (found.length === 0 || found.includes(undefined)) return undefined
    const indices = (found as number[]).toSorted((a, b) => a - b)
    return challengeAnswerToJson(sample, {
      proof: tree.proof(indices),
      leaves: indices.map((index) => ({ index, hash: tree.leaves[index] as Uint8Array })),
      total: tree.leaves.length,
      root: tree.root as Uint8Array,
    })
  }

  /** As commitment. */
  data(sample: IssuedSample): JsonObject | undefined {
    const books = sample.deposits.map((id) => this.#store.issuedFor(sample.expiration, id))
    if (books.length === 0 || books.some((book) => book === undefined)) return undefined
    return issuedDataToJson(sample, books as IssuedTicketbook[])
  }

  /** The tree of a day, with what was issued since somebody last asked. */
  #grow(expiration: number): Grown {
    const grown: Grown = this.#grown.get(expiration) ?? {
      tree: new MerkleTree(this.#crypto),
      deposits: [],
      latest: new Map(),
    }
    for (const { depositId, merkleIndex, hash } of this.#store.leaves(expiration, grown.tree.leaves.length)) {
      grown.tree.append(hash)
      grown.deposits.push({ depositId, merkleIndex })
      grown.latest.set(depositId, merkleIndex)
    }
    // Days of which there is nothing are as many as anybody likes to name.
    if (grown.deposits.length > 0) this.#grown.set(expiration, grown)
    if (this.#grown.size > MAX_TREES) this.#grown.delete(Math.min(...this.#grown.keys()))
    return grown
  }
}
