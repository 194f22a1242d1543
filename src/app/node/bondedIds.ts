/** Which nodes are bonded, from the ledger's words of 256 bits. @module */

import { machineError } from '../../foundation/base/machineError.ts'
import type { Block } from '../../network/ledger/chain.ts'
import type { Ledger } from '../../network/ledger/ledger.ts'

const IDS_IN_WORD = 256
/** Each was a bond with a pledge: no ledger has had so many, but a server could say so, and have us ask and hold without end. */
const MOST_IDS = 1_000_000

/** Ascending. `lastNodeId`: as the same server said it. Throws LEDGER_MISMATCH for more than there can be. */
export async function readBondedIds(
  ledger: Pick<Ledger, 'readAll'>,
  block: Block,
  lastNodeId: number,
): Promise<readonly number[]> {
  if (lastNodeId > MOST_IDS) throw machineError('LEDGER_MISMATCH', { what: 'last node id', why: 'too large' })
  const words = Array.from({ length: Math.floor(lastNodeId / IDS_IN_WORD) + 1 }, (_, word) => BigInt(word))
  const calls = words.map((word) => ({ contract: 'mixnet', fn: 'bondedWord', args: [word] }) as const)
  const { results } = await ledger.readAll(calls, { block })
  return results.flatMap((bits, word) =>
    Array.from({ length: IDS_IN_WORD }, (_, bit) => bit)
      .filter((bit) => (bits >> BigInt(bit)) & 1n)
      .map((bit) => word * IDS_IN_WORD + bit),
  )
}
