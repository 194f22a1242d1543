/**
 * What a monitor's sessions pay gateways with: books bought with deposits on the ledger, from an account of their own. One store of tickets
 * for all sessions: two tickets of a book show no more of belonging together than two of strangers, whichever gateways they go to. What a
 * gateway does learn is in docs/spec/monitor.md, "Tickets". @module
 */
import { openFolder } from '../../client/clientFolder.ts'
import { type ClosableEngine, openWallet } from '../../client/credentials/openWallet.ts'
import type { TicketWallet, TicketWalletOptions } from '../../client/credentials/ticketWallet.ts'
import { loadOrCreateClientKeys } from '../../client/keys.ts'
import type { MixnetEvent } from '../../client/mixnetEvents.ts'
import type { Log } from '../../foundation/base/observe.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'

export interface MonitorTicketsOptions extends Pick<TicketWalletOptions, 'deposits' | 'confirm'> {
  /** Of tickets, and of the key that seals them; locked until they are closed. */
  readonly folder: string
  readonly directories: readonly string[]
  /** Closed with them. */
  readonly engine: () => ClosableEngine
  readonly onEvent?: ((event: MixnetEvent) => void) | undefined
  readonly log: Log
}

export interface MonitorTickets {
  readonly wallet: TicketWallet
  close(): Promise<void>
}

/** Nothing is bought before a gateway wants to be paid. Throws LOCKED, FILE_UNUSABLE, KEY_FILE_UNREADABLE. */
export async function openMonitorTickets(
  world: ClientWorld,
  { folder, directories, engine, deposits, confirm, onEvent, log }: MonitorTicketsOptions,
): Promise<MonitorTickets> {
  const { files, release } = await openFolder(world, { folder })
  const random = world.random.stream('monitor-tickets')
  try {
    const { identitySeed } = await loadOrCreateClientKeys(world.crypto, random, files, folder)
    const wallet = await openWallet(
      { world: { ...world, files }, folder, identitySeed },
      // `faucet`: whenever they run low, which is where `deposits` come in.
      { directories, tickets: { buy: 'faucet', deposits, confirm }, onEvent, log },
      engine(),
    )
    return {
      wallet,
      async close() {
        await wallet.close()
        await release()
      },
    }
  } catch (error) {
    await release()
    throw error
  }
}
