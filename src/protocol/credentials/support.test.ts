/** The official vectors, read once, and what tests of this room have in common. @module */
import { readFileSync } from 'node:fs'
import { fromHex, toHex, utf8 } from '../../foundation/base/bytes.ts'
import type { G1 } from '../../foundation/crypto/bls.ts'
import { type Scalar, scalarFromBytes } from '../../foundation/crypto/blsScalar.ts'
import { coinList } from './coinSignatures.ts'
import { dateList } from './dateSignatures.ts'
import type { Draw, RandomBytes } from './draw.ts'
import { weightsFrom } from './draw.ts'
import { decodeUserKey, decodeVerificationKey, type UserKey, type VerificationKey } from './keys.ts'
import { type PreparedKey, prepareKey } from './preparedKey.ts'
import type { SignedList } from './publicSignatures.ts'
import { hashScalar, type Scheme } from './scheme.ts'
import type { Signature } from './signature.ts'
import { decodeWallet, type Wallet } from './wallet.ts'

export interface PaymentVector {
  readonly name: string
  readonly first_ticket: number
  readonly spend_value: number
  readonly pay_info: string
  readonly spend_date: number
  readonly randomness: Readonly<Record<string, string>> | null
  readonly R: readonly string[]
  readonly payment: string
  readonly length: number
  readonly serial_numbers: readonly string[]
  readonly serial_number_bs58: string
  readonly tags: readonly string[]
  readonly verify: boolean
  readonly compat_verify: boolean
  readonly strict_verify: boolean
  readonly credential_spending_data?: string
  readonly wallet_after?: string
  readonly payment_json?: unknown
  readonly payment_bs58?: string
}

interface SignedEntry {
  readonly h: string
  readonly partial_s: readonly string[]
  readonly aggregated_s: string
}

export interface EcashVectors {
  readonly parameters: { threshold: number; expiration: number; t_type: number; epoch_id: number }
  readonly hash_to_scalar: readonly { message: string; scalar: string }[]
  readonly generators: { gamma1: string; gamma2: string; gamma3: string; gamma4: string; delta: string }
  readonly keygen_polynomials: { rows: readonly (readonly string[])[] }
  readonly authorities: readonly {
    index: number
    secret_key: string
    x: string
    ys: readonly string[]
    verification_key: string
    verification_key_bs58: string
  }[]
  readonly lagrange: readonly { indices: readonly number[]; coefficients: readonly string[] }[]
  readonly master_verification_key: {
    bytes: string
    bs58: string
    json: unknown
    same_from_each_of: readonly (readonly number[])[]
  }
  readonly user: {
    seed: string
    secret_key: string
    public_key: string
    public_key_bs58: string
    key_pair: string
  }
  readonly expiration_date_signatures: {
    entries: readonly (SignedEntry & { l: number; expiration_timestamp: number; spending_timestamp: number })[]
    sha256_of_aggregated_h_s: string
  }
  readonly coin_index_signatures: {
    entries: readonly (SignedEntry & { index: number })[]
    sha256_of_aggregated_h_s: string
  }
  readonly annotated_signature_json: { expiration: unknown; coin_index: unknown }
  readonly withdrawal: {
    randomness: Readonly<Record<string, string>>
    request: string
    request_bs58: string
    request_json: unknown
    request_info: string
    cases: readonly {
      name: string
      request: string
      pk: string
      expiration: number
      t_type: number
      decodes: boolean
      must_issue: boolean
    }[]
  }
  readonly issuance: readonly {
    index: number
    blinded_signature: string
    blinded_signature_json: unknown
    partial_wallet: string
    auditor_check: boolean
  }[]
  readonly unblind_cases: readonly {
    name: string
    verification_key: string
    blinded_signature: string
    verify: boolean
  }[]
  readonly wallet: {
    same_from_each_of: readonly (readonly number[])[]
    wallet: string
    wallet_signatures: string
    wallet_signatures_bs58: string
  }
  readonly payments: readonly PaymentVector[]
  readonly client_errors: readonly {
    name: string
    first_ticket: number
    spend_value: number
    spend_date: number
    error: string
  }[]
  readonly identification: readonly { payments: readonly [string, string]; result: string; public_key: string | null }[]
  readonly payment_under_another_key: { verification_key: string; payment: string; verify: boolean }
  readonly invalid_payments: readonly {
    base: string
    name: string
    payment: string
    pay_info: string
    spend_date: number
    decodes: boolean
    verify: boolean
    official_error: string
  }[]
  readonly forged_payments: readonly {
    name: string
    payment: string
    pay_info: string
    spend_date: number
    official_verify: boolean
    compat_verify: boolean
    strict_verify: boolean
    official_error: string | null
  }[]
  readonly five_component_keys: {
    threshold: number
    secret_keys: readonly string[]
    master_verification_key: string
    wallet_signatures: string
    payment: string
    pay_info: string
    spend_date: number
    verify: boolean
  }
}

interface DerivedPayment {
  readonly pay_info: string
  readonly R0: string
  readonly payment: string
  readonly serial: string
  readonly tag: string
  readonly challenge: string
  readonly credential_spending_data?: string
}

export interface SpecVectors {
  readonly upstream: {
    readonly hash_to_g1: Readonly<Record<string, string>>
    readonly hash_to_scalar: Readonly<Record<string, string>>
    readonly expiration_hash: { expiration: number; spending: number; h: string }
    readonly withdrawal_request: {
      expiration_timestamp: number
      t_type: number
      deposit_id: number
      ed25519_pubkey_bs58: string
      request_signature_bs58: string
      bytes: string
    }
    readonly credential_spending_data: { bytes: string }
    readonly verification_key_4_betas: { bytes: string }
    readonly issued_ticketbook: {
      bytes: string
      decoded: { expiration: number; t_type: number; spent: number; epoch_id: number; date: readonly [number, number] }
    }
    readonly payments_for_ticket_index_3_of_that_ticketbook: readonly string[]
  }
  readonly constants: Readonly<Record<string, string>>
  readonly derived: {
    readonly params: {
      expiration: number
      t_type: number
      epoch_id: number
      spend_timestamp: number
      ticket_index: number
      lagrange_1_3: readonly string[]
    }
    readonly authority_secret_keys: readonly string[]
    readonly authority_verification_keys: readonly string[]
    readonly master_verification_key: string
    readonly user: { sk: string; pk: string }
    readonly withdrawal: {
      com: string
      h: string
      challenge: string
      request_bytes: string
      pk_instance_bytes: string
    }
    readonly blinded_signatures: Readonly<Record<string, string>>
    readonly partial_wallets: Readonly<Record<string, string>>
    readonly wallet_signatures_133: string
    readonly issued_ticketbook: string
    readonly expiration_signatures: readonly { spending: number; h: string; s: string }[]
    readonly coin_index_signature_7: { h: string; s: string }
    readonly payment1: DerivedPayment
    readonly payment2_same_ticket: DerivedPayment
    readonly identified_public_key: string
  }
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../vectors/${name}.json`, import.meta.url), 'utf8'))

/** Made by the official crate. */
export const ecash: EcashVectors = read('ecash') as EcashVectors
/** Bytes published with the official code, and a run of an independent implementation. */
export const spec: SpecVectors = read('zk-nym') as SpecVectors

export function scalarOf(hex: string): Scalar {
  const scalar = scalarFromBytes(fromHex(hex))
  if (scalar === undefined) throw new Error(`no scalar: ${hex}`)
  return scalar
}

/** The recorded scalar of that name. */
export function replay(recorded: Readonly<Record<string, string>>): Draw {
  return (name) => {
    const hex = recorded[name]
    if (hex === undefined) throw new Error(`${name} was not recorded`)
    return scalarOf(hex)
  }
}

/** As the derived vectors make theirs: hash_scalar("zk-nym-vector:" + name). */
export const derivedScalar = (scheme: Scheme, name: string): Scalar => hashScalar(scheme, utf8(`zk-nym-vector:${name}`))

/** The same bytes in every run. A test's randomness need only be different at each call. */
export function countingBytes(seed = 1): RandomBytes {
  let state = seed
  return {
    bytes: (length) =>
      Uint8Array.from({ length }, () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
        return state >>> 24
      }),
  }
}

export const testWeights = (seed?: number): (() => Scalar) => weightsFrom(countingBytes(seed))

/** Everything that paying in the crate's run takes. */
export interface Bench {
  readonly scheme: Scheme
  readonly master: PreparedKey
  readonly keys: ReadonlyMap<number, VerificationKey>
  readonly user: UserKey
  readonly wallet: Wallet
  readonly dateSignatures: readonly Signature[]
  readonly coinSignatures: readonly Signature[]
}

export function benchOf(scheme: Scheme): Bench {
  const point = (hex: string): G1 => scheme.bls.g1.decode(fromHex(hex)) ?? fail(hex)
  const master = decodeVerificationKey(scheme, fromHex(ecash.master_verification_key.bytes))
  const signatures = (entries: readonly SignedEntry[]): Signature[] =>
    entries.map(({ h, aggregated_s }) => ({ h: point(h), s: point(aggregated_s) }))
  return {
    scheme,
    master: prepareKey(scheme, master),
    keys: new Map(
      ecash.authorities.map(({ index, verification_key }) => [
        index,
        decodeVerificationKey(scheme, fromHex(verification_key)),
      ]),
    ),
    user: decodeUserKey(scheme, fromHex(ecash.user.key_pair)),
    wallet: decodeWallet(scheme, fromHex(ecash.wallet.wallet_signatures)),
    dateSignatures: signatures(ecash.expiration_date_signatures.entries),
    coinSignatures: signatures(ecash.coin_index_signatures.entries),
  }
}

export const listsOf = ({ scheme, master }: Bench): { dates: SignedList; coins: SignedList } => ({
  dates: dateList(scheme, ecash.parameters.expiration),
  coins: coinList(scheme, master.key),
})

export const hexG1 = ({ bls }: Scheme, point: G1): string => toHex(bls.g1.encode(point))

function fail(what: string): never {
  throw new Error(what)
}
