/**
 * A whole packet: header, then the payload under one LIONESS per hop. Format: docs/spec/sphinx.md, "Payload".
 *
 * Plain block of m bytes:
 *
 * | offset | bytes | field            |
 * | ------ | ----- | ---------------- |
 * | 0      | 16    | zeros            |
 * | 16     | k     | message          |
 * | 16 + k | 1     | 0x01             |
 * | 17 + k | rest  | zeros            |
 * @module
 */
import { EMPTY_BYTES } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import { lionessEncrypt } from '../../foundation/crypto/lioness.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import { END_MARKER, MIN_PAYLOAD_BYTES, PAYLOAD_OVERHEAD_BYTES, PAYLOAD_ZEROS_BYTES } from './constants.ts'
import { buildHeader } from './header.ts'
import type { HeaderParams } from './headerParams.ts'

export interface PacketParams extends HeaderParams {
  /** At most `payloadBytes` − 17. */
  readonly message: Uint8Array
  /** m: 33 or more. Every packet of a network has one of a few sizes; see protocol/packet. */
  readonly payloadBytes: number
}

/** Throws SPHINX_BAD_ROUTE, BAD_ARGUMENT, or MESSAGE_TOO_LONG. The first hop's address is not in the packet. */
export function wrapPacket(crypto: CryptoProvider, params: PacketParams): Uint8Array {
  const { header, secrets } = buildHeader(crypto, params)
  const payloadKeys = secrets.map((secret) => secret.payloadKey(params.version))
  return encapsulateBehind(crypto, header, params.message, payloadKeys, params.payloadBytes)
}

/** The payload a sender puts behind a header: the plain block, encrypted for the last hop first. Keys are in route order. */
export function encapsulate(
  crypto: CryptoProvider,
  message: Uint8Array,
  payloadKeys: readonly Uint8Array[],
  payloadBytes: number,
): Uint8Array {
  return encapsulateBehind(crypto, EMPTY_BYTES, message, payloadKeys, payloadBytes)
}

/** `header`, then the payload: one array, encrypted where it stands. Throws BAD_ARGUMENT or MESSAGE_TOO_LONG. */
export function encapsulateBehind(
  crypto: CryptoProvider,
  header: Uint8Array,
  message: Uint8Array,
  payloadKeys: readonly Uint8Array[],
  payloadBytes: number,
): Uint8Array {
  if (!Number.isSafeInteger(payloadBytes) || payloadBytes < MIN_PAYLOAD_BYTES) {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'payloadBytes', value: payloadBytes, min: MIN_PAYLOAD_BYTES })
  }
  const longest = payloadBytes - PAYLOAD_OVERHEAD_BYTES
  if (message.length > longest) throw new MixnetError('MESSAGE_TOO_LONG', { bytes: message.length, max: longest })
  const packet = new Uint8Array(header.length + payloadBytes)
  packet.set(header)
  const block = packet.subarray(header.length)
  block.set(message, PAYLOAD_ZEROS_BYTES)
  block[PAYLOAD_ZEROS_BYTES + message.length] = END_MARKER
  for (const key of payloadKeys.toReversed()) lionessEncrypt(crypto, key, block)
  return packet
}

/**
 * The message of a plain block, as a view; undefined where the zeros or the end marker are missing, as after any change on
 * the way. What follows the last 0x01 is not checked, as in the official crate.
 */
export function recoverMessage(block: Uint8Array): Uint8Array | undefined {
  if (block.length < PAYLOAD_OVERHEAD_BYTES) return undefined
  let difference = 0
  for (let i = 0; i < PAYLOAD_ZEROS_BYTES; i++) difference |= block[i] as number
  if (difference !== 0) return undefined
  const end = block.lastIndexOf(END_MARKER)
  return end < PAYLOAD_ZEROS_BYTES ? undefined : block.subarray(PAYLOAD_ZEROS_BYTES, end)
}
