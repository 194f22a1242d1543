/** Faucet, five issuers and a client over simulated wires, which lose answers. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fromUtf8 } from '../../foundation/base/bytes.ts'
import { MixnetError, tryDecode } from '../../foundation/base/errors.ts'
import { millis, seconds } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { IssuedShare } from '../../protocol/credentials/engine.ts'
import type { JsonObject } from '../../protocol/wire/directory/json.ts'
import { parseJson } from '../../protocol/wire/directory/json.ts'
import { decodeBlindedSignature, encodeBlindSign, signForDeposit } from '../../protocol/wire/issuer/blindSign.ts'
import { DAY_SECONDS } from '../../protocol/wire/issuer/calendarDate.ts'
import { type EpochIssuer, readCredentialEpoch } from '../../protocol/wire/issuer/credentialEpoch.ts'
import { decodeDepositAnswer, encodeDepositRequest, FAUCET_DEPOSIT_PATH } from '../../protocol/wire/issuer/faucet.ts'
import { decodeIssuedFor } from '../../protocol/wire/issuer/issuedTicketbooks.ts'
import { faucetDeposits } from './deposits.ts'
import { Faucet } from './faucet.ts'
import { crypto, type IssuerChange, TestIssuers } from './support.test.ts'

const FAUCET = 'http://10.0.1.1:9100'
const LIMITS = { timeout: seconds(20), maxBodyBytes: 64 * 1024 }

const get = async (world: World, url: string): Promise<string> =>
  fromUtf8((await world.net.request({ url, ...LIMITS })).body, 'answer')

async function post(world: World, url: string, body: JsonObject): Promise<string> {
  const { status, body: answered } = await world.net.request({
    url,
    method: 'POST',
    body: JSON.stringify(body),
    ...LIMITS,
  })
  // The faucet may be away.
  if (status === 503) throw new MixnetError('ISSUER_REFUSED', { status })
  assert.equal(status, 200, fromUtf8(answered, 'answer'))
  return fromUtf8(answered, 'answer')
}

/** Until there is an answer. */
async function persistently(work: () => Promise<string>): Promise<string> {
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      return await work()
    } catch (error) {
      tryDecode(() => {
        throw error
      })
    }
  }
  throw new Error('never answered')
}

const withFaucet: IssuerChange = (world) => ({
  deposits: faucetDeposits(world, { url: FAUCET, priceUnym: 1, timeout: seconds(5) }),
  faucetUrl: FAUCET,
})

async function startNetwork(seed: string) {
  const test = await TestIssuers.start({ seed })
  const faucet = new Faucet(test.sim.host('faucet', { ips: ['10.0.1.1'] }), { folder: 'faucet', priceUnym: 1 })
  await test.sim.complete(faucet.serve({ host: '10.0.1.1', port: 9100 }))
  for (let index = 1; index <= 5; index++) await test.restart(index, withFaucet)
  return test
}

async function buy(test: TestIssuers, client: World, order: readonly number[]) {
  const epoch = readCredentialEpoch(
    parseJson(await persistently(() => get(client, 'http://10.0.0.1:9000/v1/ecash/epoch')), 'epoch'),
  )
  const depositSeed = crypto.sha256(Uint8Array.of(77))
  const depositUrl = `${epoch.faucetUrl}${FAUCET_DEPOSIT_PATH}`
  const depositRequest = encodeDepositRequest(crypto.ed25519PublicKey(depositSeed))
  const depositId = decodeDepositAnswer(await persistently(() => post(client, depositUrl, depositRequest)))
  const userKey = await test.engine.userKey(new Uint8Array(32).fill(5))
  const attributes = { expiration: test.today + 6 * DAY_SECONDS, ticketType: 0 }
  const { request, info, publicKey } = await test.engine.requestBook(userKey, attributes)
  const body = encodeBlindSign(signForDeposit(crypto, depositSeed, { request, depositId, publicKey, ...attributes }))
  const answers: IssuedShare[] = []
  for (const index of order) {
    const { url, key } = epoch.issuers[index - 1] as EpochIssuer
    const text = await persistently(() => post(client, `${url}/v1/ecash/blind-sign`, body))
    answers.push({ index, key, signature: decodeBlindedSignature(text) })
  }
  const { epochId, threshold } = epoch
  const masterKey = await test.engine.aggregateKeys(epoch.issuers)
  return test.engine.openBook({ userKey, info, epochId: BigInt(epochId), threshold, masterKey, answers })
}

describe('from a deposit to a book', () => {
  it('goes over the wire, by any three of five', async () => {
    const test = await startNetwork('wire')
    const client = test.sim.host('client', { ips: ['10.0.2.1'] })
    const opened = await test.sim.complete(buy(test, client, [5, 2, 4]))
    assert.equal(opened.kind, 'opened')
    await test.stop()
  })

  it('ends in one book, whenever an answer is lost or an issuer is killed', async () => {
    for (let step = 0; step < 12; step++) {
      const test = await startNetwork(`lost ${step}`)
      const client = test.sim.host('client', { ips: ['10.0.2.1'] })
      const buying = buy(test, client, [2, 3, 4])
      // From some moment on nothing comes back for a while; then the issuer that is being asked dies, and is there again.
      await test.sim.runFor(millis(2 + step * 2.7))
      const mend = test.sim.partition(['client'], ['issuer2', 'issuer3', 'issuer4', 'faucet'])
      await test.sim.runFor(millis(40))
      await test.restart(3, withFaucet)
      mend()
      const opened = await test.sim.complete(buying)
      assert.equal(opened.kind, 'opened', `step ${step}`)
      const day = new Date((test.today + 6 * DAY_SECONDS) * 1000).toISOString().slice(0, 10)
      for (const index of [2, 3, 4]) {
        const { deposits: issued } = decodeIssuedFor((await test.ask(index, `/issued-ticketbooks-for/${day}`)).text)
        assert.equal(issued.length, 1, `step ${step}, issuer ${index}`)
      }
      await test.stop()
    }
  })
})
