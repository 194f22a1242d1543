/**
 * Deposits on the ledger, paid from an account of the client's. Of one identity key at most one is ever paid, wherever the process dies:
 *
 * - before a deposit is sent, the contract's events are asked whether there is one of that key;
 * - before that, everything is waited for that an earlier life of this program may have sent. What no server knows any more is lost, and
 *   could come back only with the nonce that the deposit is now sent with, and with no other: one of the two is impossible;
 * - the number is given only when so many blocks lie on top that it will not be another's: numbers count deposits, and a chain that is
 *   reorganised counts anew. Where none must, as on one machine, it is looked up again after a crash: that chain may have lost its last seconds too.
 *
 * The second holds where nobody else sends from the account: give a client one of its own. What a chain makes public of a deposit is in
 * docs/guides/who-learns-what.md. @module
 */

import { toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import { type Millis, minutes, seconds } from '../../foundation/base/units.ts'
import { awaited, type Clock, sleep } from '../../foundation/platform/clock.ts'
import { blockBefore } from '../../network/ledger/blockByTime.ts'
import type { Hex } from '../../network/ledger/chain.ts'
import type { EventCursor, Ledger, LedgerAccount, LedgerEvent } from '../../network/ledger/ledger.ts'
import { VALIDITY_DAYS } from '../../protocol/credentials/constants.ts'
import { DAY_SECONDS } from '../../protocol/wire/issuer/calendarDate.ts'
import type { Deposits } from './issuerCalls.ts'

export interface LedgerDepositsOptions {
  readonly clock: Clock
  readonly ledger: Ledger
  /** Pays, and should do nothing else. */
  readonly account: LedgerAccount
  /** Blocks on top of a deposit before it is used: as many as the issuers want to see. */
  readonly confirmations: number
  /** Ends all that are waited for. */
  readonly signal?: AbortSignal | undefined
}

type Deposited = LedgerEvent<'ecash', 'DepositedFunds'>

/** A purchase is finished within the validity of its book, or lost; a day more for clocks that are wrong. */
const LOOK_BACK_SECONDS = (VALIDITY_DAYS + 1) * DAY_SECONDS
const LOOK_EVERY: Millis = seconds(2)
/** For blocks to lie on top of a deposit: the slowest chains make one in a quarter of a minute. */
const BURIED_WITHIN: Millis = minutes(30)
const UNYM_PER_NYM = 1_000_000

export function ledgerDeposits(options: LedgerDepositsOptions): Deposits {
  return {
    // What is buried stays: to ask again would let a server that forgets it have us pay twice.
    mayRenumber: options.confirmations === 0,
    async priceUnym() {
      return Number(await options.ledger.read('ecash', 'price', []))
    },
    async deposit(identityKey, stopped) {
      const { clock, account, confirmations } = options
      const signal = AbortSignal.any([options.signal, stopped].filter((one) => one !== undefined))
      const key: `0x${string}` = `0x${toHex(identityKey)}`
      const until = clock.monotonic() + BURIED_WITHIN
      for (;;) {
        const { nonce, block } = await account.settled({ signal })
        const { found, upTo } = await depositOf(options, key, signal)
        if (found !== undefined && upTo >= found.block + confirmations) return found.args.depositId
        // Another server, which has not come as far, might not know of it.
        if (clock.monotonic() > until) throw notBuried()
        if (found === undefined && upTo >= block) await pay(options, key, nonce, signal)
        else await awaited(clock, sleep(clock, LOOK_EVERY, signal))
      }
    },
  }
}

/**
 * The next step towards a deposit; what it led to is looked at again. Throws DEPOSIT_REFUSED only where nothing was paid or will be; what
 * else it throws leaves that open, for the next try to find out.
 */
async function pay(
  { ledger, account, confirmations }: LedgerDepositsOptions,
  key: Hex,
  nonce: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const price = await ledger.read('ecash', 'price', [], { signal })
  const [tokens, coins] = await Promise.all([account.tokens({ signal }), account.coins({ signal })])
  if (tokens < price) throw tooFewTokens(account, tokens, price)
  if (coins === 0n) throw noCoins(account)
  try {
    // It takes the nonce that the deposit was to have.
    if ((await account.allow('ecash', price, { signal })) !== undefined) return
    await account.preview('ecash', 'deposit', [key], { signal })
  } catch (error) {
    if (!isMixnetError(error, 'LEDGER_FUNDS')) throw error
    if (error.details.reason === 'fees') throw noCoins(account, error)
    throw refused('the ledger does not take the deposit', 'Buy again: nothing was paid.', account, error)
  }
  try {
    await account.write('ecash', 'deposit', [key], { nonce, confirmations, signal })
  } catch (error) {
    // Its nonce is another's, or it reverted: with the allowance, the chain had taken back the ground it stood on.
    if (!isMixnetError(error, 'LEDGER_NOT_NOW') && !isMixnetError(error, 'LEDGER_FUNDS')) throw error
  }
}

async function depositOf(
  { clock, ledger }: LedgerDepositsOptions,
  identityKey: Hex,
  signal: AbortSignal | undefined,
): Promise<{ readonly found: Deposited | undefined; readonly upTo: number }> {
  const since = Math.floor(clock.now() / 1000) - LOOK_BACK_SECONDS
  let cursor: EventCursor = { next: await blockBefore(ledger, since, { signal }), seen: [] }
  let found: Deposited | undefined
  for (;;) {
    const query = { contract: 'ecash', event: 'DepositedFunds', filter: { identityKey }, cursor } as const
    const page = await ledger.events(query, { signal })
    cursor = page.cursor
    if (found !== undefined && page.rolledBack && found.block > page.rolledBack.toBlock) found = undefined
    // Of several, which another program would have paid, the first is as good as any.
    found ??= page.events[0]
    if (page.complete) return { found, upTo: cursor.next - 1 }
  }
}

function tooFewTokens(account: LedgerAccount, tokens: bigint, price: bigint): MixnetError {
  const has = `the account has ${nym(tokens)}, and a book costs ${nym(price)}`
  return refused(has, `Send ${nym(price - tokens)} or more to ${account.address}.`, account)
}

const noCoins = (account: LedgerAccount, cause?: unknown): MixnetError =>
  refused(
    "the account cannot pay the chain's fees",
    `Send some of the chain's own coin to ${account.address}.`,
    account,
    cause,
  )

function notBuried(): MixnetError {
  const nextStep = 'Try again later: it is looked for first, and nothing is paid twice.'
  return machineError('LEDGER_UNDECIDED', {}, { message: 'the deposit is not buried yet', nextStep })
}

const refused = (message: string, nextStep: string, { address }: LedgerAccount, cause?: unknown): MixnetError =>
  new MixnetError(
    'DEPOSIT_REFUSED',
    { account: address },
    { message, nextStep, ...(cause === undefined ? {} : { cause }) },
  )

const nym = (unym: bigint): string => `${Number(unym) / UNYM_PER_NYM} NYM`
