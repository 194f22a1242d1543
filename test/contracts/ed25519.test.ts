/** The contracts' Ed25519 and SHA-512 against RFC 8032, Node's own, and signatures that are almost right. @module */
import assert from 'node:assert/strict'
import { createHash, createPublicKey, verify as opensslVerify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { before, test } from 'node:test'
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { concat, fromHex, toHex, utf8 } from '../../src/foundation/base/bytes.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { type AddressHex, Evm } from '../support/evm.ts'

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n
const FIELD = 2n ** 255n - 19n
const vectors = JSON.parse(readFileSync(new URL('../../vectors/crypto.json', import.meta.url), 'utf8'))
const { Point } = ed25519
const message = utf8('a message')

let evm: Evm
let harness: AddressHex
before(async () => {
  evm = await Evm.create()
  harness = await evm.deploy('Ed25519Harness')
})

const verify = async (key: Uint8Array, text: Uint8Array, signature: Uint8Array) =>
  (await evm.read(harness, 'verify', [
    `0x${toHex(key)}`,
    `0x${toHex(text)}`,
    `0x${toHex(signature.subarray(0, 32))}`,
    `0x${toHex(signature.subarray(32))}`,
  ])) as boolean

const verifiesInNode = (key: Uint8Array, text: Uint8Array, signature: Uint8Array) => {
  const x = Buffer.from(key).toString('base64url')
  return opensslVerify(
    null,
    text,
    createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }),
    signature,
  )
}

const little = (value: bigint): Uint8Array => fromHex(value.toString(16).padStart(64, '0')).reverse()
const number = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`)
const challenge = (...parts: Uint8Array[]): bigint =>
  number(
    new Uint8Array(
      createHash('sha512')
        .update(concat(...parts))
        .digest(),
    ),
  ) % ORDER

test("SHA-512 is Node's, at every length around the ends of blocks", async () => {
  const lengths = [0, 1, 55, 56, 63, 64, 110, 111, 112, 113, 127, 128, 129, 239, 240, 255, 256, 257, 1000]
  for (const length of lengths) {
    const data = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff)
    const halves = (await evm.read(harness, 'sha512', [`0x${toHex(data)}`])) as [string, string]
    assert.equal(
      halves.map((half) => half.slice(2)).join(''),
      createHash('sha512').update(data).digest('hex'),
      `${length}`,
    )
  }
})

test('two hashes in one call do not read what the other left in memory', async () => {
  const [long, short] = [new Uint8Array(300).fill(0xff), Uint8Array.of(1, 2, 3)]
  const [first, second, kept] = (await evm.read(harness, 'both', [`0x${toHex(long)}`, `0x${toHex(short)}`])) as string[]
  const left = (data: Uint8Array) => `0x${createHash('sha512').update(data).digest('hex').slice(0, 64)}`
  assert.deepEqual([first, second, kept], [left(long), left(short), `0x${toHex(long)}`])
})

test('signatures of RFC 8032 verify', async () => {
  for (const one of vectors.ed25519.cases) {
    assert.ok(await verify(fromHex(one.publicKey), fromHex(one.message), fromHex(one.signature)), one.seed)
  }
})

test('what Node signs verifies; with one bit changed anywhere it does not', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.nat(8 * 96 - 1),
      async (seed, text, bit) => {
        const key = nodeProvider.ed25519PublicKey(seed)
        const signature = nodeProvider.ed25519Sign(seed, text)
        assert.ok(await verify(key, text, signature))
        const both = concat(key, signature)
        both[bit >> 3] = (both[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        assert.equal(await verify(both.subarray(0, 32), text, both.subarray(32)), false)
        assert.equal(await verify(key, concat(text, Uint8Array.of(0)), signature), false)
      },
    ),
    { numRuns: 8 },
  )
})

test('every scalar is multiplied right: those around 0, 3, the order and powers of two', async () => {
  // Signatures whose S and key are chosen: R = S B - k A, and k follows from R, so S is taken until it fits the equation: s = r + k a.
  for (const a of [1n, 2n, 3n, ORDER - 1n, 1n << 251n]) {
    for (const r of [1n, ORDER - 1n]) {
      const [key, R] = [Point.BASE.multiply(a).toBytes(), Point.BASE.multiply(r).toBytes()]
      const s = (r + challenge(R, key, message) * a) % ORDER
      assert.ok(await verify(key, message, concat(R, little(s))), `${a} ${r}`)
    }
  }
})

test('S and S + order are two spellings of one number, of which the second is refused', async () => {
  const seed = new Uint8Array(32).fill(5)
  const [key, signature] = [nodeProvider.ed25519PublicKey(seed), nodeProvider.ed25519Sign(seed, message)]
  const s = number(signature.subarray(32))
  for (const other of [s + ORDER, s + 2n * ORDER, s + 15n * ORDER, ORDER, ORDER - 1n, 0n, 2n ** 256n - 1n].filter(
    (n) => n < 2n ** 256n,
  )) {
    assert.equal(await verify(key, message, concat(signature.subarray(0, 32), little(other))), false, `${other}`)
  }
})

test('keys of small order are refused, however they are spelled, though they "sign" everything', async () => {
  // R is the neutral element and S = 0: for a key of order 1 the equation holds for every message, and so it does for one in eight with others.
  const neutral = little(1n)
  const spellings = ED25519_TORSION_SUBGROUP.map((hex) => fromHex(hex))
  for (const y of [0n, 1n, FIELD - 1n, FIELD, FIELD + 1n]) spellings.push(little(y), little(y | (1n << 255n)))
  for (const key of spellings) {
    for (let i = 0; i < 4; i++) {
      assert.equal(await verify(key, Uint8Array.of(i), concat(neutral, new Uint8Array(32))), false, toHex(key))
    }
  }
})

test("keys that are no points, and numbers that are not below the field's prime, are refused", async () => {
  const signature = nodeProvider.ed25519Sign(new Uint8Array(32).fill(5), message)
  const notPoints: string[] = vectors.ed25519Points.notPoints.filter((point: string) => point.length === 64)
  assert.ok(notPoints.length > 0)
  for (const point of notPoints) assert.equal(await verify(fromHex(point), message, signature), false)
  for (let y = FIELD; y < 2n ** 255n; y++) {
    for (const sign of [0n, 1n << 255n]) assert.equal(await verify(little(y | sign), message, signature), false, `${y}`)
  }
})

test('R of small order is refused in every spelling: it means that whoever signed gave the key away', async () => {
  const a = 77n
  const key = Point.BASE.multiply(a).toBytes()
  for (const R of [little(1n), little(FIELD + 1n), little(1n | (1n << 255n))]) {
    const signature = concat(R, little((challenge(R, key, message) * a) % ORDER))
    assert.equal(await verify(key, message, signature), false, toHex(R))
    assert.equal(verifiesInNode(key, message, signature), false)
    assert.equal(nodeProvider.ed25519Verify(key, message, signature), false)
  }
})

test('the equation has no cofactor: torsion in key or R is refused as Node refuses it', async () => {
  const [a, r] = [123456789n, 987654321n]
  let refused = 0
  for (const hex of ED25519_TORSION_SUBGROUP) {
    const torsion = Point.fromHex(hex, true)
    const key = Point.BASE.multiply(a).add(torsion).toBytes()
    for (const R of [Point.BASE.multiply(r).toBytes(), Point.BASE.multiply(r).add(torsion).toBytes()]) {
      for (let i = 0; i < 2; i++) {
        const text = Uint8Array.of(i)
        const signature = concat(R, little((r + challenge(R, key, text) * a) % ORDER))
        const here = await verify(key, text, signature)
        assert.equal(here, verifiesInNode(key, text, signature), `${hex} ${i}`)
        // libsodium's knows the cofactor: what is accepted here is accepted there.
        if (here) assert.ok(nodeProvider.ed25519Verify(key, text, signature))
        else refused++
      }
    }
  }
  assert.ok(refused > 12, `${refused}`)
})

test('random bytes are no signatures, and nothing makes it revert', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 96, maxLength: 96 }), async (bytes) => {
      assert.equal(await verify(bytes.subarray(0, 32), message, bytes.subarray(32)), false)
    }),
    { numRuns: 25 },
  )
})

test('a bonding costs at most 700,000 gas for its signature, a vote 350,000', async () => {
  const seed = new Uint8Array(32).fill(9)
  for (const [length, most] of [
    [600, 700_000n],
    [107, 350_000n],
  ] as const) {
    const text = new Uint8Array(length).fill(0x61)
    const signature = nodeProvider.ed25519Sign(seed, text)
    const { gasUsed, result } = await evm.send(harness, 'verify', [
      `0x${toHex(nodeProvider.ed25519PublicKey(seed))}`,
      `0x${toHex(text)}`,
      `0x${toHex(signature.subarray(0, 32))}`,
      `0x${toHex(signature.subarray(32))}`,
    ])
    assert.ok(result)
    assert.ok(gasUsed <= most, `${length} bytes: ${gasUsed} gas`)
  }
})
