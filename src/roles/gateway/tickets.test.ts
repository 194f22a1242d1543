/** Tickets at a gateway: which are taken, and that each is taken once. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { millis } from '../../foundation/base/units.ts'
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import { nullBls } from '../../foundation/crypto/nullBls.ts'
import { encodePayInfo } from '../../protocol/credentials/payInfo.ts'
import type { Ticket } from '../../protocol/wire/gateway/ticket.ts'
import type { ScriptedClient } from './scriptedClient.test.ts'
import { keyOf } from './support.test.ts'
import { balance, counted, day, ENTRY, Mint, REPLAY, refusal, TicketTest } from './ticketSupport.test.ts'
import { unixDayOf } from './unixDay.ts'

const PROOF = refusal('the provided ticket failed to get verified')
const SECOND = new Uint8Array(32).fill(9)

describe('a ticket', () => {
  it('is credited once it is spent, until today + 6', async () => {
    const test = await TicketTest.start()
    const client = await test.gate.registered()
    const book = await test.mint.book()
    assert.equal(await test.give(client, await book.ticket(test.paying())), balance(ENTRY))
    assert.equal(await test.give(client, await book.ticket(test.paying())), balance(2 * ENTRY))
    client.forward(1)
    assert.match(await client.next(), new RegExp(`"remaining_bandwidth":${2 * ENTRY - 2413},`))
    assert.equal(test.tickets('accepted'), 2)
    assert.equal(test.bytes('accepted'), 2 * ENTRY)
    await test.gate.sim.run(millis((unixDayOf(test.now) + 7) * day(1) - 10))
    client.forward(2)
    assert.match(await client.next(), new RegExp(`"remaining_bandwidth":${2 * ENTRY - 2 * 2413},`))
    await test.runFor(1000)
    client.forward(3)
    assert.match(await client.next(), /"out_of_bandwidth":\{"required":2413,"available":0\}/)
  })

  it('is worth what its type says, and a scale of it', async () => {
    const test = await TicketTest.start({ params: { ticketScale: 0.001 } })
    const client = await test.gate.registered()
    let sum = 0
    for (const [type, bytes] of [200_000, 100_000, 500_000, 500_000].entries()) {
      const book = await test.mint.book(type)
      sum += bytes
      assert.equal(await test.give(client, await book.ticket(test.paying())), balance(sum))
    }
  })

  it('is taken once: again, of another client, in another payment, after a crash', async () => {
    const test = await TicketTest.start()
    const client = await test.gate.registered()
    const book = await test.mint.book()
    const ticket = await book.ticket(test.paying(), 0)
    assert.equal(await test.give(client, ticket), balance(ENTRY))
    assert.equal(await test.give(client, ticket), REPLAY)
    const other = await test.gate.registered('second', SECOND)
    assert.equal(await test.give(other, ticket), REPLAY)
    assert.equal(await test.give(other, await book.ticket(test.paying(), 0)), REPLAY)
    test.gate.crash()
    await test.gate.restart()
    await test.runFor(1000)
    const again = await test.gate.connect()
    assert.match(await again.login(keyOf(client)), new RegExp(`"bandwidth_remaining":${ENTRY},`))
    assert.equal(await test.give(again, ticket), REPLAY)
    assert.equal(await test.give(again, await book.ticket(test.paying(), 0)), REPLAY)
    assert.equal(await test.give(again, await book.ticket(test.paying(), 1)), balance(2 * ENTRY))
    assert.equal(test.tickets('accepted'), 2)
  })

  it('is taken once where two sessions give it at the same moment', async () => {
    const test = await TicketTest.start()
    const one = await test.gate.registered()
    const two = await test.gate.registered('second', SECOND)
    const book = await test.mint.book()
    one.say(test.request(one, await book.ticket(test.paying(), 0)))
    two.say(test.request(two, await book.ticket(test.paying(), 0)))
    const answers = [await one.next(), await two.next()]
    assert.deepEqual(answers.toSorted(), [balance(ENTRY), REPLAY].toSorted())
    assert.equal(test.bytes('accepted'), ENTRY)
  })

  it('is refused of another day, but for one made in the last seconds of yesterday', async () => {
    const test = await TicketTest.start()
    const client = await test.gate.registered()
    const book = await test.mint.book(0, unixDayOf(test.now) + 5)
    const today = unixDayOf(test.now)
    const date = (got: string) =>
      refusal(`the provided credential has an invalid spending date. got ${got} but expected 2026-01-01`)
    for (const [unixDay, text] of [
      [today - 1, '2025-12-31'],
      [today + 1, '2026-01-02'],
    ] as const) {
      assert.equal(await test.give(client, await book.ticket(test.paying({ unixDay }))), date(text))
    }
    await test.gate.sim.run(millis((today + 1) * day(1) - 2000))
    const late = await book.ticket(test.paying())
    const fresh = await test.gate.registered('second', SECOND)
    await test.gate.sim.run(millis((today + 1) * day(1) + 10_000))
    assert.equal(await test.give(fresh, late), balance(ENTRY))
    // Yesterday's with a pay info of today: made for a day that is over.
    const stale = await book.ticket(test.paying({ unixDay: today }))
    assert.match(await test.give(fresh, stale), /got 2026-01-01 but expected 2026-01-02/)
  })

  it('is refused of an expired book, an unknown epoch, and other keys', async () => {
    const test = await TicketTest.start()
    const client = await test.gate.registered()
    const book = await test.mint.book()
    assert.equal(
      await test.give(client, await book.ticket(test.paying({ epochId: 5n }))),
      refusal('the issuers of the provided ticket are not known to this gateway'),
    )
    const stranger = await (await Mint.open(nullBls, 99)).book()
    assert.equal(await test.give(client, await stranger.ticket(test.paying())), PROOF)
    // Spent on the book's last day and claimed for the day after, with a pay info that was made ahead for it.
    const lastDay = await test.mint.book(0, unixDayOf(test.now))
    const tomorrow = test.paying({ now: test.now + day(1) })
    const ahead = await book.ticket(tomorrow)
    const expired = await lastDay.ticket({ ...tomorrow, payInfo: ahead.payInfo, unixDay: unixDayOf(test.now) })
    await test.gate.sim.run(millis(test.now + day(1)))
    assert.equal(
      await test.give(client, { ...expired, spendDateJulianDay: expired.spendDateJulianDay + 1 }),
      refusal('failed to verify provided ticket due to invalid expiration date signatures'),
    )
    assert.equal(await test.give(client, await book.ticket(test.paying())), balance(ENTRY))
  })

  it('is refused where its pay info is for another gateway, of another time, or used before', async () => {
    const test = await TicketTest.start()
    const client = await test.gate.registered()
    const book = await test.mint.book()
    const random = counted(3)
    const payInfo = (ahead: number, provider = test.gate.identity): Uint8Array =>
      encodePayInfo({
        random: random.bytes(32),
        unixSeconds: BigInt(Math.floor(test.now / 1000) + ahead),
        provider,
      })
    const give = async (info: Uint8Array) =>
      test.give(client, await book.ticket(test.paying({ payInfo: info, unixDay: unixDayOf(test.now) })))
    await test.runFor(60_000)
    assert.equal(await give(payInfo(0, SECOND)), refusal("provided payinfo's public key does not match provider's"))
    const stale = refusal("provided payinfo's timestamp is invalid")
    assert.equal(await give(payInfo(-31)), stale)
    assert.equal(await give(payInfo(31)), stale)
    const good = payInfo(29)
    assert.equal(await give(good), balance(ENTRY))
    assert.equal(await give(good), refusal('received payinfo is a duplicate'))
  })

  it('is refused where anything of it is swapped or garbled, and its client is not listened to for ever', async () => {
    const test = await TicketTest.start()
    const client = await test.gate.registered()
    const book = await test.mint.book()
    const altered = async (change: (payment: Uint8Array) => void): Promise<Ticket> => {
      const ticket = await book.ticket(test.paying())
      const payment = ticket.payment.slice()
      change(payment)
      return { ...ticket, payment }
    }
    // Another type: the wallet's signature is of this one.
    assert.equal(await test.give(client, await altered((payment) => payment.set([2], 787))), PROOF)
    const malformed = /encrypted data was malformed/
    assert.match(await test.give(client, await altered((payment) => payment.set([9], 787))), malformed)
    assert.match(
      await test.give(client, await altered((payment) => payment.set([2], 737))),
      /more than a single ticket/,
    )
    assert.match(await test.give(client, await altered((payment) => payment.set([2], 587))), malformed)
    // The fifth is the last: it is answered, and the session ends.
    client.say(test.request(client, await altered((payment) => payment.set([0xff, 0xff], 700))))
    const rest = await client.rest()
    assert.deepEqual(rest, [PROOF])
    assert.equal(test.gate.refused('bad-tickets'), 1)
    await test.runFor(1000)
    const again = await test.gate.connect()
    await again.login(keyOf(client))
    again.say(test.request(again, await book.ticket(test.paying())))
    assert.deepEqual(await again.rest(), [refusal('too many invalid tickets have been provided. try again later')])
    await test.runFor(3_600_000)
    const later = await test.gate.connect()
    await later.login(keyOf(client))
    assert.equal(await test.give(later, await book.ticket(test.paying())), balance(ENTRY))
    assert.equal(test.tickets('accepted'), 1)
  })

  it('without a bound index is refused before its proof is looked at, unless the gateway is compatible', async () => {
    const strict = await TicketTest.start()
    let checked = 0
    const { verifyPayments } = strict.mint.engine
    strict.mint.engine.verifyPayments = (...args) => {
      checked++
      return verifyPayments.apply(strict.mint.engine, args)
    }
    const client = await strict.gate.registered()
    const short = await (await strict.mint.book()).unbound(strict.paying())
    assert.equal(short.payment.length, 1157)
    assert.equal(await strict.give(client, short), PROOF)
    assert.equal(checked, 0)
    assert.equal(strict.gate.count('gateway_tickets_compatible'), 0)
    const compatible = await TicketTest.start({ strictness: 'compatible' })
    assert.equal(compatible.gate.count('gateway_tickets_compatible'), 1)
    const other = await compatible.gate.registered()
    const book = await compatible.mint.book()
    const old = await book.unbound(compatible.paying())
    assert.equal(await compatible.give(other, old), balance(ENTRY))
    assert.equal(await compatible.give(other, old), REPLAY)
    assert.equal(await compatible.give(other, await book.ticket(compatible.paying())), balance(2 * ENTRY))
    assert.equal(compatible.gate.count('gateway_tickets_unbound_total'), 1)
  })

  it('counts where it came in time and the gateway was busy: it is not spent', async () => {
    const test = await TicketTest.start({ params: { maxTicketsWaiting: 1, maxPayInfos: 1 } })
    const one = await test.gate.registered()
    const two = await test.gate.registered('second', SECOND)
    const book = await test.mint.book()
    const [first, second] = [await book.ticket(test.paying()), await book.ticket(test.paying())]
    const { verifyPayments } = test.mint.engine
    let go: (() => void) | undefined
    test.mint.engine.verifyPayments = async (...args) => {
      await new Promise<void>((resolve) => {
        go = resolve
      })
      return verifyPayments.apply(test.mint.engine, args)
    }
    one.say(test.request(one, first))
    await test.runFor(10)
    const busy = refusal('this gateway cannot check the provided ticket right now. it has not been spent')
    assert.equal(await test.give(two, second), busy)
    go?.()
    test.mint.engine.verifyPayments = verifyPayments
    assert.equal(await one.next(), balance(ENTRY))
    // Its pay info is remembered for a minute.
    assert.equal(await test.give(two, second), busy)
    await test.runFor(62_000)
    assert.equal(await test.give(two, await book.ticket(test.paying())), balance(ENTRY))
  })

  it('is neither spent nor lost where the engine fails or hangs', async () => {
    const test = await TicketTest.start()
    const client = await test.gate.registered()
    const book = await test.mint.book()
    const ticket = await book.ticket(test.paying())
    const { verifyPayments } = test.mint.engine
    test.mint.engine.verifyPayments = () => Promise.reject(new Error('the thread is gone'))
    const busy = refusal('this gateway cannot check the provided ticket right now. it has not been spent')
    assert.equal(await test.give(client, ticket), busy)
    test.mint.engine.verifyPayments = () => new Promise(() => {})
    client.say(test.request(client, ticket))
    await test.runFor(61_000)
    assert.equal(await client.next(), busy)
    test.mint.engine.verifyPayments = verifyPayments
    assert.equal(await test.give(client, await book.ticket(test.paying(), 0)), balance(ENTRY))
  })

  it('is checked with others that came meanwhile', async () => {
    const test = await TicketTest.start()
    const batches: number[] = []
    const { verifyPayments } = test.mint.engine
    test.mint.engine.verifyPayments = (key, claims, strictness) => {
      batches.push(claims.length)
      return verifyPayments.call(test.mint.engine, key, claims, strictness)
    }
    const book = await test.mint.book()
    const clients: ScriptedClient[] = []
    for (let i = 0; i < 10; i++) clients.push(await test.gate.registered('client', seed(i)))
    const tickets = await Promise.all(clients.map(() => book.ticket(test.paying())))
    for (const [i, client] of clients.entries()) client.say(test.request(client, tickets[i] as Ticket))
    for (const client of clients) assert.equal(await client.next(), balance(ENTRY))
    assert.equal(
      batches.reduce((sum, one) => sum + one, 0),
      10,
    )
    assert.ok(batches.length < 10, `${batches}`)
  })

  it('is taken on the real curve too', async () => {
    const mint = await Mint.open(await loadMclBls())
    const test = await TicketTest.start({ mint })
    const client = await test.gate.registered()
    const book = await mint.book()
    const ticket = await book.ticket(test.paying())
    assert.equal(await test.give(client, ticket), balance(ENTRY))
    assert.equal(await test.give(client, ticket), REPLAY)
    await test.runFor(1000)
    assert.equal(test.tickets('verified'), 1)
  })
})

const seed = (i: number): Uint8Array => new Uint8Array(32).fill(100 + i)
