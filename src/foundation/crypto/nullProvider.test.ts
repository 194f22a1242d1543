/** The laws the protocol relies on, which the null provider keeps although it protects nothing. @module */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concat, EMPTY_BYTES, toHex } from '../base/bytes.ts'
import { lionessDecrypt, lionessEncrypt } from './lioness.ts'
import { nullProvider as crypto } from './nullProvider.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const anyLength = fc.uint8Array({ minLength: 0, maxLength: 1500 })
const flipped = (data: Uint8Array, index: number): Uint8Array => data.with(index, (data[index] as number) ^ 1)

/** `count` different small arrays that differ as little as they can: what a weak mixer maps to the same. */
const counter = (i: number): Uint8Array => Uint8Array.of(i & 255, (i >> 8) & 255, (i >> 16) & 255, 0)

test('both sides of a key agreement agree', () => {
  fc.assert(
    fc.property(bytes(32), bytes(32), (a, b) => {
      assert.deepEqual(crypto.x25519(a, crypto.x25519Base(b)), crypto.x25519(b, crypto.x25519Base(a)))
      assert.notDeepEqual(crypto.x25519Base(a), a)
    }),
  )
})

test('multiplying scalars is multiplying step by step', () => {
  fc.assert(
    fc.property(bytes(32), bytes(32), bytes(32), (a, b, point) => {
      const stepByStep = crypto.x25519(b, crypto.x25519(a, point))
      assert.deepEqual(crypto.x25519(crypto.multiplyScalars(a, b), point), stepByStep)
    }),
  )
})

test('different key pairs have different secrets', () => {
  const owner = crypto.x25519Base(new Uint8Array(32).fill(7))
  const secrets = new Set<string>()
  for (let i = 0; i < 256; i += 2) secrets.add(toHex(crypto.x25519(new Uint8Array(32).fill(i), owner)))
  assert.equal(secrets.size, 128)
})

test('hashes, MACs and derivations of near inputs are all different, even cut to eight bytes', () => {
  const key = new Uint8Array(16)
  const functions: Record<string, (data: Uint8Array) => Uint8Array> = {
    sha256: (data) => crypto.sha256(data),
    macOfData: (data) => crypto.hmacSha256(key, data),
    macWithKey: (data) => crypto.hmacSha256(data, key),
    replayTag: (data) => crypto.hkdfSha256(data, EMPTY_BYTES, key, 288).subarray(256),
    macKey: (data) => crypto.hkdfSha256(data, EMPTY_BYTES, key, 288).subarray(16, 32),
    blake3: (data) => crypto.blake3(data),
    publicKey: (data) => crypto.ed25519PublicKey(data),
  }
  for (const [name, of] of Object.entries(functions)) {
    const seen = new Set<string>()
    for (let i = 0; i < 20_000; i++) seen.add(toHex(of(counter(i)).subarray(0, 8)))
    assert.equal(seen.size, 20_000, name)
  }
})

test('every byte and every length counts in hashes and MACs', () => {
  const key = counter(1)
  for (const length of [1, 31, 32, 33, 300, 1023, 1024, 1025, 3000]) {
    const data = Uint8Array.from({ length }, (_, i) => i)
    const seen = new Set([toHex(crypto.hmacSha256(key, data))])
    for (let i = 0; i < length; i++) seen.add(toHex(crypto.hmacSha256(key, flipped(data, i))))
    seen.add(toHex(crypto.hmacSha256(key, concat(data, Uint8Array.of(0)))))
    seen.add(toHex(crypto.hmacSha256(concat(key, data.subarray(0, 1)), data.subarray(1))))
    assert.equal(seen.size, length + 3)
  }
})

test('one flipped bit changes about half of the bits', () => {
  const data = new Uint8Array(64)
  const before = crypto.sha256(data)
  for (let i = 0; i < 64; i++) {
    const after = crypto.sha256(flipped(data, i))
    const changed = after.reduce((sum, byte, j) => sum + bitsOf(byte ^ (before[j] as number)), 0)
    assert.ok(changed > 80 && changed < 176, `${changed} of 256`)
  }
})

function bitsOf(byte: number): number {
  let count = 0
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1
  return count
}

test('functions do not echo each other', () => {
  const [key, data] = [counter(1), counter(2)]
  const results = [
    crypto.sha256(data),
    crypto.blake3(data),
    crypto.blake2s256(data),
    crypto.hmacSha256(key, data),
    crypto.hmacBlake2s(key, data),
    crypto.hkdfBlake3(key, data, 32),
    crypto.ed25519PublicKey(data),
  ]
  assert.equal(new Set(results.map(toHex)).size, results.length)
})

test('HKDF: an empty salt is 32 zero bytes, a longer output begins like a shorter one', () => {
  const [ikm, info] = [counter(1), counter(2)]
  const long = crypto.hkdfSha256(ikm, EMPTY_BYTES, info, 3000)
  assert.equal(long.length, 3000)
  for (const length of [0, 1, 16, 33, 288, 1500]) {
    assert.deepEqual(crypto.hkdfSha256(ikm, new Uint8Array(32), info, length), long.subarray(0, length))
  }
  assert.deepEqual(crypto.hkdfBlake3(ikm, EMPTY_BYTES, 16), crypto.hkdfBlake3(ikm, new Uint8Array(32), 16))
})

test('anyone can verify a signature, and no other', () => {
  fc.assert(
    fc.property(bytes(32), anyLength, (seed, message) => {
      const publicKey = crypto.ed25519PublicKey(seed)
      const signature = crypto.ed25519Sign(seed, message)
      assert.equal(signature.length, 64)
      assert.ok(crypto.ed25519Verify(publicKey, message, signature))
      assert.ok(!crypto.ed25519Verify(flipped(publicKey, 5), message, signature))
      assert.ok(!crypto.ed25519Verify(publicKey, concat(message, Uint8Array.of(1)), signature))
      assert.ok(!crypto.ed25519Verify(publicKey, message, flipped(signature, 63)))
      assert.ok(!crypto.ed25519Verify(publicKey, message, signature.subarray(1)))
      assert.ok(crypto.isEd25519Point(publicKey))
    }),
  )
})

test('what was sealed opens with the same key, nonce and associated data only', () => {
  const ciphers = [
    { seal: crypto.sealAesGcm, open: crypto.openAesGcm, associates: true },
    { seal: crypto.sealAesGcmSiv, open: crypto.openAesGcmSiv, associates: false },
    { seal: crypto.sealChaChaPoly, open: crypto.openChaChaPoly, associates: true },
  ]
  fc.assert(
    fc.property(bytes(32), bytes(12), anyLength, bytes(5), (key, nonce, plaintext, associated) => {
      for (const { seal, open, associates } of ciphers) {
        const sealed = seal(key, nonce, plaintext, associated)
        assert.equal(sealed.length, plaintext.length + 16)
        assert.deepEqual(open(key, nonce, sealed, associated), plaintext)
        assert.equal(open(flipped(key, 9), nonce, sealed, associated), undefined)
        assert.equal(open(key, flipped(nonce, 9), sealed, associated), undefined)
        assert.equal(open(key, nonce, flipped(sealed, sealed.length - 1), associated), undefined)
        assert.equal(open(key, nonce, flipped(sealed, 0), associated), undefined)
        assert.equal(open(key, nonce, sealed.subarray(1), associated), undefined)
        assert.equal(open(key, nonce, sealed.subarray(0, 15), associated), undefined)
        if (associates) assert.equal(open(key, nonce, sealed, EMPTY_BYTES), undefined)
      }
    }),
  )
})

test('ciphers are the identity and give copies', () => {
  const data = Uint8Array.from({ length: 100 }, (_, i) => i)
  const before = data.slice()
  crypto.xorChaCha20(counter(1), data)
  const block = data.slice()
  lionessEncrypt(crypto, new Uint8Array(192).fill(3), block)
  lionessDecrypt(crypto, new Uint8Array(192).fill(4), block)
  assert.deepEqual(block, before)
  const copy = crypto.aes128Ctr(counter(1), counter(2), data)
  assert.deepEqual(copy, before)
  copy.fill(0)
  assert.deepEqual(data, before)
})
