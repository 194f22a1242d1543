/** Votes of issuers become what a gateway has earned, once. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ledgerRedeemer } from '../../src/app/node/ledgerRedeemer.ts'
import { ledgerDeposits } from '../../src/client/credentials/ledgerDeposits.ts'
import { fromHex, toHex } from '../../src/foundation/base/bytes.ts'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { millis } from '../../src/foundation/base/units.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { keySigner } from '../../src/network/ledger/signers.ts'
import { type PayingContract, signVote } from '../../src/protocol/wire/issuer/redemption.ts'
import type { RedeemOutcome, SignedVote } from '../../src/roles/gateway/redeemer.ts'
import { addressOf, EcashChain, type EcashChainOptions, key, PRICE } from './ecashChain.ts'

const NODE = 5
const GATEWAY = nodeProvider.ed25519PublicKey(new Uint8Array(32).fill(77))
const seedOf = (index: number) => new Uint8Array(32).fill(index)
const HASH = `0x${'01'.repeat(32)}` as const
/** 50 %, of a book of fifty. */
const TICKET = PRICE / 2n / 50n
const never = new AbortController().signal

class Redeeming {
  readonly chain: EcashChain
  world: World

  constructor(chain: EcashChain, world: World) {
    this.chain = chain
    this.world = world
  }

  static async start(options: EcashChainOptions = {}): Promise<Redeeming> {
    const chain = await EcashChain.start(options)
    await chain.funded(NODE, 4n * PRICE)
    for (const index of [1, 2, 3]) await chain.funded(20 + index, 0n)
    const redeeming = new Redeeming(chain, chain.host('gateway'))
    await redeeming.agree(1n)
    return redeeming
  }

  async agree(epochId: bigint): Promise<void> {
    const { chain } = this
    const members = [1, 2, 3].map((index) => ({
      owner: addressOf(20 + index),
      identityKey: `0x${toHex(nodeProvider.ed25519PublicKey(seedOf(index)))}` as const,
      url: `http://issuer-${index}`,
    }))
    const startsAt = BigInt(Math.floor(chain.simulation.clock.now() / 1000) + 3)
    await chain.run(chain.governance.write('issuers', 'plan', [members, 2, startsAt, 60]))
    await chain.simulation.runFor(millis(5000))
    for (const index of [1, 2]) {
      const account = chain.open(this.world).account(keySigner(key(20 + index)))
      await chain.run(account.write('issuers', 'confirm', [epochId, HASH]))
    }
  }

  async deposit(): Promise<void> {
    const ledger = this.chain.open(this.world)
    const account = ledger.account(keySigner(key(NODE)))
    const deposits = ledgerDeposits({ clock: this.world.clock, ledger, account, confirmations: 0 })
    await this.chain.run(deposits.deposit(nodeProvider.ed25519PublicKey(seedOf(200))))
  }

  get payer(): PayingContract {
    const { chainId, addresses } = this.chain.open(this.world).deployment
    return { chainId, contract: fromHex(addresses.ecash.slice(2).toLowerCase()) }
  }

  votes(digest: Uint8Array, count: number, epochs: Readonly<Record<number, number>>): Map<number, SignedVote> {
    return new Map(
      Object.entries(epochs).map(([index, epochId]) => {
        const vote = { payer: this.payer, epochId, index: Number(index), gateway: GATEWAY, digest, count }
        return [Number(index), { epochId, signature: signVote(nodeProvider, seedOf(Number(index)), vote) }]
      }),
    )
  }

  redeem(n: number, count: number, epochs: Readonly<Record<number, number>>): Promise<RedeemOutcome> {
    const digest = new Uint8Array(32).fill(n)
    const ledger = this.chain.open(this.world)
    const account = ledger.account(keySigner(key(NODE)))
    const redeemer = ledgerRedeemer({ ledger, account, gateway: GATEWAY, confirmations: 2 })
    return redeemer.redeem({ digest, count, votes: this.votes(digest, count, epochs) }, never)
  }

  earned(): Promise<bigint> {
    return this.chain.run(this.chain.open(this.world).read('ecash', 'earned', [`0x${toHex(GATEWAY)}`]))
  }
}

const later = (reason: string): RedeemOutcome => ({ kind: 'later', reason })

describe('redemption on the ledger', () => {
  it('pays once, to the unit, also where the gateway dies at any moment of it', async () => {
    const test = await Redeeming.start()
    const { chain } = test
    assert.deepEqual(await chain.run(test.redeem(1, 3, { 1: 1, 2: 1 })), later('the gateway is not bonded'))
    await chain.bond(7, addressOf(NODE), GATEWAY)
    await test.deposit()
    assert.deepEqual(await chain.run(test.redeem(1, 3, { 1: 1 })), later('too few votes of one epoch'))
    let expected = 0n
    let unheard = 0
    for (let n = 1; n <= 12; n++) {
      let ended = false
      void test.redeem(n, (n % 3) + 1, { 1: 1, 2: 1, 3: 1 }).then(() => {
        ended = true
      })
      await chain.simulation.runFor(millis(n * 300))
      if (!ended) unheard++
      chain.simulation.crash('gateway')
      test.world = chain.simulation.restart('gateway')
      const outcome = await chain.run(test.redeem(n, (n % 3) + 1, { 1: 1, 2: 1, 3: 1 }))
      assert.equal(outcome.kind, 'paid')
      expected += BigInt((n % 3) + 1) * TICKET
      assert.equal(await test.earned(), expected)
    }
    assert.ok(unheard > 4)
    // The rest of the book, and not a ticket more than were bought.
    const left = 50 - Number(expected / TICKET)
    await assert.rejects(chain.run(test.redeem(50, left + 1, { 1: 1, 2: 1 })), (error) =>
      isMixnetError(error, 'LEDGER_REFUSED'),
    )
    assert.deepEqual(await chain.run(test.redeem(51, left, { 2: 1, 3: 1 })), {
      kind: 'paid',
      unym: BigInt(left) * TICKET,
    })
    assert.equal(await test.earned(), 50n * TICKET)
  })

  it('takes the votes of those that have gone on with those that have not, and none of longer ago', async () => {
    const test = await Redeeming.start()
    const { chain } = test
    await chain.bond(7, addressOf(NODE), GATEWAY)
    await test.deposit()
    await test.agree(2n)
    assert.equal((await chain.run(test.redeem(1, 1, { 1: 1, 3: 2 }))).kind, 'paid')
    assert.equal((await chain.run(test.redeem(2, 1, { 1: 2, 3: 2 }))).kind, 'paid')
    assert.equal((await chain.run(test.redeem(3, 1, { 1: 1, 2: 1, 3: 2 }))).kind, 'paid')
    await test.agree(3n)
    assert.deepEqual(await chain.run(test.redeem(4, 1, { 1: 1, 3: 2 })), later('too few votes of one epoch'))
    assert.equal(await test.earned(), 3n * TICKET)
  })

  it('costs no fee where gateways have no share', async () => {
    const test = await Redeeming.start({ share: 0n })
    const { chain } = test
    await chain.bond(7, addressOf(NODE), GATEWAY)
    await test.deposit()
    const account = chain.open(test.world).account(keySigner(key(NODE)))
    const before = await chain.run(account.coins())
    assert.deepEqual(await chain.run(test.redeem(1, 5, { 1: 1, 2: 1 })), { kind: 'paid', unym: 0n })
    assert.equal(await chain.run(account.coins()), before)
  })
})
