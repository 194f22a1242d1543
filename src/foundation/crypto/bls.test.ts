/** Both providers of BLS12-381 against each other, and against what the official crate made of the same messages. @module */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { fromHex, toHex, utf8 } from '../base/bytes.ts'
import type { Bls, G1, G2, Group, Multiples, Term } from './bls.ts'
import { invert, modOrder, ORDER, type Scalar, scalarFromBytes, scalarToBytes, wideScalar } from './blsScalar.ts'
import { loadMclBls } from './mclBls.ts'
import { nobleBls } from './nobleBls.ts'

const mclBls = await loadMclBls()
const POINT_TAG = 'NYMECASH-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_'
const SCALAR_TAG = 'NYMECASH-V01-CS02-with-expander-SHA256'
const ecash = JSON.parse(readFileSync(new URL('../../../vectors/ecash.json', import.meta.url), 'utf8')) as {
  hash_to_g1: { message: string; point: string }[]
  hash_to_scalar: { message: string; scalar: string }[]
  invalid_payments: { name: string; payment: string }[]
}

/** Mostly anything, and often what breaks ladders. */
const scalar = fc.oneof(
  fc.bigInt(0n, ORDER - 1n),
  fc.constantFrom(0n, 1n, 2n, 127n, 128n, 129n, 255n, 256n, ORDER - 1n, ORDER - 2n, (1n << 128n) - 1n, 1n << 254n),
)
const few = { numRuns: 15 }

/** Used so often that it is a table by now. */
function madeTable<P>(group: Pick<Group<P>, 'table'>, point: P): Multiples<P> {
  const multiples = group.table(point)
  for (let i = 0; i < 100; i++) multiples(1n)
  return multiples
}

/** k·generator and its hexadecimal form, in both providers. */
const g1Of = (bls: Bls, k: Scalar): G1 => bls.g1.multiply(k, bls.g1.generator)
const g2Of = (bls: Bls, k: Scalar): G2 => bls.g2.multiply(k, bls.g2.generator)

describe('BLS12-381', () => {
  for (const bls of [nobleBls, mclBls]) {
    it(`${bls.name}: hashes as the official crate`, () => {
      for (const { message, point } of ecash.hash_to_g1) {
        assert.equal(toHex(bls.g1.encode(bls.hashToG1(fromHex(message), POINT_TAG))), point)
      }
      for (const { message, scalar: expected } of ecash.hash_to_scalar) {
        assert.equal(toHex(scalarToBytes(bls.hashToScalar(fromHex(message), SCALAR_TAG))), expected)
      }
    })

    it(`${bls.name}: zero is zero`, () => {
      const check = <P>({ zero, generator, ...group }: Group<P>): void => {
        for (const point of [
          zero,
          group.multiply(0n, generator),
          group.multiplySecret(0n, generator),
          group.table(generator)(0n),
          group.table(zero)(5n),
          madeTable(group, generator)(0n),
          madeTable(group, zero)(5n),
          group.sum([]),
          group.sum([[0n, generator]]),
          group.sum([
            [0n, generator],
            [7n, zero],
          ]),
          group.add(generator, group.negate(generator)),
          group.sum([
            [3n, generator],
            [ORDER - 3n, generator],
          ]),
        ]) {
          assert.ok(group.isZero(point))
          assert.ok(group.equal(point, zero))
          assert.equal(toHex(group.encode(point)), `c0${'00'.repeat(group.bytes - 1)}`)
        }
        assert.ok(!group.isZero(generator))
        assert.ok(group.isZero(group.decode(group.encode(zero)) as P))
      }
      check(bls.g1)
      check(bls.g2)
    })

    it(`${bls.name}: refuses all but the one encoding of a point of the subgroup`, () => {
      const refused = <P>(group: Group<P>, hex: string): void =>
        assert.equal(group.decode(fromHex(hex)), undefined, hex)
      const zeros = (group: Group<unknown>): string => '00'.repeat(group.bytes - 1)
      for (const group of [bls.g1, bls.g2] as Group<unknown>[]) {
        const generator = toHex(group.encode(group.generator))
        refused(group, '')
        refused(group, generator.slice(2))
        refused(group, `${generator}00`)
        refused(group, `17${generator.slice(2)}`) // uncompressed
        refused(group, `d7${generator.slice(2)}`) // infinity, with something behind
        refused(group, `c0${zeros(group).slice(2)}01`)
        refused(group, `e0${zeros(group)}`) // infinity with a sign
        refused(group, `40${zeros(group)}`)
        refused(group, `80${zeros(group)}`) // x = 0: on neither subgroup
        refused(group, `9f${'ff'.repeat(group.bytes - 1)}`) // x above p
      }
      // From altered payments of the official crate: on the curve but outside the subgroup; x = p.
      const part = (name: string, offset: number, bytes: number): string => {
        const payment = ecash.invalid_payments.find((one) => one.name === name)?.payment ?? assert.fail(name)
        return payment.slice(2 * (offset + 1), 2 * (offset + 1 + bytes))
      }
      refused(bls.g1, part('sig.h on the curve but outside the subgroup', 194, 48))
      refused(bls.g1, part('sig.h with x = p (not canonical)', 194, 48))
      refused(bls.g2, part('kappa on the curve but outside the subgroup', 0, 96))
    })

    it(`${bls.name}: a product of pairings is one exactly where it should be`, () => {
      const [a, b, c] = [5n, ORDER - 9n, 123_456_789n]
      const pair = (x: Scalar, y: Scalar): [G1, G2] => [g1Of(bls, x), g2Of(bls, y)]
      assert.ok(bls.pairingsCancel([]))
      assert.ok(bls.pairingsCancel([[bls.g1.zero, g2Of(bls, a)]]))
      assert.ok(bls.pairingsCancel([[g1Of(bls, a), bls.g2.zero]]))
      assert.ok(!bls.pairingsCancel([pair(a, b)]))
      assert.ok(bls.pairingsCancel([pair(a, b), pair(modOrder(-a * b), 1n)]))
      assert.ok(!bls.pairingsCancel([pair(a, b), pair(modOrder(1n - a * b), 1n)]))
      assert.ok(
        bls.pairingsCancel([
          pair(a, b),
          [bls.g1.zero, g2Of(bls, c)],
          pair(c, modOrder(-a * b) * 1n),
          pair(modOrder((c - 1n) * a * b), 1n),
        ]),
      )
    })
  }

  it('mcl: products of more pairs than fit at once', () => {
    const pairs = Array.from({ length: 70 }, (_, i): [G1, G2] => [
      g1Of(mclBls, BigInt(i + 1)),
      g2Of(mclBls, BigInt(i * i + 3)),
    ])
    const exponent = pairs.reduce((sum, _, i) => sum + BigInt(i + 1) * BigInt(i * i + 3), 0n)
    assert.ok(mclBls.pairingsCancel([...pairs, [g1Of(mclBls, modOrder(-exponent)), mclBls.g2.generator]]))
    assert.ok(!mclBls.pairingsCancel([...pairs, [g1Of(mclBls, modOrder(1n - exponent)), mclBls.g2.generator]]))
  })

  it('both providers agree on every operation', () => {
    const same = <P, Q>(ours: Group<P>, reference: Group<Q>, p: P, q: Q): void => {
      const hex = toHex(reference.encode(q))
      assert.equal(toHex(ours.encode(p)), hex)
      assert.ok(ours.equal(ours.decode(fromHex(hex)) ?? assert.fail(), p))
      assert.ok(reference.equal(reference.decode(fromHex(hex)) ?? assert.fail(), q))
    }
    const check = <P, Q>(ours: Group<P>, reference: Group<Q>): void => {
      fc.assert(
        fc.property(fc.array(scalar, { minLength: 1, maxLength: 5 }), scalar, (ks, seed) => {
          const p = ours.multiply(seed, ours.generator)
          const q = reference.multiply(seed, reference.generator)
          const k = ks[0] as Scalar
          same(ours, reference, p, q)
          same(ours, reference, ours.multiplySecret(k, p), reference.multiplySecret(k, q))
          same(ours, reference, ours.table(p)(k), reference.table(q)(k))
          const [table, referenceTable] = [madeTable(ours, p), reference.table(q)]
          for (const one of ks) same(ours, reference, table(one), referenceTable(one))
          same(ours, reference, ours.add(p, ours.generator), reference.add(q, reference.generator))
          same(ours, reference, ours.add(p, p), reference.add(q, q))
          same(ours, reference, ours.negate(p), reference.negate(q))
          const terms = ks.map((x, i): Term<P> => [x, i === 1 ? p : ours.multiply(BigInt(i), p)])
          const referenceTerms = ks.map((x, i): Term<Q> => [x, i === 1 ? q : reference.multiply(BigInt(i), q)])
          same(ours, reference, ours.sum(terms), reference.sum(referenceTerms))
        }),
        few,
      )
    }
    check(mclBls.g1, nobleBls.g1)
    check(mclBls.g2, nobleBls.g2)
    const many = Array.from({ length: 75 }, (_, i): Term<G1> => [BigInt(i * i), g1Of(mclBls, BigInt(i + 1))])
    const expected = many.reduce((sum, _, i) => sum + BigInt(i * i) * BigInt(i + 1), 0n)
    assert.ok(mclBls.g1.equal(mclBls.g1.sum(many), g1Of(mclBls, expected)))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(POINT_TAG, SCALAR_TAG), (message, tag) => {
        assert.deepEqual(
          mclBls.g1.encode(mclBls.hashToG1(message, tag)),
          nobleBls.g1.encode(nobleBls.hashToG1(message, tag)),
        )
      }),
      few,
    )
  })

  it('both providers refuse and accept the same bytes', () => {
    const real = [mclBls.g1.generator, mclBls.g1.zero, mclBls.hashToG1(utf8('x'), POINT_TAG)].map((p) =>
      mclBls.g1.encode(p),
    )
    fc.assert(
      fc.property(fc.constantFrom(...real), fc.nat(47), fc.nat(7), (bytes, index, bit) => {
        const changed = bytes.slice()
        changed[index] = (changed[index] as number) ^ (1 << bit)
        assert.equal(mclBls.g1.decode(changed) === undefined, nobleBls.g1.decode(changed) === undefined, toHex(changed))
      }),
      { numRuns: 60 },
    )
  })
})

describe('scalars modulo the order', () => {
  it('bytes and numbers', () => {
    fc.assert(
      fc.property(scalar, (k) => {
        assert.equal(scalarFromBytes(scalarToBytes(k)), k)
        assert.equal(modOrder(k - ORDER), k)
        const inverse = invert(k)
        assert.equal(inverse === undefined ? k : modOrder(inverse * k), k === 0n ? 0n : 1n)
      }),
    )
    assert.equal(scalarFromBytes(scalarToBytes(ORDER)), undefined)
    assert.equal(scalarFromBytes(new Uint8Array(31)), undefined)
    assert.equal(scalarFromBytes(new Uint8Array(32).fill(0xff)), undefined)
    assert.equal(wideScalar(new Uint8Array(64).fill(0xff)), ((1n << 512n) - 1n) % ORDER)
  })
})
