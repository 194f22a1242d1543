/** Who has an account on the ledger of a network on one machine: all of them have what they need from the treasury, which governs too. @module */
import type { World } from '../../foundation/platform/world.ts'
import type { AnyCall } from '../../network/ledger/calls.ts'
import type { Address } from '../../network/ledger/chain.ts'
import type { Ledger, LedgerAccount, Signer } from '../../network/ledger/ledger.ts'
import { proposalOf } from '../../network/ledger/proposals.ts'
import { loadOrCreateLedgerKey } from '../node/ledgerKeys.ts'
import { hexOfBytes } from '../node/ledgerSources.ts'

export interface TestnetAccountsOptions {
  /** The deployed ledger as a host reaches it: in a simulation each has a way of its own. */
  readonly open: (world: World) => Ledger
  /** Has all tokens, and is who may propose to the timelock. */
  readonly treasury: Signer
  /** Gives an account what it pays fees with. */
  readonly fund: (address: Address, wei: bigint) => Promise<void>
  readonly world: World
  /** Of the network. */
  readonly folder: string
}

/** Wei: a year of an embedded chain's fees. */
const COINS = 10n ** 21n

export class TestnetAccounts {
  /** As the network's own host reaches it. */
  readonly ledger: Ledger
  readonly treasury: LedgerAccount
  readonly #options: TestnetAccountsOptions

  constructor(options: TestnetAccountsOptions) {
    this.#options = options
    this.ledger = options.open(options.world)
    this.treasury = this.ledger.account(options.treasury)
  }

  /** With coins for fees. Its key is in a file of its own, made where there is none. */
  named(name: string): Promise<LedgerAccount> {
    return this.at(accountKey(this.#options.folder, name), this.#options.world)
  }

  /** The same of somebody whose key is elsewhere, and who reaches the ledger from there. */
  async at(path: string, where: World): Promise<LedgerAccount> {
    const account = this.#options.open(where).account(await loadOrCreateLedgerKey(where, path))
    if ((await account.coins()) < COINS / 2n) await this.#options.fund(account.address, COINS)
    return account
  }

  /** unym, where it has fewer than `least`. */
  async stock(account: LedgerAccount, unym: bigint, least: bigint = unym): Promise<void> {
    if ((await account.tokens()) < least) await this.treasury.write('token', 'transfer', [account.address, unym])
  }

  /** Proposes and executes: takes the timelock's delay to be 0. */
  async govern(call: AnyCall): Promise<void> {
    const salt = hexOfBytes(this.#options.world.random.stream('proposal').bytes(32))
    const proposal = proposalOf(this.ledger, call, salt)
    await this.treasury.write('timelock', 'schedule', [...proposal, 0n])
    await this.treasury.write('timelock', 'execute', proposal)
  }
}

/** Path. */
export const accountKey = (folder: string, name: string): string => `${folder}/accounts/${name}.key`
