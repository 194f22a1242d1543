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
/** Some milliseconds of hashing. */
const LEAVES_AT_ONCE = 1000

interface Grown {
  readonly tree: MerkleTree
  readonly deposits: IssuedDeposit[]
  /** The leaf of each deposit. In an epoch change one may have two; the later is what its data is of. */
  readonly latest: Map<number, number>
}

export class Audits {
  readonly #world: Pick<World, 'clock' | 'crypto'>
  readonly #store: IssuerStore
  readonly #grown = new Map<number, Grown>()

  constructor(world: Pick<World, 'clock' | 'crypto'>, store: IssuerStore) {
    this.#world = world
    this.#store = store
  }

  async issuedFor(expiration: number): Promise<JsonObject> {
    const { tree, deposits } = await this.#grow(expiration)
    return issuedForToJson(expiration, deposits, tree.root)
  }

  /** Undefined where one of the deposits has no book here. */
  async commitment(sample: IssuedSample): Promise<JsonObject | undefined> {
    const { tree, latest } = await this.#grow(sample.expiration)
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

  /**
   * The tree of a day, with what was issued since somebody last asked. Of a day that nobody asked about, a hundred thousand books: not in
   * one go, and who calls makes sure that it is not called twice at once.
   */
  async #grow(expiration: number): Promise<Grown> {
    const { clock, crypto } = this.#world
    const grown: Grown = this.#grown.get(expiration) ?? {
      tree: new MerkleTree(crypto),
      deposits: [],
      latest: new Map(),
    }
    for (;;) {
      const leaves = this.#store.leaves(expiration, grown.tree.leaves.length, LEAVES_AT_ONCE)
      grown.tree.append(leaves.map(({ hash }) => hash))
      for (const { depositId, merkleIndex } of leaves) {
        grown.deposits.push({ depositId, merkleIndex })
        grown.latest.set(depositId, merkleIndex)
      }
      if (leaves.length < LEAVES_AT_ONCE) break
      await new Promise<void>((resolve) => clock.soon(resolve))
    }
    // Days of which there is nothing are as many as anybody likes to name.
    if (grown.deposits.length > 0) this.#grown.set(expiration, grown)
    if (this.#grown.size > MAX_TREES) this.#grown.delete(Math.min(...this.#grown.keys()))
    return grown
  }
}
