/** Writes of one account: what is asked for is estimated, sent, and waited for (sending.ts). @module */

import { machineError } from '../../foundation/base/machineError.ts'
import { awaited, sleep } from '../../foundation/platform/clock.ts'
import type { ContractName } from './abis.ts'
import { encodeCall } from './calls.ts'
import type { Address } from './chain.ts'
import { balanceOf, NEWEST_HEADER, transactionCount } from './chainCalls.ts'
import type { Deployment } from './deployment.ts'
import { expectReply, type JsonRpc, type RpcWorld } from './jsonRpc.ts'
import type {
  AnyLedgerEvent,
  Ledger,
  LedgerAccount,
  LedgerReceipt,
  Preview,
  Signer,
  WriteArgs,
  WriteName,
  WriteOptions,
} from './ledger.ts'
import type { RawLog } from './rpcValues.ts'
import { DEFAULT_SENDING, Sending, type SendingOptions } from './sending.ts'

export type AccountOptions = SendingOptions

interface AccountParts {
  readonly world: RpcWorld
  readonly rpc: JsonRpc
  readonly deployment: Deployment
  readonly ledger: Pick<Ledger, 'read'>
  readonly signer: Signer
  readonly decode: (log: RawLog) => AnyLedgerEvent | undefined
  readonly options: Partial<SendingOptions>
}

export class Account implements LedgerAccount {
  readonly address: Address
  readonly #parts: AccountParts
  readonly #sending: Sending

  constructor(parts: AccountParts) {
    this.address = parts.signer.address
    this.#parts = parts
    this.#sending = new Sending(parts)
  }

  async write<C extends ContractName, F extends WriteName<C>>(
    contract: C,
    fn: F,
    args: WriteArgs<C, F>,
    options: WriteOptions = {},
  ): Promise<LedgerReceipt> {
    const receipt = await this.#sending.send(this.#request(contract, fn, args), { contract, fn }, options)
    const { transactionHash, block, blockHash, gasUsed, effectiveGasPrice } = receipt
    const events = receipt.logs.flatMap((log) => this.#parts.decode(log) ?? [])
    return { transactionHash, block, blockHash, gasUsed, fee: gasUsed * effectiveGasPrice, events }
  }

  async preview<C extends ContractName, F extends WriteName<C>>(
    contract: C,
    fn: F,
    args: WriteArgs<C, F>,
    options: WriteOptions = {},
  ): Promise<Preview> {
    return this.#sending.preview(this.#request(contract, fn, args), { contract, fn }, options.signal)
  }

  /** No more than asked for: what a contract may take is what can be lost to it. */
  async allow(spender: ContractName, amount: bigint, options: WriteOptions = {}): Promise<LedgerReceipt | undefined> {
    const address = this.#parts.deployment.addresses[spender]
    const allowed = await this.#parts.ledger.read('token', 'allowance', [this.address, address], {
      signal: options.signal,
    })
    return allowed >= amount ? undefined : this.write('token', 'approve', [address, amount], options)
  }

  async settled({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<{
    readonly nonce: number
    readonly block: number
  }> {
    const { world, rpc, options } = this.#parts
    const { deadline = DEFAULT_SENDING.deadline, pollEvery = DEFAULT_SENDING.pollEvery } = options
    const until = world.clock.monotonic() + deadline
    for (;;) {
      const [newest, latest, pending] = await rpc.askAll(
        [NEWEST_HEADER, transactionCount(this.address, 'latest'), transactionCount(this.address, 'pending')],
        { signal },
      )
      const header = expectReply(newest, 'eth_getBlockByNumber')
      const nonce = expectReply(latest, 'eth_getTransactionCount')
      if (header !== undefined && nonce >= expectReply(pending, 'eth_getTransactionCount')) {
        return { nonce, block: header.number }
      }
      if (world.clock.monotonic() > until) {
        throw machineError(
          'LEDGER_UNDECIDED',
          { account: this.address },
          { message: 'an earlier transaction of this account is in no block yet', nextStep: 'Try again later.' },
        )
      }
      await awaited(world.clock, sleep(world.clock, pollEvery, signal))
    }
  }

  async coins(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<bigint> {
    return this.#parts.rpc.ask(balanceOf(this.address), options)
  }

  async tokens(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<bigint> {
    return this.#parts.ledger.read('token', 'balanceOf', [this.address], options)
  }

  #request(contract: ContractName, fn: string, args: unknown): { readonly to: Address; readonly data: `0x${string}` } {
    return {
      to: this.#parts.deployment.addresses[contract],
      data: encodeCall({ contract, fn, args: args as readonly unknown[] }),
    }
  }
}
