/** A monitor's report as the ledger holds it, and the commitment to it. docs/spec/ledger.md, "Scores". @module */
import { malformed } from '../../foundation/base/errors.ts'
import { Writer } from '../../foundation/base/writer.ts'
import { abiWords, type Keccak256, numberOf, WORD_BYTES, writeWord } from './abiWords.ts'
import type { Report } from './medians.ts'

/** 32 nodes a word, a byte each, that of node n at n mod 32 from the left: percent plus 1, 0 for no opinion. */
export interface PackedReport {
  /** Strictly ascending. */
  readonly words: readonly number[]
  readonly scores: readonly bigint[]
}

/** Throws MALFORMED for scores that are not whole percents of 0 to 100, and for ids that no node has. */
export function packReport(report: Report): PackedReport {
  const byWord = new Map<number, bigint>()
  for (const [nodeId, score] of report) {
    if (!Number.isInteger(score) || score < 0 || score > 100) throw malformed('score', 'not a whole percent')
    if (!Number.isInteger(nodeId) || nodeId < 1 || nodeId > 0xffff_ffff) throw malformed('nodeId', 'not an id')
    const word = Math.floor(nodeId / WORD_BYTES)
    byWord.set(word, (byWord.get(word) ?? 0n) | (BigInt(score + 1) << shiftOf(nodeId)))
  }
  const words = [...byWord.keys()].sort((a, b) => a - b)
  return { words, scores: words.map((word) => byWord.get(word) ?? 0n) }
}

/** Of any words the ledger holds; bytes that are no score are no opinion. */
export function unpackReport({ words, scores }: PackedReport): Report {
  const report = new Map<number, number>()
  for (const [i, word] of words.entries()) {
    for (let place = 0; place < WORD_BYTES; place++) {
      const nodeId = word * WORD_BYTES + place
      const byte = Number(((scores[i] ?? 0n) >> shiftOf(nodeId)) & 0xffn)
      if (byte > 0 && byte <= 101) report.set(nodeId, byte - 1)
    }
  }
  return report
}

const shiftOf = (nodeId: number): bigint => BigInt(248 - 8 * (nodeId % WORD_BYTES))

/** keccak256 of the `abi.encode` of both arrays. */
export function reportHash({ words, scores }: PackedReport, keccak256: Keccak256): Uint8Array {
  const writer = new Writer((4 + words.length + scores.length) * WORD_BYTES)
  const start = 2 * WORD_BYTES
  for (const value of [start, start + (1 + words.length) * WORD_BYTES, words.length, ...words]) writeWord(writer, value)
  for (const value of [scores.length, ...scores]) writeWord(writer, value)
  return keccak256(writer.finish())
}

export interface CommitmentParts {
  readonly epochId: number
  /** 20 bytes. With it a copied commitment is worth nothing to another. */
  readonly participant: Uint8Array
  /** 32 random bytes, of this epoch alone. */
  readonly secret: Uint8Array
  readonly reportHash: Uint8Array
  readonly evidenceHash: Uint8Array
}

export function commitmentHash(parts: CommitmentParts, keccak256: Keccak256): Uint8Array {
  const { epochId, participant, secret, reportHash, evidenceHash } = parts
  return keccak256(abiWords(epochId, participant, secret, reportHash, evidenceHash))
}

/** 20 bytes as a number, to bring participants into the ledger's order. */
export const compareAddresses = (a: Uint8Array, b: Uint8Array): number => {
  const difference = numberOf(a) - numberOf(b)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}
