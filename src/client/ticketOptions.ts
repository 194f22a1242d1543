/** What `connect` is told about paying. @module */
import { MixnetError } from '../foundation/base/errors.ts'
import { expectKnown, expectOptions } from './optionKinds.ts'

export interface TicketOptions {
  /** `faucet`: of the local network, whenever tickets run low. `never`: what `buyBook` and `importBook` bring is all there is. */
  readonly buy: 'never' | 'faucet'
  /** Default false: tickets are spent only at gateways that take nothing else. */
  readonly always?: boolean | undefined
}

/** Throws BAD_ARGUMENT where there can be no such tickets. */
export function checkedTickets(tickets: unknown, directories: readonly string[]): TicketOptions {
  const nextStep = "Give { buy: 'never' }, or { buy: 'faucet' } in a local network."
  if (typeof tickets !== 'object' || tickets === null) return refuseTickets('not an object', nextStep)
  const kinds = { buy: 'text', always: 'flag' } as const
  expectKnown(tickets, kinds)
  expectOptions(tickets, kinds)
  const { buy, always } = tickets as Partial<TicketOptions>
  if (buy !== 'never' && buy !== 'faucet') return refuseTickets('buy: neither never nor faucet', nextStep)
  if (directories.length === 0)
    return refuseTickets('no directory says who issues them', 'Give a `directory`, not a topology.')
  return { buy, always }
}

export function refuseTickets(why: string, nextStep: string): never {
  throw new MixnetError('BAD_ARGUMENT', { argument: 'tickets', why }, { nextStep })
}
