import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { amountText, coinText, joinedAmount, parseAmount, parsePositiveAmount } from './amounts.ts'

test('amounts have a unit and at most six decimals', () => {
  assert.equal(parseAmount('100 NYM'), 100_000_000n)
  assert.equal(parseAmount('1.5nym'), 1_500_000n)
  assert.equal(parseAmount('2,500 NYM'), 2_500_000_000n)
  assert.equal(parseAmount('7 unym'), 7n)
  assert.equal(parseAmount('0.000001 NYM'), 1n)
  assert.equal(joinedAmount(['100', 'NYM']), 100_000_000n)
})

test('a bare number is refused with what to type', () => {
  assert.throws(() => parseAmount('100'), /Say the unit: "100 NYM"/)
  for (const bad of [
    '',
    'NYM',
    '-1 NYM',
    '1e3 NYM',
    '0x10 NYM',
    '1.0000001 NYM',
    '1.5 unym',
    '1 ETH',
    '1,00 NYM',
    '1 NYM NYM',
    '. NYM',
    '1000000001 NYM',
  ]) {
    assert.throws(() => parseAmount(bad), { code: 'commander.invalidArgument' }, bad)
  }
  assert.throws(() => parsePositiveAmount('0 NYM'), /more than nothing/)
})

test('what is written can be typed again', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 15n }), (amount) => {
      assert.equal(parseAmount(amountText(amount)), amount)
    }),
  )
})

test('fees are shown rounded up', () => {
  assert.equal(coinText(1n), '0.000000001 coins')
  assert.equal(coinText(10n ** 18n), '1 coins')
  assert.equal(coinText(1_500_000_000_000_000_001n), '1.500000001 coins')
})
