/**
 * A chain in this process, as a host of a simulation: an EVM, a pool of transactions, blocks by the virtual clock, and as much JSON-RPC as
 * our client speaks. Deterministic. It can do what chains do to programs: stall, take blocks back, refuse, forget transactions. @module
 */
import { createBlock } from '@ethereumjs/block'
import { Common, Hardfork, Mainnet } from '@ethereumjs/common'
import { createTxFromRLP, type TypedTransaction } from '@ethereumjs/tx'
import { Account, Address, bytesToHex, hexToBytes } from '@ethereumjs/util'
import { createVM, runTx, type VM } from '@ethereumjs/vm'
import { type Hex, keccak256, toHex } from 'viem'
import { type Millis, minutes, seconds } from '../../src/foundation/base/units.ts'
import type { Timer } from '../../src/foundation/platform/clock.ts'
import type { HttpListener } from '../../src/foundation/platform/net.ts'
import type { World } from '../../src/foundation/platform/world.ts'
import { fastEvm } from './fastEvm.ts'
import { Layer, LayeredState } from './layeredState.ts'

export interface SimulatedChainOptions {
  readonly chainId?: number
  readonly host: string
  readonly port?: number
  /** Between blocks. Default: 1 s. */
  readonly blockTime?: Millis
  /** In wei; never changes by itself. */
  readonly baseFee?: bigint
}

interface Log {
  readonly address: Hex
  readonly topics: readonly Hex[]
  readonly data: Hex
}

interface Receipt {
  readonly hash: Hex
  readonly from: Hex
  readonly to: Hex | null
  readonly succeeded: boolean
  readonly gasUsed: bigint
  readonly price: bigint
  readonly contractAddress: Hex | null
  readonly logs: readonly Log[]
}

interface Mined {
  readonly number: number
  readonly hash: Hex
  readonly parentHash: Hex
  readonly time: number
  readonly baseFee: bigint
  readonly state: Layer
  readonly transactions: readonly TypedTransaction[]
  readonly receipts: readonly Receipt[]
}

class Refused extends Error {
  readonly code: number
  readonly data: Hex | undefined
  constructor(code: number, message: string, data?: Hex) {
    super(message)
    this.code = code
    this.data = data
  }
}

/** Asked for each call before it is answered: what to refuse it with, or nothing. */
export type Refusal = (method: string, params: readonly unknown[]) => { code: number; message: string } | undefined

const GAS_LIMIT = 30_000_000n
const MAX_BODY_BYTES = 8 * 1024 * 1024
/** Older blocks cannot be called any more: their states are one. */
const STATES_KEPT = 128
const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`
const NOBODY = new Address(new Uint8Array(20))

export class SimulatedChain {
  readonly #world: Pick<World, 'clock' | 'net'>
  readonly #vm: VM
  readonly #state: LayeredState
  readonly #common: Common
  readonly #chainId: number
  readonly #blockTime: Millis
  readonly #blocks: Mined[] = []
  /** In order of arrival. */
  #pool: TypedTransaction[] = []
  #salt = 0
  #listener: HttpListener | undefined
  #timer: Timer | undefined
  #turn: Promise<unknown> = Promise.resolve()
  /** Of the next blocks, in wei. */
  baseFee: bigint
  refusal: Refusal | undefined
  /** While true no block is made. */
  stalled = false

  private constructor(
    world: Pick<World, 'clock' | 'net'>,
    vm: VM,
    state: LayeredState,
    common: Common,
    options: SimulatedChainOptions,
  ) {
    this.#world = world
    this.#vm = vm
    this.#state = state
    this.#common = common
    this.#chainId = options.chainId ?? 31_337
    this.#blockTime = options.blockTime ?? seconds(1)
    this.baseFee = options.baseFee ?? 1_000_000_000n
    const time = this.#now()
    this.#blocks.push(this.#sealed(0, ZERO_HASH, time, state.top, [], []))
  }

  /** Not yet served: the EVM's own modules are real promises, which a simulation does not wait for. */
  static async create(world: Pick<World, 'clock' | 'net'>, options: SimulatedChainOptions): Promise<SimulatedChain> {
    await fastEvm
    const common = new Common({ chain: { ...Mainnet, chainId: options.chainId ?? 31_337 }, hardfork: Hardfork.Prague })
    const state = new LayeredState(common)
    const vm = await createVM({ common, stateManager: state })
    return new SimulatedChain(world, vm, state, common, options)
  }

  /** Listens, and makes a block every `blockTime`. Gives the URL. */
  async serve(options: Pick<SimulatedChainOptions, 'host' | 'port'>): Promise<string> {
    const { host, port = 8545 } = options
    this.#listener = await this.#world.net.serveHttp(
      { host, port, maxBodyBytes: MAX_BODY_BYTES, requestTimeout: minutes(1) },
      async (request) => Response.json(await this.#answer(await request.json())),
    )
    this.#schedule()
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.#listener.endpoint.port}/`
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    await this.#listener?.close()
  }

  get head(): { readonly number: number; readonly hash: Hex; readonly time: number } {
    return this.#head
  }

  /** Of a block of the chain as it is now, in Unix seconds. */
  timeOf(number: number): number {
    return (this.#blocks[number] as Mined).time
  }

  /** Of everything in a block, in order. `contractAddress`: that was made. */
  get receipts(): readonly Pick<Receipt, 'contractAddress' | 'gasUsed'>[] {
    return this.#blocks.flatMap(({ receipts }) => receipts)
  }

  /** Transactions that are in no block. */
  get waiting(): number {
    return this.#pool.length
  }

  /** Gives an account coins to pay fees with, from nowhere. */
  fund(address: Hex, wei: bigint): Promise<void> {
    return this.#inTurn(async () => {
      this.#state.top = this.#head.state
      const at = new Address(hexToBytes(address.toLowerCase() as Hex))
      const account = (await this.#state.getAccount(at)) ?? new Account()
      account.balance += wei
      await this.#state.putAccount(at, account)
    })
  }

  /** One block now. */
  mine(): Promise<void> {
    return this.#inTurn(() => this.#mine())
  }

  /**
   * Takes the newest `count` blocks back. What was in them waits for a block again, or, without `keep`, never was: others went on from
   * there without it.
   */
  reorganise(count: number, { keep = true }: { readonly keep?: boolean } = {}): Promise<void> {
    return this.#inTurn(async () => {
      const gone = this.#blocks.splice(Math.max(1, this.#blocks.length - count))
      this.#salt++
      if (keep) this.#pool = [...gone.flatMap(({ transactions }) => transactions), ...this.#pool]
    })
  }

  /** Forgets every transaction that is in no block, as nodes do that are restarted. */
  forget(): void {
    this.#pool = []
  }

  get #head(): Mined {
    return this.#blocks.at(-1) as Mined
  }

  #now(): number {
    return Math.floor(this.#world.clock.now() / 1000)
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    return turn
  }

  #schedule(): void {
    this.#timer = this.#world.clock.after(this.#blockTime, () => {
      this.#schedule()
      if (!this.stalled) void this.mine()
    })
  }

  #sealed(
    number: number,
    parentHash: Hex,
    time: number,
    state: Layer,
    transactions: readonly TypedTransaction[],
    receipts: readonly Receipt[],
  ): Mined {
    const hashes = transactions.map((tx) => bytesToHex(tx.hash()))
    const hash = keccak256(toHex(JSON.stringify([this.#chainId, this.#salt, number, parentHash, time, hashes])))
    return { number, hash, parentHash, time, baseFee: this.baseFee, state, transactions, receipts }
  }

  #blockOf(number: number, time: number): ReturnType<typeof createBlock> {
    const header = {
      number,
      timestamp: time,
      gasLimit: GAS_LIMIT,
      baseFeePerGas: this.baseFee,
      mixHash: hexToBytes(this.#head.hash),
    }
    return createBlock({ header }, { common: this.#common, skipConsensusFormatValidation: true })
  }

  async #mine(): Promise<void> {
    const parent = this.#head
    const number = parent.number + 1
    const time = Math.max(this.#now(), parent.time)
    const block = this.#blockOf(number, time)
    const state = new Layer(parent.state)
    this.#state.top = state
    const transactions: TypedTransaction[] = []
    const receipts: Receipt[] = []
    const later: TypedTransaction[] = []
    let gasLeft = GAS_LIMIT
    // Ones that come before their predecessors wait for another round.
    for (let queue = [...this.#pool], progress = true; progress; ) {
      progress = false
      const skipped: TypedTransaction[] = []
      for (const tx of queue) {
        const nonce = (await this.#state.getAccount(tx.getSenderAddress()))?.nonce ?? 0n
        if (tx.nonce < nonce) continue
        if (tx.nonce > nonce || tx.gasLimit > gasLeft || maxFeeOf(tx) < this.baseFee) {
          skipped.push(tx)
          continue
        }
        const receipt = await this.#execute(tx, block)
        // It cannot pay for itself any more.
        if (receipt === undefined) continue
        gasLeft -= receipt.gasUsed
        transactions.push(tx)
        receipts.push(receipt)
        progress = true
      }
      queue = skipped
      if (!progress) later.push(...queue)
    }
    this.#pool = later
    this.#state.top = state
    this.#blocks.push(this.#sealed(number, parent.hash, time, state, transactions, receipts))
    this.#forgetStates()
  }

  async #execute(tx: TypedTransaction, block: ReturnType<typeof createBlock>): Promise<Receipt | undefined> {
    const result = await runTx(this.#vm, { tx, block, skipHardForkValidation: true }).catch(() => undefined)
    if (result === undefined) return undefined
    const { execResult, totalGasSpent, createdAddress } = result
    return {
      hash: bytesToHex(tx.hash()),
      from: tx.getSenderAddress().toString(),
      to: tx.to?.toString() ?? null,
      succeeded: execResult.exceptionError === undefined,
      gasUsed: totalGasSpent,
      price: priceOf(tx, this.baseFee),
      contractAddress: createdAddress?.toString() ?? null,
      logs: (execResult.logs ?? []).map(([address, topics, data]) => ({
        address: toHex(address),
        topics: topics.map((topic) => toHex(topic)),
        data: toHex(data),
      })),
    }
  }

  /** Blocks that are too old to come back share one layer. */
  #forgetStates(): void {
    if (this.#blocks.length <= STATES_KEPT) return
    const oldest = this.#blocks[this.#blocks.length - STATES_KEPT] as Mined
    const below = oldest.state.parent
    if (below === undefined) return
    const merged = new Layer(below.parent)
    merged.absorb(below)
    merged.absorb(oldest.state)
    for (const key of ['accounts', 'code', 'storage'] as const) {
      oldest.state[key].clear()
      for (const [name, value] of merged[key]) (oldest.state[key] as Map<string, unknown>).set(name, value)
    }
    oldest.state.parent = below.parent
  }

  async #answer(content: unknown): Promise<unknown> {
    if (!Array.isArray(content)) return this.#answerOne(content)
    const answers: unknown[] = []
    for (const one of content) answers.push(await this.#answerOne(one))
    return answers
  }

  async #answerOne(content: unknown): Promise<unknown> {
    const { id, method, params } = content as { id: unknown; method: string; params: readonly unknown[] }
    try {
      const refused = this.refusal?.(method, params)
      if (refused !== undefined) throw new Refused(refused.code, refused.message)
      return { jsonrpc: '2.0', id, result: await this.#call(method, params) }
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      const { code, message, data } = error
      return { jsonrpc: '2.0', id, error: { code, message, ...(data === undefined ? {} : { data }) } }
    }
  }

  async #call(method: string, params: readonly unknown[]): Promise<unknown> {
    const [first, second] = params
    switch (method) {
      case 'eth_chainId':
        return quantity(this.#chainId)
      case 'eth_getBlockByNumber':
        return shownBlock(this.#blockByTag(first))
      case 'eth_getBalance':
        return quantity((await this.#accountAt(first, second))?.balance ?? 0n)
      case 'eth_getTransactionCount':
        return quantity(await this.#count(first as Hex, second))
      case 'eth_getCode':
        return this.#inTurn(async () => {
          this.#state.top = this.#blockOrRefuse(second).state
          return toHex(await this.#state.getCode(addressOf(first)))
        })
      case 'eth_maxPriorityFeePerGas':
        return quantity(1_000_000_000n)
      case 'eth_call':
        return (await this.#run(first, second)).output
      case 'eth_estimateGas':
        return quantity((await this.#run(first, second ?? 'latest')).gas)
      case 'eth_sendRawTransaction':
        return this.#send(first as Hex)
      case 'eth_getTransactionReceipt':
        return this.#receipt(first as Hex)
      case 'eth_getTransactionByHash':
        return this.#transaction(first as Hex)
      case 'eth_getLogs':
        return this.#logs(first as LogQuery)
      default:
        throw new Refused(-32601, 'method not found')
    }
  }

  #blockByTag(tag: unknown): Mined | undefined {
    if (tag === undefined || tag === 'latest' || tag === 'pending') return this.#head
    if (typeof tag === 'string') return this.#blocks[Number(tag)]
    const { blockHash } = tag as { blockHash?: Hex }
    return this.#blocks.find(({ hash }) => hash === blockHash)
  }

  #blockOrRefuse(tag: unknown): Mined {
    const block = this.#blockByTag(tag)
    if (block === undefined || block.number < this.#head.number - STATES_KEPT)
      throw new Refused(-32000, 'header not found')
    return block
  }

  #accountAt(address: unknown, tag: unknown): Promise<Account | undefined> {
    return this.#inTurn(async () => {
      this.#state.top = this.#blockOrRefuse(tag).state
      return this.#state.getAccount(addressOf(address))
    })
  }

  async #count(address: Hex, tag: unknown): Promise<bigint> {
    const { nonce = 0n } = (await this.#accountAt(address, tag)) ?? {}
    if (tag !== 'pending') return nonce
    const waiting = new Set(
      this.#pool.filter((tx) => tx.getSenderAddress().toString() === address.toLowerCase()).map((tx) => tx.nonce),
    )
    let next = nonce
    while (waiting.has(next)) next++
    return next
  }

  /** Of which nothing stays. */
  #run(request: unknown, tag: unknown): Promise<{ readonly output: Hex; readonly gas: bigint }> {
    const { from, to, data = '0x', value = '0x0' } = request as { from?: Hex; to?: Hex; data?: Hex; value?: Hex }
    return this.#inTurn(async () => {
      const block = this.#blockOrRefuse(tag)
      // A call on the newest block sees the time of the next one, as on real nodes that estimate for it.
      this.#state.top = new Layer(block.state)
      const caller = from === undefined ? NOBODY : addressOf(from)
      this.#vm.evm.journal.cleanup?.()
      const { execResult } = await this.#vm.evm.runCall({
        caller,
        origin: caller,
        ...(to === undefined ? {} : { to: addressOf(to) }),
        data: hexToBytes(data),
        value: BigInt(value),
        gasLimit: GAS_LIMIT,
        gasPrice: 0n,
        block: this.#blockOf(block.number, block.time),
        skipBalance: true,
      })
      this.#state.top = this.#head.state
      const output = toHex(execResult.returnValue)
      if (execResult.exceptionError !== undefined) throw new Refused(3, 'execution reverted', output)
      const bytes = hexToBytes(data)
      const gas = ((execResult.executionGasUsed + intrinsic(bytes, to === undefined)) * 11n) / 10n
      const least = leastGas(bytes)
      return { output, gas: gas > least ? gas : least }
    })
  }

  async #send(raw: Hex): Promise<Hex> {
    let tx: TypedTransaction
    try {
      tx = createTxFromRLP(hexToBytes(raw), { common: this.#common })
      tx.getSenderAddress()
    } catch (error) {
      throw new Refused(-32602, `invalid transaction: ${(error as Error).message}`)
    }
    const hash = bytesToHex(tx.hash())
    if (this.#pool.some((one) => bytesToHex(one.hash()) === hash)) throw new Refused(-32000, 'already known')
    const sender = tx.getSenderAddress()
    const account = await this.#accountAt(sender.toString(), 'latest')
    if (tx.nonce < (account?.nonce ?? 0n)) throw new Refused(-32000, 'nonce too low')
    if ((account?.balance ?? 0n) < tx.gasLimit * maxFeeOf(tx) + tx.value) {
      throw new Refused(-32000, 'insufficient funds for gas * price + value')
    }
    const same = this.#pool.findIndex((one) => one.nonce === tx.nonce && one.getSenderAddress().equals(sender))
    if (same >= 0) {
      const before = this.#pool[same] as TypedTransaction
      if (maxFeeOf(tx) * 100n < maxFeeOf(before) * 110n)
        throw new Refused(-32000, 'replacement transaction underpriced')
      this.#pool[same] = tx
    } else this.#pool.push(tx)
    return hash
  }

  #receipt(hash: Hex): unknown {
    for (const block of this.#blocks) {
      const index = block.receipts.findIndex((receipt) => receipt.hash === hash)
      const receipt = block.receipts[index]
      if (receipt === undefined) continue
      return {
        transactionHash: hash,
        transactionIndex: quantity(index),
        blockNumber: quantity(block.number),
        blockHash: block.hash,
        from: receipt.from,
        to: receipt.to,
        status: quantity(receipt.succeeded ? 1 : 0),
        gasUsed: quantity(receipt.gasUsed),
        effectiveGasPrice: quantity(receipt.price),
        contractAddress: receipt.contractAddress,
        logs: shownLogs(block).filter(({ transactionHash }) => transactionHash === hash),
      }
    }
    return null
  }

  #transaction(hash: Hex): unknown {
    if (this.#pool.some((tx) => bytesToHex(tx.hash()) === hash)) return { hash, blockNumber: null }
    const block = this.#blocks.find(({ receipts }) => receipts.some((receipt) => receipt.hash === hash))
    return block === undefined ? null : { hash, blockNumber: quantity(block.number) }
  }

  #logs({ address, topics, fromBlock, toBlock }: LogQuery): unknown {
    const addresses = new Set([address].flat().map((one) => one.toLowerCase()))
    const matches = (log: { readonly address: Hex; readonly topics: readonly Hex[] }) =>
      addresses.has(log.address) &&
      topics.every((wanted, i) => wanted === null || [wanted].flat().includes(log.topics[i] as Hex))
    return this.#blocks
      .slice(Number(fromBlock), Number(toBlock) + 1)
      .flatMap((block) => shownLogs(block).filter(matches))
  }
}

interface LogQuery {
  readonly address: Hex | readonly Hex[]
  readonly topics: readonly (Hex | readonly Hex[] | null)[]
  readonly fromBlock: Hex
  readonly toBlock: Hex
}

const quantity = (value: number | bigint): Hex => `0x${value.toString(16)}`
const addressOf = (value: unknown): Address => new Address(hexToBytes((value as string).toLowerCase() as Hex))

function maxFeeOf(tx: TypedTransaction): bigint {
  return 'maxFeePerGas' in tx ? tx.maxFeePerGas : tx.gasPrice
}

function priceOf(tx: TypedTransaction, baseFee: bigint): bigint {
  if (!('maxFeePerGas' in tx)) return tx.gasPrice
  const withTip = baseFee + tx.maxPriorityFeePerGas
  if (withTip > tx.maxFeePerGas) return tx.maxFeePerGas
  return withTip
}

/** What a transaction costs before it does anything (EIP-2028, EIP-3860). */
function intrinsic(data: Uint8Array, creates: boolean): bigint {
  const bytes = data.reduce((sum, byte) => sum + (byte === 0 ? 4 : 16), 0)
  return 21_000n + BigInt(bytes) + (creates ? 32_000n + 2n * BigInt(Math.ceil(data.length / 32)) : 0n)
}

/** What a transaction costs that is data most of all (EIP-7623). */
function leastGas(data: Uint8Array): bigint {
  return 21_000n + data.reduce((sum, byte) => sum + (byte === 0 ? 10n : 40n), 0n)
}

function shownBlock(block: Mined | undefined): unknown {
  if (block === undefined) return null
  return {
    number: quantity(block.number),
    hash: block.hash,
    parentHash: block.parentHash,
    timestamp: quantity(block.time),
    baseFeePerGas: quantity(block.baseFee),
    gasLimit: quantity(GAS_LIMIT),
  }
}

function shownLogs(block: Mined) {
  let logIndex = 0
  return block.receipts.flatMap(({ hash, logs }) =>
    logs.map((log) => ({
      ...log,
      blockNumber: quantity(block.number),
      blockHash: block.hash,
      transactionHash: hash,
      logIndex: quantity(logIndex++),
    })),
  )
}
