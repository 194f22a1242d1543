/** Where in the chain a moment is: events of a known time need not be looked for from the first block on. @module */
import type { Ledger } from './ledger.ts'

/** So few blocks are one question of logs: looking for a beginning would cost more than it saves. */
const FEW_BLOCKS = 10_000

/**
 * A block before `unixSeconds`, or the deployment's where that is later: events of that time and after are behind it. Not the last such
 * block: it is found by halving, and within 10,000 blocks.
 */
export async function blockBefore(
  ledger: Ledger,
  unixSeconds: number,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<number> {
  let low = ledger.deployment.deployedAtBlock
  let high = (await ledger.block(options)).number
  while (high - low > FEW_BLOCKS) {
    const middle = Math.floor((low + high) / 2)
    const block = await ledger.blockAt(middle, options)
    if (block !== undefined && block.time < unixSeconds) low = middle
    else high = middle
  }
  return low
}
