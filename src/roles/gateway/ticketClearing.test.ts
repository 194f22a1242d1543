/** What issuers say of tickets, and what a gateway makes of it. @module */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { machineError } from '../../foundation/base/machineError.ts'
import { nodeProvider } from '../../foundation/crypto/nodeProvider.ts'
import { sealEncryptedRequest } from '../../protocol/wire/gateway/encryptedRequests.ts'
import { NO_CONTRACT } from '../../protocol/wire/issuer/redemption.ts'
import type { TicketOpinion } from './issuerClient.ts'
import type { Redeemer, RedeemOutcome, VotedBatch } from './redeemer.ts'
import { keyOf } from './support.test.ts'
import { judgement } from './ticketClearing.ts'
import { DEFAULT_TICKET_PARAMS } from './ticketParams.ts'
import { balance, day, ENTRY, Mint, type ScriptedIssuer, TicketTest } from './ticketSupport.test.ts'

const MINUTE = 60_000

/** One ticket taken, and its issuers as `script` has them. */
async function oneTicket(script: (issuers: readonly ScriptedIssuer[]) => void, test?: TicketTest) {
  const started = test ?? (await TicketTest.start())
  script(started.issuers)
  const client = await started.gate.registered()
  const book = await started.mint.book()
  assert.equal(await started.give(client, await book.ticket(started.paying())), balance(ENTRY))
  await started.runFor(2000)
  return { test: started, client, book }
}

describe('issuers', () => {
  it('are each asked about a ticket, and most of them make it verified', async () => {
    const { test } = await oneTicket(() => {})
    assert.deepEqual(
      test.issuers.map(({ asked }) => asked.length),
      [1, 1, 1, 1, 1],
    )
    assert.equal(new Set(test.issuers.flatMap(({ asked }) => asked)).size, 1)
    assert.equal(test.tickets('verified'), 1)
    assert.equal(test.bytes('verified'), ENTRY)
    await test.runFor(60 * MINUTE)
    assert.deepEqual(
      test.issuers.map(({ asked }) => asked.length),
      [1, 1, 1, 1, 1],
    )
  })

  it('that reject it cost its client ten times its value, once', async () => {
    const { test, client, book } = await oneTicket(([one, two]) => {
      ;(one as ScriptedIssuer).answer = 'double-spend'
      ;(two as ScriptedIssuer).answer = 'invalid'
    })
    assert.equal(test.tickets('rejected'), 1)
    client.forward(1)
    assert.match(await client.next(), new RegExp(`"required":2413,"available":${-9 * ENTRY}`))
    test.gate.crash()
    await test.gate.restart()
    await test.runFor(2000)
    const again = await test.gate.connect()
    assert.match(await again.login(keyOf(client)), new RegExp(`"bandwidth_remaining":${-9 * ENTRY},`))
    assert.equal(await test.give(again, await book.ticket(test.paying())), balance(-8 * ENTRY))
  })

  it('cost a client nothing twice where the gateway dies while it writes down what they said', async () => {
    for (let steps = 0; steps < 40; steps += 2) {
      const test = await TicketTest.start({ seed: `penalty ${steps}` })
      for (const issuer of test.issuers) issuer.answer = 'invalid'
      const client = await test.gate.registered()
      const ticket = await (await test.mint.book()).ticket(test.paying())
      assert.equal(await test.give(client, ticket), balance(ENTRY))
      for (let i = 0; i < steps; i++) await test.gate.sim.step()
      test.gate.crash()
      await test.gate.restart()
      await test.runFor(2000)
      assert.deepEqual([test.tickets('rejected'), test.bytes('rejected')], [1, ENTRY])
      const again = await test.gate.connect()
      assert.match(await again.login(keyOf(client)), new RegExp(`"bandwidth_remaining":${-9 * ENTRY},`), `${steps}`)
    }
  })

  it('that are silent are asked again every five minutes and a half, at random, and count in the end', async () => {
    const { test } = await oneTicket((issuers) => {
      for (const issuer of issuers.slice(2)) issuer.answer = 'silent'
      ;(issuers[4] as ScriptedIssuer).answer = 'nonsense'
    })
    assert.equal(test.tickets('verified') + test.tickets('rejected'), 0)
    await test.runFor(24 * MINUTE)
    const asked = test.issuers.map((issuer) => issuer.asked.length)
    assert.deepEqual(asked.slice(0, 2), [1, 1])
    for (const times of asked.slice(2)) assert.ok(times >= 4 && times <= 6, `${times}`)
    // Across a restart.
    test.gate.crash()
    await test.gate.restart()
    for (const issuer of test.issuers) issuer.answer = 'ok'
    await test.runFor(10 * MINUTE)
    assert.equal(test.tickets('verified'), 1)
    assert.deepEqual(test.issuers.map((issuer) => issuer.asked.length).slice(0, 2), [1, 1])
  })

  it('of whom one is cut off do not hold up tickets for long', async () => {
    const test = await TicketTest.start()
    const client = await test.gate.registered()
    const book = await test.mint.book()
    test.gate.sim.partition(['gateway'], ['issuer5'])
    for (let i = 1; i <= 40; i++) {
      assert.equal(await test.give(client, await book.ticket(test.paying())), balance(i * ENTRY))
    }
    // The first sixteen wait for it, ten seconds; the others do without it.
    await test.runFor(13_000)
    assert.equal(test.tickets('verified'), 40)
  })

  it('that cannot be reached at all hurt nobody, and the ticket lapses', async () => {
    const { test, client } = await oneTicket((issuers) => {
      for (const issuer of issuers) issuer.answer = 'silent'
    })
    await test.runFor(day(2))
    assert.equal(test.tickets('lapsed'), 0)
    for (const issuer of test.issuers) issuer.answer = 'too-old'
    await test.runFor(day(1))
    assert.deepEqual([test.tickets('lapsed'), test.tickets('rejected')], [1, 0])
    client.forward(1)
    assert.match(await client.next(), /"type":"send"/)
  })

  it('that are strict cost nobody anything for what a compatible gateway took', async () => {
    const test = await TicketTest.start({ strictness: 'compatible' })
    for (const issuer of test.issuers) issuer.answer = 'invalid'
    const client = await test.gate.registered()
    const book = await test.mint.book()
    assert.equal(await test.give(client, await book.unbound(test.paying())), balance(ENTRY))
    await test.runFor(2000)
    assert.deepEqual([test.tickets('rejected'), test.tickets('lapsed')], [0, 1])
    for (const issuer of test.issuers) issuer.answer = 'double-spend'
    assert.equal(await test.give(client, await book.unbound(test.paying())), balance(2 * ENTRY))
    await test.runFor(2000)
    assert.equal(test.tickets('rejected'), 1)
  })

  it('for whom its day has not begun have said nothing yet', async () => {
    const { test } = await oneTicket((issuers) => {
      for (const issuer of issuers) issuer.answer = 'too-early'
    })
    assert.deepEqual([test.tickets('verified'), test.tickets('lapsed')], [0, 0])
    for (const issuer of test.issuers) issuer.answer = 'ok'
    await test.runFor(10 * MINUTE)
    assert.equal(test.tickets('verified'), 1)
  })

  it('that had the ticket already, from us, have said yes', async () => {
    const { test } = await oneTicket((issuers) => {
      for (const issuer of issuers) issuer.answer = 'replayed'
    })
    assert.equal(test.tickets('verified'), 1)
  })

  it('leave alone who was forgotten meanwhile, and nobody is named with the ticket any more', async () => {
    const test = await TicketTest.start({ crypto: nodeProvider })
    for (const issuer of test.issuers) issuer.answer = 'silent'
    const client = await test.gate.registered()
    const book = await test.mint.book()
    assert.equal(await test.give(client, await book.ticket(test.paying())), balance(ENTRY))
    const forget = { type: 'forgetMe', client: true, stats: true } as const
    const request = sealEncryptedRequest(nodeProvider, keyOf(client).expose(), forget, new Uint8Array(12))
    assert.match(await client.ask(request), /encryptedResponse/)
    client.socket.close()
    for (const issuer of test.issuers) issuer.answer = 'invalid'
    await test.runFor(20 * MINUTE)
    assert.equal(test.tickets('rejected'), 1)
    const again = await test.gate.registered()
    assert.equal(await test.give(again, await book.ticket(test.paying())), balance(ENTRY))
  })

  it('hear of a ticket that was taken just before a crash', async () => {
    for (let steps = 0; steps < 12; steps++) {
      const mint = await Mint.open()
      const test = await TicketTest.start({ mint, seed: `clearing ${steps}` })
      const client = await test.gate.registered()
      const ticket = await (await mint.book()).ticket(test.paying())
      client.say(test.request(client, ticket))
      for (let i = 0; i < steps; i++) await test.gate.sim.step()
      test.gate.crash()
      await test.gate.restart()
      await test.runFor(2000)
      assert.equal(test.tickets('verified'), test.tickets('accepted'), `after ${steps}`)
    }
  })
})

describe('judgement', () => {
  it('is of all issuers, whatever the order, and never both', () => {
    const opinion = fc.constantFrom<TicketOpinion[]>('accepted', 'replayed', 'double-spend', 'invalid', 'too-old')
    fc.assert(
      fc.property(fc.array(opinion, { maxLength: 20 }), fc.nat(20), (opinions, silent) => {
        const all = new Map(opinions.map((one, i) => [i + 1, one]))
        const of = opinions.length + silent
        const yes = opinions.filter((one) => one === 'accepted' || one === 'replayed').length
        const no = opinions.filter((one) => one === 'double-spend' || one === 'invalid').length
        const isBad = no > 0 && (no > 1 || of === 1) && 10 * no >= 3 * of
        const expected = yes > 0 && 10 * yes >= 7 * of ? 'verified' : isBad ? 'rejected' : undefined
        assert.equal(judgement(all, of, DEFAULT_TICKET_PARAMS), expected)
      }),
    )
  })

  it('is not left to one issuer of three, whether the others speak or not', () => {
    for (const others of [
      [],
      [[2, 'accepted']],
      [
        [2, 'accepted'],
        [3, 'accepted'],
      ],
    ] as [number, TicketOpinion][][]) {
      assert.equal(judgement(new Map([[1, 'double-spend'], ...others]), 3, DEFAULT_TICKET_PARAMS), undefined)
    }
  })
})

describe('redemption', () => {
  it('hands verified tickets in together, once the threshold votes, and again where it did not', async () => {
    const test = await TicketTest.start({ params: { redeemFrom: 5 } })
    for (const issuer of test.issuers.slice(0, 3)) issuer.votes = false
    const client = await test.gate.registered()
    const book = await test.mint.book()
    for (let i = 1; i <= 7; i++) {
      assert.equal(await test.give(client, await book.ticket(test.paying())), balance(i * ENTRY))
      await test.runFor(1000)
    }
    assert.deepEqual([test.tickets('verified'), test.tickets('redeemed')], [7, 0])
    const asked = test.issuers.map(({ redemptions }) => redemptions)
    assert.ok(asked.every((one) => one.length === 1))
    test.gate.crash()
    await test.gate.restart()
    await test.runFor(16 * MINUTE)
    // Those who voted are not asked again; the others are, for the same.
    assert.deepEqual(
      asked.map((one) => one.length),
      [2, 2, 2, 1, 1],
    )
    const said = asked.flat()
    assert.equal(new Set(said.map((one) => JSON.stringify(one))).size, 1)
    assert.deepEqual([said[0]?.count, said[0]?.holds], [5, true])
    for (const issuer of test.issuers) Object.assign(issuer, { votes: true, forges: true })
    await test.runFor(16 * MINUTE)
    assert.equal(test.tickets('redeemed'), 0, 'votes that others signed do not count')
    for (const issuer of test.issuers) issuer.forges = false
    await test.runFor(16 * MINUTE)
    assert.deepEqual([test.tickets('redeemed'), test.bytes('redeemed')], [5, 5 * ENTRY])
    // The rest is too few, until it is old.
    await test.runFor(day(5))
    assert.equal(test.tickets('redeemed'), 5)
    await test.runFor(day(1))
    assert.equal(test.tickets('redeemed'), 7)
    // Serial numbers stay for twice the life of a book, and totals for ever.
    await test.runFor(day(12))
    assert.deepEqual([test.tickets('accepted'), test.tickets('redeemed')], [7, 7])
  })

  it('counts votes of issuers that have gone on to the next epoch', async () => {
    const test = await TicketTest.start({ params: { redeemFrom: 2 } })
    const client = await test.gate.registered()
    const book = await test.mint.book()
    for (const issuer of test.issuers) issuer.epochId = 3
    for (let i = 1; i <= 2; i++) {
      assert.equal(await test.give(client, await book.ticket(test.paying())), balance(i * ENTRY))
      await test.runFor(1000)
    }
    assert.deepEqual([test.tickets('verified'), test.tickets('redeemed')], [2, 0])
    for (const issuer of test.issuers) issuer.epochId = 5
    await test.runFor(16 * MINUTE)
    assert.equal(test.tickets('redeemed'), 2)
  })

  it('hands in together only what enough issuers have verified all of', async () => {
    const test = await TicketTest.start({ params: { redeemFrom: 4, acceptedQuorum: 0.6 } })
    const client = await test.gate.registered()
    const book = await test.mint.book()
    // Three of five each time, but not the same three.
    const silent = [
      [0, 1],
      [0, 1],
      [3, 4],
      [0, 1],
      [0, 1],
    ]
    for (const [i, away] of silent.entries()) {
      for (const [k, issuer] of test.issuers.entries()) issuer.answer = away.includes(k) ? 'silent' : 'ok'
      assert.equal(await test.give(client, await book.ticket(test.paying())), balance((i + 1) * ENTRY))
      await test.runFor(1000)
    }
    await test.runFor(20 * MINUTE)
    assert.deepEqual([test.tickets('verified'), test.tickets('redeemed')], [5, 4])
  })

  it('is paid by the ledger before it counts, and handed to it again as long as it is not, also after a crash', async () => {
    const batches: VotedBatch[] = []
    let answer: () => Promise<RedeemOutcome> = async () => ({ kind: 'later', reason: 'the gateway is not bonded' })
    const redeemer: Redeemer = {
      payer: NO_CONTRACT,
      redeem: async (batch) => {
        batches.push(batch)
        return answer()
      },
    }
    const test = await TicketTest.start({ params: { redeemFrom: 2 }, redeemer })
    const client = await test.gate.registered()
    const book = await test.mint.book()
    for (let i = 1; i <= 2; i++) {
      assert.equal(await test.give(client, await book.ticket(test.paying())), balance(i * ENTRY))
      await test.runFor(1000)
    }
    assert.deepEqual([batches.length, test.tickets('redeemed')], [1, 0])
    answer = () => Promise.reject(machineError('LEDGER_UNREACHABLE'))
    await test.runFor(16 * MINUTE)
    // Killed while the ledger pays: nobody hears of it.
    answer = () => new Promise(() => {})
    await test.runFor(16 * MINUTE)
    test.gate.crash()
    const before = batches.length
    answer = async () => ({ kind: 'paid', unym: 1_500_000n })
    await test.gate.restart()
    await test.runFor(16 * MINUTE)
    assert.deepEqual([batches.length, test.tickets('redeemed')], [before + 1, 2])
    const asked = test.issuers.map(({ redemptions }) => redemptions.length)
    // Votes are kept with their signatures: nobody is asked for one twice.
    assert.deepEqual(asked, [1, 1, 1, 1, 1])
    assert.deepEqual(batches.at(-1), batches[0])
    assert.ok([...(batches[0]?.votes.values() ?? [])].every(({ signature }) => signature.length === 64))
    await test.runFor(16 * MINUTE)
    assert.equal(batches.length, before + 1)
  })

  it('is not handed to a ledger of which the votes do not speak; without one they count, whichever they name', async () => {
    const elsewhere = { chainId: 7, contract: new Uint8Array(20).fill(7) }
    const batches: VotedBatch[] = []
    const redeemer: Redeemer = {
      payer: elsewhere,
      async redeem(batch) {
        batches.push(batch)
        return { kind: 'paid', unym: 1n }
      },
    }
    for (const [paid, named] of [
      [undefined, elsewhere],
      [redeemer, NO_CONTRACT],
      [redeemer, elsewhere],
    ] as const) {
      const test = await TicketTest.start({ params: { redeemFrom: 1 }, ...(paid && { redeemer: paid }) })
      for (const issuer of test.issuers) issuer.payer = named
      const book = await test.mint.book()
      await test.give(await test.gate.registered(), await book.ticket(test.paying()))
      await test.runFor(16 * MINUTE)
      const isVoted = paid === undefined || named === elsewhere
      assert.deepEqual([test.tickets('redeemed'), batches.length], isVoted ? [1, paid ? 1 : 0] : [0, 0])
    }
  })
})
