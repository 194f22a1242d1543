import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toBase58 } from '../../foundation/base/base58.ts'
import { toHex } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import type { LogFields } from '../../foundation/base/observe.ts'
import { hours, minutes } from '../../foundation/base/units.ts'
import { DAY_SECONDS } from '../../protocol/wire/issuer/calendarDate.ts'
import {
  decodeRedeemAnswer,
  encodeRedeemRequest,
  type RedeemAnswer,
  signRedeemRequest,
  voteHolds,
} from '../../protocol/wire/issuer/redemption.ts'
import { encodeVerifyTicket } from '../../protocol/wire/issuer/ticketVerification.ts'
import type { AgreedKeys } from './agreedKeys.ts'
import { crypto, explosive, gatewaySeed, serialOf, TestIssuers, type TestTicket } from './support.test.ts'

const A = gatewaySeed(1)
const B = gatewaySeed(2)
const few = { count: 1, threshold: 1 }

async function withBook(options: Parameters<typeof TestIssuers.start>[0] = few) {
  const test = await TestIssuers.start(options)
  const book = await test.book(
    await test.request(),
    Array.from({ length: options.threshold ?? 3 }, (_, i) => i + 1),
  )
  return { test, book }
}

describe('tickets', () => {
  it('are verified once, and again for the gateway they were paid to, also after a restart', async () => {
    const { test, book } = await withBook()
    const ticket = await test.pay(book, 0, A)
    assert.deepEqual(await test.verify(1, ticket), { kind: 'verified' })
    assert.deepEqual(await test.verify(1, ticket), { kind: 'verified' })
    await test.restart(1)
    assert.deepEqual(await test.verify(1, ticket), { kind: 'verified' })
    // Another official gateway shows the same: a replay.
    assert.deepEqual(await test.verify(1, { ...ticket, gateway: 'n1other' }), { kind: 'ReplayedTicket' })
    // The same pay info, and other bytes.
    const again = await test.pay(book, 0, A)
    assert.notDeepEqual(again.payment, ticket.payment)
    assert.deepEqual(again.payInfo, ticket.payInfo)
    assert.deepEqual(await test.verify(1, again), { kind: 'ReplayedTicket' })
    assert.equal(test.count(1, 'issuer_tickets'), 1)
    await test.stop()
  })

  it('belong to whom they were paid to, whoever shows them first', async () => {
    const { test, book } = await withBook()
    const ticket = await test.pay(book, 0, A)
    assert.deepEqual(await test.verify(1, { ...ticket, gateway: 'n1thief' }), { kind: 'verified' })
    assert.deepEqual(await test.verify(1, { ...ticket, gateway: toBase58(crypto.ed25519PublicKey(B)) }), {
      kind: 'InvalidTicket',
    })
    assert.deepEqual(await test.verify(1, ticket), { kind: 'verified' })
    await test.stop()
  })

  it('spent at two gateways name who did it, who gets no more books', async () => {
    const { test, book } = await withBook({ count: 1, threshold: 1 })
    assert.deepEqual(await test.verify(1, await test.pay(book, 4, A)), { kind: 'verified' })
    assert.deepEqual(await test.verify(1, await test.pay(book, 4, B)), { kind: 'DoubleSpend' })
    assert.deepEqual(await test.verify(1, await test.pay(book, 5, B)), { kind: 'verified' })
    assert.equal(test.count(1, 'issuer_double_spends_total'), 1)
    assert.equal(test.count(1, 'issuer_double_spenders'), 1)
    await test.restart(1)
    const { status, text } = await test.blindSign(1, (await test.request()).order)
    assert.equal(status, 400)
    assert.match(text, /spent a ticket twice/)
    await test.signed(1, (await test.request({ seed: 2 })).order)
    await test.stop()
  })

  it('of no proof accuse nobody', async () => {
    const { test, book } = await withBook()
    const first = await test.pay(book, 4, A)
    const second = await test.pay(book, 4, B)
    assert.deepEqual(await test.verify(1, first), { kind: 'verified' })
    // The tag T of another, under a serial number that is known.
    const forged = { ...second, payment: second.payment.slice() }
    forged.payment[660] = (forged.payment[660] as number) ^ 1
    assert.deepEqual(await test.verify(1, forged), { kind: 'InvalidTicket' })
    assert.equal(test.count(1, 'issuer_double_spenders'), 0)
    await test.stop()
  })

  it('that come at the same time are judged together, and one of two of a serial number is kept', async () => {
    const { test, book } = await withBook()
    let batches = 0
    const { engine } = test
    const verifyPayments = engine.verifyPayments.bind(engine)
    engine.verifyPayments = (...order) => {
      batches++
      return verifyPayments(...order)
    }
    const tickets: TestTicket[] = []
    for (let i = 0; i < 20; i++) tickets.push(await test.pay(book, i, A))
    tickets.push(await test.pay(book, 0, B))
    const texts = await test.sim.complete(
      Promise.all(tickets.map((one) => test.asking(1, '/verify-ecash-ticket', encodeVerifyTicket(one)))),
    )
    assert.equal(texts.filter(({ text }) => text === '{"verified":{"Ok":null}}').length, 20)
    assert.equal(texts.filter(({ text }) => text === '{"verified":{"Err":"DoubleSpend"}}').length, 1)
    assert.ok(batches <= 2, `${batches} batches`)
    await test.stop()
  })

  it('are of today or yesterday, of one coin, and of an epoch that is known', async () => {
    const { test, book } = await withBook()
    const { today } = test
    const wrong = async (day: number) =>
      assert.deepEqual(
        await test.verify(1, await test.pay(book, 1, A, { day: today }).then((one) => ({ ...one, day }))),
        {
          kind: 'InvalidSpentDate',
          today,
          yesterday: today - DAY_SECONDS,
          received: day,
        },
      )
    await wrong(today + DAY_SECONDS)
    await wrong(today - 3 * DAY_SECONDS)
    const ticket = await test.pay(book, 1, A)
    const body = encodeVerifyTicket(ticket)
    const credential = body.credential as { payment: object }
    const several = { ...body, credential: { ...credential, payment: { ...credential.payment, spend_value: 2 } } }
    assert.equal(
      (await test.ask(1, '/verify-ecash-ticket', several as never)).text,
      '{"verified":{"Err":"MultipleTickets"}}',
    )
    assert.equal((await test.ask(1, '/verify-ecash-ticket', encodeVerifyTicket({ ...ticket, epochId: 9 }))).status, 400)
    // A day and a half later: yesterday's is taken, that of the day before is not, except in the first hour.
    await test.sim.runFor(hours(30))
    assert.deepEqual(await test.verify(1, ticket), { kind: 'verified' })
    await test.sim.runFor(hours(24))
    assert.equal((await test.verify(1, ticket)).kind, 'InvalidSpentDate')
    await test.stop()
  })

  it('are remembered for eight days, and then forgotten', async () => {
    const { test, book } = await withBook()
    await test.verify(1, await test.pay(book, 0, A))
    await test.sim.runFor(hours(7 * 24))
    assert.equal(test.count(1, 'issuer_tickets'), 1)
    await test.sim.runFor(hours(2 * 24))
    assert.equal(test.count(1, 'issuer_tickets'), 0)
    await test.stop()
  })

  it('need not tie their index in compatible mode only, which says so', async () => {
    for (const compatible of [false, true]) {
      const { test, book } = await withBook({ ...few, options: { compatible } })
      const asked: string[] = []
      const verifyPayments = test.engine.verifyPayments.bind(test.engine)
      test.engine.verifyPayments = (masterKey, claims, strictness) => {
        asked.push(strictness)
        return verifyPayments(masterKey, claims, strictness)
      }
      await test.verify(1, await test.pay(book, 0, A))
      assert.deepEqual(asked, [compatible ? 'compatible' : 'strict'])
      assert.equal(test.count(1, 'issuer_compatible'), compatible ? 1 : 0)
      await test.stop()
    }
  })

  it('are refused without a verdict where there is no room to remember them', async () => {
    const { test, book } = await withBook({ ...few, options: { params: { maxTickets: 1 } } })
    await test.verify(1, await test.pay(book, 0, A))
    const { status } = await test.ask(1, '/verify-ecash-ticket', encodeVerifyTicket(await test.pay(book, 1, A)))
    assert.equal(status, 503)
    await test.stop()
  })
})

describe('redemption', () => {
  const redeem = async (
    test: TestIssuers,
    seed: Uint8Array,
    serialNumbers: readonly Uint8Array[],
  ): Promise<RedeemAnswer> => {
    const { status, text } = await test.ask(
      1,
      '/batch-redeem-ecash-tickets',
      encodeRedeemRequest(signRedeemRequest(crypto, seed, { serialNumbers })),
    )
    assert.equal(status, 200, text)
    return decodeRedeemAnswer(text)
  }

  it('counts each ticket once, for its gateway, and gives the same vote again', async () => {
    const { test, book } = await withBook()
    const serials: Uint8Array[] = []
    for (let ticket = 0; ticket < 4; ticket++) {
      const paid = await test.pay(book, ticket, A)
      await test.verify(1, paid)
      serials.push(serialOf(paid.payment))
    }
    const [one, two, three, four] = serials as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    const foreign = await test.pay(book, 10, B)
    await test.verify(1, foreign)
    const unseen = await test.pay(book, 11, A)
    const refused = { accepted: false, vote: undefined }
    assert.deepEqual(await redeem(test, B, [one]), refused)
    assert.deepEqual(await redeem(test, A, [one, serialOf(foreign.payment)]), refused)
    assert.deepEqual(await redeem(test, A, [one, serialOf(unseen.payment)]), refused)
    assert.deepEqual(await redeem(test, A, [one, one]), refused)

    const answer = await redeem(test, A, [one, two])
    assert.ok(answer.accepted && answer.vote !== undefined)
    const { signature, ...voted } = answer.vote
    const vote = {
      ...voted,
      gateway: crypto.ed25519PublicKey(A),
      digest: crypto.sha256(new Uint8Array([...one, ...two])),
    }
    assert.ok(voteHolds(crypto, crypto.ed25519PublicKey(test.identitySeed(1)), vote, signature))
    assert.deepEqual([vote.count, vote.epochId, vote.index], [2, 3, 1])

    assert.deepEqual(await redeem(test, A, [one, two]), answer)
    await test.restart(1)
    assert.deepEqual(await redeem(test, A, [one, two]), answer)
    assert.deepEqual(await redeem(test, A, [two, one]), refused)
    assert.deepEqual(await redeem(test, A, [two, three]), refused)
    assert.ok((await redeem(test, A, [three, four])).accepted)
    // On another ledger its tickets were not bought, and not paid for: it has no vote for it there.
    test.deposits.payer = { chainId: 7, contract: new Uint8Array(20).fill(7) }
    await test.restart(1)
    assert.deepEqual(await redeem(test, A, [one, two]), refused)
    assert.equal(test.count(1, 'issuer_batches_total{result="accepted"}'), 2)
    await test.stop()
  })

  it('is refused where the gateway did not sign it, or the digest is of others', async () => {
    const { test, book } = await withBook()
    const paid = await test.pay(book, 0, A)
    await test.verify(1, paid)
    const serialNumbers = [serialOf(paid.payment)]
    const mine = signRedeemRequest(crypto, B, { serialNumbers })
    const good = signRedeemRequest(crypto, A, { serialNumbers })
    for (const forged of [
      { ...mine, gateway: good.gateway },
      { ...good, digest: crypto.sha256(new Uint8Array(48)) },
      { ...good, proposalId: 4 },
    ]) {
      assert.equal((await test.ask(1, '/batch-redeem-ecash-tickets', encodeRedeemRequest(forged))).status, 400)
    }
    const official = { digest: 'x', included_serial_numbers: [], proposal_id: 1, gateway_cosmos_addr: 'n1abc' }
    assert.equal((await test.ask(1, '/batch-redeem-ecash-tickets', official)).status, 400)
    assert.ok((await redeem(test, A, serialNumbers)).accepted)
    await test.stop()
  })
})

describe('an issuer that dies', () => {
  it('knows afterwards what it said of tickets and batches, whenever it was', async () => {
    let completed = 0
    for (let fuse = 0; completed < 2; fuse++) {
      let burning: { left: number } | undefined
      const burn = (): void => {
        if (burning !== undefined && burning.left-- === 0) throw new MixnetError('STOPPED', { what: 'process' })
      }
      const { test, book } = await withBook({ ...few, database: (database) => explosive(database, burn) })
      const first = await test.pay(book, 0, A)
      const second = await test.pay(book, 1, A)
      await test.verify(1, first)
      const serials = [first, second].map(({ payment }) => serialOf(payment))
      const batch = encodeRedeemRequest(signRedeemRequest(crypto, A, { serialNumbers: serials }))
      const lit = { left: fuse }
      burning = lit
      const verified = await test.ask(1, '/verify-ecash-ticket', encodeVerifyTicket(second))
      const redeemed = await test.ask(1, '/batch-redeem-ecash-tickets', batch)
      burning = undefined
      if (lit.left >= 0) completed++
      await test.restart(1)
      // What it said it says again; what it did not say it says now.
      assert.deepEqual(await test.verify(1, second), { kind: 'verified' }, `after ${fuse} steps`)
      const again = await test.ask(1, '/batch-redeem-ecash-tickets', batch)
      assert.ok(decodeRedeemAnswer(again.text).accepted, `after ${fuse} steps`)
      if (redeemed.status === 200 && verified.status === 200) assert.equal(again.text, redeemed.text)
      // And each ticket counts once.
      const other = encodeRedeemRequest(signRedeemRequest(crypto, A, { serialNumbers: serials.slice(1) }))
      assert.ok(!decodeRedeemAnswer((await test.ask(1, '/batch-redeem-ecash-tickets', other)).text).accepted)
      await test.stop()
    }
  })
})

describe('what issuers write into logs and refusals', () => {
  it('has no keys, no serial numbers and no deposits in it', async () => {
    const lines: string[] = []
    const write = (code: string, fields?: LogFields): void => void lines.push(`${code} ${JSON.stringify(fields)}`)
    const log = { debug: write, info: write, warn: write, error: write, child: () => log }
    const { test, book } = await withBook({ ...few, options: { log } })
    const ticket = await test.pay(book, 0, A)
    const replies = [
      await test.verify(1, ticket),
      await test.verify(1, await test.pay(book, 0, B)),
      await test.blindSign(1, (await test.request({ depositId: 1234 })).order),
      await test.blindSign(1, { ...(await test.request({ depositId: 1235, seed: 3 })).order, depositId: 1236 }),
    ]
    await test.sim.runFor(minutes(1))
    const said = `${lines.join('\n')} ${JSON.stringify(replies)} ${JSON.stringify(test.meters[0]?.snapshot())}`
    assert.match(said, /issuer.double-spend/)
    const { masterKey, own } = test.keys[0] as AgreedKeys
    for (const secret of [
      serialOf(ticket.payment),
      own.secretKey.expose().slice(8, 40),
      ticket.payInfo,
      masterKey.slice(0, 48),
    ]) {
      for (const text of [toHex(secret), toBase58(secret)]) assert.ok(!said.includes(text))
    }
    for (const deposit of ['1234', '1235', '1236']) assert.ok(!said.includes(deposit))
    await test.stop()
  })
})
