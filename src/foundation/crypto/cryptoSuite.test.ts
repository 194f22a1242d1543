/**
 * One suite for every provider that protects something: published vectors, and what must be refused. Agreement on random
 * input is cryptoAgreement.test.ts. Vectors: vectors/crypto.json. @module
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { concat, EMPTY_BYTES, fromHex, toHex } from '../base/bytes.ts'
import { LIONESS_KEY_BYTES, lionessDecrypt, lionessEncrypt } from './lioness.ts'
import { nobleProvider } from './nobleProvider.ts'
import { nodeProvider } from './nodeProvider.ts'
import type { CryptoProvider, LinkCryptoProvider } from './provider.ts'
import { scriptProvider } from './scriptProvider.ts'
import { loadWebProvider } from './webProvider.ts'

type Fields<Name extends string> = Record<Name, string>
interface Cases<Name extends string> {
  readonly cases: readonly Fields<Name>[]
}
interface LongCases {
  readonly cases: readonly { readonly length: number; readonly output: string }[]
}
interface Vectors {
  readonly x25519: Cases<'scalar' | 'point' | 'output'>
  readonly x25519Base: Cases<'scalar' | 'output'>
  readonly x25519Iterated: Fields<'once' | 'thousandTimes'>
  readonly x25519LowOrder: { readonly points: readonly string[] }
  readonly sha256: Cases<'data' | 'output'>
  readonly hmacSha256: Cases<'key' | 'data' | 'output'>
  readonly hkdfSha256: Cases<'ikm' | 'salt' | 'info' | 'output'>
  readonly expandedSharedSecret: Fields<
    | 'info'
    | 'firstSecret'
    | 'secondSecret'
    | 'sharedSecret'
    | 'cipherKey'
    | 'macKey'
    | 'payloadKey'
    | 'blinding'
    | 'replayTag'
  >
  readonly payloadKeyFromSeed: Fields<'seed' | 'salt' | 'info' | 'first32' | 'sha256'>
  readonly blake3: LongCases
  readonly surbKeyDigest: Fields<'key' | 'output'>
  readonly endToEndKey: Fields<
    | 'ephemeralSecret'
    | 'ephemeralPublic'
    | 'recipientSecret'
    | 'recipientPublic'
    | 'sharedSecret'
    | 'key'
    | 'plaintext'
    | 'ciphertext'
  >
  readonly blake2b256Keyed: LongCases & { readonly key: string }
  readonly blake2s256: Cases<'data' | 'output'>
  readonly hmacBlake2s: Cases<'key' | 'data' | 'output'>
  readonly chaCha20: Fields<'key' | 'keystream'>
  readonly aes128Ctr: Cases<'key' | 'iv' | 'data' | 'output'>
  readonly aesGcm: Cases<'key' | 'nonce' | 'plaintext' | 'associated' | 'sealed'>
  readonly aesGcmSiv: Cases<'key' | 'nonce' | 'plaintext' | 'sealed'>
  readonly chaChaPoly: Cases<'key' | 'nonce' | 'plaintext' | 'associated' | 'sealed'>
  readonly ed25519: Cases<'seed' | 'publicKey' | 'message' | 'signature'>
  readonly ed25519Points: { readonly points: readonly string[]; readonly notPoints: readonly string[] }
  readonly lioness: Fields<'key' | 'plaintext' | 'ciphertext'>
  readonly lionessSmall: Fields<'key' | 'plaintext' | 'ciphertext'>
  readonly lionessLong: {
    readonly keyByte: number
    readonly plaintextByte: number
    readonly length: number
    readonly first48: string
    readonly sha256: string
  }
}

const vectors = JSON.parse(readFileSync(new URL('../../../vectors/crypto.json', import.meta.url), 'utf8')) as Vectors

/** 00 01 … fa 00 01 …, the input of the BLAKE3 project's vectors. */
const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 251)
const flipped = (bytes: Uint8Array, index: number): Uint8Array => bytes.with(index, (bytes[index] as number) ^ 1)
const ZEROS = toHex(new Uint8Array(32))

const providers: readonly (CryptoProvider | LinkCryptoProvider)[] = [
  nodeProvider,
  await loadWebProvider(),
  scriptProvider,
  nobleProvider,
]
for (const crypto of providers) {
  describe(`${crypto.name} provider`, () => {
    publishedVectors(crypto)
    sealing({ 'AES-GCM-SIV': gcmSiv(crypto) })
    if ('sealAesGcm' in crypto) links(crypto)
    signatures(crypto)
  })
}

function publishedVectors(crypto: CryptoProvider): void {
  test('X25519, clamping the scalar and masking the point', () => {
    for (const { scalar, point, output } of vectors.x25519.cases) {
      assert.equal(toHex(crypto.x25519(fromHex(scalar), fromHex(point))), output)
    }
    for (const { scalar, output } of vectors.x25519Base.cases) {
      assert.equal(toHex(crypto.x25519Base(fromHex(scalar))), output)
    }
  })

  test('X25519 a thousand times over', () => {
    let point = new Uint8Array(32).fill(9, 0, 1)
    let scalar = point
    for (let i = 0; i < 1000; i++) {
      const product = crypto.x25519(scalar, point)
      if (i === 0) assert.equal(toHex(product), vectors.x25519Iterated.once)
      point = scalar
      scalar = new Uint8Array(product)
    }
    assert.equal(toHex(scalar), vectors.x25519Iterated.thousandTimes)
  })

  test('X25519 of a low-order point is zero, not an exception', () => {
    for (const point of vectors.x25519LowOrder.points) {
      assert.equal(toHex(crypto.x25519(counting(32), fromHex(point))), ZEROS, point)
    }
    assert.throws(() => crypto.x25519(counting(32), counting(31)), 'a wrong length is no low-order point')
  })

  test('SHA-256, HMAC, HKDF', () => {
    for (const { data, output } of vectors.sha256.cases) assert.equal(toHex(crypto.sha256(fromHex(data))), output)
    for (const { key, data, output } of vectors.hmacSha256.cases) {
      assert.equal(toHex(crypto.hmacSha256(fromHex(key), fromHex(data))), output)
    }
    for (const { ikm, salt, info, output } of vectors.hkdfSha256.cases) {
      const derived = crypto.hkdfSha256(fromHex(ikm), fromHex(salt), fromHex(info), output.length / 2)
      assert.equal(toHex(derived), output)
    }
  })

  test('the expanded shared secret of a Sphinx hop', () => {
    const hop = vectors.expandedSharedSecret
    const shared = crypto.x25519(fromHex(hop.secondSecret), crypto.x25519Base(fromHex(hop.firstSecret)))
    assert.equal(toHex(shared), hop.sharedSecret)
    const expected = hop.cipherKey + hop.macKey + hop.payloadKey + hop.blinding + hop.replayTag
    assert.equal(toHex(crypto.hkdfSha256(shared, EMPTY_BYTES, fromHex(hop.info), 288)), expected)
    assert.equal(toHex(crypto.hkdfSha256(shared, new Uint8Array(32), fromHex(hop.info), 288)), expected)
  })

  test('the payload key from a seed', () => {
    const { seed, salt, info, first32, sha256 } = vectors.payloadKeyFromSeed
    const key = crypto.hkdfSha256(fromHex(seed), fromHex(salt), fromHex(info), LIONESS_KEY_BYTES)
    assert.equal(toHex(key.subarray(0, 32)), first32)
    assert.equal(toHex(crypto.sha256(key)), sha256)
  })

  test('BLAKE3, keyed BLAKE2b', () => {
    for (const { length, output } of vectors.blake3.cases) assert.equal(toHex(crypto.blake3(counting(length))), output)
    assert.equal(toHex(crypto.blake3(fromHex(vectors.surbKeyDigest.key))), vectors.surbKeyDigest.output)
    const key = fromHex(vectors.blake2b256Keyed.key)
    for (const { length, output } of vectors.blake2b256Keyed.cases) {
      assert.equal(toHex(crypto.blake2b256Keyed(key, counting(length))), output)
    }
  })

  test('the end-to-end key: X25519, HKDF over BLAKE3, AES-CTR', () => {
    const message = vectors.endToEndKey
    const ephemeral = fromHex(message.ephemeralSecret)
    assert.equal(toHex(crypto.x25519Base(ephemeral)), message.ephemeralPublic)
    assert.equal(toHex(crypto.x25519Base(fromHex(message.recipientSecret))), message.recipientPublic)
    const shared = crypto.x25519(ephemeral, fromHex(message.recipientPublic))
    assert.equal(toHex(shared), message.sharedSecret)
    const key = crypto.hkdfBlake3(shared, EMPTY_BYTES, 16)
    assert.equal(toHex(key), message.key)
    assert.equal(toHex(crypto.hkdfBlake3(shared, new Uint8Array(32), 16)), message.key)
    assert.equal(toHex(crypto.aes128Ctr(key, new Uint8Array(16), fromHex(message.plaintext))), message.ciphertext)
  })

  test('ChaCha20 and AES-CTR keystreams', () => {
    const { key, keystream } = vectors.chaCha20
    const data = new Uint8Array(keystream.length / 2)
    crypto.xorChaCha20(fromHex(key), data)
    assert.equal(toHex(data), keystream)
    crypto.xorChaCha20(fromHex(key), data)
    assert.equal(toHex(data), toHex(new Uint8Array(data.length)))
    crypto.xorChaCha20(fromHex(key), EMPTY_BYTES)
    for (const { key, iv, data, output } of vectors.aes128Ctr.cases) {
      assert.equal(toHex(crypto.aes128Ctr(fromHex(key), fromHex(iv), fromHex(data))), output)
    }
  })

  test('LIONESS', () => {
    for (const { key, plaintext, ciphertext } of [vectors.lioness, vectors.lionessSmall]) {
      const block = fromHex(plaintext)
      lionessEncrypt(crypto, fromHex(key), block)
      assert.equal(toHex(block), ciphertext)
      lionessDecrypt(crypto, fromHex(key), block)
      assert.equal(toHex(block), plaintext)
    }
    const { keyByte, plaintextByte, length, first48, sha256 } = vectors.lionessLong
    const long = new Uint8Array(length).fill(plaintextByte)
    lionessEncrypt(crypto, new Uint8Array(LIONESS_KEY_BYTES).fill(keyByte), long)
    assert.equal(toHex(long.subarray(0, 48)), first48)
    assert.equal(toHex(crypto.sha256(long)), sha256)
  })

  test('LIONESS refuses what is no key or no block', () => {
    const key = new Uint8Array(LIONESS_KEY_BYTES)
    assert.throws(() => lionessEncrypt(crypto, key, new Uint8Array(32)), { code: 'BAD_ARGUMENT' })
    assert.throws(() => lionessDecrypt(crypto, key.subarray(1), new Uint8Array(33)), { code: 'BAD_ARGUMENT' })
  })
}

interface Sealer {
  readonly cases: readonly Fields<'key' | 'nonce' | 'plaintext' | 'associated' | 'sealed'>[]
  readonly seal: LinkCryptoProvider['sealAesGcm']
  readonly open: LinkCryptoProvider['openAesGcm']
}

function gcmSiv(crypto: CryptoProvider): Sealer {
  const cases = vectors.aesGcmSiv.cases.map((one) => ({ ...one, associated: '' }))
  return { cases, seal: crypto.sealAesGcmSiv, open: crypto.openAesGcmSiv }
}

function links(crypto: LinkCryptoProvider): void {
  sealing({
    'AES-GCM': { cases: vectors.aesGcm.cases, seal: crypto.sealAesGcm, open: crypto.openAesGcm },
    ChaChaPoly: { cases: vectors.chaChaPoly.cases, seal: crypto.sealChaChaPoly, open: crypto.openChaChaPoly },
  })

  test('BLAKE2s', () => {
    for (const { data, output } of vectors.blake2s256.cases)
      assert.equal(toHex(crypto.blake2s256(fromHex(data))), output)
    for (const { key, data, output } of vectors.hmacBlake2s.cases) {
      assert.equal(toHex(crypto.hmacBlake2s(fromHex(key), fromHex(data))), output)
    }
  })

  test('AES-GCM seals behind zeros for whoever frames it', () => {
    const [key, nonce, text] = [new Uint8Array(32).fill(1), new Uint8Array(12).fill(2), new Uint8Array(2_000).fill(3)]
    const framed = crypto.sealAesGcm(key, nonce, text, new Uint8Array(5), 8)
    assert.deepEqual(framed.subarray(0, 8), new Uint8Array(8))
    assert.deepEqual(framed.slice(8), crypto.sealAesGcm(key, nonce, text, new Uint8Array(5)))
  })
}

function sealing(ciphers: Readonly<Record<string, Sealer>>): void {
  for (const [name, { cases, seal, open }] of Object.entries(ciphers)) {
    test(`${name} seals as published and opens only what holds`, () => {
      for (const one of cases) {
        const [key, nonce, plaintext] = [fromHex(one.key), fromHex(one.nonce), fromHex(one.plaintext)]
        const [associated, sealed] = [fromHex(one.associated), fromHex(one.sealed)]
        assert.equal(toHex(seal(key, nonce, plaintext, associated)), one.sealed)
        assert.deepEqual(open(key, nonce, sealed, associated), plaintext)
        for (let i = 0; i < sealed.length; i += 5) {
          assert.equal(open(key, nonce, flipped(sealed, i), associated), undefined)
        }
        assert.equal(open(flipped(key, 31), nonce, sealed, associated), undefined)
        assert.equal(open(key, flipped(nonce, 0), sealed, associated), undefined)
        if (associated.length > 0) assert.equal(open(key, nonce, sealed, EMPTY_BYTES), undefined)
        for (const length of [0, 1, 15, sealed.length - 1]) {
          assert.equal(open(key, nonce, sealed.subarray(0, length), associated), undefined)
        }
      }
    })
  }
}

function signatures(crypto: CryptoProvider): void {
  test('Ed25519 signs and verifies as published', () => {
    for (const one of vectors.ed25519.cases) {
      const [seed, message] = [fromHex(one.seed), fromHex(one.message)]
      assert.equal(toHex(crypto.ed25519PublicKey(seed)), one.publicKey)
      assert.equal(toHex(crypto.ed25519Sign(seed, message)), one.signature)
      assert.ok(crypto.ed25519Verify(fromHex(one.publicKey), message, fromHex(one.signature)))
    }
  })

  test('Ed25519 refuses bad signatures and keys without throwing', () => {
    const [one, other] = vectors.ed25519.cases.slice(1)
    assert.ok(one && other)
    const [publicKey, message, signature] = [fromHex(one.publicKey), fromHex(one.message), fromHex(one.signature)]
    const verify = (...changed: Parameters<CryptoProvider['ed25519Verify']>) => crypto.ed25519Verify(...changed)
    assert.ok(verify(publicKey, message, signature))
    assert.ok(!verify(publicKey, flipped(message, 0), signature))
    assert.ok(!verify(fromHex(other.publicKey), message, signature))
    for (const index of [0, 31, 32, 63]) assert.ok(!verify(publicKey, message, flipped(signature, index)))
    for (const length of [0, 63]) assert.ok(!verify(publicKey, message, signature.subarray(0, length)))
    assert.ok(!verify(publicKey, message, concat(signature, EMPTY_BYTES, Uint8Array.of(0))))
    for (const length of [0, 31]) assert.ok(!verify(publicKey.subarray(0, length), message, signature))
    for (const notPoint of vectors.ed25519Points.notPoints) assert.ok(!verify(fromHex(notPoint), message, signature))
    assert.ok(!verify(publicKey, message, plusGroupOrder(signature)), 'S + order is a second spelling of S')
  })

  test('Ed25519 refuses keys of low order, for which anyone can sign', () => {
    const neutral = Uint8Array.of(1, ...new Uint8Array(31))
    assert.ok(!crypto.ed25519Verify(neutral, counting(3), concat(neutral, new Uint8Array(32))))
  })

  test('which encodings are points of the curve', () => {
    const { points, notPoints } = vectors.ed25519Points
    for (const point of points) assert.ok(crypto.isEd25519Point(fromHex(point)), point)
    for (const point of notPoints) assert.ok(!crypto.isEd25519Point(fromHex(point)), point)
    for (const length of [0, 31, 33]) assert.ok(!crypto.isEd25519Point(new Uint8Array(length)))
  })
}

function plusGroupOrder(signature: Uint8Array): Uint8Array {
  const order = fromHex('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010')
  const sum = signature.slice()
  let carry = 0
  for (let i = 0; i < 32; i++) {
    carry += (signature[32 + i] as number) + (order[i] as number)
    sum[32 + i] = carry & 255
    carry >>= 8
  }
  return sum
}
