/**
 * The two Noise handshakes of links between nodes, as pure step functions: no sockets, no clock, no randomness. What they
 * produce travels in the frames of noiseFrames.ts. Specified by the Noise Protocol Framework, revision 34; the parameters
 * (empty prologue, empty payloads, the psk) in docs/spec/links.md. @module
 */
import { concat, EMPTY_BYTES, utf8 } from '../../foundation/base/bytes.ts'
import { Secret } from '../../foundation/base/secret.ts'
import type { LinkCryptoProvider } from '../../foundation/crypto/provider.ts'
import {
  NOISE_KEY_BYTES,
  NOISE_SUITES,
  NOISE_TAG_BYTES,
  NoiseCipher,
  type NoisePattern,
  type NoiseSuite,
  type NoiseToken,
} from './noiseCipher.ts'

export type NoiseRole = 'initiator' | 'responder'

/** Why a handshake message was not accepted. */
export type NoiseRefusal = 'length' | 'low-order' | 'tag'

/** A node's static key pair for links. */
export interface NoiseKeyPair {
  readonly secret: Secret
  readonly public: Uint8Array
}

/** The initiator knows whom it calls; the responder learns who called. */
export type NoiseHandshakeOptions = {
  readonly pattern: NoisePattern
  readonly own: NoiseKeyPair
  /** 32 random bytes, used once. */
  readonly ephemeralSecret: Uint8Array
} & ({ readonly role: 'initiator'; readonly remotePublic: Uint8Array } | { readonly role: 'responder' })

export interface NoiseTransport {
  readonly send: NoiseCipher
  readonly receive: NoiseCipher
  readonly remotePublic: Uint8Array
}

const PSK_LABEL: Uint8Array = utf8('NYMTECH_NOISE_dQw4w9WgXcQ')
const HASH_BYTES = 32

/** Public on purpose: it ties a handshake to this protocol, it keeps nothing secret. */
export function noisePsk(crypto: LinkCryptoProvider, responderPublic: Uint8Array): Uint8Array {
  return crypto.sha256(concat(PSK_LABEL, responderPublic))
}

/** `ck`, `h` and the cipher of Noise 5.2. */
class SymmetricState {
  readonly #crypto: LinkCryptoProvider
  readonly #suite: NoiseSuite
  #chainingKey: Uint8Array
  #hash: Uint8Array
  #cipher: NoiseCipher | undefined

  constructor(crypto: LinkCryptoProvider, suite: NoiseSuite) {
    this.#crypto = crypto
    this.#suite = suite
    const name = utf8(suite.name)
    const padded = new Uint8Array(HASH_BYTES)
    if (name.length <= HASH_BYTES) padded.set(name)
    this.#hash = name.length <= HASH_BYTES ? padded : suite.hash(crypto, name)
    this.#chainingKey = this.#hash
    this.mixHash(EMPTY_BYTES) // the prologue
  }

  get hasKey(): boolean {
    return this.#cipher !== undefined
  }

  mixHash(data: Uint8Array): void {
    this.#hash = this.#suite.hash(this.#crypto, concat(this.#hash, data))
  }

  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = this.#expand(input)
    this.#chainingKey = chainingKey
    this.#cipher = new NoiseCipher(this.#crypto, this.#suite, key)
  }

  mixKeyAndHash(input: Uint8Array): void {
    const [chainingKey, mixed, key] = this.#expand(input)
    this.#chainingKey = chainingKey
    this.mixHash(mixed)
    this.#cipher = new NoiseCipher(this.#crypto, this.#suite, key)
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const sealed = this.#cipher ? this.#cipher.seal(plaintext, this.#hash) : plaintext
    this.mixHash(sealed)
    return sealed
  }

  decryptAndHash(sealed: Uint8Array): Uint8Array | undefined {
    const plaintext = this.#cipher ? this.#cipher.open(sealed, this.#hash) : sealed
    if (plaintext !== undefined) this.mixHash(sealed)
    return plaintext
  }

  split(): [NoiseCipher, NoiseCipher] {
    const [first, second] = this.#expand(EMPTY_BYTES)
    return [new NoiseCipher(this.#crypto, this.#suite, first), new NoiseCipher(this.#crypto, this.#suite, second)]
  }

  /** Noise's HKDF with three outputs; two-output uses ignore the third, which changes neither of the first two. */
  #expand(input: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
    const hmac = (key: Uint8Array, data: Uint8Array): Uint8Array => this.#suite.hmac(this.#crypto, key, data)
    const secret = hmac(this.#chainingKey, input)
    const first = hmac(secret, Uint8Array.of(1))
    const second = hmac(secret, concat(first, Uint8Array.of(2)))
    return [first, second, hmac(secret, concat(second, Uint8Array.of(3)))]
  }
}

/**
 * A handshake in progress. `turn` says what comes next; `write` and `read` take turns until it is 'done', then `split` gives
 * the link's ciphers. After a refusal the state is of no use: drop the connection.
 *
 *     initiator  write → read → write → done        pattern 1
 *     responder  read → write → read → done
 *     initiator  write → read → done                pattern 2
 *     responder  read → write → done
 */
export class NoiseHandshake {
  readonly #crypto: LinkCryptoProvider
  readonly #suite: NoiseSuite
  readonly #symmetric: SymmetricState
  readonly #role: NoiseRole
  readonly #own: NoiseKeyPair
  readonly #ephemeral: NoiseKeyPair
  readonly #psk: Uint8Array
  #remoteStatic: Uint8Array | undefined
  #remoteEphemeral: Uint8Array = EMPTY_BYTES
  #step = 0

  constructor(crypto: LinkCryptoProvider, options: NoiseHandshakeOptions) {
    this.#crypto = crypto
    this.#suite = NOISE_SUITES[options.pattern]
    this.#symmetric = new SymmetricState(crypto, this.#suite)
    this.#role = options.role
    this.#own = options.own
    this.#ephemeral = {
      secret: new Secret(options.ephemeralSecret),
      public: crypto.x25519Base(options.ephemeralSecret),
    }
    this.#remoteStatic = options.role === 'initiator' ? options.remotePublic : undefined
    const responderPublic = options.role === 'initiator' ? options.remotePublic : options.own.public
    this.#psk = noisePsk(crypto, responderPublic)
    this.#symmetric.mixHash(responderPublic) // pre-message ← s of both patterns
  }

  get turn(): 'write' | 'read' | 'done' {
    if (this.#step === this.#suite.messages.length) return 'done'
    return (this.#step % 2 === 0) === (this.#role === 'initiator') ? 'write' : 'read'
  }

  /** The next message. undefined where the peer's keys are of low order, which no honest peer has. */
  write(): Uint8Array | undefined {
    const parts: Uint8Array[] = []
    for (const token of this.#suite.messages[this.#step] ?? []) {
      if (token === 'e') {
        parts.push(this.#ephemeral.public)
        this.#mixEphemeral(this.#ephemeral.public)
      } else if (token === 's') parts.push(this.#symmetric.encryptAndHash(this.#own.public))
      else if (!this.#mixToken(token)) return undefined
    }
    parts.push(this.#symmetric.encryptAndHash(EMPTY_BYTES))
    this.#step++
    return concat(...parts)
  }

  read(message: Uint8Array): NoiseRefusal | undefined {
    if (message.length !== this.#suite.lengths[this.#step]) return 'length'
    let offset = 0
    const take = (count: number): Uint8Array => {
      offset += count
      return message.slice(offset - count, offset)
    }
    for (const token of this.#suite.messages[this.#step] ?? []) {
      if (token === 'e') {
        this.#remoteEphemeral = take(NOISE_KEY_BYTES)
        this.#mixEphemeral(this.#remoteEphemeral)
      } else if (token === 's') {
        const opened = this.#symmetric.decryptAndHash(
          take(NOISE_KEY_BYTES + (this.#symmetric.hasKey ? NOISE_TAG_BYTES : 0)),
        )
        if (opened === undefined) return 'tag'
        this.#remoteStatic = opened
      } else if (!this.#mixToken(token)) return 'low-order'
    }
    if (this.#symmetric.decryptAndHash(take(message.length - offset)) === undefined) return 'tag'
    this.#step++
    return undefined
  }

  /** Only when `turn` is 'done'. */
  split(): NoiseTransport {
    const [fromInitiator, fromResponder] = this.#symmetric.split()
    const remotePublic = this.#remoteStatic ?? EMPTY_BYTES
    return this.#role === 'initiator'
      ? { send: fromInitiator, receive: fromResponder, remotePublic }
      : { send: fromResponder, receive: fromInitiator, remotePublic }
  }

  /** In psk patterns `e` also keys the cipher, so that no message goes out under the psk alone (Noise 9.2). */
  #mixEphemeral(publicKey: Uint8Array): void {
    this.#symmetric.mixHash(publicKey)
    this.#symmetric.mixKey(publicKey)
  }

  /** False where a product is all zeros, that is, where the peer sent a point of low order: a key everybody knows. */
  #mixToken(token: Exclude<NoiseToken, 'e' | 's'>): boolean {
    if (token === 'psk') {
      this.#symmetric.mixKeyAndHash(this.#psk)
      return true
    }
    const initiator = this.#role === 'initiator'
    // The first letter names the initiator's key, the second the responder's.
    const ownEphemeral = token === 'ee' || (initiator ? token === 'es' : token === 'se')
    const remoteEphemeral = token === 'ee' || (initiator ? token === 'se' : token === 'es')
    const secret = ownEphemeral ? this.#ephemeral.secret : this.#own.secret
    const point = remoteEphemeral ? this.#remoteEphemeral : (this.#remoteStatic ?? EMPTY_BYTES)
    const product = this.#crypto.x25519(secret.expose(), point)
    if (product.every((byte) => byte === 0)) return false
    this.#symmetric.mixKey(product)
    return true
  }
}
