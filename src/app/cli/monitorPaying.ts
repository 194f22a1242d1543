/** What `starling monitor run` pays gateways with, and what it says of that. @module */
import { askEpoch } from '../../client/credentials/issuerCalls.ts'
import { ledgerDeposits } from '../../client/credentials/ledgerDeposits.ts'
import { confirmIssuers } from '../../client/credentials/ledgerTickets.ts'
import type { MixnetEvent } from '../../client/mixnetEvents.ts'
import { isMixnetError, MixnetError } from '../../foundation/base/errors.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Ledger, LedgerAccount, Signer } from '../../network/ledger/ledger.ts'
import { startCredentialEngine } from '../node/credentialEngine.ts'
import { loadOrCreateLedgerKey } from '../node/ledgerKeys.ts'
import type { MonitorConfig } from '../node/monitorService.ts'
import { type MonitorTickets, openMonitorTickets } from '../node/monitorTickets.ts'
import { amountText } from './amounts.ts'
import type { Session } from './session.ts'

export interface PayingOptions {
  readonly ledger: Ledger
  readonly config: MonitorConfig
  readonly confirmations: number
}

/** Of its own: deposits want an account that sends nothing else, and reports are signed wherever the operator's key is. Made where there is none. */
export const ticketsAccount = (world: Pick<World, 'files' | 'random'>, folder: string): Promise<Signer> =>
  loadOrCreateLedgerKey(world, ticketsKey(folder))

export const ticketsKey = (folder: string): string => `${folder}/tickets.key`

/**
 * Asks whether the network sells tickets, and says how many there are. Throws DEPOSIT_REFUSED where there are none, and nothing to buy them
 * with: better now than a monitor that measures nothing.
 */
export async function openPaying(
  session: Session,
  folder: string,
  { ledger, config, confirmations }: PayingOptions,
): Promise<MonitorTickets> {
  const { world, screen } = session
  const account = ledger.account(await ticketsAccount(world, folder))
  const funding = `Send it NYM and some of the chain's own coin (on a local network: starling ledger faucet ${ticketsKey(folder)}).`
  const tickets = await openMonitorTickets(world, {
    folder: `${config.data}/tickets`,
    directories: config.directories,
    engine: startCredentialEngine,
    deposits: ledgerDeposits({ clock: world.clock, ledger, account, confirmations, signal: session.interrupted }),
    confirm: (agreed) => confirmIssuers(world.crypto, ledger, agreed),
    onEvent: told(session),
    log: session.quietLogOf('tickets'),
  })
  try {
    const [sold, { left, priceUnym }] = await Promise.all([isSold(world, config), tickets.wallet.describe()])
    if (sold && left === 0) await expectFunds(account, BigInt(priceUnym ?? 0), funding)
    const text =
      left > 0 ? `${left} left` : sold ? 'a book is bought when a gateway asks' : 'none: bandwidth is free here'
    screen.step('tickets', `${text}   from account ${account.address}`, undefined, {
      event: 'tickets',
      left,
      sold,
      account: account.address,
    })
    return tickets
  } catch (error) {
    await tickets.close()
    throw error
  }
}

/** Some directory names issuers. One that does not answer leaves it open: the monitor itself waits for it, and says so. */
async function isSold({ net }: Pick<World, 'net'>, { directories }: MonitorConfig): Promise<boolean> {
  const answers = await Promise.all(
    directories.map((base) =>
      askEpoch(net, base).catch((error: unknown) => {
        if (isMixnetError(error)) return undefined
        throw error
      }),
    ),
  )
  return answers.some((epoch) => epoch !== undefined)
}

async function expectFunds(account: LedgerAccount, price: bigint, funding: string): Promise<void> {
  const [tokens, coins] = await Promise.all([account.tokens(), account.coins()])
  if (tokens >= price && coins > 0n) return
  const { address } = account
  const lacks = tokens < price ? `has ${amountText(tokens)}: a book is ${amountText(price)}` : 'cannot pay fees'
  const nextStep = `${funding} Or measure only gateways that are free: --no-tickets.`
  throw new MixnetError(
    'DEPOSIT_REFUSED',
    { account: address },
    { message: `gateways here want tickets, and the account that buys them ${lacks}`, nextStep },
  )
}

function told({ screen, interrupted }: Session): (event: MixnetEvent) => void {
  let before: string | undefined
  let left: number | undefined
  return (event) => {
    if (event.type === 'ticket-spent') left = event.left
    else if (event.type === 'book-bought') {
      // Told to each session that waited for it.
      if (event.left === left) return
      before = undefined
      left = event.left
      screen.step('tickets', `a book bought, ${event.left} left`, undefined, { event: 'book-bought', left: event.left })
    } else if (event.type === 'purchase-failed' && event.error.message !== before && !interrupted.aborted) {
      // It is tried again and again, and would fill the screen.
      before = event.error.message
      screen.problem('tickets', event.error)
    }
  }
}
