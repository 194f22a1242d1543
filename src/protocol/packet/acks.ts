/**
 * Acknowledgements: what tells a sender, and nobody else, that a fragment reached the recipient's gateway.
 *
 *      0  16  initial counter block
 *     16   5  fragment identifier under AES-128-CTR with the sender's ack key: set id (4, not negative), position (1)
 *
 * Cover traffic has the identifier of five zero bytes. Format: docs/spec/packet.md, "Acknowledgements". @module
 */
import { concat } from '../../foundation/base/bytes.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import { ACK_IV_BYTES, FRAGMENT_ID_BYTES } from './sizes.ts'

const WHAT = 'ack'
export const ACK_KEY_BYTES = 16

export interface FragmentId {
  readonly setId: number
  readonly position: number
}

export const COVER_FRAGMENT_ID: FragmentId = { setId: 0, position: 0 }

export function encodeAck(crypto: CryptoProvider, ackKey: Uint8Array, id: FragmentId, iv: Uint8Array): Uint8Array {
  const plain = new Writer(FRAGMENT_ID_BYTES).i32(id.setId).u8(id.position).finish()
  return concat(iv, crypto.aes128Ctr(ackKey, iv, plain))
}

/**
 * `cover` for the ack of a cover packet. There is no authenticity here: bytes from somebody else decrypt to an identifier
 * that no pending fragment has, or that a one-in-2³¹ guess hits.
 */
export function decodeAck(crypto: CryptoProvider, ackKey: Uint8Array, bytes: Uint8Array): FragmentId | 'cover' {
  const sealed = new Reader(bytes, WHAT)
  const iv = sealed.bytes(ACK_IV_BYTES, 'initial counter')
  const encrypted = sealed.bytes(FRAGMENT_ID_BYTES, 'fragment identifier')
  sealed.expectEnd()
  const plain = new Reader(crypto.aes128Ctr(ackKey, iv, encrypted), WHAT)
  const setId = plain.i32('set id')
  const position = plain.u8('position')
  if (setId < 0) plain.refuse('set id', 'negative')
  return setId === 0 && position === 0 ? 'cover' : { setId, position }
}
