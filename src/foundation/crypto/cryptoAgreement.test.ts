/** Every provider that protects something says the same as the reference, and minds its manners. @module */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concat } from '../base/bytes.ts'
import { lionessEncrypt } from './lioness.ts'
import { nobleProvider } from './nobleProvider.ts'
import { nodeProvider } from './nodeProvider.ts'
import type { CryptoProvider, LinkCryptoProvider } from './provider.ts'
import { scriptProvider } from './scriptProvider.ts'
import { loadWebProvider } from './webProvider.ts'

const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i)

for (const crypto of [nodeProvider, await loadWebProvider(), scriptProvider, nobleProvider]) {
  describe(`${crypto.name} provider`, () => {
    manners(crypto)
    if (crypto !== nobleProvider) agreesWithReference(crypto)
  })
}

/** Every function of bytes, called with the same inputs: what it says of them. */
function everything(
  crypto: CryptoProvider | LinkCryptoProvider,
  key: Uint8Array,
  data: Uint8Array,
): Record<string, Uint8Array> {
  const [key16, nonce, key64] = [key.subarray(0, 16), key.subarray(0, 12), key]
  const [key32, key192] = [key.subarray(0, 32), concat(key, key, key)]
  const stream = new Uint8Array(data)
  crypto.xorChaCha20(key32, stream)
  const block = concat(key32, data, key16)
  lionessEncrypt(crypto, key192, block)
  return {
    x25519: crypto.x25519(key32, key.subarray(32)),
    x25519Base: crypto.x25519Base(key32),
    multiplyScalars: crypto.multiplyScalars(key32, key.subarray(32)),
    publicKey: crypto.ed25519PublicKey(key32),
    signature: crypto.ed25519Sign(key32, data),
    sha256: crypto.sha256(data),
    hmacSha256: crypto.hmacSha256(key16, data),
    hkdfSha256: crypto.hkdfSha256(data, key16, nonce, 77),
    blake3: crypto.blake3(data),
    hkdfBlake3: crypto.hkdfBlake3(data, key32, 48),
    blake2b256Keyed: crypto.blake2b256Keyed(key64, data),
    stream,
    aes128Ctr: crypto.aes128Ctr(key16, key.subarray(16, 32), data),
    aesGcmSiv: crypto.sealAesGcmSiv(key32, nonce, data),
    lioness: block,
    ...('sealAesGcm' in crypto ? forLinks(crypto, key, data) : {}),
  }
}

function forLinks(crypto: LinkCryptoProvider, key: Uint8Array, data: Uint8Array): Record<string, Uint8Array> {
  const [key16, nonce, key32] = [key.subarray(0, 16), key.subarray(0, 12), key.subarray(0, 32)]
  return {
    blake2s256: crypto.blake2s256(data),
    hmacBlake2s: crypto.hmacBlake2s(key32, data),
    aesGcm: crypto.sealAesGcm(key32, nonce, data, key16),
    aesGcmFramed: crypto.sealAesGcm(key32, nonce, data, key16, 8),
    chaChaPoly: crypto.sealChaChaPoly(key32, nonce, data, key16),
  }
}

function manners(crypto: CryptoProvider): void {
  test('arguments stay as they are, results are new plain arrays', () => {
    // A Buffer in the middle of a larger one: its slice() would be a view, its memory is shared.
    const memory = Buffer.from(counting(200))
    const [key, data] = [memory.subarray(3, 67), memory.subarray(67, 180)]
    const expected = everything(crypto, counting(67).slice(3), counting(180).slice(67))
    const actual = everything(crypto, key, data)
    assert.deepEqual(actual, expected)
    assert.deepEqual(new Uint8Array(memory.subarray(0, 67)), counting(67))
    for (const [name, result] of Object.entries(actual)) {
      assert.equal(result.constructor, Uint8Array, name)
      result.fill(0)
    }
    const again = everything(crypto, counting(67).slice(3), counting(180).slice(67))
    assert.deepEqual(again, expected, 'a caller may change what it got')
  })
}

const only = <T>(names: readonly string[], all: Readonly<Record<string, T>>) =>
  Object.fromEntries(names.map((name) => [name, all[name]]))

function agreesWithReference(crypto: CryptoProvider): void {
  test('agrees with the reference on random input', () => {
    const bytes = (constraints: { minLength: number; maxLength: number }) => fc.uint8Array(constraints)
    const key = bytes({ minLength: 64, maxLength: 64 })
    const data = bytes({ minLength: 0, maxLength: 2100 })
    fc.assert(
      fc.property(key, data, (key, data) => {
        const actual = everything(crypto, key, data)
        const reference = everything(nobleProvider, key, data)
        assert.deepEqual(actual, 'sealAesGcm' in crypto ? reference : only(Object.keys(actual), reference))
      }),
      { numRuns: 60 },
    )
  })

  test('agrees with the reference on which 32 bytes are points, and on random signatures', () => {
    const any32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(any32, any32, (key, other) => {
        assert.equal(crypto.isEd25519Point(key), nobleProvider.isEd25519Point(key))
        assert.equal(crypto.ed25519Verify(key, other, concat(other, key)), false)
        const signature = nobleProvider.ed25519Sign(key, other)
        assert.ok(crypto.ed25519Verify(nobleProvider.ed25519PublicKey(key), other, signature))
      }),
      { numRuns: 40 },
    )
  })
}
