/**
 * A share on its way over a board that everybody reads: X25519 between keys made for this session alone and forgotten after it, so
 * that who records the board and gets hold of a member's long-term key later still reads nothing. @module
 */
import { concat, utf8 } from '../../../foundation/base/bytes.ts'
import type { LinkCryptoProvider } from '../../../foundation/crypto/provider.ts'

export interface BoxEnds {
  readonly session: Uint8Array
  /** Identities and keys of this session, 32 bytes each. */
  readonly dealer: Uint8Array
  readonly dealerKey: Uint8Array
  readonly receiver: Uint8Array
  readonly receiverKey: Uint8Array
}

type BoxCrypto = Pick<LinkCryptoProvider, 'x25519' | 'hkdfSha256' | 'sealAesGcm' | 'openAesGcm'>

const INFO = utf8('starling-dkg-share-v1')
const KEY_BYTES = 32
/** A key seals one share. */
const NONCE = new Uint8Array(12)
export const BOX_TAG_BYTES = 16

/** `secret`: the dealer's of this session. */
export function sealShare(crypto: BoxCrypto, ends: BoxEnds, secret: Uint8Array, share: Uint8Array): Uint8Array {
  const key = boxKey(crypto, ends, crypto.x25519(secret, ends.receiverKey))
  return crypto.sealAesGcm(key, NONCE, share, ends.session)
}

/** `secret`: the receiver's of this session. undefined of anything the dealer did not seal for it. */
export function openShare(
  crypto: BoxCrypto,
  ends: BoxEnds,
  secret: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < BOX_TAG_BYTES) return undefined
  return crypto.openAesGcm(boxKey(crypto, ends, crypto.x25519(secret, ends.dealerKey)), NONCE, sealed, ends.session)
}

// A point of low order makes a key that anybody can compute: who publishes one gives away its own shares, which it may anyway.
function boxKey(crypto: BoxCrypto, ends: BoxEnds, shared: Uint8Array): Uint8Array {
  const { session, dealer, dealerKey, receiver, receiverKey } = ends
  return crypto.hkdfSha256(shared, session, concat(INFO, dealer, dealerKey, receiver, receiverKey), KEY_BYTES)
}
