import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MixnetError } from '../../foundation/base/errors.ts'
import { Meter } from '../../foundation/base/observe.ts'
import { hours, millis, minutes } from '../../foundation/base/units.ts'
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import { decodeBlindedSignature, encodeBlindSign, signForDeposit } from '../../protocol/wire/issuer/blindSign.ts'
import { DAY_SECONDS } from '../../protocol/wire/issuer/calendarDate.ts'
import { readCredentialEpoch } from '../../protocol/wire/issuer/credentialEpoch.ts'
import { NO_CONTRACT } from '../../protocol/wire/issuer/redemption.ts'
import { signatureHolds } from '../../protocol/wire/issuer/signedMessage.ts'
import { decodeSignerStatus } from '../../protocol/wire/issuer/signerStatus.ts'
import { decodeMasterKey } from '../../protocol/wire/issuer/verificationKey.ts'
import type { AgreedKeys } from './agreedKeys.ts'
import { DEFAULT_ISSUER_PARAMS } from './issuerParams.ts'
import { IssuerStore } from './issuerStore.ts'
import { crypto, explosive, gatewaySeed, TestIssuers } from './support.test.ts'

const keysOf = (test: TestIssuers, index = 1): AgreedKeys => test.keys[index - 1] as AgreedKeys

describe('issuing', () => {
  it('gives books from any three of five issuers, on the curve of simulations', async () => {
    const test = await TestIssuers.start()
    const bought = await test.request()
    await test.book(bought, [1, 2, 3])
    await test.book(bought, [2, 4, 5])
    await test.stop()
  })

  it('gives a book on the real curve, and its ticket is verified by all', async () => {
    const test = await TestIssuers.start({ bls: await loadMclBls(), count: 3, threshold: 2 })
    const book = await test.book(await test.request(), [3, 1])
    const ticket = await test.pay(book, 0, gatewaySeed(1))
    for (const index of [1, 2, 3]) assert.deepEqual(await test.verify(index, ticket), { kind: 'verified' })
    await test.stop()
  })

  it('says what it is: epoch, master key, status', async () => {
    const test = await TestIssuers.start({ options: { faucetUrl: 'http://127.0.0.1:1' } })
    const epoch = readCredentialEpoch(parseJson((await test.ask(2, '/epoch')).text, 'epoch'))
    assert.deepEqual([epoch.epochId, epoch.threshold, epoch.issuers.length], [3, 3, 5])
    assert.equal(epoch.faucetUrl, 'http://127.0.0.1:1')
    assert.equal(epoch.priceUnym, 75_000_000)
    for (const path of ['/master-verification-key', '/master-verification-key?epoch_id=3']) {
      assert.deepEqual(decodeMasterKey((await test.ask(1, path)).text), keysOf(test).masterKey)
    }
    assert.equal((await test.ask(1, '/master-verification-key?epoch_id=4')).status, 404)
    assert.equal((await test.ask(1, '/master-verification-key?epoch_id=x')).status, 400)
    const status = decodeSignerStatus((await test.ask(1, '/signer-status')).text)
    assert.ok(signatureHolds(crypto, crypto.ed25519PublicKey(test.identitySeed(1)), status))
    assert.deepEqual([status.status.epochId, status.status.hasSigningKeys], [3, true])
    assert.equal((await test.ask(1, '/double-spending-filter-v1')).status, 410)
    assert.equal((await test.ask(1, '/nothing')).status, 404)
    assert.equal((await test.ask(1, '/epoch?output=toml')).status, 400)
    await test.stop()
  })

  it('answers a deposit once: repeated, asked at once, and after every restart the same', async () => {
    const test = await TestIssuers.start()
    const { order } = await test.request()
    const first = await test.signed(1, order)
    assert.deepEqual(await test.signed(1, order), first)
    const other = await test.request({ depositId: order.depositId, seed: 2 })
    assert.deepEqual(await test.signed(1, other.order), first)
    await test.restart(1)
    assert.deepEqual(await test.signed(1, other.order), first)
    assert.deepEqual(await test.signed(1, order), first)
    assert.equal(test.deposits.asked, 1)
    await test.stop()
  })

  it('signs one of two different requests that come at once, and gives both that answer', async () => {
    const test = await TestIssuers.start()
    const { order } = await test.request()
    const other = await test.request({ depositId: order.depositId, seed: 2 })
    const answers = await test.sim.complete(
      Promise.all([order, other.order, order].map((one) => test.asking(1, '/blind-sign', encodeBlindSign(one)))),
    )
    const signatures = answers.map(({ text }) => text)
    assert.equal(new Set(signatures).size, 1)
    assert.equal(answers[0]?.status, 200)
    const listed = await test.ask(1, `/issued-ticketbooks-for-count/${date(order.expiration)}`)
    assert.match(listed.text, /"total":1,/)
    await test.stop()
  })

  it('never signs two requests of one deposit, wherever its process dies', async () => {
    // Every statement and both ends of every transaction are moments to die.
    let completed = 0
    for (let fuse = 0; completed < 2; fuse++) {
      let burning: { left: number } | undefined
      const burn = (): void => {
        if (burning !== undefined && burning.left-- === 0) throw new MixnetError('STOPPED', { what: 'process' })
      }
      const test = await TestIssuers.start({
        count: 1,
        threshold: 1,
        seed: `fuse ${fuse}`,
        database: (database) => explosive(database, burn),
      })
      const first = await test.request()
      const second = await test.request({ depositId: first.order.depositId, seed: 2 })
      const fuseOfThis = { left: fuse }
      burning = fuseOfThis
      const { status, text } = await test.blindSign(1, first.order)
      burning = undefined
      if (fuseOfThis.left >= 0) completed++
      const answered = status === 200 ? decodeBlindedSignature(text) : undefined
      await test.restart(1)
      const later = await test.signed(1, second.order)
      if (answered !== undefined) assert.deepEqual(later, answered, `after ${fuse} steps`)
      // Which of the two was signed, the other never is.
      assert.deepEqual(await test.signed(1, first.order), later)
      await test.stop()
    }
  })

  it('has a store that keeps no answer for a deposit of another request', async () => {
    const { sim } = await TestIssuers.start({ count: 1, threshold: 1 })
    const world = sim.host('store', { ips: ['10.8.8.8'] })
    const store = new IssuerStore(world, { folder: 'x', params: DEFAULT_ISSUER_PARAMS, meter: new Meter() })
    const part = new Uint8Array(96)
    const book = { depositId: 1, epochId: 1, signature: part, commitments: part, expiration: 86_400, ticketType: 0 }
    assert.ok(store.keepIssued(part, part.slice(0, 32), book))
    assert.ok(!store.keepIssued(part, part.slice(0, 32).fill(1), { ...book, epochId: 2 }))
    assert.equal(store.issued(1)?.epochId, 1)
  })

  it('signs the same request again in a later epoch, and no other', async () => {
    const test = await TestIssuers.start()
    const bought = await test.request()
    const other = await test.request({ depositId: bought.order.depositId, seed: 2 })
    const old = await test.signed(1, bought.order)
    test.keys = await test.deal(4)
    for (const [i, issuer] of test.issuers.entries()) issuer.adopt(test.keys[i])
    await test.sim.runFor(minutes(1))
    assert.deepEqual(await test.signed(1, other.order), old)
    assert.notDeepEqual(await test.signed(1, bought.order), old)
    await test.book(bought, [1, 2, 3])
    assert.equal((await test.ask(1, '/master-verification-key?epoch_id=3')).status, 200)
    await test.stop()
  })

  it('signs nothing while keys are being agreed on', async () => {
    const test = await TestIssuers.start()
    test.issuers[0]?.adopt(undefined)
    const { order } = await test.request()
    assert.equal((await test.blindSign(1, order)).status, 503)
    assert.equal((await test.ask(1, '/epoch')).status, 503)
    assert.throws(() => test.issuers[0]?.adopt(test.keys[1]), /CONFIG|configuration/)
    test.issuers[0]?.adopt(test.keys[0])
    await test.signed(1, order)
    await test.stop()
  })

  it('refuses, saying why in text: dates, deposits, signatures, requests', async () => {
    const test = await TestIssuers.start()
    const { order } = await test.request()
    const resigned = (change: Partial<typeof order>) =>
      signForDeposit(crypto, test.depositSeed(order.depositId), { ...order, ...change })
    const refused = async (given: typeof order, status: number, why: RegExp): Promise<void> => {
      const answer = await test.blindSign(1, given)
      assert.equal(answer.status, status, answer.text)
      assert.match(answer.text, why)
    }
    await refused(resigned({ expiration: test.today + 7 * DAY_SECONDS }), 400, /six days ahead/)
    await refused(resigned({ expiration: test.today - DAY_SECONDS }), 400, /past/)
    await refused(resigned({ expiration: test.today }), 400, /not of this expiration date/)
    await refused(resigned({ ticketType: 1 }), 400, /not of this expiration date and type/)
    await refused({ ...order, depositId: 9 }, 400, /no such deposit/)
    await refused({ ...order, signature: new Uint8Array(64) }, 400, /signature/)
    const altered = order.request.slice()
    altered[390] = (altered[390] as number) ^ 1
    await refused(resigned({ request: altered }), 400, /proof|no point or scalar/)
    await refused(resigned({ publicKey: order.publicKey.map((byte) => byte ^ 1) }), 400, /proof|no point/)
    test.deposits.failure = new MixnetError('CONNECTION_REFUSED')
    await refused(order, 503, /looked up/)
    test.deposits.failure = undefined
    // None of it was held against the deposit.
    const signature = await test.signed(1, order)
    // Nor does anybody else get what was signed.
    await refused({ ...order, signature: new Uint8Array(64) }, 400, /signature/)
    assert.deepEqual(await test.signed(1, order), signature)
    await test.stop()
  })

  it('remembers a deposit when its book is long forgotten', async () => {
    const test = await TestIssuers.start({ count: 1, threshold: 1 })
    const { order } = await test.request()
    await test.signed(1, order)
    await test.sim.runFor(hours(24 * 10))
    const again = await test.request({ depositId: order.depositId })
    const answer = await test.blindSign(1, again.order)
    assert.equal(answer.status, 400)
    assert.match(answer.text, /used for another book/)
    await test.stop()
  })

  it('lets nobody wait for more than so many others, in all and of one address', async () => {
    const ledger = Promise.withResolvers<undefined>()
    const test = await TestIssuers.start({
      options: {
        params: { maxSigning: 2, maxSigningWaiting: 6, ledgerTimeout: minutes(1) },
        deposits: { priceUnym: 1, payer: NO_CONTRACT, deposit: () => ledger.promise },
      },
    })
    const { order } = await test.request()
    const send = (host: string) => test.asking(1, '/blind-sign', encodeBlindSign(order), host)
    const held = [
      '1.1.1.1',
      '1.1.1.1',
      '1.1.1.1',
      '2.2.2.2',
      '3.3.3.3',
      '3.3.3.3',
      '4.4.4.4',
      '5.5.5.5',
      '6.6.6.6',
      '7.7.7.7',
    ].map(send)
    await test.sim.runFor(millis(10))
    assert.equal(test.count(1, 'issuer_requests_held{queue="signing"}'), 8)
    ledger.resolve(undefined)
    const statuses = (await test.sim.complete(Promise.all(held))).map(({ status }) => status)
    assert.deepEqual(statuses, [400, 400, 429, 400, 400, 400, 400, 400, 400, 503])
    assert.equal(test.count(1, 'issuer_requests_held{queue="signing"}'), 0)
    await test.stop()
  })
})

const date = (midnight: number): string => new Date(midnight * 1000).toISOString().slice(0, 10)
