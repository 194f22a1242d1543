/**
 * Who issues credentials in an epoch, and under which keys: GET /v1/ecash/epoch, of issuers and of directories. Ours: the official
 * network reads the same from its chain. Format: docs/spec/issuer.md. @module
 */
import { fromBase58, toBase58 } from '../../../foundation/base/base58.ts'
import { malformed } from '../../../foundation/base/errors.ts'
import type { Json, JsonObject } from '../directory/json.ts'

export interface EpochIssuer {
  /** Of its share, from 1. */
  readonly index: number
  /** Its verification key, 680 bytes. */
  readonly key: Uint8Array
  /** Ed25519, 32 bytes: signs what it votes for. */
  readonly identity: Uint8Array
  /** Without /v1. */
  readonly url: string
}

export interface CredentialEpoch {
  readonly epochId: number
  readonly threshold: number
  /** By index, ascending. */
  readonly issuers: readonly EpochIssuer[]
  /** What a book of fifty tickets costs, in millionths of NYM. */
  readonly priceUnym: number
  /** Where deposits are given away, in networks that have no ledger. */
  readonly faucetUrl?: string | undefined
}

const MAX_ISSUERS = 100
const KEY_BYTES = 680
const IDENTITY_BYTES = 32

export function credentialEpochToJson(epoch: CredentialEpoch): JsonObject {
  const { epochId, threshold, issuers, priceUnym, faucetUrl } = epoch
  return {
    epoch_id: epochId,
    threshold,
    issuers: issuers.map(({ index, key, identity, url }) => ({
      index,
      verification_key: keyText(key),
      identity: toBase58(identity),
      url,
    })),
    price_unym: priceUnym,
    ...(faucetUrl === undefined ? {} : { faucet_url: faucetUrl }),
  }
}

/** Base58 of a key takes half a millisecond, and every client that buys asks every issuer for all keys. */
const keyTexts = new WeakMap<Uint8Array, string>()

function keyText(key: Uint8Array): string {
  const text = keyTexts.get(key) ?? toBase58(key)
  keyTexts.set(key, text)
  return text
}

/** MALFORMED of indices that are not ascending, and of a threshold that is not most of the issuers or more than all. */
export function readCredentialEpoch(json: Json): CredentialEpoch {
  const threshold = json.field('threshold').integer({ min: 1, max: MAX_ISSUERS })
  const issuers = json.field('issuers').array(MAX_ISSUERS, (one): EpochIssuer => {
    const bytes = (name: string, length: number): Uint8Array => {
      const decoded = fromBase58(one.field(name).string(MAX_STRING), name)
      if (decoded.length !== length) throw malformed(`credential epoch: ${name}`, 'length')
      return decoded
    }
    return {
      index: one.field('index').integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      key: bytes('verification_key', KEY_BYTES),
      identity: bytes('identity', IDENTITY_BYTES),
      url: one.field('url').string(),
    }
  })
  if (issuers.some(({ index }, i) => index <= (issuers[i - 1]?.index ?? 0))) {
    throw malformed('credential epoch', 'indices are not ascending')
  }
  // Half of the issuers or fewer could otherwise make books that nobody paid for.
  if (threshold > issuers.length || threshold * 2 <= issuers.length) throw malformed('credential epoch', 'threshold')
  const faucetUrl = json.field('faucet_url').optional((url) => url.string())
  return {
    epochId: json.field('epoch_id').integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    threshold,
    issuers,
    priceUnym: json.field('price_unym').integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    ...(faucetUrl === undefined ? {} : { faucetUrl }),
  }
}

const MAX_STRING = 1024
