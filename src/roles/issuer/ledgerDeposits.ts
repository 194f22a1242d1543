/**
 * Deposits of the contract. One counts only when so many blocks lie on top of it that the chain will not take it back: a book cannot be
 * taken back, and a deposit that was reorganised away would have bought it for nothing, or its number be another's. @module
 */
import { fromHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { type Millis, minutes } from '../../foundation/base/units.ts'
import type { Clock } from '../../foundation/platform/clock.ts'
import type { Block, Hex } from '../../network/ledger/chain.ts'
import type { Ledger } from '../../network/ledger/ledger.ts'
import type { Deposit, DepositLedger } from './deposits.ts'

export interface LedgerDepositsOptions {
  readonly clock: Pick<Clock, 'monotonic'>
  readonly ledger: Ledger
  /** Blocks on top of a deposit's own. */
  readonly confirmations: number
}

const NO_KEY = /^0x0{64}$/
/** Governance announces a change of the price days before. */
const PRICE_GOOD_FOR: Millis = minutes(1)

export class LedgerDeposits implements DepositLedger {
  readonly #options: LedgerDepositsOptions
  #priceUnym: number
  #askPriceAt: number
  #asking = false

  /** Asks nothing yet: until it has, the price is the one that the contracts began with. */
  constructor(options: LedgerDepositsOptions) {
    this.#options = options
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

  /** Throws LEDGER_NOT_NOW of one that is there and not yet buried: its payer asks again. */
  async deposit(depositId: number): Promise<Deposit | undefined> {
    const { ledger, confirmations } = this.#options
    const { deployedAtBlock } = ledger.deployment
    const newest = await ledger.readAll([{ contract: 'ecash', fn: 'depositOf', args: [depositId] }])
    const [key] = newest.results
    if (NO_KEY.test(key)) return undefined
    if (confirmations === 0) return depositOf(key)
    const number = newest.block.number - confirmations
    // Before the contracts were there nothing could be paid.
    const buried = number < deployedAtBlock ? undefined : await ledger.blockAt(number)
    const then = buried && (await this.#keyAt(depositId, buried))
    // The same number may be another's by now.
    if (then === key) return depositOf(key)
    throw new MixnetError(
      'LEDGER_NOT_NOW',
      { reason: 'unconfirmed', depositId, confirmations },
      { message: 'the deposit is too new', nextStep: 'Try again when more blocks lie on top of it.' },
    )
  }

  async #keyAt(depositId: number, block: Block): Promise<Hex | undefined> {
    try {
      return await this.#options.ledger.read('ecash', 'depositOf', [depositId], { block })
    } catch (error) {
      // The contract, which is there now, was not yet.
      if (isMixnetError(error, 'LEDGER_MISMATCH')) return undefined
      throw error
    }
  }
}

const depositOf = (key: Hex): Deposit => ({ identityKey: fromHex(key.slice(2)) })
