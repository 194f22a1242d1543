/** From options to a wallet, with the curve that Node has; loaded only for who asks for tickets, or has to pay. @module */

import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import { LocalEngine } from '../../protocol/credentials/localEngine.ts'
import { createScheme } from '../../protocol/credentials/scheme.ts'
import { openFolder } from '../clientFolder.ts'
import { loadOrCreateClientKeys } from '../keys.ts'
import type { WalletOpener } from '../lateTickets.ts'
import type { MixnetOptions } from '../openClient.ts'
import { checkedTickets, refuseTickets } from '../ticketOptions.ts'
import { type ClosableEngine, openWallet, type WalletChoice, walletOpener } from './openWallet.ts'
import type { TicketWallet, TicketWalletOptions } from './ticketWallet.ts'

export interface TicketFolderOptions extends WalletChoice, Pick<MixnetOptions, 'folder' | 'passphrase' | 'locked'> {
  /** Default: one on the spot. */
  readonly engine?: (() => Promise<ClosableEngine>) | undefined
  /** Where they are bought, and who says of whom, instead of the faucet and the directories. */
  readonly elsewhere?: Pick<TicketWalletOptions, 'deposits' | 'confirm'> | undefined
}

export interface TicketFolder {
  /** Opens the client's folder with its tickets, and closes them before it lets go of it. Without a folder they are in memory. */
  readonly open: typeof openFolder
  /** Once it was opened. */
  wallet(): TicketWallet | undefined
}

/** Throws BAD_ARGUMENT at once where there can be no tickets. */
export function ticketFolder(world: ClientWorld, options: TicketFolderOptions): TicketFolder {
  const { folder, directories, elsewhere } = options
  const choice = { ...options, tickets: { ...checkedTickets(options.tickets, directories), ...elsewhere } }
  let wallet: TicketWallet | undefined
  return {
    wallet: () => wallet,
    async open(outside, folderChoice) {
      const place = await openFolder(outside, folderChoice)
      const { files } = place
      return {
        files,
        async tickets(identitySeed) {
          const engine = await engineOf(world, options)
          wallet = await openWallet({ world: { ...outside, files }, folder, identitySeed }, choice, engine)
          return wallet
        },
        async release() {
          await wallet?.close()
          await place.release()
        },
      }
    },
  }
}

/** For `lateTickets`. */
export const lateOpener = async (
  world: ClientWorld,
  options: WalletChoice & Pick<TicketFolderOptions, 'engine'>,
): Promise<WalletOpener<TicketWallet>> => walletOpener(await engineOf(world, options), options)

/**
 * The tickets of a client that is not connected: for buying, listing and moving them. Its folder is locked until `close`. Throws as
 * `openFolder` and `ticketFolder`, BAD_ARGUMENT also without a folder, and KEY_FILE_UNREADABLE.
 */
export async function openTickets(
  world: ClientWorld,
  options: TicketFolderOptions,
): Promise<{ readonly wallet: TicketWallet; close(): Promise<void> }> {
  const { open, wallet } = ticketFolder(world, options)
  const {
    folder = refuseTickets('they are kept in a folder', 'Give a `folder` too: what was paid for would be lost.'),
  } = options
  const place = await open(world, options)
  try {
    const keys = await loadOrCreateClientKeys(world.crypto, world.random.stream('client-keys'), place.files, folder)
    await place.tickets?.(keys.identitySeed)
    return { wallet: wallet() as TicketWallet, close: () => place.release() }
  } catch (error) {
    await place.release()
    throw error
  }
}

const engineOf = (world: ClientWorld, { engine }: Pick<TicketFolderOptions, 'engine'>): Promise<ClosableEngine> =>
  engine?.() ?? localEngine(world.random.stream('credentials'))

const localEngine = async (random: RandomStream): Promise<ClosableEngine> =>
  new LocalEngine(createScheme(await loadMclBls()), random)
