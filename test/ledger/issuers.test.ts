/** Issuers that make their keys over the contract's board, sell books for its deposits, and hand their key on. @module */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loadOrCreateIssuerKey } from '../../src/app/node/issuerKey.ts'
import type { RunningIssuer } from '../../src/app/node/issuerService.ts'
import { startLedgerIssuer } from '../../src/app/node/ledgerIssuer.ts'
import { epochsOf } from '../../src/app/node/ledgerPlan.ts'
import type { AgreedEpoch } from '../../src/client/credentials/epochSource.ts'
import { ledgerDeposits } from '../../src/client/credentials/ledgerDeposits.ts'
import { confirmIssuers } from '../../src/client/credentials/ledgerTickets.ts'
import { TicketWallet } from '../../src/client/credentials/ticketWallet.ts'
import { toHex } from '../../src/foundation/base/bytes.ts'
import { isMixnetError } from '../../src/foundation/base/errors.ts'
import { Meter, silentLog } from '../../src/foundation/base/observe.ts'
import { Secret } from '../../src/foundation/base/secret.ts'
import { hours, seconds } from '../../src/foundation/base/units.ts'
import { nullBls } from '../../src/foundation/crypto/nullBls.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import type { Ledger } from '../../src/network/ledger/ledger.ts'
import { masterKeyHash } from '../../src/network/ledger/masterKeyHash.ts'
import { keySigner } from '../../src/network/ledger/signers.ts'
import { LocalDkgEngine } from '../../src/protocol/credentials/dkgEngine.ts'
import { LocalEngine } from '../../src/protocol/credentials/localEngine.ts'
import { createScheme } from '../../src/protocol/credentials/scheme.ts'
import { loadAgreedKeys } from '../../src/roles/issuer/dkg/keyFile.ts'
import { LedgerBoard } from '../../src/roles/issuer/dkg/ledgerBoard.ts'
import { addressOf, EcashChain, key, PRICE } from './ecashChain.ts'

const PORT = 8090
const CONFIRMATIONS = 6
const scheme = createScheme(nullBls)
const NOBODY = { owner: `0x${'00'.repeat(20)}`, identityKey: `0x${'00'.repeat(32)}`, url: '' } as const

/** Issuer n has account 20 + n. */
class IssuersOnLedger {
  readonly chain: EcashChain
  readonly ledger: Ledger
  readonly worlds: World[] = []
  readonly running: RunningIssuer[] = []
  readonly meters: Meter[] = []

  constructor(chain: EcashChain) {
    this.chain = chain
    this.ledger = chain.open(chain.host('reader'))
  }

  async start(n: number, confirmations = CONFIRMATIONS): Promise<RunningIssuer> {
    const { chain } = this
    const world = this.worlds[n] ?? chain.host(`issuer-${n}`)
    if (this.worlds[n] === undefined) await chain.funded(20 + n, 0n)
    this.worlds[n] = world
    const ledger = chain.open(world)
    const meter = new Meter()
    this.meters.push(meter)
    const issuer = await chain.run(
      startLedgerIssuer(world, {
        config: { data: '/issuer', listen: { host: '0.0.0.0', port: PORT }, compatible: false },
        ledger,
        account: ledger.account(keySigner(key(20 + n))),
        confirmations,
        engine: new LocalEngine(scheme, world.random.stream('engine')) as never,
        dkgEngine: new LocalDkgEngine(scheme, world.random.stream('engine')),
        lookEvery: seconds(2),
        meter,
        log: silentLog,
      }),
    )
    this.running[n] = issuer
    return issuer
  }

  async plan(numbers: readonly (number | undefined)[], threshold: number): Promise<void> {
    const members = numbers.map((n) =>
      n === undefined
        ? NOBODY
        : {
            owner: addressOf(20 + n),
            identityKey: `0x${toHex((this.running[n] as RunningIssuer).identity)}` as const,
            url: `http://issuer-${n}:${PORT}`,
          },
    )
    const startsAt = BigInt(Math.floor(this.chain.simulation.clock.now() / 1000) + 10)
    await this.chain.run(this.chain.governance.write('issuers', 'plan', [members, threshold, startsAt, 120]))
  }

  async untilAgreed(epochId: number): Promise<void> {
    for (let i = 0; i < 400; i++) {
      if ((await this.chain.run(epochsOf(this.ledger))).agreed === epochId) return
      await this.chain.simulation.runFor(seconds(5))
    }
    assert.fail(`epoch ${epochId} is not agreed`)
  }
}

describe('issuers on the ledger', () => {
  it('make their keys over its board, while it is flooded and takes five blocks back, and hand them on', async () => {
    const chain = await EcashChain.start()
    const issuers = new IssuersOnLedger(chain)
    for (const n of [1, 2, 3]) await issuers.start(n)
    // A member that says what it likes, and a stranger.
    const flooder = chain.host('flooder')
    await chain.funded(24, 0n)
    const identity = (await chain.run(loadOrCreateIssuerKey(flooder, '/issuer'))).identity
    issuers.running[4] = { identity } as RunningIssuer
    await issuers.plan([1, 2, 3, 4], 3)
    await chain.simulation.runFor(seconds(15))
    const loud = chain.open(flooder).account(keySigner(key(24)))
    for (let i = 0; i < 70; i++) {
      void loud.write('issuers', 'append', [1n, `0x${'ab'.repeat(1 + i)}`, true]).catch(() => {})
      if (i % 10 === 9) await chain.simulation.runFor(seconds(2))
    }
    const stranger = chain.open(flooder).account(keySigner(key(1)))
    await assert.rejects(chain.run(stranger.write('issuers', 'append', [1n, '0xab', true])), (error) =>
      isMixnetError(error, 'LEDGER_REFUSED'),
    )
    await chain.chain.reorganise(5)
    await chain.simulation.runFor(seconds(8))
    await chain.chain.reorganise(5)
    await issuers.untilAgreed(1)
    const outcomes = await chain.run(Promise.all([1, 2, 3].map((n) => issuers.running[n]?.agreed)))
    assert.ok(outcomes.every((one) => one?.kind === 'member' && one.keys.epochId === 1))
    const plan = await chain.run(issuers.ledger.read('issuers', 'planOf', [1n]))
    const keys = await chain.run(loadAgreedKeys((issuers.worlds[1] as World).files, '/issuer', 1))
    assert.ok(keys !== undefined)
    assert.equal(plan.masterKeyHash, masterKeyHash((issuers.worlds[1] as World).crypto, keys.masterKey))
    assert.deepEqual(
      keys.members.map(({ index }) => index),
      [1, 2, 3],
    )
    // Of a flood no more than the first of its messages are kept by anybody.
    const reader = chain.host('board-reader')
    const board = new LedgerBoard({
      clock: reader.clock,
      ledger: chain.open(reader),
      account: loud,
      epochId: 1n,
      startsAt: Number(plan.startsAt),
      confirmations: 0,
    })
    const entries = await chain.run(board.read(0))
    assert.equal(entries.filter(({ message }) => message.every((byte) => byte === 0xab)).length, 64)

    // Number 1 leaves, 5 joins: the same key, without anybody being started again.
    await issuers.start(5)
    await issuers.plan([undefined, 2, 3, undefined, 5], 2)
    await issuers.untilAgreed(2)
    await chain.simulation.runFor(seconds(10))
    const after = await chain.run(loadAgreedKeys((issuers.worlds[5] as World).files, '/issuer', 2))
    assert.deepEqual(after?.masterKey, keys.masterKey)
    assert.deepEqual(
      [1, 2, 3, 5].map((n) => issuers.running[n]?.status().epochId),
      [null, 2, 2, 2],
    )
    await chain.run(Promise.all([1, 2, 3, 5].map((n) => issuers.running[n]?.stop())))
  })

  it('give up a plan that governance gave up, and go on after a crash', async () => {
    const chain = await EcashChain.start()
    const issuers = new IssuersOnLedger(chain)
    for (const n of [1, 2, 3]) await issuers.start(n)
    issuers.running[4] = { identity: new Uint8Array(32).fill(4) } as RunningIssuer
    // Number 4 never comes, and without it there are too few.
    await issuers.plan([1, 2, 3, 4], 4)
    await chain.simulation.runFor(seconds(30))
    await issuers.plan([1, 2, 3], 2)
    await chain.simulation.runFor(seconds(20))
    chain.simulation.crash('issuer-2')
    issuers.worlds[2] = chain.simulation.restart('issuer-2')
    await issuers.start(2)
    await issuers.untilAgreed(2)
    await chain.simulation.runFor(seconds(200))
    assert.deepEqual(
      [1, 2, 3].map((n) => issuers.running[n]?.status().epochId),
      [2, 2, 2],
    )
    await chain.simulation.complete(Promise.all([1, 2, 3].map((n) => issuers.running[n]?.stop())), hours(1))
  })

  it('get their keys from the board where they were killed when the others had theirs', async () => {
    const chain = await EcashChain.start()
    const issuers = new IssuersOnLedger(chain)
    for (const n of [1, 2]) await issuers.start(n)
    // It hears everything later.
    await issuers.start(3, 2 * CONFIRMATIONS)
    await issuers.plan([1, 2, 3], 2)
    await issuers.untilAgreed(1)
    chain.simulation.crash('issuer-3')
    issuers.worlds[3] = chain.simulation.restart('issuer-3')
    const { files } = issuers.worlds[3]
    assert.equal(await chain.run(loadAgreedKeys(files, '/issuer', 1)), undefined)
    const restarted = await issuers.start(3)
    await chain.run(restarted.agreed)
    assert.equal(restarted.status().epochId, 1)
    assert.ok((await chain.run(loadAgreedKeys(files, '/issuer', 1))) !== undefined)

    // One that lost them says so, and does not read the board for ever.
    await chain.run(restarted.stop())
    await chain.run(files.remove('/issuer/keys-1.json'))
    const forgetful = await issuers.start(3)
    await assert.rejects(chain.run(forgetful.agreed), (error) => isMixnetError(error, 'KEY_FILE_UNREADABLE'))
    await chain.run(Promise.all([issuers.running[1], issuers.running[2], forgetful].map((one) => one?.stop())))
  })

  it('sell a book for a deposit that is buried, and none for one that the chain took back', async () => {
    const chain = await EcashChain.start()
    const issuers = new IssuersOnLedger(chain)
    for (const n of [1, 2, 3]) await issuers.start(n)
    await issuers.plan([1, 2, 3], 2)
    await issuers.untilAgreed(1)
    await chain.simulation.runFor(seconds(30))
    await chain.funded(5, 10n * PRICE)
    const world = chain.host('client')
    const ledger = chain.open(world)
    const account = ledger.account(keySigner(key(5)))
    const open = (
      confirmations: number,
      confirm = (agreed: AgreedEpoch) => confirmIssuers(world.crypto, ledger, agreed),
    ) =>
      chain.run(
        TicketWallet.open({
          buy: 'never',
          world,
          folder: `/client-${confirmations}`,
          identitySeed: new Secret(new Uint8Array(32).fill(9)),
          // Any of them says what a directory would.
          directories: [`http://issuer-1:${PORT}`],
          engine: new LocalEngine(scheme, world.random.stream('engine')),
          deposits: ledgerDeposits({ clock: world.clock, ledger, account, confirmations }),
          confirm,
          log: silentLog,
          tell: () => {},
        }),
      )
    const wallet = await open(CONFIRMATIONS)
    assert.equal((await chain.run(wallet.buyBook())).left, 50)
    await chain.run(wallet.close())

    // Asks for its book at once, and the chain goes on without its deposit.
    const hasty = await open(0)
    await assert.rejects(chain.run(hasty.buyBook()), (error) => isMixnetError(error, 'ISSUERS_UNAVAILABLE'))
    await chain.chain.reorganise(5, { keep: false })
    await chain.simulation.runFor(seconds(60))
    assert.deepEqual(hasty.books(), [])
    assert.equal(await chain.run(issuers.ledger.read('ecash', 'depositCount', [])), 1)
    const issued = issuers.meters.flatMap((meter) =>
      Object.entries(meter.snapshot()).filter(([name]) => name.startsWith('issuer_books_total')),
    )
    assert.deepEqual(
      issued.filter(([name]) => name.includes('issued')).map(([, value]) => value),
      issued.filter(([name]) => name.includes('issued')).map(() => 1),
    )
    assert.ok(issued.some(([name, value]) => name.includes('ledger') && Number(value) > 0))
    // Its number is nobody's now, or another's: it pays again, once, and gets the book when that is buried.
    await assert.rejects(chain.run(hasty.buyBook()), (error) => isMixnetError(error, 'ISSUERS_UNAVAILABLE'))
    await chain.simulation.runFor(seconds(60))
    assert.equal((await chain.run(hasty.buyBook())).left, 50)
    assert.equal(await chain.run(issuers.ledger.read('ecash', 'depositCount', [])), 2)
    await chain.run(hasty.close())

    // Whoever names other issuers than the ledger does is paid nothing.
    const elsewhere = await EcashChain.start()
    const theirs = elsewhere.open(elsewhere.host('client'))
    const warned = await open(1, (agreed) => elsewhere.run(confirmIssuers(world.crypto, theirs, agreed)))
    const before = await chain.run(account.tokens())
    const refused = await chain.run(warned.buyBook().catch((error: unknown) => error))
    assert.ok(isMixnetError(refused, 'ISSUERS_UNAVAILABLE') && /names other issuers/.test(refused.message))
    assert.equal(await chain.run(account.tokens()), before)
    await chain.run(warned.close())
    await chain.run(Promise.all([1, 2, 3].map((n) => issuers.running[n]?.stop())))
  })
})
