/**
 * Contracts in an EVM in this process, for tests of the rules: no transactions, no signatures, no blocks but a clock that the test
 * sets. Each call is one message with a sender; a call that reverts leaves nothing behind, as on a chain. @module
 */
import { Common, Hardfork, Mainnet } from '@ethereumjs/common'
import { Account, Address, hexToBytes } from '@ethereumjs/util'
import { createVM, type VM } from '@ethereumjs/vm'
import {
  type Abi,
  decodeErrorResult,
  decodeEventLog,
  decodeFunctionResult,
  encodeDeployData,
  encodeFunctionData,
  type Hex,
  toHex,
} from 'viem'
import { compiledContracts, type SolcContract } from '../../scripts/compile-contracts.mjs'
import { EvmState } from './evmState.ts'
import { fastEvm } from './fastEvm.ts'

/** What a message did. */
export interface Outcome<Result = unknown> {
  readonly result: Result
  /** Of execution: without the 21,000 and the calldata that a transaction costs. */
  readonly gasUsed: bigint
  readonly logs: readonly { readonly address: Hex; readonly name: string; readonly args: Record<string, unknown> }[]
}

/** A call that reverted: the contract's own error. */
export class Reverted extends Error {
  readonly errorName: string
  readonly args: readonly unknown[]
  constructor(errorName: string, args: readonly unknown[]) {
    super(`${errorName}(${args.map(String).join(', ')})`)
    this.errorName = errorName
    this.args = args
  }
}

export type AddressHex = Hex

let compiled: Map<string, SolcContract> | undefined

/** By name; compiles everything once a process. */
export function contract(name: string): SolcContract {
  compiled ??= new Map(Object.values(compiledContracts().contracts).flatMap((file) => Object.entries(file)))
  const found = compiled.get(name)
  if (found === undefined) throw new Error(`no contract ${name}`)
  return found
}

const GAS_LIMIT = 1_000_000_000n

export class Evm {
  readonly #vm: VM
  readonly #abis = new Map<AddressHex, Abi>()
  /** Unix seconds of the block that the next message is in. */
  now = 1_700_000_000n
  blockNumber = 1n
  /** The chain's own randomness, of that block. */
  prevRandao: Uint8Array = new Uint8Array(32)

  private constructor(vm: VM) {
    this.#vm = vm
  }

  static async create(): Promise<Evm> {
    await fastEvm
    const common = new Common({ chain: Mainnet, hardfork: Hardfork.Prague })
    return new Evm(await createVM({ common, stateManager: new EvmState() }))
  }

  /** An address of nobody; equal numbers give equal addresses. */
  static address(n: number): AddressHex {
    return toHex(0x1000_0000n + BigInt(n), { size: 20 })
  }

  /** Where that sender's next contract will be, or the one `ahead` of it. */
  async nextAddress(from: AddressHex, ahead = 0): Promise<AddressHex> {
    const { getContractAddress } = await import('viem')
    const nonce = await this.#nonceOf(from)
    return getContractAddress({ from, nonce: nonce + BigInt(ahead) }).toLowerCase() as AddressHex
  }

  /** `libraries`: addresses of those that the contract is linked with, by name. */
  async deploy(
    name: string,
    args: readonly unknown[] = [],
    { from = Evm.address(0), libraries = {} }: { from?: AddressHex; libraries?: Record<string, AddressHex> } = {},
  ): Promise<AddressHex> {
    const { abi, evm } = contract(name)
    let linked = evm.bytecode.object
    for (const file of Object.values(evm.bytecode.linkReferences)) {
      for (const [library, places] of Object.entries(file)) {
        const address = libraries[library]
        if (address === undefined) throw new Error(`${name} needs the address of ${library}`)
        for (const { start } of places) {
          linked = linked.slice(0, 2 * start) + address.slice(2) + linked.slice(2 * start + 40)
        }
      }
    }
    const data = encodeDeployData({ abi, bytecode: `0x${linked}`, args } as Parameters<typeof encodeDeployData>[0])
    await this.#nonceOf(from)
    const { createdAddress } = await this.#run({ from, data, abi })
    const address = createdAddress as AddressHex
    this.#abis.set(address, abi)
    return address
  }

  /** For contracts whose errors and events come up in another's calls. */
  know(address: AddressHex, name: string): void {
    this.#abis.set(address, contract(name).abi)
  }

  /** One message. Throws Reverted with the contract's error. */
  async send(
    to: AddressHex,
    fn: string,
    args: readonly unknown[] = [],
    from: AddressHex = Evm.address(0),
  ): Promise<Outcome> {
    const abi = this.#abiOf(to)
    const data = encodeFunctionData({ abi, functionName: fn, args })
    const { output, gasUsed, logs } = await this.#run({ from, to, data, abi })
    const result = decodeFunctionResult({ abi, functionName: fn, data: toHex(output) })
    return { result, gasUsed, logs }
  }

  /** The same, of which nothing stays. */
  async read(
    to: AddressHex,
    fn: string,
    args: readonly unknown[] = [],
    from: AddressHex = Evm.address(0),
  ): Promise<unknown> {
    return this.undone(async () => (await this.send(to, fn, args, from)).result)
  }

  /** A story of which nothing stays, whether it ends well or not. */
  async undone<Result>(story: () => Promise<Result>): Promise<Result> {
    const { now, blockNumber } = this
    await this.#vm.stateManager.checkpoint()
    try {
      return await story()
    } finally {
      await this.#vm.stateManager.revert()
      this.now = now
      this.blockNumber = blockNumber
    }
  }

  #abiOf(address: AddressHex): Abi {
    const abi = this.#abis.get(address)
    if (abi === undefined) throw new Error(`nothing known at ${address}`)
    return abi
  }

  async #nonceOf(address: AddressHex): Promise<bigint> {
    const account = await this.#vm.stateManager.getAccount(new Address(hexToBytes(address)))
    if (account === undefined)
      await this.#vm.stateManager.putAccount(new Address(hexToBytes(address)), new Account(0n, 10n ** 24n))
    return account?.nonce ?? 0n
  }

  async #run({ from, to, data, abi }: { from: AddressHex; to?: AddressHex; data: Hex; abi: Abi }): Promise<{
    output: Uint8Array
    gasUsed: bigint
    logs: Outcome['logs']
    createdAddress: string | undefined
  }> {
    const caller = new Address(hexToBytes(from))
    // A transaction of its own: warm slots and transient storage end with it.
    await this.#vm.evm.journal.cleanup?.()
    // And what a slot held before it: the price of a write depends on it.
    this.#vm.stateManager.originalStorageCache.clear()
    const { execResult, createdAddress } = await this.#vm.evm.runCall({
      caller,
      origin: caller,
      ...(to === undefined ? {} : { to: new Address(hexToBytes(to)) }),
      data: hexToBytes(data),
      gasLimit: GAS_LIMIT,
      block: this.#block(),
    })
    if (execResult.exceptionError !== undefined) {
      throw this.#reverted(toHex(execResult.returnValue), execResult.exceptionError.error, abi)
    }
    // Nonces move with creations here, as messages are not transactions.
    const logs = (execResult.logs ?? []).map(([address, topics, body]) => this.#log(toHex(address), topics, body))
    return {
      output: execResult.returnValue,
      gasUsed: execResult.executionGasUsed,
      logs,
      createdAddress: createdAddress?.toString(),
    }
  }

  #block(): NonNullable<Parameters<VM['evm']['runCall']>[0]['block']> {
    const zero = new Address(new Uint8Array(20))
    return {
      header: {
        number: this.blockNumber,
        coinbase: zero,
        timestamp: this.now,
        difficulty: 0n,
        prevRandao: this.prevRandao,
        gasLimit: GAS_LIMIT,
        baseFeePerGas: 0n,
        getBlobGasPrice: () => 1n,
      },
    } as unknown as NonNullable<Parameters<VM['evm']['runCall']>[0]['block']>
  }

  #reverted(data: Hex, reason: string, abi: Abi): Error {
    for (const known of [abi, ...this.#abis.values()]) {
      try {
        const { errorName, args } = decodeErrorResult({ abi: known, data })
        return new Reverted(errorName, (args as readonly unknown[] | undefined) ?? [])
      } catch {
        // Another contract's.
      }
    }
    return new Reverted(reason, data === '0x' ? [] : [data])
  }

  #log(address: Hex, topics: readonly Uint8Array[], body: Uint8Array): Outcome['logs'][number] {
    const abi = this.#abis.get(address)
    if (abi === undefined) return { address, name: '?', args: {} }
    const decoded = decodeEventLog({
      abi,
      topics: topics.map((topic) => toHex(topic)) as [Hex, ...Hex[]],
      data: toHex(body),
      strict: false,
    })
    return { address, name: decoded.eventName ?? '?', args: (decoded.args ?? {}) as unknown as Record<string, unknown> }
  }
}

/** Expects a contract's own error, by name, and by its arguments where they are given. */
export async function refused(
  attempt: Promise<unknown>,
  errorName: string,
  ...args: readonly unknown[]
): Promise<void> {
  try {
    await attempt
  } catch (error) {
    if (!(error instanceof Reverted)) throw error
    const told = args.length === 0 ? '' : `(${args.map(String).join(', ')})`
    const found = args.length === 0 ? error.errorName : error.message
    if (found !== `${errorName}${told}`) throw new Error(`refused by ${error.message}, not ${errorName}${told}`)
    return
  }
  throw new Error(`not refused by ${errorName}`)
}
