/**
 * The two Noise protocols of links as tables, and the cipher both build on. Specified by the Noise Protocol Framework,
 * revision 34, parts 5.1 and 12. @module
 */
import { concat, EMPTY_BYTES } from '../../foundation/base/bytes.ts'
import type { LinkCryptoProvider } from '../../foundation/crypto/provider.ts'

/** 1 = Noise_XKpsk3_25519_AESGCM_SHA256 (the default everywhere), 2 = Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s. */
export type NoisePattern = 1 | 2

export const NOISE_TAG_BYTES = 16
export const NOISE_KEY_BYTES = 32

export type NoiseToken = 'e' | 's' | 'ee' | 'es' | 'se' | 'ss' | 'psk'

export interface NoiseSuite {
  readonly name: string
  /** Messages alternate, the initiator's first. */
  readonly messages: readonly (readonly NoiseToken[])[]
  /** Exact lengths of those messages with empty payloads. */
  readonly lengths: readonly number[]
  hash(crypto: LinkCryptoProvider, data: Uint8Array): Uint8Array
  hmac(crypto: LinkCryptoProvider, key: Uint8Array, data: Uint8Array): Uint8Array
  /** Behind `headroom` zeros. */
  seal(
    crypto: LinkCryptoProvider,
    key: Uint8Array,
    nonce: Uint8Array,
    text: Uint8Array,
    ad: Uint8Array,
    headroom: number,
  ): Uint8Array
  open(
    crypto: LinkCryptoProvider,
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    ad: Uint8Array,
  ): Uint8Array | undefined
  readonly littleEndianNonce: boolean
}

export const NOISE_SUITES: Readonly<Record<NoisePattern, NoiseSuite>> = {
  1: {
    name: 'Noise_XKpsk3_25519_AESGCM_SHA256',
    messages: [
      ['e', 'es'],
      ['e', 'ee'],
      ['s', 'se', 'psk'],
    ],
    lengths: [48, 48, 64],
    hash: (crypto, data) => crypto.sha256(data),
    hmac: (crypto, key, data) => crypto.hmacSha256(key, data),
    seal: (crypto, key, nonce, text, ad, headroom) => crypto.sealAesGcm(key, nonce, text, ad, headroom),
    open: (crypto, key, nonce, sealed, ad) => crypto.openAesGcm(key, nonce, sealed, ad),
    littleEndianNonce: false,
  },
  2: {
    name: 'Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s',
    messages: [
      ['e', 'es', 's', 'ss'],
      ['e', 'ee', 'se', 'psk'],
    ],
    lengths: [96, 48],
    hash: (crypto, data) => crypto.blake2s256(data),
    hmac: (crypto, key, data) => crypto.hmacBlake2s(key, data),
    seal: (crypto, key, nonce, text, ad, headroom) =>
      concat(new Uint8Array(headroom), crypto.sealChaChaPoly(key, nonce, text, ad)),
    open: (crypto, key, nonce, sealed, ad) => crypto.openChaChaPoly(key, nonce, sealed, ad),
    littleEndianNonce: true,
  },
}

/** One direction of an established link, or the handshake's own cipher: a key and a counter that never repeats. */
export class NoiseCipher {
  readonly #crypto: LinkCryptoProvider
  readonly #suite: NoiseSuite
  readonly #key: Uint8Array
  readonly #nonce = new Uint8Array(12)
  readonly #view = new DataView(this.#nonce.buffer)
  #counter = 0

  constructor(crypto: LinkCryptoProvider, suite: NoiseSuite, key: Uint8Array) {
    this.#crypto = crypto
    this.#suite = suite
    this.#key = key
  }

  /** Behind `headroom` zeros, for a frame's header. */
  seal(plaintext: Uint8Array, associated: Uint8Array = EMPTY_BYTES, headroom = 0): Uint8Array {
    return this.#suite.seal(this.#crypto, this.#key, this.#nextNonce(), plaintext, associated, headroom)
  }

  /** undefined where the tag does not hold: tampered, replayed or out of order. The link is then of no more use. */
  open(sealed: Uint8Array, associated: Uint8Array = EMPTY_BYTES): Uint8Array | undefined {
    return this.#suite.open(this.#crypto, this.#key, this.#nextNonce(), sealed, associated)
  }

  #nextNonce(): Uint8Array {
    // 2⁵³ frames of 2 KB are 16 EiB on one connection: the counter cannot wrap, so there is nothing to refuse.
    const high = Math.floor(this.#counter / 0x1_0000_0000)
    const low = this.#counter % 0x1_0000_0000
    this.#view.setUint32(4, this.#suite.littleEndianNonce ? low : high, this.#suite.littleEndianNonce)
    this.#view.setUint32(8, this.#suite.littleEndianNonce ? high : low, this.#suite.littleEndianNonce)
    this.#counter++
    return this.#nonce
  }
}
