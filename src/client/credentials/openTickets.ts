/** From options to a wallet; with it comes the curve, so it is loaded only for who asks for tickets. @module */
import { MixnetError } from '../../foundation/base/errors.ts'
import { loadMclBls } from '../../foundation/crypto/mclBls.ts'
import type { RandomStream } from '../../foundation/platform/random.ts'
import { LocalEngine } from '../../protocol/credentials/localEngine.ts'
import { createScheme } from '../../protocol/credentials/scheme.ts'
import type { TicketParts } from '../openClient.ts'
import { expectKnown, expectOptions } from '../optionKinds.ts'
import { type ClientEngine, type TicketOptions, TicketWallet } from './ticketWallet.ts'

export interface ClosableEngine extends ClientEngine {
  close?(): Promise<void>
}

export interface TicketChoice extends TicketParts {
  readonly tickets: TicketOptions | undefined
  /** Default: one on the spot. */
  readonly engine?: (() => Promise<ClosableEngine>) | undefined
}

/** Throws BAD_ARGUMENT, FILE_UNUSABLE. */
export async function openTickets(choice: TicketChoice): Promise<TicketWallet> {
  const { tickets, folder, directories, world, identitySeed, log, tell } = choice
  const { buy, always } = checked(tickets)
  const refuse = (why: string, nextStep: string): never => {
    throw new MixnetError('BAD_ARGUMENT', { argument: 'tickets', why }, { nextStep })
  }
  if (folder === undefined)
    return refuse('they are kept in a folder', 'Give a `folder` too: what was paid for would else be lost.')
  if (directories.length === 0)
    return refuse('a directory says who issues them', 'Give a `directory` instead of a topology.')
  const engine = await (choice.engine?.() ?? localEngine(world.random.stream('credentials')))
  const parts = { world, folder, identitySeed, directories, engine, log: log.child('tickets'), tell }
  try {
    return await TicketWallet.open({ ...parts, buy, always, closed: async () => engine.close?.() })
  } catch (error) {
    await engine.close?.()
    throw error
  }
}

function checked(tickets: unknown): TicketOptions {
  const nextStep = "Give { buy: 'never' }, or { buy: 'faucet' } in a local network."
  const wrong = new MixnetError('BAD_ARGUMENT', { argument: 'tickets' }, { nextStep })
  if (typeof tickets !== 'object' || tickets === null) throw wrong
  const kinds = { buy: 'text', always: 'flag' } as const
  expectKnown(tickets, kinds)
  expectOptions(tickets, kinds)
  const { buy, always } = tickets as Partial<TicketOptions>
  if (buy !== 'never' && buy !== 'faucet') throw wrong
  return { buy, always }
}

const localEngine = async (random: RandomStream): Promise<ClosableEngine> =>
  new LocalEngine(createScheme(await loadMclBls()), random)
