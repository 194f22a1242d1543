import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { it, type TestContext } from 'node:test'
import { fromHex } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import type { PaymentClaim } from '../../protocol/credentials/engine.ts'
import { LocalEngine } from '../../protocol/credentials/localEngine.ts'
import { createScheme } from '../../protocol/credentials/scheme.ts'
import { startCredentialEngine } from './credentialEngine.ts'

/** The official run: its keys, and its payments, of which some are good. */
const official = JSON.parse(readFileSync(new URL('../../../vectors/ecash.json', import.meta.url), 'utf8'))
const masterKey = fromHex(official.master_verification_key.bytes)
const attributes = { expiration: official.parameters.expiration, ticketType: official.parameters.t_type }
const claims: readonly PaymentClaim[] = official.payments.map(
  (one: { payment: string; pay_info: string; spend_date: number }) => ({
    payment: fromHex(one.payment),
    payInfo: fromHex(one.pay_info),
    day: one.spend_date,
  }),
)
const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)) }
const local = new LocalEngine(createScheme(await loadMclBls()), random)

function start(t: TestContext) {
  const engine = startCredentialEngine()
  t.after(() => engine.close())
  return engine
}

it('answers as the engine on the spot does', async (t) => {
  const engine = start(t)
  assert.deepEqual(
    await engine.verifyPayments(masterKey, claims, 'compatible'),
    await local.verifyPayments(masterKey, claims, 'compatible'),
  )
  const userKey = await engine.userKey(new Uint8Array(32).fill(3))
  assert.deepEqual(userKey, await local.userKey(new Uint8Array(32).fill(3)))

  const { request, info, publicKey } = await engine.requestBook(userKey, attributes)
  const answers = []
  for (const { index, secret_key, verification_key } of official.authorities) {
    const order = { secretKey: fromHex(secret_key), request, publicKey, attributes }
    const issued = await engine.issue(order)
    assert.deepEqual(issued, await local.issue(order))
    assert.ok(issued.kind === 'issued')
    answers.push({ index, key: fromHex(verification_key), signature: issued.signature })
  }
  const order = { userKey, info, epochId: 3n, threshold: official.parameters.threshold, masterKey, answers }
  assert.deepEqual(await engine.openBook(order), await local.openBook(order))
})

it('draws fresh randomness for each request', async (t) => {
  const engine = start(t)
  const userKey = await engine.userKey(new Uint8Array(32).fill(3))
  const requests = await Promise.all([1, 2].map(() => engine.requestBook(userKey, attributes)))
  assert.notDeepEqual(requests[0]?.request, requests[1]?.request)
})

it('passes refusals on', async (t) => {
  const engine = start(t)
  await assert.rejects(
    engine.userKey(new Uint8Array(32)).then(() => engine.requestBook(random.bytes(3), attributes)),
    {
      code: 'MALFORMED',
    },
  )
  await assert.rejects(engine.aggregateKeys([]), (error) => isMixnetError(error, 'BAD_ARGUMENT'))
})

it('leaves the caller its turns while it verifies a batch', async (t) => {
  const engine = start(t)
  const [claim] = claims as [PaymentClaim]
  await engine.verifyPayments(masterKey, [claim], 'compatible')
  let turns = 0
  let done = false
  const verifying = engine
    .verifyPayments(masterKey, new Array<PaymentClaim>(64).fill(claim), 'compatible')
    .finally(() => {
      done = true
    })
  // The answer takes one turn. An engine on the spot would be done before the first: microtasks come before turns.
  while (!done) {
    await new Promise(setImmediate)
    turns += 1
  }
  assert.equal((await verifying).length, 64)
  assert.ok(turns >= 20, `${turns} turns`)
})

it('refuses what waits beyond its capacity', async (t) => {
  const engine = startCredentialEngine({ maxCalls: 1 })
  t.after(() => engine.close())
  const first = engine.userKey(new Uint8Array(32))
  await assert.rejects(engine.userKey(new Uint8Array(32)), { code: 'QUEUE_FULL' })
  assert.equal((await first).length, 80)
})
