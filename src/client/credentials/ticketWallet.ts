/**
 * The tickets of one client: hands them to its sessions, buys the next book ahead of need, moves tickets to other devices.
 *
 * When a book is bought tells something: issuers see the purchase and the address it comes from, gateways see spending. A purchase at the
 * moment of a spend would let the two of them put one and the same second side by side. So the next book is bought while some tickets are left, at
 * a moment drawn at random from the next hour. Only somebody without any ticket, whose session waits, is bought one at once.
 * @module
 */
import { concat, equalBytes, fromUtf8, utf8 } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { Log } from '../../foundation/base/observe.ts'
import type { Secret } from '../../foundation/base/secret.ts'
import { type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'
import type { Timer } from '../../foundation/platform/clock.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import type { CheckingEngine, UserEngine } from '../../protocol/credentials/engine.ts'
import { encodePayInfo } from '../../protocol/credentials/payInfo.ts'
import type { ControlRequest } from '../../protocol/wire/gateway/control.ts'
import { NONCE_BYTES } from '../../protocol/wire/gateway/protocol.ts'
import { julianDay, sealTicket } from '../../protocol/wire/gateway/ticket.ts'
import { DAY_SECONDS, midnightOf } from '../../protocol/wire/issuer/calendarDate.ts'
import type { MixnetEvent } from '../mixnetEvents.ts'
import type { TicketOptions } from '../ticketOptions.ts'
import type { PayingSession, Payment, TicketSource } from '../ticketSource.ts'
import { BookBuyer, type BoughtBook } from './bookBuyer.ts'
import { ticketsOf } from './bookRecord.ts'
import { describeTickets, type TicketsDescription } from './describeTickets.ts'
import { EpochSource, type EpochSourceOptions } from './epochSource.ts'
import { type ImportedBundle, officialForm, openBundle, openOfficialForm, sealBundle } from './exportedBook.ts'
import { GatewayAccounts } from './gatewayAccounts.ts'
import { type Deposits, faucetDeposits, faucetOf } from './issuerCalls.ts'
import { TicketFiles } from './ticketFiles.ts'
import { TicketPayment } from './ticketPayment.ts'
import {
  type BookSummary,
  ENTRY_TICKET,
  type KeepBundle,
  type MovedTickets,
  type TakenTicket,
  TicketStore,
  type UnfinishedExport,
} from './ticketStore.ts'

/** What of an engine a client uses. */
export type ClientEngine = UserEngine & Pick<CheckingEngine, 'aggregateKeys' | 'listHolds' | 'verifyPayments'>

export interface TicketWalletOptions extends TicketOptions {
  readonly world: Pick<ClientWorld, 'clock' | 'random' | 'crypto' | 'net' | 'files'>
  /** The client's; its lock is held. */
  readonly folder: string
  readonly identitySeed: Secret
  readonly directories: readonly string[]
  readonly engine: ClientEngine
  /**
   * Nobody said that there are tickets here; a gateway did. A directory that knows no issuers is then an answer, and another gateway may
   * give something for nothing. Default: it is a fault that passes.
   */
  readonly unasked?: boolean | undefined
  /** Instead of the faucet of the epoch. */
  readonly deposits?: Deposits | undefined
  /** As of `EpochSourceOptions`. */
  readonly confirm?: EpochSourceOptions['confirm']
  readonly log: Log
  readonly tell: (event: MixnetEvent) => void
  /** Called once, last. */
  readonly closed?: (() => Promise<void>) | undefined
}

export interface ExportOptions {
  /** So many of its last tickets. Default: all that are left. */
  readonly tickets?: number | undefined
  /**
   * Stores the bundle where it lasts: the text in UTF-8, or the official bytes. Whoever dies before it has resolved loses nothing: the bundle
   * is in `unfinishedExports` at the next start. No ticket is spent and no book bought while it runs.
   */
  readonly keep?: KeepBundle | undefined
}

/** Tickets left at which the next book is bought: two gigabytes, some hours of traffic. */
const LOW = 10
/** With so few left the next one may be the last. */
const URGENT = 2
const REFILL_WITHIN: Millis = minutes(60)
const URGENT_WITHIN: Millis = minutes(2)
const LOOK_EVERY: Millis = minutes(60)
/** After a purchase that failed. A session that has nothing is not answered from the net any sooner. */
const RETRY_AFTER: Millis = seconds(30)
const RETRY_WITHIN: Millis = minutes(10)

export class TicketWallet implements TicketSource {
  readonly #options: TicketWalletOptions
  readonly #files: TicketFiles
  readonly #store: TicketStore
  readonly #accounts: GatewayAccounts
  readonly #epochs: EpochSource
  readonly #deposits: Deposits
  readonly #buyer: BookBuyer
  #refill: Timer | undefined
  #look: Timer | undefined
  #failure: { readonly error: unknown; readonly at: Millis } | undefined
  #spentHere = false
  #toldLowAt: number | undefined
  #closed = false

  private constructor(
    options: TicketWalletOptions,
    parts: { readonly files: TicketFiles; readonly store: TicketStore; readonly accounts: GatewayAccounts },
  ) {
    const { world, engine, log } = options
    const { files, store } = parts
    this.#options = options
    this.#files = files
    this.#store = store
    this.#accounts = parts.accounts
    this.#epochs = new EpochSource({ ...options, ...world, files })
    this.#deposits =
      options.deposits ?? faucetDeposits(world.net, async () => faucetOf((await this.#epochs.current()).epoch))
    this.#buyer = new BookBuyer({ world, engine, files, store, epochs: this.#epochs, deposits: this.#deposits, log })
  }

  /** Throws FILE_UNUSABLE. A purchase that was cut off is gone on with. */
  static async open(options: TicketWalletOptions): Promise<TicketWallet> {
    const { world, folder, identitySeed, log } = options
    const { crypto, clock } = world
    const random = world.random.stream('tickets')
    const files = new TicketFiles({ files: world.files, crypto, random, folder, identitySeed, log })
    const store = await TicketStore.open({ files, crypto, clock })
    const wallet = new TicketWallet(options, { files, store, accounts: await GatewayAccounts.open(clock, files) })
    wallet.#lookLater()
    // Paid for already: nobody has to want it.
    void wallet.#background(() => wallet.#resume())
    return wallet
  }

  payment(session: PayingSession): Payment {
    const { always = false, world } = this.#options
    return new TicketPayment({
      ...session,
      always,
      clock: world.clock,
      ticket: (key, isWanted) => this.#ticket(session.gateway, key, isWanted),
    })
  }

  async #ticket(gateway: Uint8Array, sharedKey: Secret, isWanted: () => boolean): Promise<ControlRequest> {
    const { world, engine } = this.#options
    const { clock, crypto } = world
    this.#accounts.expectHonest(gateway)
    const taken = (await this.#store.take(ENTRY_TICKET)) ?? (await this.#boughtNow(isWanted))
    if (taken === undefined) throw new MixnetError('NO_TICKETS')
    await this.#accounts.paid(gateway)
    this.#spentHere = true
    const random = world.random.stream('tickets')
    const { day, unixSeconds } = spendTime(taken, Math.floor(clock.now() / 1000))
    const payInfo = encodePayInfo({ random: random.bytes(32), unixSeconds: BigInt(unixSeconds), provider: gateway })
    const payment = await engine.spend({ ...taken, payInfo, day })
    this.#options.tell({ type: 'ticket-spent', left: this.#left })
    this.#keepStocked()
    const spendDateJulianDay = julianDay(day / DAY_SECONDS)
    const ticket = { payment, payInfo, spendDateJulianDay, epochId: taken.epochId }
    return sealTicket(crypto, sharedKey.expose(), ticket, random.bytes(NONCE_BYTES))
  }

  sent(gateway: Uint8Array, bytes: number): void {
    this.#accounts.sent(gateway, bytes)
  }

  /** Books with tickets for today, those that expire first in front. */
  books(): readonly BookSummary[] {
    return this.#store.books()
  }

  /**
   * One more book, now. Two calls at once buy one. Throws DEPOSIT_REFUSED, NO_TICKETS where there is no faucet, and ISSUERS_UNAVAILABLE; after
   * that call again, or later.
   */
  async buyBook(): Promise<BoughtBook> {
    return this.#got(await this.#buyer.buy())
  }

  /** In words, with the price of the next book where the network says it. */
  async describe(): Promise<TicketsDescription> {
    const price = await this.#deposits.priceUnym().catch((error: unknown) => {
      if (isMixnetError(error)) return undefined
      throw error
    })
    return describeTickets(this.books(), price)
  }

  /**
   * Moves tickets out of here, as text under a passphrase. They are gone from here when this resolves: import the text on one other device,
   * once. Whoever loses it has lost them: give `keep`. Throws NO_TICKETS, BAD_ARGUMENT for an empty passphrase, and what `keep` throws.
   */
  async exportBook(id: string, passphrase: string, { tickets, keep }: ExportOptions = {}): Promise<string> {
    if (passphrase === '') throw new MixnetError('BAD_ARGUMENT', { argument: 'passphrase', why: 'empty' })
    expectCount(tickets)
    const random = this.#options.world.random.stream('tickets')
    const pack = async (moved: MovedTickets) => utf8(await sealBundle(random, passphrase, moved))
    return fromUtf8(await this.#store.exportTickets(id, tickets, pack, keep), 'export')
  }

  /**
   * The same for official clients, as the bytes of their importable ticketbook: under no passphrase, so whoever reads them has the tickets.
   * Throws BAD_ARGUMENT where the last tickets of the book are not here any more.
   */
  async exportOfficial(id: string, { tickets, keep }: ExportOptions = {}): Promise<Uint8Array> {
    expectCount(tickets)
    return await this.#store.exportTickets(id, tickets, officialForm, keep)
  }

  /** Exports whose `keep` did not come to its end, here or in a process before: their tickets are gone from the books, and in a bundle that is kept. */
  unfinishedExports(): readonly UnfinishedExport[] {
    return this.#store.unfinishedExports()
  }

  /**
   * Hands such a bundle to `keep`, under the passphrase of that time: the same one, which a device imports once. Where it was stored before,
   * there are two of it then: keep one. Throws NO_TICKETS where there is none, and what `keep` throws.
   */
  async finishExport(id: string, keep: KeepBundle): Promise<void> {
    await this.#store.finishExport(id, keep)
  }

  /**
   * Takes in what `exportBook` gave on another device, once. Whoever made the book can recognise its tickets when they are spent, so take none
   * from others. Throws BAD_ARGUMENT, MALFORMED, OUTSIDE_VALIDITY.
   */
  async importBook(text: string, passphrase: string): Promise<BookSummary> {
    return await this.#import(await openBundle(text, passphrase))
  }

  /** The same of an official client's export. */
  async importOfficial(bytes: Uint8Array): Promise<BookSummary> {
    return await this.#import(openOfficialForm(this.#options.world.crypto, bytes))
  }

  async #import({ id, moved }: ImportedBundle): Promise<BookSummary> {
    await this.#expectGood(moved)
    return await this.#store.importTickets(id, moved)
  }

  /**
   * Whether gateways would take the tickets of a book: one is made and verified here, and goes nowhere. Throws NO_TICKETS where there is no
   * such book, or nothing left of it.
   */
  async verifyBook(id: string): Promise<boolean> {
    const book = this.#store.look(id)
    if (book === undefined) throw new MixnetError('NO_TICKETS', { book: id })
    try {
      await this.#expectGood(book)
      return true
    } catch (error) {
      if (isMixnetError(error, 'BAD_ARGUMENT')) return false
      throw error
    }
  }

  /** One ticket is made and verified here, and never leaves: it tells of the book, its lists and its key at once. */
  async #expectGood(moved: MovedTickets): Promise<void> {
    const { engine, world } = this.#options
    const { masterKey } = moved
    const why = 'its tickets would be refused'
    const current = await this.#epochs.current().catch(() => undefined)
    const known = current !== undefined && BigInt(current.epoch.epochId) === moved.epochId
    if (known && !equalBytes(current.masterKey, masterKey))
      throw new MixnetError('BAD_ARGUMENT', { argument: 'bundle', why })
    const payInfo = concat(world.random.stream('tickets').bytes(32), new Uint8Array(40))
    const { today: day } = this.#store
    const payment = await engine.spend({ ...moved, ticket: ticketsOf(moved.tickets)[0] as number, payInfo, day })
    const [verdict] = await engine.verifyPayments(masterKey, [{ payment, payInfo, day }], 'strict')
    if (verdict?.kind !== 'good' || verdict.ticketType !== moved.ticketType) {
      throw new MixnetError('BAD_ARGUMENT', { argument: 'bundle', why })
    }
  }

  /** Resolves when nothing is written any more. What was being bought is gone on with at the next start. */
  async close(): Promise<void> {
    this.#closed = true
    this.#buyer.stop()
    this.#refill?.cancel()
    this.#look?.cancel()
    await this.#accounts.flush()
    await this.#files.close()
    await this.#options.closed?.()
  }

  async #resume(): Promise<void> {
    const bought = await this.#buyer.resume()
    if (bought !== undefined) this.#got(bought)
  }

  #got(bought: BoughtBook): BoughtBook {
    this.#failure = undefined
    this.#options.tell({ type: 'book-bought', left: this.#left, culprits: bought.culprits })
    return bought
  }

  get #left(): number {
    return this.books().reduce((sum, { left }) => sum + left, 0)
  }

  get #leftTomorrow(): number {
    const { today } = this.#store
    return this.books().reduce((sum, { left, expiration }) => sum + (expiration > today ? left : 0), 0)
  }

  /**
   * A session waits and there is nothing. A purchase may take longer than the session, and others that came after it wait for the same
   * book: each that is over would take a ticket of it along, and have its gateway owe us one.
   */
  async #boughtNow(isWanted: () => boolean): ReturnType<TicketStore['take']> {
    if (this.#options.buy === 'never') {
      this.#tellLow()
      return undefined
    }
    const { clock } = this.#options.world
    if (this.#failure !== undefined && clock.monotonic() - this.#failure.at < RETRY_AFTER) throw this.#failure.error
    await this.#bought()
    return isWanted() ? await this.#store.take(ENTRY_TICKET) : undefined
  }

  async #bought(): Promise<void> {
    const { clock } = this.#options.world
    try {
      await this.buyBook()
    } catch (error) {
      const failure = this.#options.unasked === true && isUnsold(error) ? unsold(error) : error
      this.#failure = { error: failure, at: clock.monotonic() }
      if (isMixnetError(failure) && !this.#closed) this.#options.tell({ type: 'purchase-failed', error: failure })
      throw failure
    }
  }

  #keepStocked(): void {
    const left = this.#left
    // Nobody who spends nothing needs a book.
    if (!this.#spentHere || (left > LOW && this.#leftTomorrow > 0)) return
    if (this.#options.buy === 'never') return this.#tellLow()
    this.#refillWithin(left <= URGENT ? URGENT_WITHIN : REFILL_WITHIN)
  }

  #refillWithin(limit: Millis): void {
    if (this.#refill !== undefined || this.#closed) return
    const { clock, random } = this.#options.world
    this.#refill = clock.after(millis(random.stream('tickets').uniform() * limit), () => {
      this.#refill = undefined
      void this.#background(async () => {
        // One may have come another way.
        if (this.#left > LOW && this.#leftTomorrow > 0) return
        await this.#bought()
      })
    })
  }

  async #background(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (this.#closed) return
      this.#options.log.warn('no book was bought', { code: isMixnetError(error) ? error.code : 'INTERNAL' })
      if (this.#options.buy !== 'never' && this.#spentHere) this.#refillWithin(RETRY_WITHIN)
    }
  }

  #tellLow(): void {
    const { today } = this.#store
    if (this.#toldLowAt === today) return
    this.#toldLowAt = today
    this.#options.tell({ type: 'tickets-low', left: this.#left })
  }

  #lookLater(): void {
    if (this.#closed) return
    this.#look = this.#options.world.clock.after(LOOK_EVERY, () => {
      this.#keepStocked()
      void this.#background(() => this.#store.removeExpired())
      void this.#background(() => this.#resume())
      this.#lookLater()
    })
  }
}

/**
 * A day and a second of it: gateways refuse a pay info of another day than the ticket's, and disks are slow enough for midnight to come
 * between striking off and this. Of a book that ended with that midnight it is the last second, which they take for half a minute more.
 */
function spendTime(
  { day, expiration }: Pick<TakenTicket, 'day' | 'expiration'>,
  now: number,
): { readonly day: number; readonly unixSeconds: number } {
  const today = midnightOf(now)
  return today > expiration ? { day, unixSeconds: day + DAY_SECONDS - 1 } : { day: today, unixSeconds: now }
}

/** Some directory answered, and none named issuers. */
const isUnsold = (error: unknown): boolean =>
  isMixnetError(error, 'ISSUERS_UNAVAILABLE') && isMixnetError(error.cause, 'ISSUER_REFUSED')

function unsold(cause: unknown): MixnetError {
  const why = 'it takes only paid bandwidth, and no directory says who sells it'
  const nextStep =
    'Give the directory of a network that sells tickets, or a `folder` with tickets in it (starling credential buy).'
  return new MixnetError('GATEWAY_REFUSED', { why }, { cause, nextStep })
}

function expectCount(tickets: number | undefined): void {
  if (tickets === undefined || (Number.isSafeInteger(tickets) && tickets > 0)) return
  throw new MixnetError('BAD_ARGUMENT', { argument: 'tickets' }, { nextStep: 'Give a number of tickets, or nothing.' })
}
