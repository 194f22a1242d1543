import assert from 'node:assert/strict'
import { it } from 'node:test'
import { InvalidArgumentError } from 'commander'
import { ratio } from '../../protocol/economy/decimal.ts'
import { nameServer, setSizes, share, upTo } from './arguments.ts'

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

it('a name server is somewhere else', () => {
  for (const text of ['9.9.9.9', '192.168.1.1', '10.64.0.4', '2620:fe::fe', 'fd00::1'])
    assert.equal(nameServer(text), text)
  const here = [
    '127.0.0.1',
    '127.8.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '10.64.0.1',
    '10.64.0.2',
    '198.18.0.1',
  ]
  refuses(nameServer, [...here, '::', '::1', 'ff02::fb', 'fe80::1', '::ffff:127.0.0.1', 'fd5a:7e1a::1'], /reach/)
  refuses(nameServer, ['', 'dns.example', '9.9.9', '9.9.9.9:53', '[::1]'], /IP address/)
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
