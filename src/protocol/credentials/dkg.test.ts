/** The equations of dealing, on the curve and without one. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { ORDER } from '../../foundation/crypto/blsScalar.ts'
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import { nullBls } from '../../foundation/crypto/nullBls.ts'
import { hidingGenerator } from './dkgCommitments.ts'
import { LocalDkgEngine } from './dkgEngine.ts'
import {
  decodePolynomials,
  decodeShare,
  drawPolynomials,
  encodePolynomials,
  encodeShare,
  polynomialThrough,
} from './dkgPolynomials.ts'
import { drawFrom } from './draw.ts'
import { createScheme } from './scheme.ts'
import { countingBytes } from './support.test.ts'
import { evaluate } from './threshold.ts'

const flip = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))
const scalar = fc.bigInt({ min: 0n, max: ORDER - 1n })

describe('polynomials', () => {
  it('through t of their points are themselves', () => {
    fc.assert(
      fc.property(
        fc.array(scalar, { minLength: 1, maxLength: 6 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 6, maxLength: 6 }),
        (coefficients, indices) => {
          const points = indices
            .slice(0, coefficients.length)
            .map((index) => ({ index, value: evaluate(coefficients, index) }))
          assert.deepEqual(polynomialThrough(points), coefficients)
        },
      ),
    )
  })

  it('and shares come back from their bytes; others are refused', () => {
    const drawn = drawPolynomials(3, drawFrom(countingBytes(4)))
    const bytes = encodePolynomials(drawn)
    assert.equal(bytes.length, 960)
    assert.deepEqual(decodePolynomials(bytes), drawn)
    const refused = (error: unknown): boolean => isMixnetError(error, 'MALFORMED')
    for (const length of [0, 1, 319, 959, 961]) assert.throws(() => decodePolynomials(new Uint8Array(length)), refused)
    assert.throws(() => decodePolynomials(new Uint8Array(320).fill(0xff)), refused)
    const share = { values: [1n, 2n, 3n, 4n, 5n], hiding: [] }
    assert.deepEqual(decodeShare(encodeShare(share), false), share)
    for (const hides of [true, false]) assert.throws(() => decodeShare(new Uint8Array(161), hides), refused)
    assert.throws(() => decodeShare(new Uint8Array(160).fill(0xff), false), refused)
  })
})

for (const bls of [await loadMclBls(), nullBls]) {
  describe(`dealing (${bls.name})`, () => {
    const scheme = createScheme(bls)
    const engine = new LocalDkgEngine(scheme, countingBytes(21))

    it('h is a point of its own', () => {
      const h = hidingGenerator(scheme)
      for (const other of [scheme.g1, scheme.delta, ...scheme.gamma, bls.g1.zero]) assert.ok(!bls.g1.equal(h, other))
    })

    for (const kind of ['pedersen', 'feldman'] as const) {
      it(`${kind}: a share holds where it belongs, and nowhere else`, async () => {
        const polynomials = await engine.draw(3)
        const commitment = await engine.commit(kind, polynomials)
        assert.ok(await engine.commitmentHolds(kind, 3, commitment))
        assert.equal(commitment.length, kind === 'pedersen' ? 720 : 2040)
        const [share = assert.fail()] = await engine.shares(kind, polynomials, [5])
        const holds = (index: number, bytes: Uint8Array) => engine.shareHolds(kind, 3, commitment, index, bytes)
        assert.ok(await holds(5, share))
        assert.ok(!(await holds(6, share)))
        // Every component is looked at.
        for (let at = 0; at < share.length; at += 32) assert.ok(!(await holds(5, flip(share, at))), `${at}`)
        for (const length of [0, 159, 161, 321]) assert.ok(!(await holds(5, new Uint8Array(length))))
        assert.ok(!(await holds(5, new Uint8Array(share.length).fill(0xff))))
      })

      it(`${kind}: what is no commitment is told, whatever the bytes`, async () => {
        const commitment = await engine.commit(kind, await engine.draw(3))
        assert.ok(!(await engine.commitmentHolds(kind, 2, commitment)))
        assert.ok(!(await engine.commitmentHolds(kind, 4, commitment)))
        await fc.assert(
          fc.asyncProperty(fc.uint8Array({ maxLength: 50 }), async (noise) => {
            assert.ok(!(await engine.commitmentHolds(kind, 3, noise)))
            const inside = commitment.slice()
            // Behind the first element, which is one's own choice: its opposite commits to the opposite.
            inside.set(noise, 96)
            const holds = await engine.commitmentHolds(kind, 3, inside)
            assert.ok(!holds || toHex(inside) === toHex(commitment) || kind === 'pedersen')
          }),
          { numRuns: 30 },
        )
      })
    }

    it('halves that do not belong together, and zeros, are told', async () => {
      const one = await engine.commit('feldman', await engine.draw(2))
      const other = await engine.commit('feldman', await engine.draw(2))
      // α has 96 bytes, then a count of 8, β1 of 4 · 48, β2 of 4 · 96; twice.
      for (const coefficient of [0, 680]) {
        for (const at of [104, 152, 200, 248, 296, 392, 488, 584]) {
          const mixed = one.slice()
          const length = at < 296 ? 48 : 96
          mixed.set(other.subarray(coefficient + at, coefficient + at + length), coefficient + at)
          assert.ok(!(await engine.commitmentHolds('feldman', 2, mixed)), `${coefficient} ${at}`)
        }
        const zero = one.slice()
        zero.set(bls.g2.encode(bls.g2.zero), coefficient)
        assert.ok(!(await engine.commitmentHolds('feldman', 2, zero)))
      }
    })

    it('the constant of a dealing can be seen', async () => {
      const own = await engine.combineShares('sum', [
        { dealer: 1, bytes: (await engine.shares('feldman', await engine.draw(2), [1]))[0] ?? assert.fail() },
      ])
      const honest = await engine.commit('feldman', await engine.draw(2, own.secretKey))
      assert.ok(await engine.commitmentHolds('feldman', 2, honest, own.key))
      assert.ok(
        !(await engine.commitmentHolds('feldman', 2, await engine.commit('feldman', await engine.draw(2)), own.key)),
      )
    })

    it('any t shares rebuild what a dealer would have opened', async () => {
      const polynomials = await engine.draw(3)
      const indices = [2, 3, 5, 9]
      const shares = (await engine.shares('pedersen', polynomials, indices)).map((share, i) => ({
        index: indices[i] ?? 0,
        share,
      }))
      const opened = await engine.commit('feldman', polynomials)
      for (const some of [shares.slice(0, 3), shares.slice(1), [shares[0], shares[2], shares[3]]]) {
        assert.deepEqual(await engine.reconstruct(3, some as typeof shares), opened)
      }
      await assert.rejects(engine.reconstruct(3, shares), (error) => isMixnetError(error, 'BAD_ARGUMENT'))
    })
  })
}
