/** The recorded run of the official crate, three of five authorities, as something to pay with on any provider of the curve. @module */
import { readFileSync } from 'node:fs'
import { fromHex } from '../../src/foundation/base/bytes.ts'
import type { Bls } from '../../src/foundation/crypto/bls.ts'
import {
  type AuthorityKey,
  decodeAuthorityKey,
  decodeUserKey,
  decodeVerificationKey,
  type UserKey,
  type VerificationKey,
} from '../../src/protocol/credentials/keys.ts'
import { type PreparedKey, prepareKey } from '../../src/protocol/credentials/preparedKey.ts'
import { createScheme, type Scheme } from '../../src/protocol/credentials/scheme.ts'
import { decodeSignature, type Signature } from '../../src/protocol/credentials/signature.ts'
import { decodeWallet, type Wallet } from '../../src/protocol/credentials/wallet.ts'
import {
  type BookAttributes,
  decodeRequestInfo,
  decodeWithdrawalRequest,
  type RequestInfo,
  type WithdrawalRequest,
} from '../../src/protocol/credentials/withdrawal.ts'

export interface OfficialRun {
  readonly scheme: Scheme
  readonly attributes: BookAttributes
  readonly master: PreparedKey
  readonly authority: { readonly index: number; readonly secret: AuthorityKey; readonly key: VerificationKey }
  readonly user: UserKey
  readonly request: WithdrawalRequest
  readonly info: RequestInfo
  /** What that authority answered. */
  readonly blinded: Signature
  readonly wallet: Wallet
  readonly dateSignatures: readonly Signature[]
  readonly coinSignatures: readonly Signature[]
}

interface Entry {
  readonly h: string
  readonly aggregated_s: string
}

interface Recorded {
  readonly parameters: { readonly expiration: number; readonly t_type: number }
  readonly authorities: readonly [
    { readonly index: number; readonly secret_key: string; readonly verification_key: string },
  ]
  readonly master_verification_key: { readonly bytes: string }
  readonly user: { readonly key_pair: string }
  readonly withdrawal: { readonly request: string; readonly request_info: string }
  readonly issuance: readonly [{ readonly blinded_signature: string }]
  readonly wallet: { readonly wallet_signatures: string }
  readonly expiration_date_signatures: { readonly entries: readonly Entry[] }
  readonly coin_index_signatures: { readonly entries: readonly Entry[] }
}

const recorded: Recorded = JSON.parse(readFileSync(new URL('../../vectors/ecash.json', import.meta.url), 'utf8'))

export function officialRun(bls: Bls): OfficialRun {
  const scheme = createScheme(bls)
  const { parameters, withdrawal } = recorded
  const [first] = recorded.authorities
  const list = ({ entries }: { readonly entries: readonly Entry[] }): Signature[] =>
    entries.map(({ h, aggregated_s }) => decodeSignature(scheme, fromHex(h + aggregated_s)))
  return {
    scheme,
    attributes: { expiration: parameters.expiration, ticketType: parameters.t_type },
    master: prepareKey(scheme, decodeVerificationKey(scheme, fromHex(recorded.master_verification_key.bytes))),
    authority: {
      index: first.index,
      secret: decodeAuthorityKey(fromHex(first.secret_key)),
      key: decodeVerificationKey(scheme, fromHex(first.verification_key)),
    },
    user: decodeUserKey(scheme, fromHex(recorded.user.key_pair)),
    request: decodeWithdrawalRequest(scheme, fromHex(withdrawal.request)),
    info: decodeRequestInfo(scheme, fromHex(withdrawal.request_info)),
    blinded: decodeSignature(scheme, fromHex(recorded.issuance[0].blinded_signature)),
    wallet: decodeWallet(scheme, fromHex(recorded.wallet.wallet_signatures)),
    dateSignatures: list(recorded.expiration_date_signatures),
    coinSignatures: list(recorded.coin_index_signatures),
  }
}

/** 680 bytes. */
export const officialMasterKey = (): Uint8Array => fromHex(recorded.master_verification_key.bytes)
