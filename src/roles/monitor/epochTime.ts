/**
 * What is believed of an epoch's time. A ledger's server that lies could say that the reveals have begun, and read a secret and a report that
 * the ledger then refuses: so its blocks must not be ahead of our clock, a directory must know the same end of the epoch before anything is
 * measured, and a reveal waits for our clock as well. What a server can still do is keep us from reporting; give it a second one. @module
 */
import { machineError } from '../../foundation/base/machineError.ts'
import { type Millis, seconds } from '../../foundation/base/units.ts'
import type { Topology } from '../../network/topology/topology.ts'
import type { LedgerEpoch } from './monitorLedger.ts'

/** What Ethereum's own programs bear between a block and their clock; a machine that keeps time is within one. */
const BORNE = seconds(15)

/** Blocks that are behind are nothing new: a chain may stand still. Throws LEDGER_MISMATCH. */
export function expectOurTime({ now }: Pick<LedgerEpoch, 'now'>, clock: Millis): void {
  const ahead = now - clock
  if (ahead <= BORNE) return
  throw machineError(
    'LEDGER_MISMATCH',
    { what: 'time', aheadSeconds: Math.round(ahead / 1000) },
    {
      message: `the chain's newest block is ${Math.round(ahead / 1000)} s ahead of this machine's clock`,
      nextStep: 'Set the clock. If it is right, do not trust that server: give another URL of the chain.',
    },
  )
}

/** Of the same epoch. A directory that says nothing of its end is none that knows better. Throws LEDGER_MISMATCH. */
export function expectSameEnd(
  { epochId, endsAt }: Pick<LedgerEpoch, 'epochId' | 'endsAt'>,
  { epochLength, validUntil }: Pick<Topology, 'epochLength' | 'validUntil'>,
): void {
  if (epochLength === undefined || Math.abs(validUntil - endsAt) <= 1000) return
  throw machineError(
    'LEDGER_MISMATCH',
    { what: 'end of the epoch', epoch: epochId },
    {
      message: `the chain's server and the directory name different ends of epoch ${epochId}`,
      nextStep: 'One of them is wrong, or lies. Ask others: another URL of the chain, another directory.',
    },
  )
}
