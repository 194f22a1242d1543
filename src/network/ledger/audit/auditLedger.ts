/** Fetches what an audit reads: events, the times of their blocks, and what their transactions say that they do not. @module */

import type { Abi } from 'viem'
import { decodeFunctionData, keccak256 } from 'viem/utils'
import { MixnetError } from '../../../foundation/base/errors.ts'
import { machineError } from '../../../foundation/base/machineError.ts'
import { ABIS } from '../abis.ts'
import type { Address, Block, Hex } from '../chain.ts'
import { headerByNumber } from '../chainCalls.ts'
import { participationOf } from '../deploymentParams.ts'
import { expectReply, type JsonRpc, type RpcCall } from '../jsonRpc.ts'
import type { AnyLedgerEvent, EventCursor, Ledger } from '../ledger.ts'
import { addressOf, bytesOf, mismatch, objectOf } from '../rpcValues.ts'
import { Audit, type AuditedEpoch, compareNow } from './audit.ts'

const CONTRACTS = ['mixnet', 'performance', 'rewardedSet', 'announcements', 'timelock'] as const
const BATCH = 50

export interface AuditOptions {
  readonly ledger: Ledger
  readonly rpc: JsonRpc
  /** The last epoch that is looked at; undefined: up to now, and what the contract says it has now. */
  readonly until: number | undefined
  readonly onEpoch: (epoch: AuditedEpoch) => void
  readonly onProgress?: (block: number) => void
  readonly signal?: AbortSignal
}

/**
 * How many events were looked at, up to the end of `until` or all, and up to which block. Throws Difference at the first that is not
 * what the rules say; LEDGER_NOT_NOW where the chain was reorganised meanwhile; BAD_ARGUMENT where `until` has not ended, or was never.
 */
export async function auditLedger(options: AuditOptions): Promise<{ readonly events: number; readonly block: number }> {
  const { ledger, rpc, until, onEpoch, signal } = options
  const { deployment } = ledger
  const { firstEpochId } = deployment.params
  if (until !== undefined && until < firstEpochId) {
    const message = `there was no epoch ${until}`
    const nextStep = `The first was ${firstEpochId}; give one from there on, or leave it out for the last.`
    throw new MixnetError('BAD_ARGUMENT', { epoch: until }, { message, nextStep })
  }
  const audit = new Audit(deployment, participationOf(deployment.params), (bytes) => keccak256(bytes, 'bytes'))
  let cursor: EventCursor | undefined
  for (;;) {
    const page = await ledger.allEvents({ contracts: CONTRACTS, cursor }, { signal })
    if (page.rolledBack !== undefined)
      throw machineError(
        'LEDGER_NOT_NOW',
        { reason: 'reorganised' },
        { message: 'the chain was reorganised meanwhile', nextStep: 'Begin again.' },
      )
    const times = await timesOf(rpc, page.events, signal)
    const asked = await transactionsOf(rpc, page.events, signal)
    const commitments = commitmentsIn(asked, deployment.addresses.performance)
    for (const ended of audit.take(page.events, { times, commitments })) {
      onEpoch(ended)
      if (ended.epochId === until) return audit.taken
    }
    cursor = page.cursor
    options.onProgress?.(cursor.next - 1)
    if (page.complete) break
  }
  if (until !== undefined) {
    const nextStep = `Epoch ${audit.epochId} runs; give one before it, or leave it out for the last.`
    throw new MixnetError('BAD_ARGUMENT', { epoch: until }, { message: 'that epoch has not ended', nextStep })
  }
  const last = cursor.seen.at(-1)
  if (last !== undefined) await checkNow(ledger, audit, { ...last, time: 0 }, signal)
  return { events: audit.taken.events, block: cursor.next - 1 }
}

async function checkNow(ledger: Ledger, audit: Audit, block: Block, signal: AbortSignal | undefined): Promise<void> {
  const { results } = await ledger.readAll(
    [
      { contract: 'mixnet', fn: 'rewardingParams', args: [] },
      { contract: 'mixnet', fn: 'poolChange', args: [] },
    ],
    { block, signal },
  )
  const [{ rewardPool, stakingSupply }, [removed, added]] = results
  compareNow(audit.state, { pool: rewardPool, removed, added, stakingSupply })
}

async function timesOf(
  rpc: JsonRpc,
  events: readonly AnyLedgerEvent[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<number, number>> {
  const hashes = new Map(events.map(({ block, blockHash }) => [block, blockHash]))
  const blocks = [...hashes.keys()]
  const times = new Map<number, number>()
  for (let from = 0; from < blocks.length; from += BATCH) {
    const some = blocks.slice(from, from + BATCH)
    const replies = await rpc.askAll(some.map(headerByNumber), { signal })
    for (const [i, reply] of replies.entries()) {
      const header = expectReply(reply, 'eth_getBlockByNumber')
      if (header === undefined || header.hash !== hashes.get(some[i] as number))
        throw mismatch('block of an event', 'another one')
      times.set(header.number, header.time)
    }
  }
  return times
}

interface Transaction {
  readonly to: Address | undefined
  readonly input: Hex
}

/** Those by which reports were committed to: to what is in no event. By hash. */
async function transactionsOf(
  rpc: JsonRpc,
  events: readonly AnyLedgerEvent[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<Hex, Transaction>> {
  const silent = events.filter(({ event }) => event === 'Committed')
  const hashes = [...new Set(silent.map(({ transactionHash }) => transactionHash))]
  const found = new Map<Hex, Transaction>()
  for (let from = 0; from < hashes.length; from += BATCH) {
    const some = hashes.slice(from, from + BATCH)
    const replies = await rpc.askAll(some.map(transactionByHash), { signal })
    for (const [i, reply] of replies.entries())
      found.set(some[i] as Hex, expectReply(reply, 'eth_getTransactionByHash') as Transaction)
  }
  return found
}

/** By transaction. None of whoever commits through a contract of its own: what that passed on is not to be seen. */
function commitmentsIn(asked: ReadonlyMap<Hex, Transaction>, performance: Address): ReadonlyMap<string, Hex> {
  const commitments = new Map<string, Hex>()
  for (const [hash, { to, input }] of asked) {
    const call = to === performance.toLowerCase() ? callOf(ABIS.performance, input) : undefined
    if (call?.functionName === 'commit') commitments.set(hash, call.args[1])
  }
  return commitments
}

function callOf<const A extends Abi>(abi: A, data: Hex) {
  try {
    return decodeFunctionData({ abi, data })
  } catch {
    return undefined
  }
}

const transactionByHash = (hash: Hex): RpcCall<Transaction> => ({
  method: 'eth_getTransactionByHash',
  params: [hash],
  decode(result) {
    const { to, input } = objectOf(result, 'transaction')
    return { to: to === null ? undefined : addressOf(to, 'receiver'), input: bytesOf(input, 'input') }
  },
})
