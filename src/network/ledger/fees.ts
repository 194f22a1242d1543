/** What a transaction pays (EIP-1559). @module */

import { machineError } from '../../foundation/base/machineError.ts'
import { NEWEST_HEADER, PRIORITY_FEE } from './chainCalls.ts'
import type { JsonRpc } from './jsonRpc.ts'
import { type Header, mismatch } from './rpcValues.ts'

export interface Fees {
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

/** Nodes refuse a replacement that does not pay a tenth more on both. */
const BUMP_PERCENT = 125n

/**
 * Twice the base fee, so that the transaction outlives six blocks of the steepest rise. Throws LEDGER_NOT_NOW where even the base fee is
 * above `cap`.
 */
export async function currentFees(
  rpc: JsonRpc,
  cap: bigint,
  signal: AbortSignal | undefined,
): Promise<{ readonly fees: Fees; readonly header: Header }> {
  const [newest, priority] = await rpc.askAll([NEWEST_HEADER, PRIORITY_FEE], { signal })
  const header = newest.ok ? newest.value : undefined
  if (header === undefined) throw mismatch('newest block', 'there is none')
  if (header.baseFee > cap) {
    throw machineError(
      'LEDGER_NOT_NOW',
      { reason: 'fees', baseFee: String(header.baseFee), cap: String(cap) },
      {
        message: 'the fees of the chain are above the limit',
        nextStep: 'Wait until they are lower, or raise the limit.',
      },
    )
  }
  // Chains without a market for inclusion may not know the question.
  const tip = priority.ok ? priority.value : 0n
  return { fees: capped({ maxFeePerGas: 2n * header.baseFee + tip, maxPriorityFeePerGas: tip }, cap), header }
}

/** undefined: it cannot pay more under the cap. */
export function bumped(before: Fees, now: Fees, cap: bigint): Fees | undefined {
  const more = (fee: bigint) => (fee * BUMP_PERCENT) / 100n + 1n
  const most = (a: bigint, b: bigint) => a + b - least(a, b)
  const fees = {
    maxFeePerGas: most(more(before.maxFeePerGas), now.maxFeePerGas),
    maxPriorityFeePerGas: most(more(before.maxPriorityFeePerGas), now.maxPriorityFeePerGas),
  }
  return fees.maxFeePerGas > cap ? undefined : capped(fees, cap)
}

function capped({ maxFeePerGas, maxPriorityFeePerGas }: Fees, cap: bigint): Fees {
  const fee = least(maxFeePerGas, cap)
  return { maxFeePerGas: fee, maxPriorityFeePerGas: least(maxPriorityFeePerGas, fee) }
}

export function least(a: bigint, b: bigint): bigint {
  if (a < b) return a
  return b
}
