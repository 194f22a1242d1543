import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hours, minutes, seconds } from '../../foundation/base/units.ts'
import { DAY_SECONDS, formatDate } from '../../protocol/wire/issuer/calendarDate.ts'
import { decodeDateList, LIST_PATHS } from '../../protocol/wire/issuer/publicLists.ts'
import type { AgreedKeys } from './agreedKeys.ts'
import { TestIssuers } from './support.test.ts'

const aggregated = (test: TestIssuers, daysAhead: number): string =>
  `${LIST_PATHS.dates.aggregated}?expiration_date=${formatDate(test.today + daysAhead * DAY_SECONDS)}`

describe('public signatures', () => {
  it('are of today and seven days more, the same of every issuer, and hold', async () => {
    const test = await TestIssuers.start()
    const { masterKey } = test.keys[0] as AgreedKeys
    for (const days of [0, 6, 7]) {
      const expiration = test.today + days * DAY_SECONDS
      const one = await test.lists(1, expiration)
      assert.deepEqual(await test.lists(5, expiration), one)
      assert.ok(await test.engine.listHolds({ kind: 'dates', expiration }, masterKey, one.dateSignatures))
      assert.ok(await test.engine.listHolds({ kind: 'coins' }, masterKey, one.coinSignatures))
    }
    for (const days of [-1, 8]) {
      assert.equal((await test.ask(1, aggregated(test, days))).status, 400)
      assert.equal((await test.ask(1, aggregated(test, days).replace('aggregated', 'partial'))).status, 400)
    }
    assert.equal((await test.ask(1, `${LIST_PATHS.dates.aggregated}?expiration_date=tomorrow`)).status, 400)
    const byDefault = decodeDateList((await test.ask(1, LIST_PATHS.dates.aggregated)).text)
    assert.equal(byDefault.expiration, test.today + 6 * DAY_SECONDS)
    await test.stop()
  })

  it('are at hand before anybody asks, at every midnight', async () => {
    const test = await TestIssuers.start()
    assert.equal(test.issuers[0]?.status().prepared, true)
    for (let day = 0; day < 3; day++) {
      await test.sim.runFor(hours(24))
      // Everybody else is gone: whatever a book of today needs was made before.
      const mend = test.sim.partition(['issuer1'], ['issuer2', 'issuer3', 'issuer4', 'issuer5'])
      assert.equal((await test.ask(1, aggregated(test, 6))).status, 200)
      mend()
    }
    assert.ok(test.count(1, 'issuer_lists') <= 20)
    await test.stop()
  })

  it('survive a restart while the others are away', async () => {
    const test = await TestIssuers.start()
    for (const index of [2, 3, 4, 5]) test.sim.crash(`issuer${index}`)
    await test.restart(1)
    assert.equal((await test.ask(1, aggregated(test, 6))).status, 200)
    await test.sim.complete((test.issuers[0] as NonNullable<(typeof test.issuers)[0]>).stop())
  })

  it('do without a liar, who is named, and without whoever is silent', async () => {
    const test = await TestIssuers.start({ threshold: 3 })
    test.keys = await test.deal(8)
    // Issuer 2 signs with a key that is not its own.
    const [, second, third] = test.keys as [AgreedKeys, AgreedKeys, AgreedKeys]
    const liar = { ...second, own: { index: 2, secretKey: third.own.secretKey } }
    test.sim.crash('issuer4')
    for (const [i, issuer] of test.issuers.entries()) if (i !== 3) issuer.adopt(i === 1 ? liar : test.keys[i])
    await test.sim.runFor(minutes(2))
    assert.equal(test.issuers[0]?.status().prepared, true)
    assert.equal((await test.ask(1, aggregated(test, 6))).status, 200)
    assert.ok(test.count(1, 'issuer_wrong_parts_total{issuer="2"}') > 0)
    for (const index of [1, 3, 5]) assert.equal(test.count(1, `issuer_wrong_parts_total{issuer="${index}"}`), 0)
  })

  it('are not asked of the others by every request while they are too few', async () => {
    const test = await TestIssuers.start()
    for (const index of [3, 4, 5]) test.sim.crash(`issuer${index}`)
    test.keys = await test.deal(8)
    test.issuers[0]?.adopt(test.keys[0])
    await test.sim.runFor(seconds(1))
    const answers = Array.from({ length: 50 }, () => test.asking(1, aggregated(test, 6)))
    for (const { status, text } of await test.sim.complete(Promise.all(answers))) {
      assert.equal(status, 503)
      assert.match(text, /too few issuers/)
    }
    const others = (): number => test.count(2, 'issuer_answers_total{status="404"}')
    const before = others()
    assert.ok(before > 0 && before < 20)
    for (let i = 0; i < 20; i++) assert.equal((await test.ask(1, aggregated(test, 6))).status, 503)
    assert.equal(others(), before)
  })
})
