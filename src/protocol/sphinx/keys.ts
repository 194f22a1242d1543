/**
 * What a hop and the sender derive from the secret they share. Format: docs/spec/sphinx.md, "Keys".
 *
 * | offset | bytes | key                                                          |
 * | ------ | ----- | ------------------------------------------------------------ |
 * | 0      | 16    | stream cipher                                                |
 * | 16     | 16    | header MAC                                                   |
 * | 32     | 192   | payload, version 258; its first 16 are version 259's seed    |
 * | 224    | 32    | blinding factor, a raw X25519 scalar                         |
 * | 256    | 32    | replay tag                                                   |
 * @module
 */
import { EMPTY_BYTES, utf8 } from '../../foundation/base/bytes.ts'
import type { AsyncCurve } from '../../foundation/crypto/asyncCurve.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import {
  BLINDING_BYTES,
  CIPHER_KEY_BYTES,
  EXPANDED_SECRET_BYTES,
  EXPLICIT_KEYS_VERSION,
  MAC_KEY_BYTES,
  PAYLOAD_KEY_BYTES,
  PAYLOAD_KEY_SEED_BYTES,
} from './constants.ts'

const SECRET_INFO = utf8(
  'Dwste mou enan moxlo arketa makru kai ena upomoxlio gia na ton topothetisw kai tha kinisw thn gh.',
)
const PAYLOAD_KEY_SALT = utf8('sphinx-payload-key-V01-CS01-HKDF:SHA256-SALT')
const PAYLOAD_KEY_INFO = utf8('sphinx-payload-key-V01-CS01-HKDF:SHA256-INFO')

const MAC_KEY_OFFSET = CIPHER_KEY_BYTES
const PAYLOAD_KEY_OFFSET = MAC_KEY_OFFSET + MAC_KEY_BYTES
const BLINDING_OFFSET = PAYLOAD_KEY_OFFSET + PAYLOAD_KEY_BYTES
const REPLAY_TAG_OFFSET = BLINDING_OFFSET + BLINDING_BYTES

/** The keys of one hop. Views into one array, cut when asked for; being private, they do not show in logs. */
export class ExpandedSecret {
  readonly #crypto: CryptoProvider
  readonly #bytes: Uint8Array

  /** `bytes` is the 288-byte output of the key schedule; it is kept. */
  constructor(crypto: CryptoProvider, bytes: Uint8Array) {
    this.#crypto = crypto
    this.#bytes = bytes
  }

  get cipherKey(): Uint8Array {
    return this.#bytes.subarray(0, MAC_KEY_OFFSET)
  }

  get macKey(): Uint8Array {
    return this.#bytes.subarray(MAC_KEY_OFFSET, PAYLOAD_KEY_OFFSET)
  }

  get payloadKeySeed(): Uint8Array {
    return this.#bytes.subarray(PAYLOAD_KEY_OFFSET, PAYLOAD_KEY_OFFSET + PAYLOAD_KEY_SEED_BYTES)
  }

  /** The LIONESS key: cut where the version says so, otherwise derived from the seed at each call. */
  payloadKey(version: number): Uint8Array {
    return hasExplicitPayloadKeys(version)
      ? this.#bytes.subarray(PAYLOAD_KEY_OFFSET, BLINDING_OFFSET)
      : expandPayloadKeySeed(this.#crypto, this.payloadKeySeed)
  }

  get blinding(): Uint8Array {
    return this.#bytes.subarray(BLINDING_OFFSET, REPLAY_TAG_OFFSET)
  }

  get replayTag(): Uint8Array {
    return this.#bytes.subarray(REPLAY_TAG_OFFSET, EXPANDED_SECRET_BYTES)
  }
}

export function expandSharedSecret(crypto: CryptoProvider, sharedSecret: Uint8Array): ExpandedSecret {
  return new ExpandedSecret(crypto, crypto.hkdfSha256(sharedSecret, EMPTY_BYTES, SECRET_INFO, EXPANDED_SECRET_BYTES))
}

/** The same, by who answers later. */
export async function expandSharedSecretLater(
  crypto: CryptoProvider,
  curve: AsyncCurve,
  sharedSecret: Uint8Array,
): Promise<ExpandedSecret> {
  return new ExpandedSecret(
    crypto,
    await curve.hkdfSha256(sharedSecret, EMPTY_BYTES, SECRET_INFO, EXPANDED_SECRET_BYTES),
  )
}

/** 16 bytes to a 192-byte LIONESS key. */
export function expandPayloadKeySeed(crypto: CryptoProvider, seed: Uint8Array): Uint8Array {
  return crypto.hkdfSha256(seed, PAYLOAD_KEY_SALT, PAYLOAD_KEY_INFO, PAYLOAD_KEY_BYTES)
}

/**
 * Whether packets of this version cut the payload key from the shared secret instead of deriving it. Nothing is refused for
 * its version: an unknown number is processed like 259, as the official crate does. Versions 1 and 257 open, but their old
 * way of blinding alpha is not implemented, so a multi-hop packet of theirs fails the MAC at its second hop.
 */
export const hasExplicitPayloadKeys = (version: number): boolean =>
  version === EXPLICIT_KEYS_VERSION || version === 257 || version === 1
