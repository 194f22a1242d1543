/**
 * Merkle trees as official auditors check them (rs_merkle with SHA-256): a parent is SHA-256(left ‖ right), a node without a sibling goes
 * up unchanged, and one leaf is its own root. @module
 */
import { concat, equalBytes } from '../../../foundation/base/bytes.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'

type Hash = Pick<CryptoProvider, 'sha256'>

/** Undefined of no leaves. Leaves are 32 bytes. */
export function merkleRoot(crypto: Hash, leaves: readonly Uint8Array[]): Uint8Array | undefined {
  let level = leaves
  while (level.length > 1) level = parents(crypto, level)
  return level[0]
}

/**
 * What a verifier needs besides the leaves with these indices: missing siblings, from the bottom up and from left to right, one behind
 * the other. `indices` are ascending, each once, below the number of leaves.
 */
export function merkleProof(crypto: Hash, leaves: readonly Uint8Array[], indices: readonly number[]): Uint8Array {
  const siblings: Uint8Array[] = []
  let [level, known] = [leaves, indices]
  while (level.length > 1) {
    const here = new Set(known)
    for (const index of known) {
      const sibling = level[index ^ 1]
      if (sibling !== undefined && !here.has(index ^ 1)) siblings.push(sibling)
    }
    known = above(known)
    level = parents(crypto, level)
  }
  return concat(...siblings)
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

function parents(crypto: Hash, level: readonly Uint8Array[]): Uint8Array[] {
  const next: Uint8Array[] = []
  for (let i = 0; i < level.length; i += 2) {
    const [left, right] = [level[i] as Uint8Array, level[i + 1]]
    next.push(right === undefined ? left : crypto.sha256(concat(left, right)))
  }
  return next
}

const above = (indices: readonly number[]): number[] => [...new Set(indices.map((index) => index >> 1))]
