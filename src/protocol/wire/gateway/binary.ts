/**
 * Binary websocket frames between a client and its gateway. Format: docs/spec/gateway.md.
 *
 *   0  1   kind: to the gateway 1 MixPacket v1, 2 MixPacket v2; to the client 1 pushed message
 *   1  1   flag: 1 encrypted; 0 not, which we refuse: it would carry forward requests past the shared key
 *   2  12  nonce
 *  14  …   AES-256-GCM-SIV ciphertext, 16-byte tag last
 *
 * These run once per packet: a refusal is a value. @module
 */
import { isMixnetError } from '../../../foundation/base/errors.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import { decodeMixPacket, encodeMixPacket, type MixPacket } from '../mixPacket.ts'
import { KEY_ROTATION_PROTOCOL, NONCE_BYTES } from './protocol.ts'

export const FORWARD_V1_KIND = 1
export const FORWARD_V2_KIND = 2
export const PUSHED_KIND = 1

const ENCRYPTED_FLAG = 1
const HEADER_BYTES = 2 + NONCE_BYTES

export type BinaryRefusalReason = 'too-short' | 'flag' | 'unencrypted' | 'unknown-kind' | 'cipher' | 'mix-packet'
export interface BinaryRefusal {
  readonly kind: 'refused'
  readonly reason: BinaryRefusalReason
}
/** A frame whose tag held. Whether `kind` means anything depends on the direction. */
export interface OpenedBinary {
  readonly kind: number
  readonly plaintext: Uint8Array
}
export interface OpenedForward {
  readonly kind: 'forward'
  readonly packet: MixPacket
}
export interface OpenedPush {
  readonly kind: 'pushed'
  readonly message: Uint8Array
}

/** `nonce`: 12 fresh random bytes. */
export function sealBinary(
  crypto: CryptoProvider,
  key: Uint8Array,
  kind: number,
  plaintext: Uint8Array,
  nonce: Uint8Array,
): Uint8Array {
  const sealed = crypto.sealAesGcmSiv(key, nonce, plaintext)
  const frame = new Uint8Array(HEADER_BYTES + sealed.length)
  frame[0] = kind
  frame[1] = ENCRYPTED_FLAG
  frame.set(nonce, 2)
  frame.set(sealed, HEADER_BYTES)
  return frame
}

export function openBinary(crypto: CryptoProvider, key: Uint8Array, frame: Uint8Array): OpenedBinary | BinaryRefusal {
  const unfit = unfitHeader(frame)
  if (unfit !== undefined) return { kind: 'refused', reason: unfit }
  const plaintext = crypto.openAesGcmSiv(key, frame.subarray(2, HEADER_BYTES), frame.subarray(HEADER_BYTES))
  return plaintext === undefined ? { kind: 'refused', reason: 'cipher' } : { kind: frame[0] as number, plaintext }
}

/** What a client sends for each packet; which kind depends on the protocol negotiated. */
export function sealForward(
  crypto: CryptoProvider,
  key: Uint8Array,
  packet: MixPacket,
  protocolVersion: number,
  nonce: Uint8Array,
): Uint8Array {
  const kind = protocolVersion >= KEY_ROTATION_PROTOCOL ? FORWARD_V2_KIND : FORWARD_V1_KIND
  return sealBinary(crypto, key, kind, encodeMixPacket(packet, kind), nonce)
}

/** What a gateway reads from a client. */
export function openForward(crypto: CryptoProvider, key: Uint8Array, frame: Uint8Array): OpenedForward | BinaryRefusal {
  const unfit = unfitHeader(frame)
  if (unfit !== undefined) return { kind: 'refused', reason: unfit }
  const kind = frame[0]
  // Checked before decrypting, as the official gateway does: an unknown kind costs nothing.
  if (kind !== FORWARD_V1_KIND && kind !== FORWARD_V2_KIND) return { kind: 'refused', reason: 'unknown-kind' }
  const opened = openBinary(crypto, key, frame)
  if (opened.kind === 'refused') return opened
  try {
    return { kind: 'forward', packet: decodeMixPacket(opened.plaintext, kind) }
  } catch (error) {
    if (isMixnetError(error, 'MALFORMED')) return { kind: 'refused', reason: 'mix-packet' }
    throw error
  }
}

/** What a gateway pushes: a final-hop payload without its SURB-ack, or an ack. */
export function sealPush(crypto: CryptoProvider, key: Uint8Array, message: Uint8Array, nonce: Uint8Array): Uint8Array {
  return sealBinary(crypto, key, PUSHED_KIND, message, nonce)
}

/** What a client reads from its gateway. */
export function openPush(crypto: CryptoProvider, key: Uint8Array, frame: Uint8Array): OpenedPush | BinaryRefusal {
  if (frame.length > 0 && frame[0] !== PUSHED_KIND)
    return { kind: 'refused', reason: unfitHeader(frame) ?? 'unknown-kind' }
  const opened = openBinary(crypto, key, frame)
  return opened.kind === 'refused' ? opened : { kind: 'pushed', message: opened.plaintext }
}

function unfitHeader(frame: Uint8Array): BinaryRefusalReason | undefined {
  if (frame.length < 2) return 'too-short'
  const flag = frame[1] as number
  if (flag === 0) return 'unencrypted'
  if (flag !== ENCRYPTED_FLAG) return 'flag'
  return frame.length < HEADER_BYTES ? 'too-short' : undefined
}
