/**
 * Deposits of the contract. One counts only when so many blocks lie on top of it that the chain will not take it back: a book cannot be
 * taken back, and a deposit that was reorganised away would have bought it for nothing, or its number be another's. @module
 */

import { fromHex } from '../../foundation/base/bytes.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import { hours, type Millis, minutes } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import { blockBefore } from '../../network/ledger/blockByTime.ts'
import type { Hex } from '../../network/ledger/chain.ts'
import type { EventCursor, Ledger } from '../../network/ledger/ledger.ts'
import { DAY_SECONDS } from '../../protocol/wire/issuer/calendarDate.ts'
import type { PayingContract } from '../../protocol/wire/issuer/redemption.ts'
import type { Deposit, DepositLedger } from './deposits.ts'

export interface LedgerDepositsOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'now'>
  readonly ledger: Ledger
  /** Blocks on top of a deposit's own. */
  readonly confirmations: number
  /** Waited for before a deposit counts. Resolves when what the chain has now will stay. Default: blocks on top say so. */
  readonly durable?: (() => Promise<void>) | undefined
}

const NO_KEY = /^0x0{64}$/
/** Governance announces a change of the price days before. */
const PRICE_GOOD_FOR: Millis = minutes(1)
/** The contract keeps what a ticket is worth for 90 days from its deposit at least, and books last a week. */
const MAX_AGE_SECONDS = 30 * DAY_SECONDS
const SINCE_GOOD_FOR: Millis = hours(1)

export class LedgerDeposits implements DepositLedger {
  readonly payer: PayingContract
  readonly #options: LedgerDepositsOptions
  #priceUnym: number
  #askPriceAt: number
  #asking = false
  #since: { readonly block: number; readonly askAt: number } | undefined

  /** Asks nothing yet: until it has, the price is the one that the contracts began with. */
  constructor(options: LedgerDepositsOptions) {
    this.#options = options
    const { chainId, addresses } = options.ledger.deployment
    this.payer = { chainId, contract: fromHex(addresses.ecash.slice(2).toLowerCase()) }
    this.#priceUnym = Number(options.ledger.deployment.params.ticketBookPrice)
    this.#askPriceAt = options.clock.monotonic()
  }

  /** As last heard; whoever asks has it asked for again. The contract takes its own, whatever anybody says. */
  get priceUnym(): number {
    void this.refreshPrice()
    return this.#priceUnym
  }

  /** Never rejects; at most once a minute. */
  async refreshPrice(): Promise<void> {
    const { clock, ledger } = this.#options
    if (this.#asking || clock.monotonic() < this.#askPriceAt) return
    this.#asking = true
    this.#askPriceAt = clock.monotonic() + PRICE_GOOD_FOR
    try {
      this.#priceUnym = Number(await ledger.read('ecash', 'price', []))
    } catch {
      // What was heard last goes on.
    } finally {
      this.#asking = false
    }
  }

  /**
   * undefined also of one that is older than a month: what it could still buy would be paid for by younger deposits. Throws LEDGER_NOT_NOW of
   * one that is there and not yet buried: its payer asks again.
   */
  async deposit(depositId: number): Promise<Deposit | undefined> {
    const { ledger, confirmations, durable } = this.#options
    const key = await ledger.read('ecash', 'depositOf', [depositId])
    if (NO_KEY.test(key)) return undefined
    const { block, upTo } = await this.#made(depositId, key)
    if (block === undefined || (await this.#isOld(block))) return undefined
    if (upTo >= block + confirmations) {
      await durable?.()
      return { identityKey: fromHex(key.slice(2)) }
    }
    throw machineError(
      'LEDGER_NOT_NOW',
      { reason: 'unconfirmed', depositId, confirmations },
      { message: 'the deposit is too new', nextStep: 'Try again when more blocks lie on top of it.' },
    )
  }

  /** In which block, looking back a month or more. A number that has become another's meanwhile is found under the other's key only. */
  async #made(
    depositId: number,
    identityKey: Hex,
  ): Promise<{ readonly block: number | undefined; readonly upTo: number }> {
    const { ledger } = this.#options
    let cursor: EventCursor = { next: await this.#monthAgo(), seen: [] }
    let block: number | undefined
    for (;;) {
      const filter = { depositId, identityKey }
      const page = await ledger.events({ contract: 'ecash', event: 'DepositedFunds', filter, cursor })
      cursor = page.cursor
      if (page.rolledBack && block !== undefined && block > page.rolledBack.toBlock) block = undefined
      block = page.events.at(-1)?.block ?? block
      if (page.complete) return { block, upTo: cursor.next - 1 }
    }
  }

  async #isOld(number: number): Promise<boolean> {
    const block = await this.#options.ledger.blockAt(number)
    return block !== undefined && block.time < this.#oldest
  }

  get #oldest(): number {
    return Math.floor(this.#options.clock.now() / 1000) - MAX_AGE_SECONDS
  }

  async #monthAgo(): Promise<number> {
    const { clock, ledger } = this.#options
    if (this.#since === undefined || clock.monotonic() >= this.#since.askAt) {
      const block = await blockBefore(ledger, this.#oldest)
      this.#since = { block, askAt: clock.monotonic() + SINCE_GOOD_FOR }
    }
    return this.#since.block
  }
}
