/**
 * Merkle trees as official auditors check them (rs_merkle with SHA-256): a parent is SHA-256(left ‖ right), a node without a sibling goes
 * up unchanged, and one leaf is its own root. @module
 */
import { concat, equalBytes } from '../../../foundation/base/bytes.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'

type Hash = Pick<CryptoProvider, 'sha256'>

/** Grows by its leaves, many at once for about a hash each: whoever asks for roots and proofs costs nothing but reading them. */
export class MerkleTree {
  readonly #crypto: Hash
  /** The leaves first, the root last. */
  readonly #levels: Uint8Array[][] = [[]]

  constructor(crypto: Hash) {
    this.#crypto = crypto
  }

  get leaves(): readonly Uint8Array[] {
    return this.#levels[0] as Uint8Array[]
  }

  /** Undefined of no leaves. */
  get root(): Uint8Array | undefined {
    return this.#levels.at(-1)?.[0]
  }

  /** 32 bytes each. */
  append(leaves: readonly Uint8Array[]): void {
    if (leaves.length === 0) return
    let changed = this.leaves.length
    for (const leaf of leaves) this.#levels[0]?.push(leaf)
    for (let depth = 0; ; depth++) {
      const level = this.#levels[depth] as Uint8Array[]
      if (level.length === 1) break
      changed >>= 1
      const above = this.#levels[depth + 1] ?? []
      this.#levels[depth + 1] = above
      for (let index = changed; 2 * index < level.length; index++) {
        const [left, right] = [level[2 * index] as Uint8Array, level[2 * index + 1]]
        above[index] = right === undefined ? left : this.#crypto.sha256(concat(left, right))
      }
    }
  }

  /**
   * What a verifier needs besides the leaves with these indices: missing siblings, from the bottom up and from left to right, one behind
   * the other. `indices` are ascending, each once, below the number of leaves.
   */
  proof(indices: readonly number[]): Uint8Array {
    const siblings: Uint8Array[] = []
    let known = indices
    for (const level of this.#levels) {
      const here = new Set(known)
      for (const index of known) {
        const sibling = level[index ^ 1]
        if (sibling !== undefined && !here.has(index ^ 1)) siblings.push(sibling)
      }
      known = [...new Set(known.map((index) => index >> 1))]
    }
    return concat(...siblings)
  }
}

/** Whether the leaves with these indices, ascending, are those of a tree of `total` leaves with that root. */
export function merkleProofHolds(
  crypto: Hash,
  root: Uint8Array,
  total: number,
  leaves: readonly { readonly index: number; readonly hash: Uint8Array }[],
  proof: Uint8Array,
): boolean {
  if (leaves.length === 0 || leaves.some(({ index }, i) => index >= total || index <= (leaves[i - 1]?.index ?? -1))) {
    return false
  }
  let known = new Map(leaves.map(({ index, hash }) => [index, hash]))
  let offset = 0
  for (let width = total; width > 1; width = Math.ceil(width / 2)) {
    const next = new Map<number, Uint8Array>()
    for (const [index, hash] of known) {
      if (next.has(index >> 1)) continue
      const sibling = index ^ 1
      let other = known.get(sibling)
      if (other === undefined && sibling < width) {
        other = proof.subarray(offset, offset + HASH_BYTES)
        if (other.length !== HASH_BYTES) return false
        offset += HASH_BYTES
      }
      const [left, right] = index < sibling ? [hash, other] : [other, hash]
      next.set(index >> 1, left === undefined || right === undefined ? hash : crypto.sha256(concat(left, right)))
    }
    known = next
  }
  return offset === proof.length && equalBytes(known.get(0) as Uint8Array, root)
}

const HASH_BYTES = 32
