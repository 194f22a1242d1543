/** The hash that the ledger keeps of what a node announced: part of the epoch's root. docs/spec/announcements.md. @module */
import { abiWords, type Keccak256 } from './abiWords.ts'

export interface Announced {
  readonly nodeId: number
  readonly sequence: bigint
  /** Bits of a byte. */
  readonly capabilities: number
}

/** `Announcements.leafOf`: 32 bytes. */
export function announcementLeaf(
  { nodeId, sequence, capabilities }: Announced,
  data: Uint8Array,
  signature: Uint8Array,
  keccak256: Keccak256,
): Uint8Array {
  return keccak256(abiWords(nodeId, sequence, capabilities, keccak256(data), keccak256(signature)))
}

/** Of a node that has announced nothing. */
export const NO_LEAF: Uint8Array = new Uint8Array(32)
