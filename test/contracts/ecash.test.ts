/** Deposits, what gateways are paid for tickets, and that no coin of either is made or lost. @module */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import fc from 'fast-check'
import { encodeFunctionData, type Hex, toHex } from 'viem'
import { fromHex } from '../../src/foundation/base/bytes.ts'
import { nodeProvider } from '../../src/foundation/crypto/nodeProvider.ts'
import { NO_CONTRACT, type PayingContract, signVote } from '../../src/protocol/wire/issuer/redemption.ts'
import { type AddressHex, contract, Evm, Reverted } from '../support/evm.ts'
import { MixnetFixture } from '../support/mixnet.ts'

const START = 1_700_000_000n
const DAY = 86_400n
const PRICE = 75_000_000n
const MAX = 2n ** 255n
const [governance, user, operator, stranger] = [100, 1, 2, 3].map((n) => Evm.address(n)) as [Hex, Hex, Hex, Hex]
const bank = Evm.address(0)
const CHAIN = 1
const GATEWAY = new Uint8Array(32).fill(0x77)
const gateway = toHex(GATEWAY)
const KEY = toHex(1, { size: 32 })
const seeds = [1, 2, 3, 4, 5].map((n) => new Uint8Array(32).fill(n))
const members = seeds.map((seed, i) => ({
  owner: Evm.address(50 + i),
  identityKey: toHex(nodeProvider.ed25519PublicKey(seed)),
  url: `http://issuer${i + 1}.example`,
}))
const digestOf = (n: number) => new Uint8Array(32).fill(n)

let evm: Evm
let token: AddressHex
let bonds: AddressHex
let issuers: AddressHex
let ecash: AddressHex

async function deploy({ share = 50n, price = PRICE } = {}): Promise<void> {
  evm = await Evm.create()
  evm.now = START
  token = await evm.deploy('HostileToken')
  bonds = await evm.deploy('BondsMock', [token])
  issuers = await evm.deploy('Issuers', [governance])
  ecash = await evm.deploy('EcashDeposits', [token, bonds, issuers, governance, price, share])
  await evm.send(token, 'transfer', [user, 10n ** 14n], bank)
  await evm.send(token, 'approve', [ecash, MAX], user)
  await evm.send(bonds, 'set', [7, operator, gateway])
}

/** Of the members with these numbers from 0, all others vacant; the first `threshold` of them confirm. */
async function agree(present: readonly number[], threshold: number): Promise<bigint> {
  const vacant = { owner: `0x${'00'.repeat(20)}`, identityKey: toHex(0, { size: 32 }), url: '' }
  const list = members.map((member, i) => (present.includes(i) ? member : vacant))
  const epoch = (await evm.send(issuers, 'plan', [list, threshold, evm.now, 600], governance)).result as bigint
  for (const i of present.slice(0, threshold)) {
    await evm.send(issuers, 'confirm', [epoch, KEY], members[i]?.owner)
  }
  return epoch
}

interface Batch {
  readonly digest?: number
  readonly count?: number
  readonly epoch?: bigint
  /** Numbers of issuers from 1; with whose key, where it is another's. */
  readonly voters?: readonly number[]
  readonly signer?: number
  readonly payer?: PayingContract
}
const payingHere = (): PayingContract => ({ chainId: CHAIN, contract: fromHex(ecash.slice(2)) })
function votes({ digest = 1, count = 50, epoch = 1n, voters = [1, 2, 3], signer, payer = payingHere() }: Batch) {
  return voters.map((index) => {
    const vote = { payer, epochId: Number(epoch), index, gateway: GATEWAY, digest: digestOf(digest), count }
    const signature = signVote(nodeProvider, seeds[(signer ?? index) - 1] ?? new Uint8Array(32), vote)
    return {
      epochId: epoch,
      index,
      signatureR: toHex(signature.subarray(0, 32)),
      signatureS: toHex(signature.subarray(32)),
    }
  })
}
const redeem = (batch: Batch = {}, given = votes(batch)) =>
  evm.send(ecash, 'redeem', [gateway, toHex(digestOf(batch.digest ?? 1)), batch.count ?? 50, given], stranger)
const deposit = (key = KEY) => evm.send(ecash, 'deposit', [key], user)
const balance = (who: Hex) => evm.read(token, 'balanceOf', [who]) as Promise<bigint>
const earned = () => evm.read(ecash, 'earned', [gateway]) as Promise<bigint>
const refused = (name: string) => (error: unknown) => error instanceof Reverted && error.errorName === name

beforeEach(() => deploy())

test('deposits count from 0, pull the price, and keep the key', async () => {
  for (const id of [0, 1]) {
    const { result, logs } = await deposit(toHex(id + 1, { size: 32 }))
    assert.equal(result, id)
    assert.ok(
      logs.some(({ name, args }) => name === 'DepositedFunds' && args.depositId === id && args.amount === PRICE),
    )
  }
  assert.equal(await balance(ecash), 2n * PRICE)
  assert.equal(await evm.read(ecash, 'depositOf', [1]), toHex(2, { size: 32 }))
  assert.equal(await evm.read(ecash, 'depositOf', [2]), toHex(0, { size: 32 }))
  assert.equal(await evm.read(ecash, 'depositCount'), 2)
  await assert.rejects(deposit(toHex(0, { size: 32 })), refused('BadKey'))
  await assert.rejects(evm.send(ecash, 'deposit', [KEY], stranger), (error) => error instanceof Reverted)
})

test('votes as issuers sign them pay the gateway its share, to the owner of its bond', async () => {
  await agree([0, 1, 2, 3, 4], 3)
  await deposit()
  const { logs } = await redeem({ count: 20, voters: [1, 3, 5] })
  assert.equal(logs.find(({ name }) => name === 'TicketsRedeemed')?.args.amount, 20n * 750_000n)
  for (const who of [user, stranger]) {
    await assert.rejects(evm.send(ecash, 'withdrawEarnings', [gateway], who), refused('NotGatewayOwner'))
  }
  assert.equal((await evm.send(ecash, 'withdrawEarnings', [gateway], operator)).result, 20n * 750_000n)
  assert.equal((await evm.send(ecash, 'withdrawEarnings', [gateway], operator)).result, 0n)
  assert.equal(await balance(operator), 20n * 750_000n)
  // What was never for gateways, half of the price, goes to the pool; thirty tickets are still to be paid.
  assert.equal((await evm.send(ecash, 'releaseSurplus', [], stranger)).result, PRICE / 2n)
  assert.equal(await evm.read(bonds, 'pool'), PRICE / 2n)
  assert.equal(await balance(ecash), 30n * 750_000n)
})

test('a batch is paid once, whatever votes and counts come with it the second time', async () => {
  await agree([0, 1, 2, 3, 4], 3)
  await deposit()
  await redeem({ count: 10 })
  await assert.rejects(redeem({ count: 10 }), refused('AlreadyRedeemed'))
  await assert.rejects(redeem({ count: 11, voters: [3, 4, 5] }), refused('AlreadyRedeemed'))
})

test("too few votes, copies, strangers' and those for something else do not count", async () => {
  await assert.rejects(redeem(), refused('NotEnoughVotes'))
  await agree([0, 1, 2, 3], 3)
  await deposit()
  const good = votes({})
  const [a, b, c] = good as [(typeof good)[0], (typeof good)[0], (typeof good)[0]]
  await assert.rejects(redeem({}, []), refused('NotEnoughVotes'))
  await assert.rejects(redeem({}, [a, b]), refused('NotEnoughVotes'))
  // More than the threshold would only cost whoever pays for it.
  await assert.rejects(redeem({}, votes({ voters: [1, 2, 3, 4] })), refused('NotEnoughVotes'))
  for (const list of [
    [a, b, b],
    [a, a, b],
    [b, a, c],
    [a, b, { ...b, index: 3 }],
    [a, b, { ...c, index: 0 }],
  ]) {
    await assert.rejects(redeem({}, list), refused('BadVote'))
  }
  // A vacant position, one that is not there, and a member's number under another's signature.
  await assert.rejects(redeem({}, votes({ voters: [1, 2, 5] })), refused('BadVote'))
  await assert.rejects(redeem({}, votes({ voters: [1, 2, 6] })), refused('BadVote'))
  await assert.rejects(redeem({}, votes({ voters: [1, 2, 3], signer: 1 })), refused('BadVote'))
  await assert.rejects(redeem({ count: 49 }, good), refused('BadVote'))
  await assert.rejects(redeem({ digest: 2 }, good), refused('BadVote'))
  const other = toHex(new Uint8Array(32).fill(0x78))
  await evm.send(bonds, 'set', [8, stranger, other])
  await assert.rejects(evm.send(ecash, 'redeem', [other, toHex(digestOf(1)), 50, good]), refused('BadVote'))
  await assert.rejects(redeem({ count: 0 }), refused('EmptyBatch'))
  await evm.send(bonds, 'set', [7, `0x${'00'.repeat(20)}`, gateway])
  await assert.rejects(redeem(), refused('BadKey'))
  await evm.send(bonds, 'set', [7, operator, gateway])
  await redeem()
})

test("issuers that moved to the next epoch vote as what they are there; two epochs' minorities do not add up", async () => {
  await agree([0, 1, 2], 2)
  await deposit()
  await agree([1, 2, 3, 4], 3)
  const [first] = votes({ voters: [1], epoch: 1n })
  const [second] = votes({ voters: [2], epoch: 2n })
  const [newcomer] = votes({ voters: [4], epoch: 2n })
  assert.ok(first && second && newcomer)
  // Member 4 is of the second epoch only: with a minority of the first it makes no quorum of either.
  await assert.rejects(redeem({}, [first, newcomer]), refused('BadVote'))
  await redeem({}, [first, second])
  // Where all have moved it takes the threshold of the epoch they are in.
  await assert.rejects(
    redeem({ digest: 2 }, votes({ digest: 2, voters: [2, 3], epoch: 2n })),
    refused('NotEnoughVotes'),
  )
})

test("a number that is somebody else's in the later epoch is not voted with", async () => {
  await agree([0, 1], 2)
  await deposit()
  // In the second epoch number 1 is the fifth member's.
  const moved = [members[4], members[1]]
  const epoch = (await evm.send(issuers, 'plan', [moved, 2, evm.now, 600], governance)).result
  for (const i of [4, 1]) await evm.send(issuers, 'confirm', [epoch, KEY], members[i]?.owner)
  const [gone] = votes({ voters: [1], epoch: 2n })
  const [stayed] = votes({ voters: [2], epoch: 1n })
  assert.ok(gone && stayed)
  await assert.rejects(redeem({}, [gone, stayed]), refused('BadVote'))
})

test('with the mixnet and the token as they are: surplus is in its pool, earnings go to who bonded the key', async () => {
  const fixture = await MixnetFixture.create()
  evm = fixture.evm
  const nodeId = await fixture.bond(operator)
  const { identityKey } = await fixture.read<{ identityKey: Hex }>('bondOf', [nodeId])
  issuers = await evm.deploy('Issuers', [governance])
  ecash = await evm.deploy('EcashDeposits', [fixture.token, fixture.mixnet, issuers, governance, PRICE, 40n])
  await agree([0], 1)
  await fixture.fund(user, PRICE)
  await evm.send(fixture.token, 'approve', [ecash, PRICE], user)
  await deposit()
  const before = await fixture.balanceOf(fixture.mixnet)
  assert.equal((await evm.send(ecash, 'releaseSurplus', [], stranger)).result, (PRICE * 60n) / 100n)
  assert.equal((await fixture.balanceOf(fixture.mixnet)) - before, (PRICE * 60n) / 100n)
  const [, added] = await fixture.read<[bigint, bigint]>('poolChange')
  assert.equal(added, ((PRICE * 60n) / 100n) * 10n ** 18n)
  const about = { gateway: fromHex(identityKey.slice(2)), digest: digestOf(1), count: 50 }
  const vote = { payer: payingHere(), epochId: 1, index: 1, ...about }
  const signature = signVote(nodeProvider, seeds[0] ?? GATEWAY, vote)
  const [signatureR, signatureS] = [toHex(signature.subarray(0, 32)), toHex(signature.subarray(32))]
  await evm.send(ecash, 'redeem', [
    identityKey,
    toHex(vote.digest),
    50,
    [{ epochId: 1n, index: 1, signatureR, signatureS }],
  ])
  const paid = (await evm.send(ecash, 'withdrawEarnings', [identityKey], operator)).result
  assert.equal(paid, (PRICE * 40n) / 100n)
  assert.equal(await fixture.balanceOf(operator), paid)
  assert.equal(await fixture.balanceOf(ecash), 0n)
})

test('votes for another deployment, or another chain, are worth nothing here', async () => {
  await agree([0, 1, 2], 3)
  await deposit()
  const here = payingHere()
  const twin = await evm.deploy('EcashDeposits', [token, bonds, issuers, governance, PRICE, 50n])
  for (const payer of [NO_CONTRACT, { ...here, chainId: CHAIN + 1 }, { ...here, contract: fromHex(twin.slice(2)) }])
    await assert.rejects(redeem({}, votes({ payer })), refused('BadVote'))
  await redeem()
  // What was paid here has votes that the twin, which knows the same issuers, does not take.
  await evm.send(token, 'approve', [twin, MAX], user)
  await evm.send(twin, 'deposit', [KEY], user)
  const args = [gateway, toHex(digestOf(1)), 50]
  await assert.rejects(evm.send(twin, 'redeem', [...args, votes({})], stranger), refused('BadVote'))
  const forTwin = votes({ payer: { ...here, contract: fromHex(twin.slice(2)) } })
  await evm.send(twin, 'redeem', [...args, forTwin], stranger)
})

test('votes of epochs that are not agreed, or gone by, are worth nothing', async () => {
  await agree([0, 1, 2], 2)
  await deposit()
  await agree([0, 1, 2], 2)
  await evm.send(issuers, 'plan', [members.slice(0, 3), 2, evm.now, 600], governance)
  for (const epoch of [0n, 3n, 4n, 2n ** 53n - 1n]) {
    await assert.rejects(redeem({}, votes({ voters: [1, 2], epoch })), refused('BadVote'), `${epoch}`)
  }
  await redeem({}, votes({ voters: [1, 2], epoch: 1n }))
  for (const i of [0, 1]) await evm.send(issuers, 'confirm', [3n, KEY], members[i]?.owner)
  const late = { digest: 2, voters: [1, 2], epoch: 1n }
  await assert.rejects(redeem(late, votes(late)), refused('BadVote'))
})

test('no vote pays out more tickets than were bought', async () => {
  await agree([0], 1)
  await deposit()
  await assert.rejects(redeem({ count: 51 }, votes({ count: 51, voters: [1] })), refused('NotEnoughDeposits'))
  await assert.rejects(
    redeem({ count: 2 ** 32 - 1 }, votes({ count: 2 ** 32 - 1, voters: [1] })),
    refused('NotEnoughDeposits'),
  )
  await redeem({ count: 50 }, votes({ count: 50, voters: [1] }))
  await assert.rejects(
    redeem({ digest: 2, count: 1 }, votes({ digest: 2, count: 1, voters: [1] })),
    refused('NotEnoughDeposits'),
  )
})

test('a share of zero is the official behaviour: redemptions are noted and pay nothing', async () => {
  await deploy({ share: 0n })
  await agree([0], 1)
  await deposit()
  const { logs } = await redeem({}, votes({ voters: [1] }))
  assert.equal(logs.find(({ name }) => name === 'TicketsRedeemed')?.args.amount, 0n)
  assert.equal(await earned(), 0n)
  assert.equal((await evm.send(ecash, 'releaseSurplus')).result, PRICE)
})

test('new parameters change nothing of what was sold before', async () => {
  await agree([0], 1)
  await deposit()
  await evm.send(ecash, 'updateGatewayShare', [0n], governance)
  await evm.send(ecash, 'updatePrice', [50n], governance)
  await deposit()
  await redeem({ count: 60 }, votes({ count: 60, voters: [1] }))
  assert.equal(await earned(), 50n * 750_000n)
  await evm.send(ecash, 'updateGatewayShare', [100n], governance)
  await deposit()
  await redeem({ digest: 2, count: 45 }, votes({ digest: 2, count: 45, voters: [1] }))
  assert.equal(await earned(), 50n * 750_000n + 5n)
})

test('governance sets what is in range, and nobody else sets anything', async () => {
  for (const price of [49n, 10n ** 10n + 1n]) {
    await assert.rejects(evm.send(ecash, 'updatePrice', [price], governance), refused('BadPrice'))
  }
  await assert.rejects(evm.send(ecash, 'updateGatewayShare', [101n], governance), refused('BadShare'))
  for (const [fn, value] of [
    ['updatePrice', 60n],
    ['updateGatewayShare', 1n],
  ] as const) {
    await assert.rejects(evm.send(ecash, fn, [value], stranger), refused('NotGovernance'))
  }
})

test('no gateway can have it any more: tickets not redeemed for 90 days and what was sent by mistake go to the pool', async () => {
  await agree([0], 1)
  await deposit()
  evm.now = START + 29n * DAY
  await deposit()
  assert.equal((await evm.send(ecash, 'releaseSurplus')).result, PRICE)
  evm.now = START + 119n * DAY
  assert.equal((await evm.send(ecash, 'releaseSurplus')).result, 0n)
  evm.now = START + 120n * DAY
  assert.equal((await evm.send(ecash, 'releaseSurplus')).result, PRICE)
  await assert.rejects(redeem({ count: 1 }, votes({ count: 1, voters: [1] })), refused('NotEnoughDeposits'))
  await evm.send(token, 'transfer', [ecash, 5n], user)
  assert.equal((await evm.send(ecash, 'releaseSurplus')).result, 5n)
  assert.equal(await balance(ecash), 0n)
})

test('a token that calls back in the middle of a transfer gets nowhere', async () => {
  await agree([0], 1)
  await deposit()
  await redeem({ count: 10 }, votes({ count: 10, voters: [1] }))
  const { abi } = contract('EcashDeposits')
  // The token itself is the owner of the gateway, so nothing but the guard is in its way.
  await evm.send(bonds, 'set', [7, token, gateway])
  await evm.send(token, 'onTransfer', [
    ecash,
    encodeFunctionData({ abi, functionName: 'withdrawEarnings', args: [gateway] }),
  ])
  await evm.send(ecash, 'withdrawEarnings', [gateway], token)
  assert.equal(await evm.read(token, 'refused'), 1n)
  assert.equal(await balance(token), 10n * 750_000n)
  await evm.send(token, 'onTransfer', [ecash, encodeFunctionData({ abi, functionName: 'releaseSurplus', args: [] })])
  await deposit()
  await evm.send(ecash, 'releaseSurplus')
  assert.equal(await evm.read(token, 'refused'), 3n)
  assert.equal(await evm.read(bonds, 'pool'), PRICE)
})

type Step =
  | { readonly do: 'deposit' | 'release' | 'withdraw' }
  | { readonly do: 'redeem'; readonly count: number }
  | { readonly do: 'price' | 'share' | 'wait'; readonly to: bigint }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ do: 'deposit' } as const) },
  { weight: 2, arbitrary: fc.nat(120).map((count) => ({ do: 'redeem', count }) as const) },
  fc.constantFrom({ do: 'release' } as const, { do: 'withdraw' } as const),
  fc.bigInt({ min: 50n, max: 10n ** 9n }).map((to) => ({ do: 'price', to }) as const),
  fc.bigInt({ min: 0n, max: 100n }).map((to) => ({ do: 'share', to }) as const),
  fc.bigInt({ min: 0n, max: 60n }).map((to) => ({ do: 'wait', to: to * DAY }) as const),
)

/** The same rules in a few lines, ticket by ticket. */
class Model {
  readonly tickets: { rate: bigint; lot: bigint }[] = []
  #lot: { rate: bigint; at: bigint } | undefined
  earned = 0n
  paid = 0n
  pool = 0n
  taken = 0n
  deposit(price: bigint, share: bigint, now: bigint): void {
    const rate = (price * share) / 100n / 50n
    if (this.tickets.length === 0 || this.#lot?.rate !== rate || now >= this.#lot.at + 30n * DAY)
      this.#lot = { rate, at: now }
    for (let i = 0; i < 50; i++) this.tickets.push({ rate, lot: this.#lot.at })
    this.taken += price
  }
  redeem(count: number): boolean {
    if (count === 0 || count > this.tickets.length) return false
    for (const { rate } of this.tickets.splice(0, count)) this.earned += rate
    return true
  }
  release(now: bigint): void {
    while (this.tickets[0] !== undefined && now >= this.tickets[0].lot + 120n * DAY) this.tickets.shift()
    this.pool = this.taken - this.paid - this.earned - this.tickets.reduce((sum, { rate }) => sum + rate, 0n)
  }
}

test('coins are neither made nor lost, and each ticket pays what the model says, whatever happens in which order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      await deploy()
      await agree([0], 1)
      const model = new Model()
      let [price, share, digest] = [PRICE, 50n, 0]
      const atStart = await balance(user)
      for (const one of steps) {
        if (one.do === 'deposit') {
          await deposit()
          model.deposit(price, share, evm.now)
        } else if (one.do === 'redeem') {
          const batch = { digest: ++digest, count: one.count, voters: [1] }
          const paid = await redeem(batch, votes(batch)).then(
            () => true,
            (error) => {
              assert.ok(refused('NotEnoughDeposits')(error) || refused('EmptyBatch')(error), String(error))
              return false
            },
          )
          assert.equal(paid, model.redeem(one.count))
        } else if (one.do === 'release') {
          await evm.send(ecash, 'releaseSurplus')
          model.release(evm.now)
        } else if (one.do === 'withdraw') {
          const { result } = await evm.send(ecash, 'withdrawEarnings', [gateway], operator)
          assert.equal(result, model.earned)
          model.paid += model.earned
          model.earned = 0n
        } else if (one.do === 'price') {
          price = one.to
          await evm.send(ecash, 'updatePrice', [price], governance)
        } else if (one.do === 'share') {
          share = one.to
          await evm.send(ecash, 'updateGatewayShare', [share], governance)
        } else if (one.do === 'wait') evm.now += one.to
        assert.equal(await earned(), model.earned)
        assert.equal(await balance(operator), model.paid)
        assert.equal(await balance(bonds), model.pool)
        const held = await balance(ecash)
        assert.equal(held, model.taken - model.paid - model.pool)
        assert.equal(atStart - (await balance(user)), model.taken)
        const [reserved, total] = (await Promise.all([
          evm.read(ecash, 'reserved'),
          evm.read(ecash, 'totalEarned'),
        ])) as bigint[]
        assert.ok((reserved ?? 0n) + (total ?? 0n) <= held, 'what is promised is there')
      }
    }),
    { numRuns: 12 },
  )
})
