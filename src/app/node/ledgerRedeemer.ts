/** Payment for tickets by the contract: the issuers' votes go there with a transaction of the node's own account. @module */
import { fromHex, toHex } from '../../foundation/base/bytes.ts'
import { isMixnetError } from '../../foundation/base/errors.ts'
import type { Hex } from '../../network/ledger/chain.ts'
import type { Ledger, LedgerAccount } from '../../network/ledger/ledger.ts'
import type { Redeemer, RedeemOutcome, SignedVote, VotedBatch } from '../../roles/gateway/redeemer.ts'

export interface LedgerRedeemerOptions {
  readonly ledger: Ledger
  /** Anybody's with coins for fees: what is earned goes to the owner of the bond. */
  readonly account: LedgerAccount
  /** Ed25519, of the gateway. */
  readonly gateway: Uint8Array
  /** Blocks on top before it counts as paid. */
  readonly confirmations: number
}

export function ledgerRedeemer(options: LedgerRedeemerOptions): Redeemer {
  const { chainId, addresses } = options.ledger.deployment
  return {
    payer: { chainId, contract: fromHex(addresses.ecash.slice(2).toLowerCase()) },
    redeem: (batch, signal) => redeem(options, batch, signal),
  }
}

async function redeem(
  { ledger, account, gateway, confirmations }: LedgerRedeemerOptions,
  { digest, count, votes }: VotedBatch,
  signal: AbortSignal,
): Promise<RedeemOutcome> {
  const key: Hex = `0x${toHex(gateway)}`
  const { results } = await ledger.readAll(
    [
      { contract: 'mixnet', fn: 'nodeIdOfKey', args: [key] },
      { contract: 'ecash', fn: 'gatewayShare', args: [] },
      { contract: 'issuers', fn: 'epochs', args: [] },
    ],
    { signal },
  )
  const [nodeId, share, [newest]] = results
  if (nodeId === 0) return { kind: 'later', reason: 'the gateway is not bonded' }
  // Where gateways never had a share it would cost a fee and pay nothing.
  if (share === 0n && ledger.deployment.params.gatewayShare === 0n) return { kind: 'paid', unym: 0n }
  const chosen = await quorum(ledger, newest, votes)
  if (chosen === undefined) return { kind: 'later', reason: 'too few votes of one epoch' }
  try {
    const args = [key, `0x${toHex(digest)}`, count, chosen] as const
    const receipt = await account.write('ecash', 'redeem', args, { confirmations, signal })
    for (const event of receipt.events) {
      if (event.contract === 'ecash' && event.event === 'TicketsRedeemed')
        return { kind: 'paid', unym: event.args.amount }
    }
    return { kind: 'paid', unym: undefined }
  } catch (error) {
    const reason = isMixnetError(error) ? error.details.reason : undefined
    // By an earlier life of ours.
    if (reason === 'AlreadyRedeemed') return { kind: 'paid', unym: undefined }
    throw error
  }
}

/**
 * As many votes as the contract wants, and all of them with an epoch that it takes: the newest agreed, or the one before it with any that
 * have moved on since.
 */
async function quorum(ledger: Ledger, newest: bigint, votes: ReadonlyMap<number, SignedVote>) {
  const before = newest === 0n ? 0n : await ledger.read('issuers', 'agreedBefore', [newest])
  for (const epochId of [newest, before]) {
    if (epochId === 0n) continue
    const [, threshold] = await ledger.read('issuers', 'issuerOf', [epochId, 1])
    const usable = [...votes]
      .filter(([, vote]) => BigInt(vote.epochId) === epochId || BigInt(vote.epochId) === newest)
      // The contract goes by the earliest epoch that it sees.
      .sort(([, a], [, b]) => a.epochId - b.epochId)
      .slice(0, threshold)
      .sort(([a], [b]) => a - b)
    if (threshold === 0 || usable.length < threshold) continue
    return usable.map(([index, { epochId: said, signature }]) => ({
      epochId: BigInt(said),
      index,
      signatureR: `0x${toHex(signature.subarray(0, 32))}` as Hex,
      signatureS: `0x${toHex(signature.subarray(32))}` as Hex,
    }))
  }
  return undefined
}
