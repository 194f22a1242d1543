/**
 * Tickets bought on a ledger that the client asks itself. It pays there, and is told there who the issuers are: a directory that invents
 * some is found out before anything is paid. Only for Node; loaded for who asks for it. @module
 */
import { equalBytes, fromHex } from '../../foundation/base/bytes.ts'
import { MixnetError } from '../../foundation/base/errors.ts'
import type { CryptoProvider } from '../../foundation/crypto/provider.ts'
import type { World } from '../../foundation/platform/world.ts'
import type { Ledger } from '../../network/ledger/ledger.ts'
import { masterKeyHash } from '../../network/ledger/masterKeyHash.ts'
import { type NamedLedger, openNamedLedger } from '../../network/ledger/namedLedger.ts'
import { expectKnown, expectOptions } from '../optionKinds.ts'
import { refuseTickets, type TicketOptions } from '../ticketOptions.ts'
import type { AgreedEpoch } from './epochSource.ts'
import type { Deposits } from './issuerCalls.ts'
import { ledgerDeposits } from './ledgerDeposits.ts'

export interface LedgerTicketOptions {
  readonly buy: 'ledger'
  readonly ledger: Omit<NamedLedger, 'rpc'> & {
    readonly rpc: string | readonly string[]
    /** Blocks on top of a deposit: what the issuers want to see. Default: 12. */
    readonly confirmations?: number | undefined
  }
  /** As of `TicketOptions`. */
  readonly always?: boolean | undefined
}

export interface LedgerTickets {
  readonly tickets: TicketOptions
  readonly elsewhere: {
    readonly deposits: Deposits
    readonly confirm: (agreed: AgreedEpoch) => Promise<void>
  }
}

/** What public chains take back at worst, with margin. */
export const DEFAULT_CONFIRMATIONS = 12
const MAX_CONFIRMATIONS = 64
const KINDS = { always: 'flag' } as const
const EXAMPLE =
  "{ buy: 'ledger', ledger: { rpc: 'https://…', deployment: 'ledger.json', key: 'key.json', password: '…' } }"

/** Throws BAD_ARGUMENT, and what `openNamedLedger` throws. Asks the chain nothing yet. */
export async function ledgerTickets(world: World, options: LedgerTicketOptions): Promise<LedgerTickets> {
  const { ledger: named, always } = options
  const nextStep = `Give ${EXAMPLE}.`
  if (typeof named !== 'object' || named === null) return refuseTickets('ledger: not an object', nextStep)
  const { buy: _, ledger: __, ...others } = options
  expectKnown(others, KINDS)
  expectOptions(others, KINDS)
  const { rpc: given, deployment, key, password, confirmations = DEFAULT_CONFIRMATIONS } = named
  const rpc = typeof given === 'string' ? [given] : given
  if (!Array.isArray(rpc) || rpc.length === 0 || typeof deployment !== 'string' || typeof key !== 'string') {
    return refuseTickets('ledger: rpc, deployment or key is missing', nextStep)
  }
  if (!Number.isSafeInteger(confirmations) || confirmations < 0 || confirmations > MAX_CONFIRMATIONS) {
    return refuseTickets('ledger.confirmations: not a number from 0 to 64', nextStep)
  }
  const { ledger, account } = await openNamedLedger(world, { rpc, deployment, key, password })
  return {
    // Whenever they run low, as everywhere.
    tickets: { buy: 'faucet', always },
    elsewhere: {
      deposits: ledgerDeposits({ clock: world.clock, ledger, account, confirmations }),
      confirm: (agreed) => confirmIssuers(world.crypto, ledger, agreed),
    },
  }
}

/**
 * That the contract knows those issuers by their indices and identities, with that threshold, and their key by its hash; of the newest
 * epoch agreed or the one before it, which goes on until everybody has heard. Throws ISSUERS_UNAVAILABLE.
 */
export async function confirmIssuers(
  crypto: Pick<CryptoProvider, 'sha256'>,
  ledger: Ledger,
  { epoch, masterKey }: AgreedEpoch,
): Promise<void> {
  const [newest] = await ledger.read('issuers', 'epochs', [])
  const epochId = BigInt(epoch.epochId)
  if (epochId === 0n || (epochId !== newest && epochId !== (await ledger.read('issuers', 'agreedBefore', [newest])))) {
    throw notOnLedger(`epoch ${epoch.epochId} is not in force`)
  }
  const plan = await ledger.read('issuers', 'planOf', [epochId])
  const areMembers = epoch.issuers.every(({ index, identity }) => {
    const member = plan.members[index - 1]
    return member !== undefined && equalBytes(fromHex(member.identityKey.slice(2)), identity)
  })
  if (!areMembers || plan.threshold !== epoch.threshold) throw notOnLedger('the issuers are others')
  if (plan.masterKeyHash !== masterKeyHash(crypto, masterKey)) throw notOnLedger('their key is another')
}

function notOnLedger(why: string): MixnetError {
  const nextStep = 'Nothing was paid. Use another directory: this one does not say what the ledger says.'
  return new MixnetError('ISSUERS_UNAVAILABLE', { why }, { message: 'the ledger names other issuers', nextStep })
}
