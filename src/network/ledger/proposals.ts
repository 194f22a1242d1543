/** What governance does: a call of one of the contracts, which the timelock makes when it has waited for all to see. @module */
import { type AnyCall, encodeCall } from './calls.ts'
import type { Address, Hex } from './chain.ts'
import type { Ledger } from './ledger.ts'

/** As `schedule` and `execute` of the timelock take it. One with the same words and the same salt is the same proposal. */
export type Proposal = readonly [target: Address, value: bigint, data: Hex, predecessor: Hex, salt: Hex]

/** `unknown`: nobody proposed it, or it was cancelled. `ready`: anybody may execute it. */
export type ProposalState = 'unknown' | 'waiting' | 'ready' | 'done'

const NO_PREDECESSOR: Hex = `0x${'00'.repeat(32)}`
/** In the contract's order. */
const STATES: readonly ProposalState[] = ['unknown', 'waiting', 'ready', 'done']

/** Throws BAD_ARGUMENT for what the ABI does not take. `salt`: 32 bytes, to propose the same a second time. */
export function proposalOf({ deployment }: Pick<Ledger, 'deployment'>, call: AnyCall, salt: Hex): Proposal {
  return [deployment.addresses[call.contract], 0n, encodeCall(call), NO_PREDECESSOR, salt]
}

/** `readyAt`: Unix seconds, of one that waits or is ready. `delay`: seconds from proposing to then, as the timelock has it now. */
export async function readProposal(
  ledger: Pick<Ledger, 'read' | 'readAll'>,
  proposal: Proposal,
): Promise<{ readonly state: ProposalState; readonly readyAt: number; readonly delay: number }> {
  const id = await ledger.read('timelock', 'hashOperation', proposal)
  const { results } = await ledger.readAll([
    { contract: 'timelock', fn: 'getOperationState', args: [id] },
    { contract: 'timelock', fn: 'getTimestamp', args: [id] },
    { contract: 'timelock', fn: 'getMinDelay', args: [] },
  ])
  const [state, readyAt, delay] = results
  return { state: STATES[state] ?? 'unknown', readyAt: Number(readyAt), delay: Number(delay) }
}
