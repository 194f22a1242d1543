/** From options to a wallet; with it comes the curve, so it is loaded only for who asks for tickets. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import { type Log, silentLog } from '../../foundation/base/observe.ts'
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import type { ClientWorld } from '../../foundation/platform/world.ts'
import { LocalEngine } from '../../protocol/credentials/localEngine.ts'
import { createScheme } from '../../protocol/credentials/scheme.ts'
import { isolated } from '../callbacks.ts'
import { openFolder } from '../clientFolder.ts'
import { loadOrCreateClientKeys } from '../keys.ts'
import type { MixnetOptions } from '../openClient.ts'
import { expectKnown, expectOptions } from '../optionKinds.ts'
import { type ClientEngine, type TicketOptions, TicketWallet } from './ticketWallet.ts'

export interface ClosableEngine extends ClientEngine {
  close?(): Promise<void>
}

export interface TicketFolderOptions
  extends Pick<MixnetOptions, 'folder' | 'passphrase' | 'locked' | 'directories' | 'onEvent'> {
  readonly tickets: TicketOptions
  readonly log?: Log | undefined
  /** Default: one on the spot. */
  readonly engine?: (() => Promise<ClosableEngine>) | undefined
}

export interface TicketFolder {
  /** Opens the client's folder with its tickets, and closes them before it lets go of it. */
  readonly open: typeof openFolder
  /** Once it was opened. */
  wallet(): TicketWallet | undefined
}

/** Throws BAD_ARGUMENT at once where there can be no tickets. */
export function ticketFolder(world: ClientWorld, options: TicketFolderOptions): TicketFolder {
  const { folder, directories, onEvent, log = silentLog } = options
  const { buy, always } = checked(options.tickets)
  const home = folder ?? refuse('they are kept in a folder', 'Give a `folder` too: what was paid for would be lost.')
  if (directories.length === 0) refuse('no directory says who issues them', 'Give a `directory`, not a topology.')
  const told = isolated(onEvent)
  let wallet: TicketWallet | undefined
  return {
    wallet: () => wallet,
    async open(outside, choice) {
      const place = await openFolder(outside, choice)
      return {
        files: place.files,
        async tickets(identitySeed) {
          const engine = await (options.engine?.() ?? localEngine(world.random.stream('credentials')))
          wallet = await TicketWallet.open({
            ...{
              world: { ...outside, files: place.files },
              folder: home,
              identitySeed,
              directories,
              engine,
              buy,
              always,
            },
            log: log.child('tickets'),
            tell: (event) => told?.(event),
            closed: async () => engine.close?.(),
          })
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

/**
 * The tickets of a client that is not connected: for buying, listing and moving them. Its folder is locked until `close`. Throws as
 * `openFolder` and `ticketFolder`, and KEY_FILE_UNREADABLE.
 */
export async function openTickets(
  world: ClientWorld,
  options: TicketFolderOptions,
): Promise<{ readonly wallet: TicketWallet; close(): Promise<void> }> {
  const { folder, open, wallet } = { folder: options.folder, ...ticketFolder(world, options) }
  const place = await open(world, options)
  try {
    const keys = await loadOrCreateClientKeys(
      world.crypto,
      world.random.stream('client-keys'),
      place.files,
      folder ?? '',
    )
    await place.tickets?.(keys.identitySeed)
    return { wallet: wallet() as TicketWallet, close: () => place.release() }
  } catch (error) {
    await place.release()
    throw error
  }
}

function checked(tickets: unknown): TicketOptions {
  const nextStep = "Give { buy: 'never' }, or { buy: 'faucet' } in a local network."
  if (typeof tickets !== 'object' || tickets === null) return refuse('not an object', nextStep)
  const kinds = { buy: 'text', always: 'flag' } as const
  expectKnown(tickets, kinds)
  expectOptions(tickets, kinds)
  const { buy, always } = tickets as Partial<TicketOptions>
  return buy === 'never' || buy === 'faucet' ? { buy, always } : refuse('buy: neither never nor faucet', nextStep)
}

function refuse(why: string, nextStep: string): never {
  throw new MixnetError('BAD_ARGUMENT', { argument: 'tickets', why }, { nextStep })
}

const localEngine = async (random: RandomStream): Promise<ClosableEngine> =>
  new LocalEngine(createScheme(await loadMclBls()), random)
