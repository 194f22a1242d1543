import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hours, type Millis, millis } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import { GatewayTime } from './gatewayTime.ts'
import { after, keyOf, message, numbers, TestGateway } from './support.test.ts'

const HOUR = hours(1)
const MONTH = hours(30 * 24)

/** A gateway whose wall clock is moved by hand. */
async function startMovable() {
  const hand = { ahead: millis(0) }
  const world = (real: World): World => ({
    ...real,
    clock: { ...real.clock, now: () => millis(real.clock.now() + hand.ahead) },
  })
  return { hand, test: await TestGateway.start({ world }) }
}

async function storeOne(test: TestGateway) {
  const client = await test.registered()
  await client.ask({ type: 'claimFreeTestnetBandwidth' })
  client.socket.close()
  await after(test.sim, 1100)
  test.gateway.deliver(message(client.identity, 7))
  await after(test.sim, 100)
  assert.deepEqual(test.acked, [7])
  return client
}

describe('the time of a gateway', () => {
  it('a wall clock that jumps a month ahead takes no acknowledged message, running or at a start', async () => {
    const { hand, test } = await startMovable()
    const client = await storeOne(test)
    hand.ahead = MONTH
    await after(test.sim, 5 * HOUR)
    test.crash()
    await test.restart()
    await after(test.sim, 5 * HOUR)
    hand.ahead = millis(0)
    const again = await test.connect()
    await again.login(keyOf(client))
    await after(test.sim, 100)
    assert.deepEqual(numbers(again.pushed), [7])
  })

  it('nor does it end free bandwidth', async () => {
    const { hand, test } = await startMovable()
    const client = await test.registered()
    await client.ask({ type: 'claimFreeTestnetBandwidth' })
    hand.ahead = MONTH
    client.forward(1)
    assert.match(await client.next(), /"type":"send"/)
    hand.ahead = millis(-MONTH)
    client.forward(2)
    assert.match(await client.next(), /"type":"send"/)
  })

  it('what is really old goes all the same: after a day with a right clock, after half a day with one that stays ahead', async () => {
    for (const [ahead, kept, gone] of [
      [0, 23, 25.1],
      [MONTH, 11, 13.1],
      [-MONTH, 47, 49.1],
    ] as const) {
      const { hand, test } = await startMovable()
      await storeOne(test)
      hand.ahead = millis(ahead)
      await after(test.sim, kept * HOUR)
      assert.ok(test.count('gateway_inbox_bytes') > 0, `${ahead}: kept`)
      await after(test.sim, (gone - kept) * HOUR)
      assert.equal(test.count('gateway_inbox_bytes'), 0, `${ahead}: gone`)
    }
  })

  it('after an outage messages wait for their client as long as they would have', async () => {
    const { test } = await startMovable()
    const client = await storeOne(test)
    test.crash()
    await after(test.sim, 100 * HOUR)
    await test.restart()
    await after(test.sim, 2 * HOUR)
    const again = await test.connect()
    await again.login(keyOf(client))
    await after(test.sim, 100)
    assert.deepEqual(numbers(again.pushed), [7])
  })

  it('follows the wall clock at no more than twice and no less than half the speed, and never goes back', () => {
    let [wall, monotonic] = [1_000_000, 0]
    const time = new GatewayTime({ now: () => millis(wall), monotonic: () => millis(monotonic) }, undefined)
    const pass = (real: number, jump = 0): Millis => {
      monotonic += real
      wall += real + jump
      return time.now()
    }
    assert.equal(pass(10), 1_000_010)
    assert.equal(pass(10, 50), 1_000_030)
    assert.equal(pass(100), 1_000_170)
    assert.equal(pass(10, -1000), 1_000_175)
    assert.equal(pass(0, -500_000), 1_000_175)
    const last = time.now()
    assert.equal(new GatewayTime({ now: () => millis(0), monotonic: () => millis(0) }, last).now(), last)
  })
})
