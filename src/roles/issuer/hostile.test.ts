import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { millis, seconds } from '../../foundation/base/units.ts'
import { encodeBlindSign } from '../../protocol/wire/issuer/blindSign.ts'
import { DAY_SECONDS, formatDate } from '../../protocol/wire/issuer/calendarDate.ts'
import {
  decodeChallengeAnswer,
  decodeIssuedData,
  decodeIssuedFor,
  issuedLeaf,
} from '../../protocol/wire/issuer/issuedTicketbooks.ts'
import { merkleProofHolds } from '../../protocol/wire/issuer/merkle.ts'
import { encodeRedeemRequest, signRedeemRequest } from '../../protocol/wire/issuer/redemption.ts'
import { signatureHolds } from '../../protocol/wire/issuer/signedMessage.ts'
import { encodeVerifyTicket } from '../../protocol/wire/issuer/ticketVerification.ts'
import type { AgreedKeys } from './agreedKeys.ts'
import { crypto, gatewaySeed, TestIssuers } from './support.test.ts'

const POSTS = [
  '/blind-sign',
  '/verify-ecash-ticket',
  '/batch-redeem-ecash-tickets',
  '/issued-ticketbooks-challenge-commitment',
  '/issued-ticketbooks-data',
]
const GETS = [
  '/epoch',
  '/master-verification-key',
  '/partial-expiration-date-signatures',
  '/partial-coin-indices-signatures',
  '/aggregated-expiration-date-signatures',
  '/aggregated-coin-indices-signatures',
  '/signer-status',
  '/issued-ticketbooks-count',
]

describe('hostile requests to an issuer', () => {
  it('never break it: it says what is wrong with them', async () => {
    const test = await TestIssuers.start({ count: 1, threshold: 1 })
    const bought = await test.request()
    const book = await test.book(bought, [1])
    const good: Record<string, unknown> = {
      '/blind-sign': encodeBlindSign((await test.request()).order),
      '/verify-ecash-ticket': encodeVerifyTicket(await test.pay(book, 1, gatewaySeed(1))),
      '/batch-redeem-ecash-tickets': encodeRedeemRequest(
        signRedeemRequest(crypto, gatewaySeed(1), { serialNumbers: [new Uint8Array(48)] }),
      ),
      '/issued-ticketbooks-data': { expirationDate: formatDate(bought.order.expiration), deposits: [1, 2] },
      '/issued-ticketbooks-challenge-commitment': { body: { expirationDate: '2026-01-01', deposits: [] } },
    }
    const calm = async (path: string, body?: string): Promise<void> => {
      const { status, text } = await test.ask(1, path, body)
      assert.ok(status === 200 || (status >= 400 && status < 500), `${path}: ${status} ${text}`)
    }
    await fc.assert(fc.asyncProperty(fc.constantFrom(...POSTS), fc.oneof(fc.string(), fc.json()), calm), {
      numRuns: 200,
    })
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...POSTS),
        fc.nat(),
        fc.oneof(fc.jsonValue(), fc.constantFrom('', '00', 'c0', -1, 1e300, 0.5, [], {}, null, 'f'.repeat(96))),
        (path, where, replacement) => calm(path, JSON.stringify(replaced(good[path], where, replacement))),
      ),
      { numRuns: 600 },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...GETS),
        fc.constantFrom('epoch_id', 'expiration_date', 'output', 'page', 'per_page'),
        fc.oneof(fc.string(), fc.integer().map(String), fc.constantFrom('json', 'yaml', '9999-12-31', '2026-01-01')),
        (path, name, value) => calm(`${path}?${name}=${encodeURIComponent(value)}`),
      ),
      { numRuns: 300 },
    )
    for (const path of POSTS) {
      assert.equal((await test.ask(1, path, 'x'.repeat(400_000))).status, 413)
      assert.equal((await test.ask(1, path)).status, 404)
    }
    // And it works as before.
    await test.signed(1, (await test.request()).order)
    await test.stop()
  })

  it('are bounded on the wire as well', async () => {
    const test = await TestIssuers.start({ count: 1, threshold: 1 })
    const world = test.sim.host('stranger', { ips: ['10.9.9.9'] })
    const url = 'http://10.0.0.1:9000/v1/ecash/blind-sign'
    const { status } = await test.sim.complete(
      world.net.request({ url, method: 'POST', body: 'x'.repeat(400_000), timeout: seconds(5), maxBodyBytes: 1000 }),
    )
    assert.equal(status, 413)
    await test.sim.runFor(millis(1))
    await test.stop()
  })
})

describe('audits', () => {
  it('see every book that was issued, and can check each', async () => {
    const test = await TestIssuers.start({ count: 2, threshold: 2 })
    const orders = []
    for (let i = 0; i < 7; i++) orders.push((await test.request({ ticketType: i % 4 })).order)
    for (const order of orders) await test.signed(1, order)
    const { expiration } = orders[0] as (typeof orders)[0]
    const day = formatDate(expiration)
    const identity = crypto.ed25519PublicKey(test.identitySeed(1))
    const listed = decodeIssuedFor((await test.ask(1, `/issued-ticketbooks-for/${day}`)).text)
    assert.ok(signatureHolds(crypto, identity, listed))
    assert.deepEqual(
      listed.deposits,
      orders.map(({ depositId }, merkleIndex) => ({ depositId, merkleIndex })),
    )
    const sample = [orders[5], orders[1], orders[6]].map((order) => order?.depositId as number)
    const request = { body: { expirationDate: day, deposits: sample }, signature: 'x' }
    const commitment = decodeChallengeAnswer(
      (await test.ask(1, '/issued-ticketbooks-challenge-commitment', request)).text,
    )
    const data = decodeIssuedData((await test.ask(1, '/issued-ticketbooks-data', request)).text)
    assert.ok(signatureHolds(crypto, identity, commitment) && signatureHolds(crypto, identity, data))
    const { root, total, leaves, proof } = commitment.evidence
    assert.deepEqual(root, listed.root)
    assert.ok(merkleProofHolds(crypto, root, total, leaves, proof))
    const { key } = (test.keys[0] as AgreedKeys).members[0] as AgreedKeys['members'][0]
    for (const book of data.books) {
      assert.ok(leaves.some(({ hash }) => Buffer.from(hash).equals(issuedLeaf(crypto, book))))
      assert.ok(await test.engine.issuedHolds(key, book.signature, book.commitments, book))
    }
    assert.equal(data.books.length, 3)
    const counted = [
      `/issued-ticketbooks-for-count/${day}`,
      `/issued-ticketbooks-on-count/${formatDate(test.today)}`,
      '/issued-ticketbooks-count?page=0&per_page=5',
    ]
    const today = formatDate(test.today)
    // In the official crates' words: vectors/ecash-messages.json, "issued-ticketbooks-count" and its siblings.
    const answers = [
      { expirationDate: day, total: 7, issued: [{ issuanceDate: today, count: 7 }] },
      { issuanceDate: today, total: 7, issued: [{ expirationDate: day, count: 7 }] },
      { issued: [{ issuanceDate: today, expirationDate: day, count: 7 }] },
    ]
    for (const [i, path] of counted.entries()) assert.deepEqual(JSON.parse((await test.ask(1, path)).text), answers[i])
    const unknown = { ...request, body: { expirationDate: day, deposits: [5] } }
    assert.equal((await test.ask(1, '/issued-ticketbooks-data', unknown)).status, 404)
    const none = decodeIssuedFor(
      (await test.ask(1, `/issued-ticketbooks-for/${formatDate(expiration + DAY_SECONDS)}`)).text,
    )
    assert.deepEqual([none.deposits, none.root], [[], undefined])
    await test.stop()
  })
})

/** The value with its `where`-th leaf or branch replaced. */
function replaced(value: unknown, where: number, replacement: unknown): unknown {
  const paths: string[][] = []
  const walk = (one: unknown, path: string[]): void => {
    paths.push(path)
    if (typeof one !== 'object' || one === null) return
    for (const key of Object.keys(one)) walk((one as Record<string, unknown>)[key], [...path, key])
  }
  walk(value, [])
  const path = paths[where % paths.length] as string[]
  if (path.length === 0) return replacement
  const copy = structuredClone(value)
  let at = copy as Record<string, unknown>
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>
  at[path.at(-1) as string] = replacement
  return copy
}
