/** The engine from a request to a spent ticket, on the real curve and on the one of simulations. @module */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Bls } from '../../foundation/crypto/bls.ts'
import { ORDER, wideScalar } from '../../foundation/crypto/blsScalar.ts'
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import { nullBls } from '../../foundation/crypto/nullBls.ts'
import type { IssuedShare, KeyShare, PaymentClaim } from './engine.ts'
import { encodeAuthorityKey } from './keys.ts'
import { LocalEngine } from './localEngine.ts'
import { createScheme } from './scheme.ts'
import { dealtKey } from './threshold.ts'

const EXPIRATION = 1_780_531_200
const DAY = EXPIRATION - 2 * 86_400
const ATTRIBUTES = { expiration: EXPIRATION, ticketType: 0 }
const THRESHOLD = 2
const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)) }

async function network(bls: Bls) {
  const engine = new LocalEngine(createScheme(bls), random)
  const rows = Array.from({ length: 5 }, () =>
    Array.from({ length: THRESHOLD }, () => wideScalar(random.bytes(64)) % ORDER),
  )
  const secrets = [1, 2, 3].map((index) => encodeAuthorityKey(dealtKey(rows.slice(0, 5), index)))
  const keys: KeyShare[] = await Promise.all(
    secrets.map(async (secret, i) => ({ index: i + 1, key: await engine.verificationKey(secret) })),
  )
  const masterKey = await engine.aggregateKeys(keys)
  const list = async (topic: Parameters<LocalEngine['signList']>[1]) => {
    const parts = await Promise.all(
      keys.slice(0, THRESHOLD).map(async (share, i) => ({
        ...share,
        signatures: await engine.signList(secrets[i] as Uint8Array, topic, masterKey),
      })),
    )
    const aggregated = await engine.aggregateList(topic, masterKey, parts)
    assert.equal(aggregated.kind, 'aggregated')
    return (aggregated as { signatures: Uint8Array }).signatures
  }
  const dateSignatures = await list({ kind: 'dates', expiration: EXPIRATION })
  const coinSignatures = await list({ kind: 'coins' })

  const userKey = await engine.userKey(random.bytes(32))
  const { request, info, publicKey } = await engine.requestBook(userKey, ATTRIBUTES)
  const answers: IssuedShare[] = []
  for (const [i, secretKey] of secrets.entries()) {
    const issued = await engine.issue({ secretKey, request, publicKey, attributes: ATTRIBUTES })
    assert.equal(issued.kind, 'issued')
    const { signature } = issued as { signature: Uint8Array }
    const commitments = new Uint8Array([...request.subarray(100, 148), ...request.subarray(149, 197)])
    const { key, index } = keys[i] as KeyShare
    assert.ok(await engine.issuedHolds(key, signature, commitments, ATTRIBUTES))
    answers.push({ index, key, signature })
  }
  const open = (given: readonly IssuedShare[]) =>
    engine.openBook({ userKey, info, epochId: 3n, threshold: THRESHOLD, masterKey, answers: given })
  const pay = async (book: Uint8Array, ticket: number, payInfo: Uint8Array): Promise<PaymentClaim> => {
    const order = { masterKey, book, ticket, payInfo, day: DAY, dateSignatures, coinSignatures }
    return { payment: await engine.spend(order), payInfo, day: DAY }
  }
  return { engine, masterKey, publicKey, answers, open, pay, dateSignatures, coinSignatures, userKey, info }
}

for (const bls of [await loadMclBls(), nullBls]) {
  describe(`credential engine, ${bls.name}`, async () => {
    const { engine, masterKey, publicKey, answers, open, pay, dateSignatures, coinSignatures } = await network(bls)
    const payInfo = random.bytes(72)

    it('makes books of which tickets verify, each with a serial number of its own', async () => {
      const opened = await open(answers)
      assert.ok(opened.kind === 'opened')
      const claims = await Promise.all([0, 1, 49].map((ticket) => pay(opened.book, ticket, payInfo)))
      const verdicts = await engine.verifyPayments(masterKey, claims, 'strict')
      const serials = new Set(
        verdicts.map((one) => one.kind === 'good' && Buffer.from(one.serialNumber).toString('hex')),
      )
      assert.equal(serials.size, 3)
      assert.ok(!serials.has(false))
      await assert.rejects(pay(opened.book, 50, payInfo), (error) => isMixnetError(error, 'TICKETS_SPENT'))
    })

    it('does with t of n, whichever; with fewer it says so', async () => {
      assert.equal((await open(answers.slice(1))).kind, 'opened')
      assert.deepEqual(await open(answers.slice(2)), { kind: 'too-few', culprits: [] })
      assert.deepEqual(await open([]), { kind: 'too-few', culprits: [] })
    })

    it('names the authority that answered wrongly, and does without it', async () => {
      const [first, second, third] = answers as [IssuedShare, IssuedShare, IssuedShare]
      const opened = await open([{ ...first, signature: second.signature }, second, third])
      assert.ok(opened.kind === 'opened')
      assert.deepEqual(opened.culprits, [1])
      const garbled = await open([first, { ...second, signature: new Uint8Array(96) }])
      assert.deepEqual(garbled, { kind: 'too-few', culprits: [2] })
    })

    it('judges each payment of a batch on its own', async () => {
      const opened = await open(answers)
      assert.ok(opened.kind === 'opened')
      const good = await pay(opened.book, 5, payInfo)
      const otherDay = { ...good, day: DAY + 86_400 }
      const otherInfo = { ...good, payInfo: random.bytes(72) }
      const noise = { ...good, payment: random.bytes(1190) }
      const verdicts = await engine.verifyPayments(masterKey, [otherDay, good, otherInfo, noise], 'strict')
      assert.deepEqual(
        verdicts.map((one) => (one.kind === 'good' ? 'good' : one.fault)),
        ['date-signature', 'good', 'proof', 'malformed'],
      )
    })

    it('finds who spent a ticket twice', async () => {
      const opened = await open(answers)
      assert.ok(opened.kind === 'opened')
      const [one, two, other] = await Promise.all([
        pay(opened.book, 7, payInfo),
        pay(opened.book, 7, random.bytes(72)),
        pay(opened.book, 8, payInfo),
      ])
      assert.deepEqual(await engine.identify(one, two), { kind: 'double-spend', publicKey })
      assert.equal((await engine.identify(one, one)).kind, 'replay')
      assert.equal((await engine.identify(one, other)).kind, 'unrelated')
    })

    it('lets others have their turn while it reads a list, where it is told how', async () => {
      let pauses = 0
      const pausing = new LocalEngine(createScheme(bls), random, async () => {
        pauses++
      })
      assert.ok(await pausing.listHolds({ kind: 'coins' }, masterKey, coinSignatures))
      assert.ok(pauses >= 50)
    })

    it('checks a list against the days it is for', async () => {
      const topic = { kind: 'dates', expiration: EXPIRATION } as const
      assert.ok(await engine.listHolds(topic, masterKey, dateSignatures))
      assert.ok(!(await engine.listHolds({ ...topic, expiration: EXPIRATION + 86_400 }, masterKey, dateSignatures)))
      assert.ok(!(await engine.listHolds(topic, masterKey, dateSignatures.subarray(96))))
      assert.ok(!(await engine.listHolds(topic, masterKey, dateSignatures.subarray(1))))
    })
  })
}
