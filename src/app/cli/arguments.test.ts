import assert from 'node:assert/strict'
import { it } from 'node:test'
import { InvalidArgumentError } from 'commander'
import { ratio } from '../../protocol/economy/decimal.ts'
import { setSizes, share, upTo } from './arguments.ts'

const refuses = (parse: (text: string) => unknown, texts: readonly string[], says: RegExp) => {
  for (const text of texts) {
    assert.throws(
      () => parse(text),
      (error) => error instanceof InvalidArgumentError && says.test(error.message),
      text,
    )
  }
}

it('a whole number up to a limit', () => {
  assert.equal(upTo(5_000)('5000'), 5_000)
  assert.equal(upTo(5_000, 0)('0'), 0)
  refuses(upTo(5_000), ['', ' ', '0', '-1', '1.5', '5001', 'many', 'Infinity', 'NaN'], /whole number from 1 to 5000/)
})

it('a share is exact, and within 0 and 1', () => {
  assert.equal(share('0.3'), ratio(3, 10))
  assert.equal(share('1'), 10n ** 18n)
  refuses(share, ['', '1.01', '30', '-0.1', '.5', '1e-1', '0.0000000000000000001', 'NaN'], /from 0 to 1/)
})

it('sizes of the rewarded set', () => {
  assert.deepEqual(setSizes('80/100/60/0'), { entryGateways: 80, exitGateways: 100, mixnodes: 60, standby: 0 })
  refuses(setSizes, ['', '80/100/60', '80/100/60/0/1', '80/100/sixty/0', '-1/1/3/0', '80/100/60/12345'], /four numbers/)
  refuses(setSizes, ['0/1/3/0', '1/0/3/0', '1/1/0/0', '1/1/4/0'], /layers evenly/)
})
