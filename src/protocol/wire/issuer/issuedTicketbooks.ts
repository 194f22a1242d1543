/**
 * What an issuer tells auditors of the books it issued: which deposits they were for, the root of a Merkle tree over them, and for a
 * sample the partial signatures themselves, which anybody can check against its key without unblinding them. @module
 */
import { fromBase64, toBase64 } from '../../../foundation/base/base58.ts'
import { expectLength, toHex } from '../../../foundation/base/bytes.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import { type Json, type JsonObject, parseJson } from '../directory/json.ts'
import { JULIAN_DAY_OF_UNIX_EPOCH } from '../gateway/ticket.ts'
import { TICKET_TYPE_NAMES } from './blindSign.ts'
import { DAY_SECONDS, formatDate, readDate } from './calendarDate.ts'
import { readHex, SIGNATURE_BYTES } from './hexFields.ts'
import { readSigned, type SignedText } from './signedMessage.ts'

/** Books whose data is given out at once. */
export const MAX_SAMPLE = 100
export const MAX_CHALLENGE_BYTES: number = 16 * 1024
const MAX_DEPOSITS = 1_000_000
const HASH_BYTES = 32

export interface IssuedTicketbook {
  readonly depositId: number
  readonly epochId: number
  /** h ‖ σ, 96 bytes. */
  readonly signature: Uint8Array
  /** com_1 ‖ com_2, 96 bytes. */
  readonly commitments: Uint8Array
  /** Midnight. */
  readonly expiration: number
  readonly ticketType: number
}

export interface IssuedDeposit {
  readonly depositId: number
  /** Its leaf. */
  readonly merkleIndex: number
}

/** Deposit, u32 ‖ epoch, u64 ‖ signature (96) ‖ commitments (96) ‖ Julian day of expiration, i32 ‖ type, u8; hashed. */
export function issuedLeaf(crypto: Pick<CryptoProvider, 'sha256'>, book: IssuedTicketbook): Uint8Array {
  return crypto.sha256(
    new Writer()
      .u32(book.depositId)
      .u64(BigInt(book.epochId))
      .bytes(expectLength(book.signature, SIGNATURE_BYTES, 'signature'))
      .bytes(expectLength(book.commitments, SIGNATURE_BYTES, 'commitments'))
      .i32(JULIAN_DAY_OF_UNIX_EPOCH + book.expiration / DAY_SECONDS)
      .u8(book.ticketType)
      .finish(),
  )
}

/** Body of `issued-ticketbooks-for/{date}`. */
export function issuedForToJson(
  expiration: number,
  deposits: readonly IssuedDeposit[],
  root: Uint8Array | undefined,
): JsonObject {
  return {
    expirationDate: formatDate(expiration),
    deposits: deposits.map(({ depositId, merkleIndex }) => ({ depositId, merkleIndex })),
    merkleRoot: root === undefined ? null : toHex(root),
  }
}

export function decodeIssuedFor(text: string): SignedText & {
  readonly expiration: number
  readonly deposits: readonly IssuedDeposit[]
  readonly root: Uint8Array | undefined
} {
  const signed = readSigned(text, 'issued ticketbooks', MAX_DEPOSITS * 64)
  const { body } = signed
  return {
    ...signed,
    expiration: readDate(body.field('expirationDate')),
    deposits: body.field('deposits').array(MAX_DEPOSITS, (one) => ({
      depositId: one.field('depositId').u32(),
      merkleIndex: one.field('merkleIndex').u32(),
    })),
    root: body.field('merkleRoot').optional((root) => readHex(root, HASH_BYTES)),
  }
}

/** A sample that an auditor asks for, or asks the data of. */
export interface IssuedSample {
  readonly expiration: number
  /** Ascending, each once. */
  readonly deposits: readonly number[]
  /** The request as it came, which answers repeat. */
  readonly original: JsonObject
}

/**
 * `{"body":{"expirationDate","deposits":[…]},"signature":…}`, or the body alone: data that every auditor may see needs no signature,
 * and ours looks at none. Throws MALFORMED.
 */
export function decodeIssuedSample(text: string): IssuedSample {
  const json = parseJson(text, 'audit', MAX_CHALLENGE_BYTES)
  const signed = json.field('body').present
  const body = signed ? json.field('body') : json
  const expiration = readDate(body.field('expirationDate', 'expiration_date'))
  const deposits = body.field('deposits').array(MAX_SAMPLE, (id) => id.u32())
  const signature = signed ? json.field('signature').optional((one) => one.string()) : undefined
  const original = { expirationDate: formatDate(expiration), deposits }
  return {
    expiration,
    deposits: [...new Set(deposits)].toSorted((a, b) => a - b),
    original: signature === undefined ? original : { body: original, signature },
  }
}

export interface MerkleEvidence {
  /** Siblings, one behind the other. */
  readonly proof: Uint8Array
  readonly leaves: readonly { readonly index: number; readonly hash: Uint8Array }[]
  readonly total: number
  readonly root: Uint8Array
}

/** Body of `issued-ticketbooks-challenge-commitment`. */
export function challengeAnswerToJson(
  { expiration, original }: IssuedSample,
  { proof, leaves, total, root }: MerkleEvidence,
): JsonObject {
  return {
    expirationDate: formatDate(expiration),
    originalRequest: original,
    maxDataResponseSize: MAX_SAMPLE,
    merkleProof: {
      inner_proof: toBase64(proof),
      included_leaves: leaves.map(({ index, hash }) => ({ hash: toHex(hash), index })),
      total_leaves: total,
      root: toHex(root),
    },
  }
}

export function decodeChallengeAnswer(text: string): SignedText & { readonly evidence: MerkleEvidence } {
  const signed = readSigned(text, 'audit commitment', 4 * MAX_CHALLENGE_BYTES)
  const proof = signed.body.field('merkleProof')
  return {
    ...signed,
    evidence: {
      proof: fromBase64(proof.field('inner_proof').string(4 * MAX_CHALLENGE_BYTES), 'audit commitment'),
      leaves: proof.field('included_leaves').array(MAX_SAMPLE, (leaf) => ({
        index: leaf.field('index').u32(),
        hash: readHex(leaf.field('hash'), HASH_BYTES),
      })),
      total: proof.field('total_leaves').u32(),
      root: readHex(proof.field('root'), HASH_BYTES),
    },
  }
}

/** Body of `issued-ticketbooks-data`. */
export function issuedDataToJson(
  { expiration, original }: IssuedSample,
  books: readonly IssuedTicketbook[],
): JsonObject {
  return {
    expirationDate: formatDate(expiration),
    partialTicketbooks: Object.fromEntries(
      books.map((book) => [
        String(book.depositId),
        {
          depositId: book.depositId,
          epochId: book.epochId,
          blindedPartialCredential: toBase64(book.signature),
          joinedEncodedPrivateAttributesCommitments: toBase64(book.commitments),
          expirationDate: formatDate(book.expiration),
          ticketbookType: TICKET_TYPE_NAMES[book.ticketType] as string,
        },
      ]),
    ),
    originalRequest: original,
  }
}

export function decodeIssuedData(text: string): SignedText & { readonly books: readonly IssuedTicketbook[] } {
  const signed = readSigned(text, 'audit data', 8 * MAX_CHALLENGE_BYTES)
  const base64 = (json: Json): Uint8Array =>
    expectLength(fromBase64(json.string(), 'audit data'), SIGNATURE_BYTES, 'audit data')
  const books = signed.body.field('partialTicketbooks').entries(MAX_SAMPLE, (book) => ({
    depositId: book.field('depositId').u32(),
    epochId: book.field('epochId').integer(),
    signature: base64(book.field('blindedPartialCredential')),
    commitments: base64(book.field('joinedEncodedPrivateAttributesCommitments')),
    expiration: readDate(book.field('expirationDate')),
    ticketType: TICKET_TYPE_NAMES.indexOf(book.field('ticketbookType').oneOf(TICKET_TYPE_NAMES)),
  }))
  return { ...signed, books: books.map(([, book]) => book) }
}
