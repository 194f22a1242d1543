/**
 * Buys a book: epoch, public lists, deposit, signatures, book; each step durable before the next is taken. Whatever fails after the deposit
 * is gone on with, never begun again: one deposit, one book.
 *
 * Each book has a user key of its own. Official clients keep one for all their books, and so show the issuers which deposits are one
 * user's; only double spenders, who are named by it, would gain something else from a fresh one, at the price of a book for each.
 * @module
 */
import { toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { Log } from '../../foundation/base/observe.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import { VALIDITY_DAYS } from '../../protocol/credentials/constants.ts'
import type { CheckingEngine, UserEngine } from '../../protocol/credentials/engine.ts'
import { signForDeposit } from '../../protocol/wire/issuer/blindSign.ts'
import { DAY_SECONDS } from '../../protocol/wire/issuer/calendarDate.ts'
import type { EpochIssuer } from '../../protocol/wire/issuer/credentialEpoch.ts'
import type { BookContents } from './bookRecord.ts'
import type { AgreedEpoch, EpochSource } from './epochSource.ts'
import { askBlindSign, askCoins, askDates, type Deposits } from './issuerCalls.ts'
import { type CollectedBook, collectBook, firstOrSlow, shuffled } from './partialSignatures.ts'
import { decodePurchase, encodePurchase, type Purchase } from './purchase.ts'
import type { TicketFiles } from './ticketFiles.ts'
import { type BookSummary, ENTRY_TICKET, type TicketStore } from './ticketStore.ts'

export interface BookBuyerOptions {
  readonly world: Pick<ClientWorld, 'clock' | 'random' | 'crypto' | 'net'>
  readonly engine: UserEngine & Pick<CheckingEngine, 'listHolds'>
  readonly files: TicketFiles
  readonly store: TicketStore
  readonly epochs: EpochSource
  readonly deposits: Deposits
  readonly log: Log
}

export interface BoughtBook extends BookSummary {
  /** Indices of issuers that answered wrongly, and were done without. */
  readonly culprits: readonly number[]
}

type PublicLists = Pick<BookContents, 'dateSignatures' | 'coinSignatures'>
/** What a book is opened and spent with. */
type Terms = AgreedEpoch & PublicLists

const KIND = 'purchase'
const ID_BYTES = 8

export class BookBuyer {
  readonly #options: BookBuyerOptions
  readonly #stopped = new AbortController()
  #underway: Promise<BoughtBook> | undefined

  constructor(options: BookBuyerOptions) {
    this.#options = options
  }

  /**
   * A book of that type, by finishing what is under way where something is; two calls at once buy one. Throws ISSUERS_UNAVAILABLE and what sockets
   * and disks throw, after which it can be gone on with, and DEPOSIT_REFUSED, after which nothing was bought.
   */
  buy(ticketType: number = ENTRY_TICKET): Promise<BoughtBook> {
    this.#underway ??= this.#buy(ticketType).finally(() => {
      this.#underway = undefined
    })
    return this.#underway
  }

  /** Finishes what was paid for and not got, if there is something. Throws as `buy`. */
  async resume(): Promise<BoughtBook | undefined> {
    const [pending] = await this.#pending()
    return pending === undefined ? undefined : await this.buy(pending.purchase.ticketType)
  }

  /** Waits for no deposit any more: a chain may take half an hour, or be gone. Whether it was made is found out by the next buyer. */
  stop(): void {
    this.#stopped.abort()
  }

  async #buy(ticketType: number): Promise<BoughtBook> {
    const [pending] = (await this.#pending()).filter(({ purchase }) => purchase.ticketType === ticketType)
    const { id, purchase } = pending ?? (await this.#begin(ticketType))
    return await this.#finish(id, await this.#deposited(id, purchase))
  }

  async #pending(): Promise<{ readonly id: string; readonly purchase: Purchase }[]> {
    const { files, store, log } = this.#options
    const pending: { readonly id: string; readonly purchase: Purchase }[] = []
    for (const id of await files.list(KIND)) {
      const purchase = await files.read(KIND, id, decodePurchase)
      if (purchase === undefined) continue
      if (purchase.expiration >= store.today) {
        pending.push({ id, purchase })
        continue
      }
      // The request names a day that is over, and the deposit is bound to it.
      log.warn('a purchase was not finished in a week and is lost')
      await files.remove(KIND, id)
    }
    return pending
  }

  async #begin(ticketType: number): Promise<{ readonly id: string; readonly purchase: Purchase }> {
    const { world, engine, files, store, epochs, deposits } = this.#options
    const random = world.random.stream('tickets')
    const agreed = await epochs.current()
    deposits.expectPossible?.(agreed.epoch)
    const expiration = store.today + (VALIDITY_DAYS - 1) * DAY_SECONDS
    // Before the deposit: a book without them could not be spent.
    const lists = await this.#lists(agreed, expiration)
    const userKey = await engine.userKey(random.bytes(32))
    const { request, info, publicKey } = await engine.requestBook(userKey, { expiration, ticketType })
    const purchase = {
      depositId: undefined,
      depositSeed: random.bytes(32),
      userKey,
      publicKey,
      expiration,
      ticketType,
      request,
      info,
      ...agreed,
      ...lists,
    }
    const id = toHex(random.bytes(ID_BYTES))
    await files.write(KIND, id, encodePurchase(purchase))
    return { id, purchase }
  }

  async #deposited(id: string, purchase: Purchase): Promise<Purchase & { readonly depositId: number }> {
    const { depositId: known } = purchase
    const { files, deposits, world } = this.#options
    if (known !== undefined && !deposits.mayRenumber) return { ...purchase, depositId: known }
    try {
      const depositId = await deposits.deposit(
        world.crypto.ed25519PublicKey(purchase.depositSeed),
        this.#stopped.signal,
      )
      const deposited = { ...purchase, depositId }
      await files.write(KIND, id, encodePurchase(deposited))
      return deposited
    } catch (error) {
      if (!isMixnetError(error, 'DEPOSIT_REFUSED')) throw error
      // It was there once. A server that does not know it says nothing of the chain: the issuers have servers of their own, and only the seed
      // that is kept here can ask them for its book.
      if (known !== undefined) return { ...purchase, depositId: known }
      await files.remove(KIND, id)
      throw error
    }
  }

  async #finish(id: string, purchase: Purchase & { readonly depositId: number }): Promise<BoughtBook> {
    const { files, store, epochs } = this.#options
    const { book, culprits, terms } = await this.#collect(purchase, purchase).catch(async (error: unknown) => {
      // The issuers may have gone on to another epoch meanwhile, with other keys.
      if (!isMixnetError(error, 'ISSUERS_UNAVAILABLE')) throw error
      const now = await epochs.current().catch(() => undefined)
      if (now === undefined || now.epoch.epochId === purchase.epoch.epochId) throw error
      return await this.#collect(purchase, { ...now, ...(await this.#lists(now, purchase.expiration)) })
    })
    const { masterKey, dateSignatures, coinSignatures, epoch } = terms
    const { expiration, ticketType } = purchase
    const contents = { book, masterKey, dateSignatures, coinSignatures }
    const bought = await store.add({ ...contents, epochId: BigInt(epoch.epochId), expiration, ticketType })
    // A crash before this finishes the purchase again, into the same book, which the store then knows.
    await files.remove(KIND, id)
    return { ...bought, culprits }
  }

  async #collect(
    purchase: Purchase & { readonly depositId: number },
    terms: Terms,
  ): Promise<CollectedBook & { readonly terms: Terms }> {
    const { world, engine, log } = this.#options
    const { userKey, info } = purchase
    const { epoch, masterKey } = terms
    const { threshold, issuers } = epoch
    const epochId = BigInt(epoch.epochId)
    const request = signForDeposit(world.crypto, purchase.depositSeed, purchase)
    const collected = await collectBook({
      clock: world.clock,
      random: world.random.stream('tickets'),
      log,
      issuers,
      threshold,
      ask: ({ url }, signal) => askBlindSign(world.net, url, request, signal),
      open: (answers) => engine.openBook({ userKey, info, epochId, threshold, masterKey, answers }),
    })
    return { ...collected, terms }
  }

  /** From a book that has them already, or the first issuer whose lists hold under our own master key. */
  async #lists({ epoch, masterKey }: AgreedEpoch, expiration: number): Promise<PublicLists> {
    const { world, store, engine } = this.#options
    const { net } = world
    const { epochId } = epoch
    const known = store.contentsOf(BigInt(epochId))
    const dates = known.find((one) => one.expiration === expiration)?.dateSignatures
    const coins = known[0]?.coinSignatures
    const dateTopic = { kind: 'dates', expiration } as const
    const coinTopic = { kind: 'coins' } as const
    const [dateSignatures, coinSignatures] = await Promise.all([
      dates ??
        this.#first(epoch.issuers, async ({ url }) => {
          const list = await askDates(net, url, epochId, expiration)
          return (await engine.listHolds(dateTopic, masterKey, list)) ? list : undefined
        }),
      coins ??
        this.#first(epoch.issuers, async ({ url }) => {
          const list = await askCoins(net, url, epochId)
          return (await engine.listHolds(coinTopic, masterKey, list)) ? list : undefined
        }),
    ])
    return { dateSignatures, coinSignatures }
  }

  /** One issuer after the other, the next one also where one takes long. */
  async #first(
    issuers: readonly EpochIssuer[],
    ask: (issuer: EpochIssuer) => Promise<Uint8Array | undefined>,
  ): Promise<Uint8Array> {
    const { world, log } = this.#options
    const order = shuffled(world.random.stream('tickets'), issuers)
    let cause: MixnetError | undefined
    const attempt = async (issuer: EpochIssuer): Promise<Uint8Array | undefined> => {
      const { index } = issuer
      try {
        const list = await ask(issuer)
        if (list !== undefined) return list
        cause = new MixnetError('ISSUER_REFUSED', { issuer: index, why: 'its list does not hold' })
      } catch (error) {
        if (!isMixnetError(error)) throw error
        cause = error
      }
      log.warn('an issuer gave no good list', { index, code: cause.code })
      return undefined
    }
    const running = new Set<Promise<Uint8Array | undefined>>()
    for (;;) {
      const issuer = order.pop()
      if (issuer !== undefined) {
        const one = attempt(issuer).finally(() => running.delete(one))
        running.add(one)
      }
      if (running.size === 0) {
        throw new MixnetError('ISSUERS_UNAVAILABLE', { why: 'none has the public lists' }, { cause })
      }
      const list = await firstOrSlow(world.clock, [...running])
      if (list !== undefined) return list
    }
  }
}
