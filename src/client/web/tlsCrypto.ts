/**
 * The cryptography under TLS, by WebCrypto. Only what `tlsStream` offers to servers is here: AES-GCM, ECDHE, HKDF and HMAC. The
 * library's own lists more, and brings RSA key exchange, CBC and Node's crypto along. @module
 */
import type { setCryptoImplementation } from '@reclaimprotocol/tls'
import { concat } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import { signatureHolds } from './signatures.ts'
import { schemeOfTls } from './tlsSuites.ts'

type TlsCrypto = Parameters<typeof setCryptoImplementation>[0]
type Subtle = typeof globalThis.crypto.subtle
type SubtleKey = Awaited<ReturnType<Subtle['importKey']>>
type Key = SubtleKey | Uint8Array

const TAG_BYTES = 16
const SECRET_BITS: Readonly<Record<string, number>> = { X25519: 256, 'P-256': 256, 'P-384': 384 }

/** `random` gives the client's part of the handshake; key pairs are born inside WebCrypto and do not leave it. */
export function tlsCrypto(random: RandomStream): TlsCrypto {
  const subtle = globalThis.crypto.subtle

  function importKey(algorithm: string, raw: Uint8Array): Promise<Key> | Key {
    const bytes = new Uint8Array(raw)
    if (algorithm === 'AES-128-GCM' || algorithm === 'AES-256-GCM') {
      return subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt'])
    }
    if (algorithm === 'SHA-256' || algorithm === 'SHA-384') {
      return subtle.importKey('raw', bytes, { name: 'HMAC', hash: algorithm }, false, ['sign'])
    }
    if (algorithm in SECRET_BITS) return subtle.importKey('raw', bytes, curve(algorithm), true, [])
    // A public key that signatures are checked with: `verify` reads it.
    return bytes
  }

  async function hmac(_hash: string, key: unknown, data: Uint8Array): Promise<Uint8Array> {
    return new Uint8Array(await subtle.sign('HMAC', key as SubtleKey, new Uint8Array(data)))
  }

  const implementation = {
    importKey,
    hmac,
    exportKey: async (key: Key) =>
      key instanceof Uint8Array ? key : new Uint8Array(await subtle.exportKey('raw', key)),
    async generateKeyPair(algorithm: string) {
      const pair = await subtle.generateKey(curve(algorithm), false, ['deriveBits'])
      const { publicKey, privateKey } = pair as { publicKey: SubtleKey; privateKey: SubtleKey }
      return { pubKey: publicKey, privKey: privateKey }
    },
    async calculateSharedSecret(algorithm: string, privateKey: SubtleKey, publicKey: SubtleKey) {
      const how = { ...curve(algorithm), public: publicKey }
      return new Uint8Array(await subtle.deriveBits(how, privateKey, SECRET_BITS[algorithm] as number))
    },
    randomBytes: (length: number) => random.bytes(length),
    async authenticatedEncrypt(_: string, { key, iv, aead, data }: Sealing) {
      const how = { name: 'AES-GCM', iv: new Uint8Array(iv), additionalData: new Uint8Array(aead) }
      const sealed = new Uint8Array(await subtle.encrypt(how, key, new Uint8Array(data)))
      return { ciphertext: sealed.subarray(0, -TAG_BYTES), authTag: sealed.subarray(-TAG_BYTES) }
    },
    async authenticatedDecrypt(_: string, { key, iv, aead, data, authTag }: Sealing & { authTag: Uint8Array }) {
      const how = { name: 'AES-GCM', iv: new Uint8Array(iv), additionalData: new Uint8Array(aead) }
      return {
        plaintext: new Uint8Array(await subtle.decrypt(how, key, concat(data, authTag) as Uint8Array<ArrayBuffer>)),
      }
    },
    async verify(algorithm: string, { data, signature, publicKey }: Verifying) {
      const scheme = schemeOfTls(algorithm)
      return scheme !== undefined && (await signatureHolds(scheme, { publicKey, signature, signed: data }))
    },
    hash: async (algorithm: string, data: Uint8Array) =>
      new Uint8Array(await subtle.digest(algorithm, new Uint8Array(data))),
    async extract(hash: string, hashBytes: number, secret: Uint8Array, salt: Uint8Array | string) {
      // RFC 5869 2.2: none is as many zeros as the hash has bytes.
      const given = typeof salt === 'string' || salt.length === 0 ? new Uint8Array(hashBytes) : salt
      return hmac(hash, await importKey(hash, given), secret)
    },
    asymmetricEncrypt: notOffered,
    encrypt: notOffered,
    decrypt: notOffered,
  }
  return implementation as unknown as TlsCrypto
}

interface Sealing {
  readonly key: SubtleKey
  readonly iv: Uint8Array
  readonly aead: Uint8Array
  readonly data: Uint8Array
}

interface Verifying {
  readonly data: Uint8Array
  readonly signature: Uint8Array
  readonly publicKey: Uint8Array
}

function curve(algorithm: string): { name: string; namedCurve?: string } {
  return algorithm === 'X25519' ? { name: 'X25519' } : { name: 'ECDH', namedCurve: algorithm }
}

function notOffered(): never {
  throw new MixnetError('TLS_FAILED', { why: 'the server chose what was not offered' })
}
