/** Buying a book from issuers that are away, slow, lying, or forgetful clients. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toBase58 } from '../../foundation/base/base58.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { Secret } from '../../foundation/base/secret.ts'
import { minutes, seconds } from '../../foundation/base/units.ts'
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import { type Deposits, faucetDeposits } from './issuerCalls.ts'
import { IssuingNetwork, type Mood, openWallet, PRICE } from './issuers.test.ts'

const client = (network: IssuingNetwork) => network.sim.host('client', { ips: ['10.9.0.1'] })

describe('buying a book', () => {
  it('takes one deposit and fifty tickets, and asks no more issuers than it needs', async () => {
    const network = await IssuingNetwork.start()
    const { wallet, events } = await openWallet(network, client(network))
    const book = await network.sim.complete(wallet.buyBook())
    assert.equal(book.left, 50)
    assert.equal(network.deposits.size, 1)
    assert.equal(network.asked, 4)
    assert.deepEqual(events, [{ type: 'book-bought', left: 50, culprits: [] }])
    const said = await network.sim.complete(wallet.describe())
    assert.match(said.text, /^50 of 50 tickets left, 10 GB, good until \d+ \w+; a new book costs 75 NYM$/)
    assert.equal(said.priceUnym, PRICE)
  })

  const pairs: (readonly [Mood, Mood])[] = [
    ['refuses', 'hangs'],
    ['lies', 'garbles'],
    ['lies', 'lies'],
    ['hangs', 'hangs'],
    ['other-keys', 'refuses'],
  ]
  for (const [one, two] of pairs) {
    it(`does with three good issuers of five: ${one}, ${two}`, async () => {
      const network = await IssuingNetwork.start()
      network.moods[1] = one
      network.moods[3] = two
      const { wallet } = await openWallet(network, client(network))
      const started = network.sim.clock.monotonic()
      const book = await network.sim.complete(wallet.buyBook())
      assert.equal(book.left, 50)
      assert.equal(network.deposits.size, 1)
      assert.ok(network.sim.clock.monotonic() - started < seconds(30))
      const liars = [2, 4].filter((index) => network.moods[index - 1] === 'lies')
      assert.ok(book.culprits.every((index) => liars.includes(index)))
    })
  }

  it('names the issuer that signed wrongly', async () => {
    const network = await IssuingNetwork.start({ issuers: 3, threshold: 2 })
    const { wallet } = await openWallet(network, client(network))
    network.moods[0] = 'lies'
    const { culprits } = await network.sim.complete(wallet.buyBook())
    assert.deepEqual(culprits, [1])
  })

  it('keeps what was paid where too few answer, and finishes with the same request later', async () => {
    const network = await IssuingNetwork.start()
    const world = client(network)
    const { wallet } = await openWallet(network, world)
    network.onDeposit = () => network.moods.fill('hangs', 0, 3)
    await assert.rejects(network.sim.complete(wallet.buyBook()), (error) => isMixnetError(error, 'ISSUERS_UNAVAILABLE'))
    await network.sim.complete(wallet.close())
    network.moods.fill('honest')
    // Nobody asks for it.
    const again = await openWallet(network, world)
    await network.sim.runFor(seconds(20))
    assert.equal(again.wallet.books()[0]?.left, 50)
    assert.equal(network.deposits.size, 1)
    assert.deepEqual(
      [...network.requests.values()].map(({ size }) => size),
      [1],
    )
  })

  it('gets the book it paid for where the ledger’s server knows nothing of the deposit any more', async () => {
    const network = await IssuingNetwork.start()
    const world = client(network)
    let forgets = false
    const deposits: Deposits = {
      mayRenumber: true,
      priceUnym: async () => PRICE,
      async deposit(key) {
        if (forgets) throw new MixnetError('DEPOSIT_REFUSED')
        network.deposits.set(toBase58(key), 0)
        network.moods.fill('hangs', 0, 3)
        return 0
      },
    }
    const { wallet } = await openWallet(network, world, { deposits })
    await assert.rejects(network.sim.complete(wallet.buyBook()), (error) => isMixnetError(error, 'ISSUERS_UNAVAILABLE'))
    await network.sim.complete(wallet.close())
    network.moods.fill('honest')
    forgets = true
    const again = await openWallet(network, world, { deposits })
    await network.sim.runFor(seconds(20))
    assert.equal(again.wallet.books()[0]?.left, 50)
  })

  it('waits for no deposit once it is closed, and finds out later whether it was made', async () => {
    const network = await IssuingNetwork.start()
    const world = client(network)
    let isMade = false
    const deposits: Deposits = {
      priceUnym: async () => PRICE,
      async deposit(key, signal) {
        const waiting = Promise.withResolvers<never>()
        signal?.addEventListener('abort', () => waiting.reject(new MixnetError('ABORTED')))
        if (!isMade) await waiting.promise
        network.deposits.set(toBase58(key), 0)
        return 0
      },
    }
    const { wallet, events } = await openWallet(network, world, { deposits, buy: 'faucet', always: true })
    const failure = new Promise((failed) => {
      const session = { gateway: new Uint8Array(32), send: failed, failed }
      wallet.payment(session).claim(new Secret(new Uint8Array(32)))
    })
    await network.sim.runFor(seconds(20))
    assert.deepEqual(events, [])
    await network.sim.complete(wallet.close())
    assert.match(JSON.stringify(await network.sim.complete(failure)), /ABORTED/)
    assert.deepEqual(events, [])
    isMade = true
    const again = await openWallet(network, world, { deposits })
    assert.equal((await network.sim.complete(again.wallet.buyBook())).left, 50)
    assert.equal(network.deposits.size, 1)
  })

  it('asks the faucet for no longer than somebody waits: for its address neither', async () => {
    const network = await IssuingNetwork.start()
    const { net } = client(network)
    const url = network.epoch.faucetUrl as string
    const key = new Uint8Array(32).fill(7)
    const aborted = (error: unknown) => isMixnetError(error, 'ABORTED') && error.details.faucet === undefined
    const looking = new AbortController()
    const lost = faucetDeposits(net, () => new Promise(() => {})).deposit(key, looking.signal)
    looking.abort()
    await assert.rejects(lost, aborted)
    const deposits = faucetDeposits(net, async () => ({ url, priceUnym: PRICE }))
    const waiting = new AbortController()
    network.onDeposit = () => waiting.abort()
    await assert.rejects(network.sim.complete(deposits.deposit(key, waiting.signal)), aborted)
    assert.equal(await network.sim.complete(deposits.deposit(key)), 0)
    assert.equal(network.deposits.size, 1)
  })

  it('pays nothing where the directory gives keys that the issuers do not confirm, or others than before', async () => {
    const network = await IssuingNetwork.start()
    network.moods.fill('other-keys', 0, 3)
    const world = client(network)
    const { wallet } = await openWallet(network, world)
    const refused = (work: Promise<unknown>) =>
      assert.rejects(network.sim.complete(work), (error) => isMixnetError(error, 'ISSUERS_UNAVAILABLE'))
    await refused(wallet.buyBook())
    network.moods.fill('honest')
    await network.sim.complete(wallet.buyBook())
    assert.equal(network.deposits.size, 1)
    const issuers = network.epoch.issuers.slice(0, 3)
    Object.assign(network, { epoch: { ...network.epoch, issuers, threshold: 2 } })
    await refused(wallet.buyBook())
    assert.equal(network.deposits.size, 1)
  })

  it('says what the faucet refuses, and has nothing left to finish', async () => {
    const network = await IssuingNetwork.start()
    const { wallet, files } = await openWallet(network, client(network))
    network.depositStatus = 429
    await assert.rejects(network.sim.complete(wallet.buyBook()), (error) => isMixnetError(error, 'DEPOSIT_REFUSED'))
    const names = await network.sim.complete(files.list('/client/tickets'))
    assert.ok(names.every((name) => name.startsWith('epoch-')))
  })

  it('loses and doubles nothing wherever it crashes: one deposit, one book, one request', async () => {
    let crashes = 0
    for (let write = 1; write < 12; write++) {
      for (const after of [false, true]) {
        const network = await IssuingNetwork.start()
        const world = client(network)
        const first = await openWallet(network, world, { dies: { write, after } })
        const bought = await network.sim.complete(first.wallet.buyBook()).then(
          () => true,
          (error: Error) => assert.match(error.message, /crash/),
        )
        if (bought) continue
        crashes++
        // The next process finds what there is, and buys where it finds nothing.
        const next = await openWallet(network, world)
        await network.sim.runFor(minutes(1))
        if (next.wallet.books().length === 0) await network.sim.complete(next.wallet.buyBook())
        assert.deepEqual(
          next.wallet.books().map(({ left }) => left),
          [50],
        )
        assert.equal(network.deposits.size, 1, `write ${write}, ${after ? 'after' : 'before'}`)
        assert.ok([...network.requests.values()].every(({ size }) => size === 1))
        const names = await network.sim.complete(world.files.list('/client/tickets'))
        assert.ok(!names.some((name) => name.startsWith('purchase-')))
      }
    }
    // The epoch, the purchase, its deposit, the book, and the purchase again.
    assert.ok(crashes >= 10)
  })

  it('brings back nothing that was spent while a purchase was finished for the second time', async () => {
    const network = await IssuingNetwork.start()
    const world = client(network)
    // The book is on the disk, and its purchase is still there.
    const first = await openWallet(network, world, { dies: { write: 5, after: false } })
    await assert.rejects(network.sim.complete(first.wallet.buyBook()), /crash/)
    network.moods.fill('hangs')
    const next = await openWallet(network, world, { always: true })
    const sent = new Promise((send, failed) => {
      const session = { gateway: new Uint8Array(32), send, failed }
      next.wallet.payment(session).claim(new Secret(new Uint8Array(32)))
    })
    await network.sim.complete(sent)
    assert.equal(next.wallet.books()[0]?.left, 49)
    network.moods.fill('honest')
    await network.sim.complete(next.wallet.buyBook())
    assert.equal(network.deposits.size, 1)
    assert.deepEqual(
      next.wallet.books().map(({ left }) => left),
      [49],
    )
  })

  it('works on the curve', async () => {
    const network = await IssuingNetwork.start({ bls: await loadMclBls(), issuers: 3, threshold: 2 })
    network.moods[2] = 'lies'
    const { wallet } = await openWallet(network, client(network))
    assert.equal((await network.sim.complete(wallet.buyBook())).left, 50)
  })
})
