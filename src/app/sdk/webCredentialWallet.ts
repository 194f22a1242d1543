/**
 * What a page loads when a gateway first wants to be paid: its wallet, and through it the engine. A file of its own, whole, as
 * webCredentialEngine.ts is, so that it takes nothing out of what every page loads. @module
 */
import { type WalletChoice, walletOpener } from '../../client/credentials/openWallet.ts'
import type { TicketWallet } from '../../client/credentials/ticketWallet.ts'
import type { WalletOpener } from '../../client/lateTickets.ts'

/** For `lateTickets`. Rejects with CONNECTION_CLOSED where the engine cannot be loaded: the next attempt may succeed. */
export async function pageOpener(choice: WalletChoice): Promise<WalletOpener<TicketWallet>> {
  const { loadPageEngine } = await import('./webCredentialEngine.ts')
  return walletOpener(await loadPageEngine(), choice)
}
