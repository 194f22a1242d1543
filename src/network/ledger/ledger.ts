/**
 * The ledger as programs see it: reads of one block, events that survive reorganisations, writes that end in a receipt or in an error
 * a person can act on. Typed from the ABIs. Numbers of blocks and seconds are `number`; amounts and other integers of the contracts
 * are what the ABI makes of them (`bigint` above 48 bits). docs/spec/ledger.md, "How programs reach it". @module
 */
import type {
  ContractEventArgs,
  ContractEventArgsFromTopics,
  ContractEventName,
  ContractFunctionArgs,
  ContractFunctionName,
  ContractFunctionReturnType,
} from 'viem'
import type { Abis, ContractName } from './abis.ts'
import type { Address, Block, Hex } from './chain.ts'
import type { Deployment } from './deployment.ts'

export type ReadName<C extends ContractName> = ContractFunctionName<Abis[C], 'pure' | 'view'>
export type ReadArgs<C extends ContractName, F extends ReadName<C>> = ContractFunctionArgs<Abis[C], 'pure' | 'view', F>
export type ReadResult<C extends ContractName, F extends ReadName<C>> = ContractFunctionReturnType<
  Abis[C],
  'pure' | 'view',
  F,
  ReadArgs<C, F>
>

/** `{ contract: 'mixnet', fn: 'bondOf', args: [7] }`, of every contract and function. */
export type ReadCall = {
  [C in ContractName]: {
    [F in ReadName<C>]: { readonly contract: C; readonly fn: F; readonly args: ReadArgs<C, F> }
  }[ReadName<C>]
}[ContractName]

export type ReadResults<Calls extends readonly ReadCall[]> = {
  [K in keyof Calls]: Calls[K] extends { contract: infer C extends ContractName; fn: infer F }
    ? F extends ReadName<C>
      ? ReadResult<C, F>
      : never
    : never
}

export type WriteName<C extends ContractName> = ContractFunctionName<Abis[C], 'nonpayable' | 'payable'>
export type WriteArgs<C extends ContractName, F extends WriteName<C>> = ContractFunctionArgs<
  Abis[C],
  'nonpayable' | 'payable',
  F
>

export type EventName<C extends ContractName> = ContractEventName<Abis[C]>
/** Indexed parameters: one value, or several of which any will do. */
export type EventFilter<C extends ContractName, E extends EventName<C>> = ContractEventArgs<Abis[C], E>
export type EventArgs<C extends ContractName, E extends EventName<C>> = ContractEventArgsFromTopics<Abis[C], E>

interface Place {
  readonly block: number
  readonly blockHash: Hex
  readonly transactionHash: Hex
  /** Within its block: with `block` an order of all events. */
  readonly logIndex: number
}

export interface LedgerEvent<C extends ContractName, E extends EventName<C>> extends Place {
  readonly contract: C
  readonly event: E
  readonly args: EventArgs<C, E>
}

/** An event of whichever contract; `switch (event.event)` after `event.contract` narrows `args`. */
export type AnyLedgerEvent = {
  [C in ContractName]: { [E in EventName<C>]: LedgerEvent<C, E> }[EventName<C>]
}[ContractName]

/**
 * How far events were read, and the hashes of blocks on the way, by which a reorganisation is noticed. Plain JSON: keep it on disk
 * along with what was made of the events.
 */
export interface EventCursor {
  /** The first block that was not read. */
  readonly next: number
  /** Blocks that were read, ascending; the last is `next - 1`. */
  readonly seen: readonly { readonly number: number; readonly hash: Hex }[]
}

export interface EventQuery<C extends ContractName, E extends EventName<C>> {
  readonly contract: C
  readonly event: E
  readonly filter?: EventFilter<C, E>
  /** undefined: from the block of the deployment. */
  readonly cursor?: EventCursor | undefined
  /** About how many events at most; blocks are never cut. Default 10,000. */
  readonly limit?: number
}

export interface EventPage<Event> {
  /** In the order of the chain. */
  readonly events: readonly Event[]
  readonly cursor: EventCursor
  /** False: ask again at once, there is more. */
  readonly complete: boolean
  /**
   * The chain was reorganised behind what the given cursor had read: forget every event of a block above this one. `events` goes on
   * right behind it.
   */
  readonly rolledBack?: { readonly toBlock: number }
}

export interface ReadOptions {
  /** Of that block, which must still be part of the chain. Default: the newest. */
  readonly block?: Block | undefined
  readonly signal?: AbortSignal | undefined
}

/** What a write did, once it is in a block. */
export interface LedgerReceipt {
  readonly transactionHash: Hex
  readonly block: number
  readonly blockHash: Hex
  readonly gasUsed: bigint
  /** In wei of the chain's own coin. */
  readonly fee: bigint
  /** Of our contracts. */
  readonly events: readonly AnyLedgerEvent[]
}

/** What a write would cost now, in wei of the chain's own coin. */
export interface Preview {
  readonly gas: bigint
  readonly maxFeePerGas: bigint
  /** Most probably; it cannot be more than gas · maxFeePerGas. */
  readonly fee: bigint
}

export interface WriteOptions {
  readonly signal?: AbortSignal | undefined
  /** Blocks that must lie on top of the transaction's own before it counts. Default 0. */
  readonly confirmations?: number
  /**
   * Sent with this nonce or not at all: LEDGER_NOT_NOW (`nonce`) where another transaction has it. For what must not happen twice, with the
   * nonce of `settled`, and a look at what has happened between the two. A signer elsewhere chooses its own.
   */
  readonly nonce?: number
}

/**
 * Somebody who writes. Writes of one account may be called at once: they are sent in that order and waited for together.
 *
 * Errors: LEDGER_REFUSED and LEDGER_NOT_NOW with `details.reason` (the contract's own error, by name), LEDGER_FUNDS, LEDGER_UNDECIDED where
 * it is not in a block by the deadline, LEDGER_UNREACHABLE, LEDGER_MISMATCH, ABORTED (what was sent may still happen).
 */
export interface LedgerAccount {
  readonly address: Address
  write<C extends ContractName, F extends WriteName<C>>(
    contract: C,
    fn: F,
    args: WriteArgs<C, F>,
    options?: WriteOptions,
  ): Promise<LedgerReceipt>
  /** What it would cost, or the error that `write` would end with. Sends nothing. */
  preview<C extends ContractName, F extends WriteName<C>>(
    contract: C,
    fn: F,
    args: WriteArgs<C, F>,
    options?: WriteOptions,
  ): Promise<Preview>
  /** Lets `spender` pull that many unym, unless it may already. Before `bond`, `delegate`, `pledgeMore`, `deposit`, `fundPool`, `join`. */
  allow(spender: ContractName, amount: bigint, options?: WriteOptions): Promise<LedgerReceipt | undefined>
  /**
   * Resolves when nothing of this account is on its way any more, as far as the servers know; what an earlier life of this program sent
   * has then happened, or was lost. Throws LEDGER_UNDECIDED where that takes longer than a write may.
   */
  settled(options?: { readonly signal?: AbortSignal | undefined }): Promise<{
    /** Of the next transaction. */ readonly nonce: number /** As of this block. */
    readonly block: number
  }>
  /** Of the chain's own coin, in wei: what fees are paid from. */
  coins(options?: { readonly signal?: AbortSignal | undefined }): Promise<bigint>
  /** unym. */
  tokens(options?: { readonly signal?: AbortSignal | undefined }): Promise<bigint>
}

export interface Ledger {
  readonly deployment: Deployment
  /** The newest block, or the one that has `behind` on top of it. */
  block(options?: { readonly behind?: number; readonly signal?: AbortSignal | undefined }): Promise<Block>
  read<C extends ContractName, F extends ReadName<C>>(
    contract: C,
    fn: F,
    args: ReadArgs<C, F>,
    options?: ReadOptions,
  ): Promise<ReadResult<C, F>>
  /** All of one block, in one question where they are not too many. Throws what the first one that reverts throws. */
  readAll<const Calls extends readonly ReadCall[]>(
    calls: Calls,
    options?: ReadOptions,
  ): Promise<{ readonly block: Block; readonly results: ReadResults<Calls> }>
  /** The block of that number in the chain as it is now; undefined where there is none yet. */
  blockAt(number: number, options?: { readonly signal?: AbortSignal | undefined }): Promise<Block | undefined>
  events<C extends ContractName, E extends EventName<C>>(
    query: EventQuery<C, E>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<EventPage<LedgerEvent<C, E>>>
  /** The same for every event of the given contracts. Default: all of them. */
  allEvents(
    query: {
      readonly contracts?: readonly ContractName[]
      readonly cursor?: EventCursor | undefined
      readonly limit?: number
    },
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<EventPage<AnyLedgerEvent>>
  account(signer: Signer): LedgerAccount
}

/** A transaction of EIP-1559 before its signature. */
export interface UnsignedTransaction {
  readonly chainId: number
  readonly nonce: number
  /** undefined: makes a contract. */
  readonly to: Address | undefined
  readonly data: Hex
  readonly value: bigint
  readonly gas: bigint
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

/**
 * Who signs. `key`: here, from a key in memory. `external`: a wallet or a signing service, which is handed the transaction and sends it
 * on its own, over JSON-RPC (`eth_sendTransaction`).
 */
export type Signer =
  | {
      readonly kind: 'key'
      readonly address: Address
      /** The serialised transaction, ready to be sent. */
      signTransaction(transaction: UnsignedTransaction): Promise<Hex>
    }
  | { readonly kind: 'external'; readonly address: Address; readonly urls: readonly string[] }
