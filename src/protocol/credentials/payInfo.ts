/** To whom a payment is made, and when: 72 bytes that its tags depend on, so that it is worth nothing to anybody else. @module */
import { concat } from '../../foundation/base/bytes.ts'
import { Reader } from '../../foundation/base/reader.ts'
import { Writer } from '../../foundation/base/writer.ts'
import type { Scalar } from '../../foundation/crypto/blsScalar.ts'
import { u64LittleEndian } from './keys.ts'
import { hashScalar, type Scheme } from './scheme.ts'

export const PAY_INFO_BYTES = 72
const KEY_BYTES = 32
const RANDOM_BYTES = 32

export interface PayInfo {
  /** 32 bytes. */
  readonly random: Uint8Array
  readonly unixSeconds: bigint
  /** Ed25519, 32 bytes. */
  readonly provider: Uint8Array
}

export function encodePayInfo({ random, unixSeconds, provider }: PayInfo): Uint8Array {
  return new Writer(PAY_INFO_BYTES).bytes(random).u64(unixSeconds).bytes(provider).finish()
}

export function decodePayInfo(bytes: Uint8Array): PayInfo {
  const reader = new Reader(bytes, 'pay info')
  const random = reader.bytes(RANDOM_BYTES, 'random')
  const unixSeconds = BigInt.asIntN(64, reader.u64('time'))
  const provider = reader.bytes(KEY_BYTES, 'provider')
  reader.expectEnd()
  return { random, unixSeconds, provider }
}

/** R_k = hash_scalar(P ‖ k (u64, little-endian)), k being the position in the payment, not the index of the coin. */
export function payInfoScalar(scheme: Scheme, payInfo: Uint8Array, k: number): Scalar {
  return hashScalar(scheme, concat(payInfo, u64LittleEndian(k)))
}
