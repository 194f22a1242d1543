/**
 * What a node signs about itself: its addresses, name and keys. The signature covers the compact JSON of `data` in one exact
 * order of keys; a verifier writes that text again from what it understood, in the current form and then in three older ones.
 * Format: docs/spec/directory.md. @module
 */
import { fromBase58, toBase58 } from '../../../foundation/base/base58.ts'
import { equalBytes, utf8 } from '../../../foundation/base/bytes.ts'
import type { CryptoProvider } from '../../../foundation/crypto/provider.ts'
import { type Json, type JsonObject, parseJson } from './json.ts'
import {
  encodeNoiseKey,
  encodeOptional,
  encodeRotationKey,
  KEY_BYTES,
  NO_ROTATION_ID,
  type RotationKey,
  readNoiseKey,
  readRotationKey,
  type VersionedNoiseKey,
} from './nodeKeys.ts'
import { MAX_IP_ADDRESSES, readHostname } from './skimmedNodes.ts'

export interface HostKeys {
  readonly identity: Uint8Array
  /** Of the current key rotation; NO_ROTATION_ID where the node knows none. */
  readonly sphinxKey: RotationKey
  /** Of the next rotation, announced before it begins. */
  readonly preAnnouncedSphinxKey: RotationKey | undefined
  readonly noiseKey: VersionedNoiseKey | undefined
}

export interface HostInformation {
  /** Canonical texts. */
  readonly ipAddresses: readonly string[]
  readonly hostname: string | undefined
  readonly keys: HostKeys
}

export interface SignedHostInformation {
  readonly data: HostInformation
  readonly signature: Uint8Array
  /** A Noise key as older nodes signed it, without version: only the signature needs it. */
  readonly unversionedNoiseKey: Uint8Array | undefined
}

const SIGNATURE_BYTES = 64

export function signHostInformation(
  crypto: CryptoProvider,
  identitySeed: Uint8Array,
  data: HostInformation,
): SignedHostInformation {
  const signature = crypto.ed25519Sign(identitySeed, signedText(encodeHostInformation(data)))
  return { data, signature, unversionedNoiseKey: undefined }
}

/** Whether the identity key inside signed it. Whether that is the expected identity is the caller's question. */
export function verifyHostInformation(crypto: CryptoProvider, signed: SignedHostInformation): boolean {
  const identity = signed.data.keys.identity
  return signedForms(signed).some((form) => crypto.ed25519Verify(identity, signedText(form), signed.signature))
}

export function encodeSignedHostInformation({ data, signature }: SignedHostInformation): JsonObject {
  return { data: encodeHostInformation(data), signature: toBase58(signature) }
}

/** Reads the current form and the older ones. Does not verify. */
export function decodeSignedHostInformation(text: string): SignedHostInformation {
  const json = parseJson(text, 'host information')
  const data = json.field('data')
  const keys = data.field('keys')
  return {
    data: {
      ipAddresses: readIpAddresses(data),
      hostname: data.field('hostname').optional(readHostname),
      keys: readKeys(keys),
    },
    signature: json.field('signature').base58(SIGNATURE_BYTES),
    unversionedNoiseKey: keys.field('x25519_noise').optional(readUnversionedNoiseKey),
  }
}

export const readIpAddresses = (json: Json): string[] =>
  json.field('ip_address').array(MAX_IP_ADDRESSES, (address) => address.ip())

// The order of keys here is what signatures cover.
function encodeHostInformation({ ipAddresses, hostname, keys }: HostInformation): JsonObject {
  return withKeys(
    { ipAddresses, hostname },
    {
      ed25519_identity: toBase58(keys.identity),
      x25519_sphinx: toBase58(keys.sphinxKey.publicKey),
      primary_x25519_sphinx_key: encodeRotationKey(keys.sphinxKey),
      pre_announced_x25519_sphinx_key: encodeOptional(keys.preAnnouncedSphinxKey, encodeRotationKey),
      x25519_versioned_noise: encodeOptional(keys.noiseKey, encodeNoiseKey),
    },
  )
}

/** Every form that the signature may cover, newest first. */
function signedForms({ data, unversionedNoiseKey }: SignedHostInformation): JsonObject[] {
  const { identity, sphinxKey, noiseKey } = data.keys
  const [ed25519, x25519] = [toBase58(identity), toBase58(sphinxKey.publicKey)]
  const noise = noiseKey?.publicKey ?? unversionedNoiseKey
  const third = { ed25519_identity: ed25519, x25519_sphinx: x25519 }
  return [
    encodeHostInformation(data),
    withKeys(data, { ...third, x25519_noise: noise === undefined ? null : toBase58(noise) }),
    withKeys(data, { ...third, x25519_noise: noise === undefined ? '' : toBase58(noise) }),
    withKeys(data, { ed25519, x25519 }),
  ]
}

function withKeys(
  { ipAddresses, hostname }: Pick<HostInformation, 'ipAddresses' | 'hostname'>,
  keys: JsonObject,
): JsonObject {
  return { ip_address: ipAddresses, hostname: hostname ?? null, keys }
}

const signedText = (form: JsonObject): Uint8Array => utf8(JSON.stringify(form))

function readKeys(keys: Json): HostKeys {
  const stated = keys.field('x25519_sphinx', 'x25519').base58(KEY_BYTES)
  const sphinxKey = keys.field('primary_x25519_sphinx_key').optional(readRotationKey)
  // One key, written twice: two values would let what is signed and what is used differ.
  if (sphinxKey !== undefined && !equalBytes(sphinxKey.publicKey, stated)) keys.refuse('two different sphinx keys')
  return {
    identity: keys.field('ed25519_identity', 'ed25519').base58(KEY_BYTES),
    sphinxKey: sphinxKey ?? { rotationId: NO_ROTATION_ID, publicKey: stated },
    preAnnouncedSphinxKey: keys.field('pre_announced_x25519_sphinx_key').optional(readRotationKey),
    noiseKey: keys.field('x25519_versioned_noise').optional(readNoiseKey),
  }
}

function readUnversionedNoiseKey(json: Json): Uint8Array | undefined {
  const text = json.string()
  return text === '' ? undefined : fromBase58(text, 'host information noise key', KEY_BYTES)
}
