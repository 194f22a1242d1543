/**
 * What members say on the board: one signed message each in a phase. Every message has one encoding; what a decoder takes is
 * bounded by the numbers below, whoever wrote it. Format: docs/spec/dkg.md. @module
 */
import { concat, utf8 } from '../../../foundation/base/bytes.ts'
import { malformed } from '../../../foundation/base/errors.ts'
import { Reader } from '../../../foundation/base/reader.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import { MAX_BOARD_MESSAGE_BYTES } from './bulletinBoard.ts'
import { MAX_DKG_MEMBERS } from './dkgSession.ts'

/** In their order. `deal` and `answer` are of dealers, `open` of those that are left; the others of receivers. */
export const DKG_PHASES = ['keys', 'deal', 'complain', 'answer', 'open', 'accuse', 'rebuild', 'confirm'] as const
export type DkgPhase = (typeof DKG_PHASES)[number]

/** Something for, from or about the member with that index. */
export interface Item {
  readonly index: number
  readonly bytes: Uint8Array
}

export type DkgMessage =
  /** X25519: what shares for me are encrypted to. */
  | { readonly phase: 'keys'; readonly encryptionKey: Uint8Array }
  /** A commitment to my polynomials, and a sealed share for everybody who gave a key. */
  | {
      readonly phase: 'deal'
      readonly encryptionKey: Uint8Array
      readonly commitment: Uint8Array
      readonly shares: readonly Item[]
    }
  /** What these dealers gave me is wrong. */
  | { readonly phase: 'complain'; readonly dealers: readonly number[] }
  /** What I gave those who complained. */
  | { readonly phase: 'answer'; readonly shares: readonly Item[] }
  /** The Feldman commitment to the same polynomials. */
  | { readonly phase: 'open'; readonly commitment: Uint8Array }
  /** What these dealers gave me fits their first commitment, and not the second. */
  | { readonly phase: 'accuse'; readonly shares: readonly Item[] }
  /** What these dealers gave me, for what they dealt shall count without them. */
  | { readonly phase: 'rebuild'; readonly shares: readonly Item[] }
  /** SHA-256 of everything that came out. */
  | { readonly phase: 'confirm'; readonly digest: Uint8Array }

export interface SignedMessage {
  readonly session: Uint8Array
  readonly sender: Uint8Array
  readonly message: DkgMessage
  /** Everything that is signed. */
  readonly body: Uint8Array
  readonly signature: Uint8Array
}

const VERSION = 1
const DIGEST_BYTES = 32
const SIGNATURE_BYTES = 64
/** A share of ten scalars and a tag have 336. */
const MAX_ITEM_BYTES = 512
const DOMAIN = utf8('starling-dkg-message-v1')

export function encodeMessage(session: Uint8Array, sender: Uint8Array, message: DkgMessage): Uint8Array {
  const writer = new Writer(1024).u8(VERSION).u8(DKG_PHASES.indexOf(message.phase)).bytes(session).bytes(sender)
  const items = (list: readonly Item[]): void => {
    writer.u16(list.length)
    for (const { index, bytes } of list) writer.u32(index).u16(bytes.length).bytes(bytes)
  }
  switch (message.phase) {
    case 'keys':
      writer.bytes(message.encryptionKey)
      break
    case 'deal':
      writer.bytes(message.encryptionKey).u32(message.commitment.length).bytes(message.commitment)
      items(message.shares)
      break
    case 'complain':
      writer.u16(message.dealers.length)
      for (const dealer of message.dealers) writer.u32(dealer)
      break
    case 'open':
      writer.u32(message.commitment.length).bytes(message.commitment)
      break
    case 'answer':
    case 'accuse':
    case 'rebuild':
      items(message.shares)
      break
    case 'confirm':
      writer.bytes(message.digest)
      break
  }
  return writer.finish()
}

/** `body` with its signature. */
export function signMessage(
  crypto: Pick<CryptoProvider, 'ed25519Sign'>,
  seed: Uint8Array,
  body: Uint8Array,
): Uint8Array {
  return concat(body, crypto.ed25519Sign(seed, concat(DOMAIN, body)))
}

/** Throws MALFORMED. Whether the signature holds is for `signatureHolds`, who may sign for whoever knows the members. */
export function decodeMessage(bytes: Uint8Array): SignedMessage {
  if (bytes.length > MAX_BOARD_MESSAGE_BYTES) throw malformed('dkg message', 'too long')
  if (bytes.length < SIGNATURE_BYTES) throw malformed('dkg message', 'too short')
  const body = bytes.subarray(0, -SIGNATURE_BYTES)
  const reader = new Reader(body, 'dkg message')
  reader.u8('version', { min: VERSION, max: VERSION })
  const phase = DKG_PHASES[reader.u8('phase', { max: DKG_PHASES.length - 1 })] ?? reader.refuse('phase', 'unknown')
  const session = reader.bytes(DIGEST_BYTES, 'session')
  const sender = reader.bytes(DIGEST_BYTES, 'sender')
  const message = readMessage(reader, phase)
  reader.expectEnd()
  return { session, sender, message, body, signature: bytes.subarray(-SIGNATURE_BYTES) }
}

export function signatureHolds(crypto: Pick<CryptoProvider, 'ed25519Verify'>, signed: SignedMessage): boolean {
  return crypto.ed25519Verify(signed.sender, concat(DOMAIN, signed.body), signed.signature)
}

function readMessage(reader: Reader, phase: DkgPhase): DkgMessage {
  switch (phase) {
    case 'keys':
      return { phase, encryptionKey: reader.bytes(DIGEST_BYTES, 'encryption key') }
    case 'deal':
      return {
        phase,
        encryptionKey: reader.bytes(DIGEST_BYTES, 'encryption key'),
        commitment: readCommitment(reader),
        shares: readItems(reader),
      }
    case 'complain':
      return { phase, dealers: readIndices(reader, () => {}) }
    case 'open':
      return { phase, commitment: readCommitment(reader) }
    case 'answer':
    case 'accuse':
    case 'rebuild':
      return { phase, shares: readItems(reader) }
    case 'confirm':
      return { phase, digest: reader.bytes(DIGEST_BYTES, 'digest') }
  }
}

const readCommitment = (reader: Reader): Uint8Array =>
  reader.bytes(reader.u32('commitment length', { max: MAX_BOARD_MESSAGE_BYTES }), 'commitment')

function readItems(reader: Reader): Item[] {
  const bytes: Uint8Array[] = []
  const indices = readIndices(reader, () => {
    bytes.push(reader.bytes(reader.u16('share length', { max: MAX_ITEM_BYTES }), 'share'))
  })
  return indices.map((index, i) => ({ index, bytes: bytes[i] ?? new Uint8Array(0) }))
}

/** Ascending, so that one list has one encoding and nobody is in it twice. */
function readIndices(reader: Reader, then: () => void): number[] {
  const count = reader.u16('count', { max: MAX_DKG_MEMBERS })
  const indices: number[] = []
  for (let i = 0; i < count; i++) {
    indices.push(reader.u32('index', { min: (indices[i - 1] ?? 0) + 1 }))
    then()
  }
  return indices
}
