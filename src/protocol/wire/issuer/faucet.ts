/** A faucet of deposits, for networks without a ledger: ours, used by clients and by issuers. @module */
import { toBase58 } from '../../../foundation/base/base58.ts'
import { type JsonObject, parseJson } from '../directory/json.ts'

/** Below the faucet's address. */
export const FAUCET_DEPOSIT_PATH = '/v1/faucet/deposit'
export const FAUCET_DEPOSITS_PATH = '/v1/faucet/deposits'
export const MAX_FAUCET_CHARACTERS = 1024
const KEY_BYTES = 32

/** `identityKey`: Ed25519, made for this deposit alone. */
export const encodeDepositRequest = (identityKey: Uint8Array): JsonObject => ({ identity_key: toBase58(identityKey) })

export const decodeDepositRequest = (text: string): Uint8Array =>
  parseJson(text, 'deposit', MAX_FAUCET_CHARACTERS).field('identity_key').base58(KEY_BYTES)

export const encodeDepositAnswer = (depositId: number): JsonObject => ({ deposit_id: depositId })

export const decodeDepositAnswer = (text: string): number =>
  parseJson(text, 'deposit answer', MAX_FAUCET_CHARACTERS).field('deposit_id').u32()

/** As the contract on the official ledger answers. */
export const encodeDeposit = (depositId: number, identityKey: Uint8Array | undefined): JsonObject => ({
  id: depositId,
  deposit: identityKey === undefined ? null : { bs58_encoded_ed25519_pubkey: toBase58(identityKey) },
})

export function decodeDeposit(text: string): {
  readonly depositId: number
  readonly identityKey: Uint8Array | undefined
} {
  const json = parseJson(text, 'deposit', MAX_FAUCET_CHARACTERS)
  return {
    depositId: json.field('id').u32(),
    identityKey: json
      .field('deposit')
      .optional((deposit) => deposit.field('bs58_encoded_ed25519_pubkey').base58(KEY_BYTES)),
  }
}
