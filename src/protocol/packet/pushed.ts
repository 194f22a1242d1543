/**
 * What a gateway pushes to its client: acks, and the data of packets, told apart by length. Everything here is from strangers,
 * so refusals are values. Format: docs/spec/packet.md, "At the client". @module
 */
import { isMixnetError, tryDecode } from '../../foundation/base/errors.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import { isCover } from './cover.ts'
import { agreePayloadKey, applyPayloadKey } from './endToEnd.ts'
import { decodeFragment, type Fragment } from './fragments.ts'
import { ACK_BYTES, VARIANT_BYTES } from './sizes.ts'

/** Clients before 2.0 also took up to 48 bytes (Outfox) for an ack. */
export function classifyPushed(bytes: Uint8Array): 'ack' | 'data' {
  return bytes.length === ACK_BYTES ? 'ack' : 'data'
}

export interface PushedKeys {
  /** X25519 secret of the client's encryption key. */
  readonly encryptionSecret: Uint8Array
  /** The key of the reply SURB with this digest, if it is ours and unused; asked once per packet, and it must then forget it. */
  takeReplyKey(digest: Uint8Array): Uint8Array | undefined
}

export type OpenedPush =
  /** `reply`: it came through a reply SURB of ours. */
  | { readonly kind: 'fragment'; readonly fragment: Fragment; readonly reply: boolean }
  /** `variant` tells which of our loops came back; a view. */
  | { readonly kind: 'cover'; readonly variant: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: 'too-short' | 'fragment' }

/** Opens data, not acks. A packet encrypted for somebody else, or changed on its way, is a refused fragment. */
export function openPushed(crypto: CryptoProvider, keys: PushedKeys, bytes: Uint8Array): OpenedPush {
  if (bytes.length < VARIANT_BYTES) return { kind: 'refused', reason: 'too-short' }
  const variant = variantOf(bytes)
  const replyKey = keys.takeReplyKey(variant)
  const key = replyKey ?? agreePayloadKey(crypto, keys.encryptionSecret, variant)
  return openPushedWith(crypto, key, bytes, replyKey !== undefined)
}

/** What the packet's first bytes say about its key: the digest of a SURB's, or the sender's ephemeral one. A view. */
export const variantOf = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, VARIANT_BYTES)

/** The same, with the key at hand. `bytes` are VARIANT_BYTES or more. */
export function openPushedWith(crypto: CryptoProvider, key: Uint8Array, bytes: Uint8Array, reply: boolean): OpenedPush {
  const variant = variantOf(bytes)
  const plaintext = applyPayloadKey(crypto, key, bytes.subarray(VARIANT_BYTES))
  if (isCover(plaintext)) return { kind: 'cover', variant }
  const fragment = tryDecode(() => decodeFragment(plaintext))
  if (isMixnetError(fragment)) return { kind: 'refused', reason: 'fragment' }
  return { kind: 'fragment', fragment, reply }
}
