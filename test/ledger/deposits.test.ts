/** Deposits as issuers see them and as clients make them, on a chain that stalls, forgets and takes blocks back. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type LedgerDepositsOptions, ledgerDeposits } from '../../src/client/credentials/ledgerDeposits.ts'
import { toHex } from '../../src/foundation/base/bytes.ts'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { hours, millis, seconds } from '../../src/foundation/base/units.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { keySigner } from '../../src/network/ledger/signers.ts'
import { LedgerDeposits } from '../../src/roles/issuer/ledgerDeposits.ts'
import { addressOf, EcashChain, key, PRICE } from './ecashChain.ts'

const CLIENT = 5
const identity = (n: number) => new Uint8Array(32).fill(n)

function clientOf(chain: EcashChain, world: World, options: Partial<LedgerDepositsOptions> = {}) {
  const ledger = chain.open(world)
  const account = ledger.account(keySigner(key(CLIENT)))
  return ledgerDeposits({ clock: world.clock, ledger, account, confirmations: 2, ...options })
}

/** How often that key was paid for. */
async function paidFor(chain: EcashChain, n: number): Promise<number> {
  const ledger = chain.open(chain.host(`reader-${n}-${chain.chain.head.number}`))
  const filter = { identityKey: `0x${toHex(identity(n))}` as const }
  const { events } = await chain.run(ledger.events({ contract: 'ecash', event: 'DepositedFunds', filter }))
  return events.length
}

describe('deposits of a client', () => {
  it('are paid once a key, however often they are asked for', async () => {
    const chain = await EcashChain.start()
    await chain.funded(CLIENT, 10n * PRICE)
    const world = chain.host('client')
    const deposits = clientOf(chain, world)
    assert.equal(await chain.run(deposits.priceUnym()), Number(PRICE))
    assert.equal(await chain.run(deposits.deposit(identity(9))), 0)
    assert.equal(await chain.run(deposits.deposit(identity(8))), 1)
    assert.equal(await chain.run(clientOf(chain, world).deposit(identity(9))), 0)
    assert.equal(await paidFor(chain, 9), 1)
    const left = await chain.run(chain.open(world).read('token', 'balanceOf', [addressOf(CLIENT)]))
    assert.equal(left, 8n * PRICE)
  })

  it('are paid once wherever the client is killed between allowance, deposit and answer', async () => {
    const chain = await EcashChain.start()
    await chain.funded(CLIENT, 1000n * PRICE)
    let world = chain.host('client')
    let cutOff = 0
    for (let n = 10; n < 34; n++) {
      let answered = false
      void clientOf(chain, world)
        .deposit(identity(n))
        .then(() => {
          answered = true
        })
      await chain.simulation.runFor(millis((n - 10) * 250))
      if (!answered) cutOff++
      chain.simulation.crash('client')
      world = chain.simulation.restart('client')
      const id = await chain.run(clientOf(chain, world).deposit(identity(n)))
      assert.equal(await chain.run(chain.open(world).read('ecash', 'depositOf', [id])), `0x${toHex(identity(n))}`)
      assert.equal(await paidFor(chain, n), 1, `killed after ${(n - 10) * 250} ms`)
    }
    assert.ok(cutOff > 12, `${cutOff}`)
  })

  it('are not waited for once who asked stops, and are found by the next who asks', async () => {
    const chain = await EcashChain.start()
    await chain.funded(CLIENT, 10n * PRICE)
    const world = chain.host('client')
    const stops = new AbortController()
    const failed = assert.rejects(clientOf(chain, world).deposit(identity(1), stops.signal), (error) =>
      isMixnetError(error, 'ABORTED'),
    )
    while ((await paidFor(chain, 1)) === 0) await chain.simulation.runFor(seconds(1))
    chain.chain.stalled = true
    await chain.simulation.runFor(seconds(10))
    stops.abort()
    await failed
    chain.chain.stalled = false
    assert.equal(await chain.run(clientOf(chain, world).deposit(identity(1))), 0)
    assert.equal(await paidFor(chain, 1), 1)
  })

  it('have the number that they have in the end where the chain takes blocks back', async () => {
    const chain = await EcashChain.start()
    await chain.funded(CLIENT, 10n * PRICE)
    await chain.funded(6, 10n * PRICE)
    await chain.blocks(5)
    const world = chain.host('client')
    const other = chain.host('other')
    const mine = clientOf(chain, world, { confirmations: 5 }).deposit(identity(1))
    while ((await paidFor(chain, 1)) === 0) await chain.simulation.runFor(seconds(1))
    chain.chain.stalled = true
    // Others go on from before it, with a deposit of their own.
    await chain.chain.reorganise(3, { keep: false })
    chain.chain.stalled = false
    const account = chain.open(other).account(keySigner(key(6)))
    const first = ledgerDeposits({ clock: other.clock, ledger: chain.open(other), account, confirmations: 0 })
    await chain.run(first.deposit(identity(2)))
    const id = await chain.run(mine)
    assert.equal(await chain.run(chain.open(world).read('ecash', 'depositOf', [id])), `0x${toHex(identity(1))}`)
    assert.equal(await paidFor(chain, 1), 1)
  })

  it('say what the account is short of, and pay nothing', async () => {
    const chain = await EcashChain.start()
    await chain.funded(CLIENT, PRICE - 1_000_000n)
    const world = chain.host('client')
    const short = await chain.run(
      clientOf(chain, world)
        .deposit(identity(1))
        .catch((error: unknown) => error),
    )
    assert.ok(isMixnetError(short, 'DEPOSIT_REFUSED'), String(short))
    assert.match(short.message, /the account has 74 NYM, and a book costs 75 NYM/)
    assert.match(short.nextStep, new RegExp(`Send 1 NYM or more to ${addressOf(CLIENT)}`))
    const poor = chain.open(world).account(keySigner(key(7)))
    await chain.funded(7, PRICE, 0n)
    const none = await chain.run(
      clientOf(chain, world, { account: poor })
        .deposit(identity(1))
        .catch((error: unknown) => error),
    )
    assert.ok(isMixnetError(none, 'DEPOSIT_REFUSED'), String(none))
    assert.match(none.message, /cannot pay the chain's fees/)
    await chain.funded(7, 0n, 1000n)
    const few = await chain.run(
      clientOf(chain, world, { account: poor })
        .deposit(identity(1))
        .catch((error: unknown) => error),
    )
    assert.ok(isMixnetError(few, 'DEPOSIT_REFUSED'), String(few))
    assert.equal(await paidFor(chain, 1), 0)
  })
})

describe('deposits of issuers', () => {
  const open = (chain: EcashChain, world: World, confirmations: number) =>
    new LedgerDeposits({ clock: world.clock, ledger: chain.open(world), confirmations })

  it('count once they are buried, and not at all once they are taken back', async () => {
    const chain = await EcashChain.start()
    await chain.funded(CLIENT, 10n * PRICE)
    const world = chain.host('issuer')
    const deposits = open(chain, world, 3)
    assert.equal(await chain.run(deposits.deposit(0)), undefined)
    await chain.run(clientOf(chain, chain.host('client'), { confirmations: 0 }).deposit(identity(1)))
    chain.chain.stalled = true
    const early = await chain.run(deposits.deposit(0).catch((error: unknown) => error))
    assert.ok(isMixnetError(early, 'LEDGER_NOT_NOW'), String(early))
    assert.deepEqual(await chain.run(open(chain, world, 0).deposit(0)), { identityKey: identity(1) })
    await chain.blocks(2)
    // What the book was asked for with was taken back before it was signed.
    await chain.chain.reorganise(3, { keep: false })
    await chain.blocks(6)
    assert.equal(await chain.run(deposits.deposit(0)), undefined)
  })

  it('count on a chain of one machine once it is kept', async () => {
    const chain = await EcashChain.start()
    await chain.funded(CLIENT, 10n * PRICE)
    await chain.run(clientOf(chain, chain.host('client'), { confirmations: 0 }).deposit(identity(1)))
    const world = chain.host('issuer')
    const keeping = Promise.withResolvers<void>()
    const options = { clock: world.clock, ledger: chain.open(world), confirmations: 0, durable: () => keeping.promise }
    let answer: unknown
    void new LedgerDeposits(options).deposit(0).then((deposit) => {
      answer = deposit
    })
    await chain.simulation.runFor(seconds(30))
    assert.equal(answer, undefined)
    keeping.resolve()
    await chain.simulation.runFor(seconds(1))
    assert.deepEqual(answer, { identityKey: identity(1) })
  })

  it('are not another’s whose number moved', async () => {
    const chain = await EcashChain.start()
    await chain.funded(CLIENT, 10n * PRICE)
    const world = chain.host('issuer')
    const client = clientOf(chain, chain.host('client'), { confirmations: 0 })
    await chain.run(client.deposit(identity(1)))
    await chain.blocks(4)
    const deposits = open(chain, world, 3)
    assert.deepEqual(await chain.run(deposits.deposit(0)), { identityKey: identity(1) })
    await chain.run(client.deposit(identity(2)))
    await assert.rejects(chain.run(deposits.deposit(1)), (error) => isMixnetError(error, 'LEDGER_NOT_NOW'))
  })

  it('are not signed for when they are older than a month', async () => {
    const chain = await EcashChain.start()
    await chain.funded(CLIENT, 10n * PRICE)
    const world = chain.host('issuer')
    await chain.run(clientOf(chain, chain.host('client')).deposit(identity(1)))
    const deposits = open(chain, world, 2)
    chain.chain.stalled = true
    await chain.simulation.runFor(hours(29 * 24))
    assert.deepEqual(await chain.run(deposits.deposit(0)), { identityKey: identity(1) })
    await chain.simulation.runFor(hours(2 * 24))
    assert.equal(await chain.run(deposits.deposit(0)), undefined)
  })

  it('cost what governance says, from a minute later', async () => {
    const chain = await EcashChain.start()
    const world = chain.host('issuer')
    const deposits = open(chain, world, 3)
    await chain.run(deposits.refreshPrice())
    assert.equal(deposits.priceUnym, Number(PRICE))
    await chain.run(chain.governance.write('ecash', 'updatePrice', [100_000_000n]))
    await chain.simulation.runFor(seconds(61))
    assert.equal(deposits.priceUnym, Number(PRICE))
    await chain.simulation.runFor(seconds(5))
    assert.equal(deposits.priceUnym, 100_000_000)
    chain.chain.refusal = () => ({ code: -32000, message: 'down' })
    await chain.simulation.runFor(seconds(61))
    await chain.run(deposits.refreshPrice())
    assert.equal(deposits.priceUnym, 100_000_000)
    await assert.rejects(chain.run(deposits.deposit(0)), (error) => isMixnetError(error))
  })
})
