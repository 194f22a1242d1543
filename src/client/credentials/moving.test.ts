/** Tickets between devices: each is on one of them, whatever is imported how often; and strangers' bundles break nothing. @module */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { toBase58, toBase64 } from '../../foundation/base/base58.ts'
import { fromHex, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import { hours } from '../../foundation/base/units.ts'
import type { World } from '../../foundation/platform/world.ts'
import { ALL_TICKETS, type BookRecord, decodeBookRecord, encodeBookRecord, setOf, ticketsOf } from './bookRecord.ts'
import { decodePlain } from './exportedBook.ts'
import { decodeAccounts, encodeAccounts } from './gatewayAccounts.ts'
import { IssuingNetwork, type Owner, openWallet, settled } from './issuers.test.ts'
import { decodeOfficialBundle, encodeOfficialBundle, readBookFields, withSpent } from './officialBundle.ts'
import { decodePurchase, encodePurchase } from './purchase.ts'

const PASSPHRASE = 'correct horse'

async function devices(count: number) {
  const network = await IssuingNetwork.start()
  const worlds = Array.from({ length: count }, (_, i) => network.sim.host(`device-${i}`, { ips: [`10.3.0.${i + 1}`] }))
  const owners: Owner[] = []
  for (const [i, world] of worlds.entries()) owners.push(await openWallet(network, world, { seed: i + 1 }))
  const book = await network.sim.complete((owners[0] as Owner).wallet.buyBook())
  const wait = <T>(work: Promise<T>): Promise<T> => settled(network.sim, work)
  return { network, worlds, owners: owners as [Owner, ...Owner[]], book, wait }
}

const refused = (code: Parameters<typeof isMixnetError>[1]) => (error: unknown) => isMixnetError(error, code)
const leftOf = ({ wallet }: Owner): number => wallet.books()[0]?.left ?? 0

describe('moving tickets', () => {
  it('takes them from here and brings them there, all or some, once', async () => {
    const { owners, book, wait } = await devices(2)
    const [one, two] = owners as [Owner, Owner]
    const some = await wait(one.wallet.exportOfficial(book.id, { tickets: 20 }))
    assert.equal(leftOf(one), 30)
    await wait(two.wallet.importOfficial(some))
    assert.equal(leftOf(two), 20)
    await assert.rejects(wait(two.wallet.importOfficial(some)), refused('BAD_ARGUMENT'))
    const rest = await wait(one.wallet.exportBook(book.id, PASSPHRASE))
    assert.equal(leftOf(one), 0)
    await wait(two.wallet.importBook(`\n${rest.slice(0, 80)}\n${rest.slice(80)}\n`, PASSPHRASE))
    assert.equal(leftOf(two), 50)
    await assert.rejects(wait(one.wallet.exportBook(book.id, PASSPHRASE)), refused('NO_TICKETS'))
    // And back, which is lawful once.
    const back = await wait(two.wallet.exportOfficial(book.id, { tickets: 5 }))
    await wait(one.wallet.importOfficial(back))
    assert.equal(leftOf(one), 5)
    await assert.rejects(wait(one.wallet.importOfficial(back)), refused('BAD_ARGUMENT'))
  })

  it('brings nothing back that was spent here, nor what was moved on', async () => {
    const { network, worlds, owners, book, wait } = await devices(2)
    const [one, two] = owners as [Owner, Owner]
    const bytes = await wait(one.wallet.exportOfficial(book.id, { tickets: 3 }))
    await wait(two.wallet.importOfficial(bytes))
    await wait(two.wallet.exportOfficial(book.id))
    await assert.rejects(wait(two.wallet.importOfficial(bytes)), refused('BAD_ARGUMENT'))
    await wait(two.wallet.close())
    const again = await openWallet(network, worlds[1] as World, { seed: 2 })
    await assert.rejects(wait(again.wallet.importOfficial(bytes)), refused('BAD_ARGUMENT'))
    assert.equal(leftOf(again), 0)
  })

  it('says what is wrong: the passphrase, the day, half of the text, another network', async () => {
    const { network, owners, book, wait } = await devices(2)
    const [one, two] = owners as [Owner, Owner]
    await assert.rejects(wait(one.wallet.exportBook(book.id, '')), refused('BAD_ARGUMENT'))
    assert.equal(leftOf(one), 50)
    const text = await wait(one.wallet.exportBook(book.id, PASSPHRASE, { tickets: 3 }))
    await assert.rejects(wait(two.wallet.importBook(text, 'another')), refused('BAD_ARGUMENT'))
    await assert.rejects(wait(two.wallet.importBook(text.slice(0, 8000), PASSPHRASE)), refused('BAD_ARGUMENT'))
    await assert.rejects(wait(two.wallet.importBook('', PASSPHRASE)), refused('MALFORMED'))
    const other = await IssuingNetwork.start()
    const stranger = await openWallet(other, other.sim.host('device', { ips: ['10.3.0.1'] }))
    await assert.rejects(settled(other.sim, stranger.wallet.importBook(text, PASSPHRASE)), refused('BAD_ARGUMENT'))
    await network.sim.runFor(hours(24 * 8))
    await assert.rejects(wait(two.wallet.importBook(text, PASSPHRASE)), (error) => isMixnetError(error))
    assert.equal(leftOf(two), 0)
  })

  it('speaks with official clients in their form, of the last tickets of a book', async () => {
    const { owners, book, wait } = await devices(2)
    const [one, two] = owners as [Owner, Owner]
    const text = await wait(one.wallet.exportOfficial(book.id, { tickets: 10 }))
    assert.equal(leftOf(one), 40)
    await wait(two.wallet.importOfficial(text))
    assert.equal(leftOf(two), 10)
    await assert.rejects(wait(two.wallet.importOfficial(text)), refused('BAD_ARGUMENT'))
    // Those from 30 to 39 are not the last.
    await assert.rejects(wait(one.wallet.exportOfficial(book.id, { tickets: 10 })), refused('BAD_ARGUMENT'))
    assert.equal(leftOf(one), 40)
  })

  it('loses no ticket to an export that is killed anywhere, and brings none to two devices', async () => {
    const FILE = '/bundle.txt'
    let unfinished = 0
    // Tickets struck off, the file written, the export forgotten; and one that comes to its end.
    for (let write = 1; write <= 4; write++) {
      for (const after of [false, true]) {
        const where = `write ${write}, ${after ? 'after' : 'before'}`
        const { network, worlds, owners, book, wait } = await devices(2)
        const [first, two] = owners as [Owner, Owner]
        await wait(first.wallet.close())
        const world = worlds[0] as World
        const dying = await openWallet(network, world, { seed: 1, dies: { write, after } })
        const save = (owner: Owner, file: string) => (bundle: Uint8Array) => owner.files.write(file, bundle)
        const died = await wait(
          dying.wallet.exportBook(book.id, PASSPHRASE, { tickets: 20, keep: save(dying, FILE) }).then(
            () => false,
            (error: Error) => /crash/.test(error.message) || assert.fail(error),
          ),
        )
        assert.equal(died, write < 4, where)
        // The next process.
        const next = await openWallet(network, world, { seed: 1 })
        const there = await wait(world.files.read(FILE))
        const [left] = next.wallet.unfinishedExports()
        if (left !== undefined) {
          unfinished++
          assert.deepEqual(left, { id: book.id, tickets: 20 }, where)
          const more = wait(next.wallet.exportBook(book.id, PASSPHRASE, { tickets: 1 }))
          await assert.rejects(more, refused('BAD_ARGUMENT'))
          await wait(next.wallet.finishExport(book.id, save(next, FILE)))
          // Byte for byte what may be somewhere already.
          if (there !== undefined) assert.deepEqual(await wait(world.files.read(FILE)), there, where)
        } else if (leftOf(next) === 50) {
          // Not begun: nobody can have it, and it is done again.
          assert.equal(there, undefined, where)
          await wait(next.wallet.exportBook(book.id, PASSPHRASE, { tickets: 20, keep: save(next, FILE) }))
        }
        assert.deepEqual(next.wallet.unfinishedExports(), [], where)
        await assert.rejects(wait(next.wallet.finishExport(book.id, save(next, FILE))), refused('NO_TICKETS'))
        const text = Buffer.from((await wait(world.files.read(FILE))) as Uint8Array).toString()
        await wait(two.wallet.importBook(text, PASSPHRASE))
        assert.deepEqual([leftOf(next), leftOf(two)], [30, 20], where)
        if (there === undefined) continue
        const again = wait(two.wallet.importBook(Buffer.from(there).toString(), PASSPHRASE))
        await assert.rejects(again, refused('BAD_ARGUMENT'))
      }
    }
    assert.equal(unfinished, 4)
  })

  it('finishes no export whose tickets came back', async () => {
    const { network, worlds, owners, book, wait } = await devices(1)
    await wait(owners[0].wallet.close())
    const world = worlds[0] as World
    // The file is written, and nobody has said so.
    const dying = await openWallet(network, world, { seed: 1, dies: { write: 2, after: true } })
    let kept: Uint8Array = new Uint8Array(0)
    const keep = async (bundle: Uint8Array) => {
      kept = bundle
      await dying.files.write('/bundle', bundle)
    }
    await assert.rejects(wait(dying.wallet.exportOfficial(book.id, { keep })), /crash/)
    const next = await openWallet(network, world, { seed: 1 })
    assert.deepEqual(next.wallet.unfinishedExports(), [{ id: book.id, tickets: 50 }])
    await wait(next.wallet.importOfficial(kept))
    assert.equal(leftOf(next), 50)
    assert.deepEqual(next.wallet.unfinishedExports(), [])
  })

  it('loses no ticket to an export that was refused, and keeps files of other clients out', async () => {
    const { network, worlds, owners, wait } = await devices(2)
    const [one] = owners
    await wait(one.wallet.close())
    // Another client's identity opens nothing of it, and two files cannot change places.
    const thief = await openWallet(network, worlds[0] as World, { seed: 9 })
    assert.equal(leftOf(thief), 0)
    await wait(thief.wallet.close())
    const { files } = worlds[0] as World
    const [name = ''] = (await wait(files.list('/client/tickets'))).filter((one) => one.startsWith('book-'))
    const sealed = (await wait(files.read(`/client/tickets/${name}`))) as Uint8Array
    await wait(files.write('/client/tickets/book-0123456789abcdef', sealed))
    const back = await openWallet(network, worlds[0] as World, { seed: 1 })
    assert.deepEqual(
      back.wallet.books().map(({ id, left }) => [`book-${id}`, left]),
      [[name, 50]],
    )
  })
})

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const vectors = JSON.parse(readFileSync(new URL('../../../vectors/zk-nym.json', import.meta.url), 'utf8'))
const officialBook = fromHex(vectors.upstream.issued_ticketbook.bytes)
const ticketSet = fc.bigInt({ min: 0n, max: ALL_TICKETS })

describe('what wallets write', () => {
  // Bytes that differ from place to place, without fast-check having thousands of them to shrink.
  const noise = (length: number, seed: number) =>
    Uint8Array.from({ length }, (_, i) => (i * 31 + seed * (1 + (i >> 5))) & 0xff)
  const contents = fc.nat().map((seed) => {
    const masterKey = noise(680, seed)
    // q, in between of α and the rest, is always four.
    masterKey.set([4, 0, 0, 0, 0, 0, 0, 0], 96)
    const lists = { dateSignatures: noise(7 * 96, seed + 1), coinSignatures: noise(50 * 96, seed + 2) }
    return { book: officialBook, masterKey, ...lists }
  })

  it('reads the fields of an official book, and counts anew in it', () => {
    const fields = readBookFields(officialBook)
    assert.deepEqual(fields, { expiration: 1_724_630_400, ticketType: 0, spent: 0, epochId: 2n })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 50 }), (spent) => {
        const counted = withSpent(officialBook, spent)
        assert.deepEqual(readBookFields(counted), { ...fields, spent })
        assert.deepEqual(withSpent(counted, 0), officialBook)
      }),
    )
  })

  it('comes back as it went', () => {
    fc.assert(
      fc.property(
        contents,
        ticketSet,
        ticketSet,
        fc.array(bytes(16), { maxLength: 5 }),
        (content, left, other, taken) => {
          const gone = ALL_TICKETS & ~left & ~other
          const record: BookRecord = {
            ...{ epochId: 2n, expiration: 1_724_630_400, ticketType: 0, left, spent: other & ~left, taken },
            contents: left === 0n ? undefined : content,
            leaving: gone === 0n ? undefined : { tickets: gone, bundle: officialBook },
          }
          assert.deepEqual(decodeBookRecord(encodeBookRecord(record)), record)
          assert.equal(setOf(ticketsOf(left)), left)
          const spent = ticketsOf(left)[0] ?? 0
          const book = { ...content, epochId: 2n, expiration: 1_724_630_400, ticketType: 0, spent }
          const official = decodeOfficialBundle(encodeOfficialBundle(book))
          assert.deepEqual({ ...official, book: withSpent(official.book, 0) }, book)
        },
      ),
      { numRuns: 40 },
    )
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(bytes(32), fc.nat(), fc.nat()).map(([gateway, ahead, since]) => ({ gateway, ahead, since })),
          { maxLength: 32 },
        ),
        (rows) => assert.deepEqual(decodeAccounts(encodeAccounts(rows)), rows),
      ),
    )
  })

  it('refuses altered bytes by name or reads them as something, and never crashes', async () => {
    const book = {
      ...{ book: officialBook, masterKey: new Uint8Array(680).fill(1), dateSignatures: new Uint8Array(672) },
      ...{ coinSignatures: new Uint8Array(4800), epochId: 2n, expiration: 1_724_630_400, ticketType: 0 },
    }
    const record = encodeBookRecord({
      ...book,
      left: 5n,
      spent: 2n,
      taken: [new Uint8Array(16)],
      contents: book,
      leaving: { tickets: 8n, bundle: new Uint8Array(40) },
    })
    const bundle = encodeOfficialBundle({ ...book, spent: 3 })
    const plain = new Uint8Array([...new Uint8Array(23), 7, ...bundle])
    const epoch = {
      ...{ epochId: 1, threshold: 1, priceUnym: 1 },
      issuers: [{ index: 1, key: new Uint8Array(680), identity: new Uint8Array(32), url: 'http://a' }],
    }
    const purchase = {
      ...book,
      ...{ depositId: 3, depositSeed: new Uint8Array(32), userKey: new Uint8Array(80), publicKey: new Uint8Array(48) },
      ...{ request: new Uint8Array(397), info: new Uint8Array(249), epoch },
    }
    const { book: _, epochId: __, ...stored } = purchase
    assert.deepEqual(decodePurchase(encodePurchase(stored)), stored)
    const waiting = { ...stored, depositId: undefined }
    assert.deepEqual(decodePurchase(encodePurchase(waiting)), waiting)
    const decoders: (readonly [Uint8Array, (bytes: Uint8Array) => unknown])[] = [
      [record, decodeBookRecord],
      [bundle, decodeOfficialBundle],
      [plain, decodePlain],
      [officialBook, readBookFields],
      [encodePurchase(stored), decodePurchase],
      [encodeAccounts([{ gateway: new Uint8Array(32), ahead: 1, since: 2 }]), decodeAccounts],
    ]
    for (const [good, decode] of decoders) {
      decode(good)
      fc.assert(
        fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(good.length), (at, mask, end) => {
          const altered = good.slice()
          altered[at] = (altered[at] as number) ^ mask
          for (const one of [altered, good.subarray(0, end), new Uint8Array(randomBytes(end % 600))]) {
            try {
              decode(one)
            } catch (error) {
              assert.ok(isMixnetError(error, 'MALFORMED'), String(error))
            }
          }
        }),
        { numRuns: 200 },
      )
    }
  })

  it('takes no bundle of a stranger that is long, or nonsense', async () => {
    const network = await IssuingNetwork.start()
    const { wallet } = await openWallet(network, network.sim.host('client', { ips: ['10.9.0.1'] }))
    const nonsense = [
      '',
      'z'.repeat(1e6),
      toBase58(randomBytes(200)),
      toBase64(randomBytes(9000)),
      '{}',
      '\u0000',
      'STARLING1',
    ]
    for (const text of nonsense) {
      await assert.rejects(settled(network.sim, wallet.importOfficial(utf8(text))), refused('MALFORMED'))
      await assert.rejects(settled(network.sim, wallet.importBook(text, 'x')), refused('MALFORMED'))
    }
  })
})
