/** `POST blind-sign`: a deposit asks for its book. @module */
import { concat, toHex } from '../../../foundation/base/bytes.ts'
import { Writer } from '../../../foundation/base/writer.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import { type JsonObject, parseJson } from '../directory/json.ts'
import { formatDate, readDate } from './calendarDate.ts'
import { G1_BYTES, readHex, readSignature, signatureToJson } from './hexFields.ts'
import { readWithdrawalRequest, withdrawalRequestToJson } from './withdrawalRequest.ts'

/** By code, which is what engines take. */
export const TICKET_TYPE_NAMES = [
  'v1-mixnet-entry',
  'v1-mixnet-exit',
  'v1-wireguard-entry',
  'v1-wireguard-exit',
] as const

export interface BlindSignRequest {
  /** 397 bytes. */
  readonly request: Uint8Array
  readonly depositId: number
  /** Ed25519 of the deposit's key over request ‖ deposit id, 64 bytes. */
  readonly signature: Uint8Array
  /** Of the user, 48 bytes. */
  readonly publicKey: Uint8Array
  /** Unix seconds of a midnight. */
  readonly expiration: number
  /** Code. */
  readonly ticketType: number
}

export const MAX_BLIND_SIGN_BYTES: number = 8 * 1024
const ED25519_SIGNATURE_BYTES = 64
const MAX_ANSWER_CHARACTERS = 4096

/** What the deposit's key signs: request (397) ‖ deposit id, u32. */
export const depositMessage = (request: Uint8Array, depositId: number): Uint8Array =>
  concat(request, new Writer(4).u32(depositId).finish())

export function signForDeposit(
  crypto: CryptoProvider,
  depositSeed: Uint8Array,
  order: Omit<BlindSignRequest, 'signature'>,
): BlindSignRequest {
  return { ...order, signature: crypto.ed25519Sign(depositSeed, depositMessage(order.request, order.depositId)) }
}

export function encodeBlindSign(order: BlindSignRequest): JsonObject {
  return {
    inner_sign_request: withdrawalRequestToJson(order.request),
    deposit_id: order.depositId,
    signature: [...order.signature],
    ecash_pubkey: { pk: toHex(order.publicKey) },
    expiration_date: formatDate(order.expiration),
    ticketbook_type: TICKET_TYPE_NAMES[order.ticketType] as string,
  }
}

/** Throws MALFORMED. */
export function decodeBlindSign(text: string): BlindSignRequest {
  const json = parseJson(text, 'blind-sign request', MAX_BLIND_SIGN_BYTES)
  const signature = json.field('signature')
  const bytes = signature.array(ED25519_SIGNATURE_BYTES, (byte) => byte.integer({ max: 0xff }))
  if (bytes.length !== ED25519_SIGNATURE_BYTES) signature.refuse(`not ${ED25519_SIGNATURE_BYTES} bytes`)
  return {
    request: readWithdrawalRequest(json.field('inner_sign_request')),
    depositId: json.field('deposit_id').u32(),
    signature: Uint8Array.from(bytes),
    publicKey: readHex(json.field('ecash_pubkey').field('pk'), G1_BYTES),
    expiration: readDate(json.field('expiration_date')),
    ticketType: TICKET_TYPE_NAMES.indexOf(json.field('ticketbook_type').oneOf(TICKET_TYPE_NAMES)),
  }
}

/** `signature`: h ‖ σ, 96 bytes. */
export const encodeBlindedSignature = (signature: Uint8Array): JsonObject => ({
  blinded_signature: signatureToJson(signature, 'c'),
})

export const decodeBlindedSignature = (text: string): Uint8Array =>
  readSignature(parseJson(text, 'blinded signature', MAX_ANSWER_CHARACTERS).field('blinded_signature'), 'c')
