/** From a client's options to its wallet, whatever computes for it. Loaded only for who pays. @module */
import { type Log, silentLog } from '../../foundation/base/observe.ts'
import { isolated } from '../callbacks.ts'
import type { WalletOpener, WalletPlace } from '../lateTickets.ts'
import type { MixnetOptions } from '../openClient.ts'
import type { TicketOptions } from '../ticketOptions.ts'
import { memoryFiles } from './memoryFiles.ts'
import { type ClientEngine, TicketWallet, type TicketWalletOptions } from './ticketWallet.ts'

export interface ClosableEngine extends ClientEngine {
  close?(): Promise<void>
}

export interface WalletChoice extends Pick<MixnetOptions, 'directories' | 'onEvent'> {
  readonly tickets: TicketOptions & Partial<Pick<TicketWalletOptions, 'deposits' | 'confirm'>>
  /** As of `TicketWalletOptions`. */
  readonly unasked?: boolean | undefined
  readonly log?: Log | undefined
}

/** The engine is the wallet's from here on, and closed with it, or where it cannot be opened. Throws as `TicketWallet.open`. */
export async function openWallet(
  { world, folder, identitySeed }: WalletPlace,
  { directories, onEvent, tickets, unasked, log = silentLog }: WalletChoice,
  engine: ClosableEngine,
): Promise<TicketWallet> {
  const told = isolated(onEvent)
  const closed = async () => engine.close?.()
  try {
    return await TicketWallet.open({
      ...tickets,
      world: folder === undefined ? { ...world, files: memoryFiles() } : world,
      folder: folder ?? '',
      identitySeed,
      unasked,
      directories,
      engine,
      log: log.child('tickets'),
      tell: (event) => told?.(event),
      closed,
    })
  } catch (error) {
    await closed()
    throw error
  }
}

/** For `lateTickets`. */
export const walletOpener = (engine: ClosableEngine, choice: WalletChoice): WalletOpener<TicketWallet> => ({
  open: (place) => openWallet(place, { ...choice, unasked: true }, engine),
  discard: async () => engine.close?.(),
})
