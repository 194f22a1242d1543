import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { hours, seconds } from '../../foundation/base/units.ts'
import { nodeProvider as crypto } from '../../foundation/crypto/nodeProvider.ts'
import { Simulation } from '../../foundation/platform/simulated/simulation.ts'
import { decodeDepositAnswer, encodeDepositRequest } from '../../protocol/wire/issuer/faucet.ts'
import { faucetDeposits } from './deposits.ts'
import { Faucet, type FaucetOptions } from './faucet.ts'

const key = (number: number): Uint8Array => crypto.ed25519PublicKey(new Uint8Array(32).fill(number))

async function start(options: Partial<FaucetOptions> = {}) {
  const sim = new Simulation({ seed: 'faucet', crypto })
  const open = (world: ReturnType<typeof sim.host>) =>
    new Faucet(world, { folder: 'faucet', priceUnym: 75_000_000, ...options })
  const faucet = open(sim.host('faucet', { ips: ['10.0.0.1'] }))
  const post = async (to: Faucet, body: string, host = '10.0.0.9') => {
    const request = new Request('http://faucet/v1/faucet/deposit', { method: 'POST', body })
    const response = await to.handler(request, { host, port: 1 })
    return { status: response.status, text: await response.text() }
  }
  let first: number | undefined
  /** Counted from the first one, or a status. */
  const give = async (to: Faucet, number: number, host?: string) => {
    const { status, text } = await post(to, JSON.stringify(encodeDepositRequest(key(number))), host)
    if (status !== 200) return status
    first ??= decodeDepositAnswer(text)
    return decodeDepositAnswer(text) - first
  }
  const id = (number: number): number => number + (first ?? assert.fail())
  return { sim, faucet, open, post, give, id }
}

describe('faucet', () => {
  it('gives each key one number, also after a restart, and none twice', async () => {
    const { sim, faucet, open, give, id } = await start()
    assert.deepEqual([await give(faucet, 1), await give(faucet, 2), await give(faucet, 1)], [0, 1, 0])
    const again = open(sim.restart('faucet'))
    assert.deepEqual([await give(again, 2), await give(again, 3), await give(again, 1)], [1, 2, 0])
    assert.deepEqual(await again.deposit(id(2)), { identityKey: key(3) })
    assert.equal(await again.deposit(id(3)), undefined)
  })

  it('gives no numbers of a faucet that was lost', async () => {
    const { sim, faucet, open, give } = await start()
    await give(faucet, 1)
    const other = open(sim.host('other', { ips: ['10.0.0.3'] }))
    assert.ok(Math.abs(await give(other, 2)) > 1000)
  })

  it('is a ledger for issuers elsewhere', async () => {
    const { sim, faucet, give, id } = await start()
    await give(faucet, 5)
    await sim.complete(faucet.serve({ host: '10.0.0.1', port: 80 }))
    const issuer = sim.host('issuer', { ips: ['10.0.0.2'] })
    const ledger = faucetDeposits(issuer, { url: 'http://10.0.0.1:80', priceUnym: 1, timeout: seconds(5) })
    assert.deepEqual(await sim.complete(ledger.deposit(id(0))), { identityKey: key(5) })
    assert.equal(await sim.complete(ledger.deposit(id(7))), undefined)
    sim.crash('faucet')
    await assert.rejects(sim.complete(ledger.deposit(id(0))), (error) => isMixnetError(error))
  })

  it('has enough at some time, for an address and for all', async () => {
    const { sim, faucet, give } = await start({ maxPerDay: 3, maxPerAddress: 2 })
    assert.deepEqual([await give(faucet, 1), await give(faucet, 2), await give(faucet, 3)], [0, 1, 429])
    assert.deepEqual([await give(faucet, 3, '10.0.0.8'), await give(faucet, 4, '10.0.0.7')], [2, 429])
    assert.equal(await give(faucet, 1), 0)
    await sim.runFor(hours(24))
    assert.deepEqual([await give(faucet, 5), await give(faucet, 6)], [3, 4])
  })

  it('refuses what is no request', async () => {
    const { faucet, post } = await start()
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (body) => {
        const { status } = await post(faucet, body)
        assert.ok(status >= 400 && status < 500)
      }),
    )
    const response = await faucet.handler(new Request('http://faucet/v1/faucet/deposits/x'))
    assert.equal(response.status, 400)
  })
})
