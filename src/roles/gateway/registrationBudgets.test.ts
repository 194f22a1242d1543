import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Meter } from '../../foundation/base/observe.ts'
import { hours, minutes } from '../../foundation/base/units.ts'
import { HandClock } from '../../foundation/platform/handClock.ts'
import { RegistrationBudgets } from './registrationBudgets.ts'
import { after, keyOf, message, TestGateway } from './support.test.ts'

const MINUTE = minutes(1)
const refusal = JSON.stringify({ type: 'error', message: 'Internal gateway storage error' })
const seed = (number: number): Uint8Array => new Uint8Array(32).fill(number)

describe('registrations', () => {
  it('of one address are limited, come back over a day, and others are not touched by it', async () => {
    const test = await TestGateway.start({ params: { registrationsPerAddress: 3 } })
    const known = await test.registered('client', seed(20))
    known.socket.close()
    for (const i of [21, 22]) await test.registered('client', seed(i))
    assert.equal(await (await test.connect('client', seed(23))).register(), refusal)
    assert.equal(test.refused('registrations-of-address'), 1)
    assert.equal(test.count('gateway_clients'), 3)
    await test.registered('second', seed(23))
    // Whoever lost its key makes the table no longer.
    await test.registered('client', seed(20))
    await after(test.sim, 8 * 60 * MINUTE)
    await test.registered('client', seed(24))
    assert.equal(await (await test.connect('client', seed(25))).register(), refusal)
  })

  it('begun side by side are limited as well', async () => {
    const test = await TestGateway.start({ params: { registrationsPerAddress: 3 } })
    const clients = []
    for (const i of [20, 21, 22, 23, 24, 25]) clients.push(await test.connect('client', seed(i)))
    const answers = await test.complete(Promise.all(clients.map((client) => client.registerNow())))
    assert.equal(answers.filter((answer) => answer === refusal).length, 3)
    assert.equal(test.count('gateway_clients'), 3)
  })

  it('are remembered for so many addresses, in memory', () => {
    const clock = new HandClock()
    const limits = { registrationsPerAddress: 1, registrationsComeBackIn: hours(1), maxRegisteringAddresses: 2 }
    const meter = new Meter()
    const budgets = new RegistrationBudgets(clock, limits, meter)
    for (const block of ['a', 'b', 'c']) budgets.take(block)
    assert.deepEqual(
      ['a', 'b', 'c'].map((block) => budgets.allows(block)),
      [true, false, false],
    )
    assert.equal(meter.snapshot().gateway_registering_addresses, 2)
    clock.advance(hours(1))
    assert.ok(budgets.allows('c'))
    assert.equal(meter.snapshot().gateway_registering_addresses, 0)
  })

  it('make room for a newcomer where they were never used; who was used, is connected or has mail stays', async () => {
    const test = await TestGateway.start({ params: { maxClients: 5 } })
    const make = (number: number) => test.registered('client', seed(number))
    const [used, mail, connected] = [await make(20), await make(21), await make(22)]
    const unused = [await make(23), await make(24)]
    await used.ask({ type: 'claimFreeTestnetBandwidth' })
    for (const client of [used, mail, ...unused]) client.socket.close()
    await after(test.sim, 1100)
    test.gateway.deliver(message(mail.identity, 1))
    await after(test.sim, 100)
    const newcomer = async (number: number) => (await test.connect('second', seed(number))).register()
    assert.equal(await newcomer(30), refusal, 'nobody is unused for a quarter of an hour')
    await after(test.sim, 20 * MINUTE)
    assert.match(await newcomer(30), /"type":"register"/)
    assert.equal(test.count('gateway_clients_evicted_total{reason="unused"}'), 2)
    assert.equal(test.count('gateway_clients'), 4)
    for (const client of [used, mail]) {
      const again = await test.connect('client', client.seed)
      assert.match(await again.login(keyOf(client)), /"type":"authenticate"/)
      again.socket.close()
    }
    assert.equal(connected.closed, false)
    await newcomer(31)
    assert.equal(await newcomer(32), refusal)
  })

  it('where all were used, the idle of a week go, but none that has mail', async () => {
    const test = await TestGateway.start({ params: { maxClients: 2 } })
    for (const i of [20, 21]) {
      const client = await test.registered('client', seed(i))
      await client.ask({ type: 'claimFreeTestnetBandwidth' })
      client.socket.close()
    }
    await after(test.sim, 6 * 24 * 60 * MINUTE)
    test.gateway.deliver(message(test.crypto.ed25519PublicKey(seed(21)), 1))
    const newcomer = async (number: number) => (await test.connect('second', seed(number))).register()
    assert.equal(await newcomer(30), refusal)
    await after(test.sim, 26 * 60 * MINUTE)
    assert.match(await newcomer(30), /"type":"register"/)
    assert.ok(test.count('gateway_clients_evicted_total{reason="idle"}') >= 1)
  })

  it('that lead to nothing are forgotten after a day', async () => {
    const test = await TestGateway.start()
    const [idle, used] = [await test.registered('client', seed(20)), await test.registered('client', seed(21))]
    await used.ask({ type: 'claimFreeTestnetBandwidth' })
    for (const client of [idle, used]) client.socket.close()
    await after(test.sim, 23 * 60 * MINUTE)
    assert.equal(test.count('gateway_clients'), 2)
    await after(test.sim, 3 * 60 * MINUTE)
    assert.equal(test.count('gateway_clients'), 1)
  })
})
