/**
 * Official clients that pay: nym-sdk 1.21.6 in its credentials mode, at gateways that give nothing for asking, with books that the
 * official crates buy at issuers of ours. How far that goes: docs/compatibility.md, "Credentials". @module
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { fromHex, toHex, utf8 } from '../../src/foundation/base/bytes.ts'
import { DAY_SECONDS } from '../../src/protocol/credentials/constants.ts'
import { decodeTicketbook } from '../../src/protocol/credentials/ticketbook.ts'
import { encodeTicket, julianDay } from '../../src/protocol/wire/gateway/ticket.ts'
import { until } from '../browser/network.ts'
import { bytes, EPOCH, Issuers, today } from './issuers.ts'
import { PayingNetwork, type SeenPayment } from './payingNetwork.ts'
import { type BoughtBook, buildSdkClient, type ConnectChoice, SdkClient } from './sdkClient.ts'

const program = await buildSdkClient()
/** A contract it is told nothing of. */
const CHAIN_ASKED = /dkg contract/
const NEWER = { prover: '2.0.0' } as const
/** Of a payment with the proof that ties the index to the signed range, and of one without. */
const [BOUND_BYTES, UNBOUND_BYTES] = [1190, 1157]

describe('official clients that pay', { skip: program.skip, timeout: 900_000 }, () => {
  let issuers: Issuers
  let network: PayingNetwork
  let buyer: SdkClient

  before(async () => {
    issuers = await Issuers.start(await mkdtemp(join(tmpdir(), 'starling-')))
    network = await PayingNetwork.start(issuers, 26500)
    await until(() => issuers.prepared && network.prepared, 'the issuers are ready')
    buyer = launched()
  })

  after(async () => {
    await buyer?.stop()
    await network?.stop()
    await issuers?.stop()
  })

  const launched = (t?: TestContext): SdkClient => {
    assert.ok(program.skip === false)
    const client = new SdkClient(program.path, network.directoryUrl)
    t?.after(() => client.stop())
    return client
  }

  const newFolder = async (t: TestContext): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'starling-'))
    t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
    return folder
  }

  const book = (): Promise<BoughtBook> => buyer.buy(issuers.purchase())

  /** In credentials mode, at that gateway, with a book of its own or with `bundle`. */
  const payer = async (t: TestContext, gateway: string, choice: ConnectChoice = {}): Promise<ConnectChoice> => ({
    folder: await newFolder(t),
    credentials: true,
    gateway,
    bundle: choice.bundle ?? (await book()).bundle,
    ...choice,
  })

  it('the crates buy a book at our issuers, in JSON of theirs and ours', async () => {
    const { book: stored, bundle } = await book()
    const { wallet, spent } = decodeTicketbook(issuers.scheme, fromHex(stored))
    assert.deepEqual([wallet.expiration, wallet.ticketType, spent], [issuers.expiration, 0, 0])
    assert.equal(await buyer.repack(bundle), bundle)
  })

  it('a book of theirs is good in our hands: our tickets of it pass our verifier, and theirs', async () => {
    const { book: stored } = await book()
    const { masterKey, engine } = issuers
    const { dateSignatures, coinSignatures } = await issuers.lists()
    const [payInfo, day] = [bytes(72), today()]
    const order = { masterKey, book: fromHex(stored), ticket: 3, payInfo, day, dateSignatures, coinSignatures }
    const claim = { payment: await engine.spend(order), payInfo, day }
    assert.equal((await engine.verifyPayments(masterKey, [claim], 'strict'))[0]?.kind, 'good')
    const ticketOn = (unixDay: number): Uint8Array =>
      encodeTicket({ ...claim, spendDateJulianDay: julianDay(unixDay), epochId: BigInt(EPOCH) })
    assert.deepEqual(await buyer.verify(ticketOn(day / DAY_SECONDS), masterKey), [true, true])
    assert.deepEqual(await buyer.verify(ticketOn(day / DAY_SECONDS + 1), masterKey), [false, false])
  })

  it('without credentials mode it is told that this gateway wants them', async (t) => {
    await assert.rejects(launched(t).connect({ folder: await newFolder(t) }), /only accepting coconut credentials/)
  })

  it('has no ticket without the public data of the epoch: it asks the chain for its issuers', async (t) => {
    const bare = await buyer.repack((await book()).bundle, true)
    await assert.rejects(launched(t).connect(await payer(t, network.strict[0], { bundle: bare })), CHAIN_ASKED)
  })

  it('with the prover of 2.0.0 a strict gateway serves the SDK', async (t) => {
    const choice = await payer(t, network.strict[0], NEWER)
    const client = launched(t)
    const address = await client.connect(choice)
    assert.equal(network.good().at(-1)?.claim.payment.length, BOUND_BYTES)
    await client.send(address, utf8('paid'))
    assert.deepEqual((await client.messages(1))[0]?.data, Buffer.from('paid'))
    assert.deepEqual(await client.tickets(choice.folder as string), [{ type: 'v1-mixnet-entry', used: 1, total: 50 }])
  })

  it('with its own prover a strict gateway refuses it, and a compatible one serves it', async (t) => {
    const choice = await payer(t, network.strict[0])
    await assert.rejects(launched(t).connect(choice), /failed to get verified/)
    const client = launched(t)
    // The book is in its store, and the refused ticket was put back.
    const { bundle: _, ...again } = choice
    const address = await client.connect({ ...again, gateway: network.compatible })
    const { claim, verdict } = network.seen.at(-1) as SeenPayment
    assert.deepEqual([claim.payment.length, verdict.kind], [UNBOUND_BYTES, 'good'])
    await client.send(address, utf8('paid'))
    await client.messages(1)
    assert.deepEqual((await client.tickets(choice.folder as string))[0]?.used, 1)
  })

  it('comes back with what it paid for, and pays again before that runs out', async (t) => {
    const choice = await payer(t, network.strict[1], NEWER)
    const before = network.good().length
    const first = launched(t)
    await first.connect(choice)
    await first.stop()
    const { bundle: _, ...again } = choice
    const second = launched(t)
    await second.connect(again)
    assert.equal(network.good().length, before + 1)
    await second.stop()
    const third = launched(t)
    const address = await third.connect(await payer(t, network.cheap, NEWER))
    await until(() => network.good().length >= before + 3, 'its second ticket')
    await third.send(address, utf8('still here'))
    await third.messages(1)
  })

  it('a ticket spent twice: refused at the same gateway, and at another its owner is found out', async (t) => {
    const { book: stored, bundle } = await book()
    const owner = decodeTicketbook(issuers.scheme, fromHex(stored)).user.public
    const connect = async (at: 0 | 1) => launched(t).connect(await payer(t, network.strict[at], { ...NEWER, bundle }))
    await connect(0)
    const once = network.good(network.strict[0]).at(-1)
    await assert.rejects(connect(0), /replay|already/i)
    await connect(1)
    const twice = network.good(network.strict[1]).at(-1)
    assert.ok(once !== undefined && twice !== undefined)
    const compared = await issuers.engine.identify(once.claim, twice.claim)
    assert.ok(compared.kind === 'double-spend')
    assert.equal(toHex(compared.publicKey), toHex(issuers.scheme.bls.g1.encode(owner)))
  })
})
