/** A transaction as a person takes part in it: what it will do, what it costs, yes or no, and what became of it. @module */

import type { Command } from 'commander'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import type { ContractName } from '../../network/ledger/abis.ts'
import type {
  AnyLedgerEvent,
  Ledger,
  LedgerAccount,
  LedgerReceipt,
  WriteArgs,
  WriteName,
} from '../../network/ledger/ledger.ts'
import { amountText, coinText } from './amounts.ts'
import { type LedgerOptions, openAccount, openChosenLedger, type SignerOptions } from './ledgerAccess.ts'
import type { JsonEvent } from './screen.ts'
import type { Session } from './session.ts'
import { ask, canAsk } from './terminal.ts'

export interface WriteChoice {
  /** Of scripts: nobody is asked. */
  readonly yes: boolean
}

export const writeOptions = (command: Command): Command =>
  command.option('-y, --yes', 'do it without asking: for scripts', false)

/** Who writes, where, and whether anybody is asked. */
export interface Hand {
  readonly session: Session
  readonly ledger: Ledger
  readonly account: LedgerAccount
  readonly choice: WriteChoice
}

export interface HandOptions extends LedgerOptions, SignerOptions, WriteChoice {}

export async function openHand(session: Session, options: HandOptions): Promise<Hand> {
  const { ledger } = await openChosenLedger(session, options)
  return { session, ledger, account: await openAccount(session, ledger, options), choice: options }
}

/** A number of unym that a contract is to pull. */
export interface Allowance {
  readonly spender: ContractName
  readonly amount: bigint
  /** What the write takes, for its fee: it cannot be tried before the allowance is there. */
  readonly typicalGas: bigint
}

export interface PlannedWrite<C extends ContractName, F extends WriteName<C>> {
  readonly contract: C
  readonly fn: F
  readonly args: WriteArgs<C, F>
  /** What happens and when: a label and a text each. */
  readonly effects: readonly (readonly [string, string])[]
  readonly allowance?: Allowance
  /** Said when it is done, from the events of the transaction. */
  readonly done: (events: readonly AnyLedgerEvent[]) => {
    readonly text: string
    readonly event?: Omit<JsonEvent, 'event'>
  }
  /** How to find out later whether it happened. */
  readonly look: string
}

/** The exit code. Throws what the ledger refuses, before anything is sent where that can be known. */
export async function carryOut<C extends ContractName, F extends WriteName<C>>(
  hand: Hand,
  plan: PlannedWrite<C, F>,
): Promise<number> {
  const { session, account, choice } = hand
  const { screen, interrupted } = session
  const { contract, fn, args, allowance } = plan
  const { fee, coins } = await estimate(hand, plan)
  for (const [label, text] of plan.effects) screen.step(label, text)
  screen.step('account', `${account.address}, which has ${coinText(coins)} for fees`)
  screen.step('fee', `about ${coinText(fee)}`, undefined, {
    event: 'preview',
    contract,
    function: fn,
    account: account.address,
    effects: Object.fromEntries(plan.effects),
    feeWei: String(fee),
  })
  if (!(await isWanted(session, choice))) {
    screen.step('left', 'nothing was sent', undefined, { event: 'left' })
    return session.interruptedCode
  }
  let receipt: LedgerReceipt
  try {
    if (allowance !== undefined) {
      await account.allow(allowance.spender, allowance.amount, { signal: interrupted })
    }
    receipt = await account.write(contract, fn, args, { signal: interrupted })
  } catch (error) {
    if (!isMixnetError(error, 'ABORTED')) throw error
    const text = `nobody waits for it any more, and it may still happen. Look: ${plan.look}`
    screen.step('stopped', text, undefined, { event: 'stopped', mayStillHappen: true, look: plan.look })
    return session.interruptedCode
  }
  const { text, event } = plan.done(receipt.events)
  screen.step('done', `${text}   block ${receipt.block}, fee ${coinText(receipt.fee)}`, undefined, {
    event: 'done',
    ...event,
    transaction: receipt.transactionHash,
    block: receipt.block,
    feeWei: String(receipt.fee),
  })
  return 0
}

/** Throws LEDGER_FUNDS where the account has too few NYM or coins. */
async function estimate<C extends ContractName, F extends WriteName<C>>(
  { session, ledger, account }: Hand,
  { contract, fn, args, allowance }: PlannedWrite<C, F>,
): Promise<{ readonly fee: bigint; readonly coins: bigint }> {
  const signal = session.interrupted
  const coins = await account.coins()
  const fee = await account.preview(contract, fn, args, { signal }).then(
    (preview) => preview.fee,
    async (error: unknown) => {
      // Everything else is refused before tokens are pulled: this one is missing only because nobody allowed it yet.
      const isMissing = isMixnetError(error) && error.details.reason === 'ERC20InsufficientAllowance'
      if (!isMissing || allowance === undefined) throw error
      const { spender, amount, typicalGas } = allowance
      const tokens = await account.tokens()
      if (tokens < amount) throw tooFew(amount, tokens)
      const allowing = await account.preview('token', 'approve', [ledger.deployment.addresses[spender], amount], {
        signal,
      })
      return allowing.fee + (allowing.fee * typicalGas) / allowing.gas
    },
  )
  if (coins < fee) {
    throw machineError(
      'LEDGER_FUNDS',
      { has: coinText(coins), fee: coinText(fee) },
      { message: "the account cannot pay the chain's fees", nextStep: "Send it some of the chain's own coin." },
    )
  }
  return { fee, coins }
}

function tooFew(amount: bigint, has: bigint): MixnetError {
  return machineError(
    'LEDGER_FUNDS',
    { needs: amountText(amount), has: amountText(has) },
    { message: 'the account has too few NYM', nextStep: 'Send it what is missing, or choose a smaller amount.' },
  )
}

/** Nobody to ask and not told to: a script that forgot, which must not pay. Ctrl-C and a terminal that is gone mean no. */
export async function isWanted({ json, interrupted }: Session, { yes }: WriteChoice): Promise<boolean> {
  if (yes) return true
  if (json || !canAsk()) {
    const nextStep = 'Nothing was sent. Look at what it would do, and add --yes.'
    throw new MixnetError('BAD_ARGUMENT', { missing: '--yes' }, { message: 'there is nobody to ask', nextStep })
  }
  try {
    return /^y(es)?$/i.test((await ask('\n  Do it? [y/N] ', interrupted)).trim())
  } catch (error) {
    if (!isMixnetError(error, 'ABORTED')) throw error
    return false
  }
}
