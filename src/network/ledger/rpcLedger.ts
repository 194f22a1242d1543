/** The ledger over JSON-RPC: reads and events here, writes in account.ts. @module */
import { decodeFunctionResult, encodeFunctionData } from 'viem/utils'
import { CONTRACT_NAMES, type ContractName } from './abis.ts'
import { Account, type AccountOptions } from './account.ts'
import { multicallAbi } from './artifacts/multicall.ts'
import { type AnyCall, decoded, decodeResult, encodeCall } from './calls.ts'
import type { Block, Hex } from './chain.ts'
import { ethCall, headerByNumber, NEWEST_HEADER } from './chainCalls.ts'
import type { Deployment } from './deployment.ts'
import { EventReader } from './eventReader.ts'
import { JsonRpc, type RpcOptions, type RpcWorld } from './jsonRpc.ts'
import type {
  AnyLedgerEvent,
  EventPage,
  EventQuery,
  Ledger,
  LedgerAccount,
  ReadCall,
  ReadOptions,
  ReadResults,
  Signer,
} from './ledger.ts'
import { refusalError, revertError } from './ledgerErrors.ts'
import { contractsByAddress, contractsFilter, eventFilter, eventOf } from './logs.ts'
import { mismatch, type RawLog } from './rpcValues.ts'

export interface LedgerOptions extends Omit<RpcOptions, 'chainId'>, Partial<AccountOptions> {
  readonly deployment: Deployment
}

/** In one question: below the gas that servers give to a call (50 million), for reads of a few thousand gas each. */
const CALLS_AT_ONCE = 200

/** Asks nothing yet: the chain id is checked with the first question. */
export function openLedger(world: RpcWorld, options: LedgerOptions): Ledger {
  return new RpcLedger(world, options)
}

class RpcLedger implements Ledger {
  readonly deployment: Deployment
  readonly #world: RpcWorld
  readonly #options: LedgerOptions
  readonly #rpc: JsonRpc
  readonly #events: EventReader
  readonly #decode: (log: RawLog) => AnyLedgerEvent | undefined

  constructor(world: RpcWorld, options: LedgerOptions) {
    const { deployment } = options
    this.#world = world
    this.#options = options
    this.deployment = deployment
    this.#rpc = new JsonRpc(world, { ...options, chainId: deployment.chainId })
    const contracts = contractsByAddress(deployment)
    this.#decode = (log) => eventOf(contracts, log)
    this.#events = new EventReader({ rpc: this.#rpc, firstBlock: deployment.deployedAtBlock, decode: this.#decode })
  }

  async block({
    behind = 0,
    signal,
  }: {
    readonly behind?: number
    readonly signal?: AbortSignal | undefined
  } = {}): Promise<Block> {
    const newest = await this.#rpc.ask(NEWEST_HEADER, { signal })
    if (newest === undefined) throw mismatch('newest block', 'there is none')
    const wanted = Math.max(0, newest.number - behind)
    const header = behind === 0 ? newest : await this.#rpc.ask(headerByNumber(wanted), { signal })
    if (header === undefined) throw mismatch('block', 'there is none of that number')
    const { number, hash, time } = header
    return { number, hash, time }
  }

  // The types of what is asked and answered are the interface's; in here it is data by ABI.
  read: Ledger['read'] = (async (
    contract: ContractName,
    fn: string,
    args: readonly unknown[],
    options: ReadOptions = {},
  ) => {
    const call = { contract, fn, args }
    const request = { to: this.deployment.addresses[contract], data: encodeCall(call) }
    const reply = await this.#rpc.tryAsk(ethCall(request, options.block), { signal: options.signal })
    if (!reply.ok) throw refusalError(reply.refusal, { contract, fn })
    return decodeResult(call, reply.value)
  }) as Ledger['read']

  async readAll<const Calls extends readonly ReadCall[]>(
    calls: Calls,
    { block, signal }: ReadOptions = {},
  ): Promise<{ readonly block: Block; readonly results: ReadResults<Calls> }> {
    const pinned = block ?? (await this.block({ signal }))
    const results: unknown[] = []
    for (let from = 0; from < calls.length; from += CALLS_AT_ONCE) {
      results.push(...(await this.#multicall(calls.slice(from, from + CALLS_AT_ONCE), pinned, signal)))
    }
    return { block: pinned, results: results as unknown as ReadResults<Calls> }
  }

  async #multicall(
    calls: readonly AnyCall[],
    block: Block,
    signal: AbortSignal | undefined,
  ): Promise<readonly unknown[]> {
    const targets = calls.map((call) => ({ target: this.deployment.addresses[call.contract], data: encodeCall(call) }))
    const data = encodeFunctionData({ abi: multicallAbi, functionName: 'aggregate', args: [targets] })
    const reply = await this.#rpc.tryAsk(ethCall({ to: this.deployment.multicall, data }, block), { signal })
    if (!reply.ok) throw refusalError(reply.refusal, { contract: 'multicall' })
    const answers = decoded('multicall', () =>
      decodeFunctionResult({ abi: multicallAbi, functionName: 'aggregate', data: reply.value }),
    )
    if (answers.length !== calls.length)
      throw mismatch('multicall', `${answers.length} results of ${calls.length} calls`)
    return calls.map((call, i) => {
      const { success, data: result } = answers[i] as { success: boolean; data: Hex }
      if (!success) throw revertError(result, { contract: call.contract, fn: call.fn })
      return decodeResult(call, result)
    })
  }

  async blockAt(
    wanted: number,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Block | undefined> {
    const header = await this.#rpc.ask(headerByNumber(wanted), { signal })
    if (header === undefined) return undefined
    const { number, hash, time } = header
    if (number !== wanted) throw mismatch('block', 'of another number')
    return { number, hash, time }
  }

  events: Ledger['events'] = (async (
    { contract, event, filter, cursor, limit }: EventQuery<ContractName, never>,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ) =>
    this.#events.page({
      filter: eventFilter(this.deployment, contract, event, filter),
      cursor,
      limit,
      signal,
    })) as Ledger['events']

  async allEvents(
    { contracts = CONTRACT_NAMES, cursor, limit }: Parameters<Ledger['allEvents']>[0],
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<EventPage<AnyLedgerEvent>> {
    return this.#events.page({ filter: contractsFilter(this.deployment, contracts), cursor, limit, signal })
  }

  account(signer: Signer): LedgerAccount {
    return new Account({
      world: this.#world,
      rpc: this.#rpc,
      deployment: this.deployment,
      ledger: this,
      signer,
      decode: this.#decode,
      options: this.#options,
    })
  }
}
