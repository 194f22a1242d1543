/** How a client outside Node pays: late, whatever it was told of tickets, so that nothing is loaded where bandwidth is free. @module */
import type { WalletChoice } from '../../client/credentials/openWallet.ts'
import { type LateWallet, lateTickets, type WalletOpener } from '../../client/lateTickets.ts'
import type { MixnetOptions } from '../../client/openClient.ts'
import { checkedTickets, type TicketOptions } from '../../client/ticketOptions.ts'

/** `given`: as the caller wrote it. Throws BAD_ARGUMENT for what cannot be. */
export function latePaying(
  { directories, onEvent, log }: Pick<MixnetOptions, 'directories' | 'onEvent' | 'log'>,
  given: unknown,
  load: (choice: WalletChoice) => Promise<WalletOpener<LateWallet>>,
): MixnetOptions['open'] {
  // Nobody says who issues tickets.
  if (given === undefined && directories.length === 0) return undefined
  const tickets: TicketOptions = given === undefined ? { buy: 'faucet' } : checkedTickets(given, directories)
  return lateTickets(() => load({ directories, onEvent, log, tickets }), tickets.always).open
}
