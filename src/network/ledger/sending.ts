/**
 * Transactions from their estimate to their receipt, for several at once and several programs with one key. What can go wrong on the way:
 *
 * - the nonce was used, or is being used, by another program: the transaction is signed anew with the next one;
 * - no node knows it any more (a restart, a reorganisation): the same bytes are sent again, which cannot happen twice;
 * - nobody includes it: it is replaced by one of the same nonce that pays more, of which at most one can happen;
 * - one before it is missing, from an earlier life of this program: an empty one takes its place.
 *
 * All of that ends at a deadline with LEDGER_UNDECIDED, which names the transaction. @module
 */

import { type ErrorDetails, isMixnetError, type MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import { type Millis, millis, minutes, seconds } from '../../foundation/base/units.ts'
import { awaited, sleep } from '../../foundation/platform/clock.ts'
import { Broadcast, nonceGone, type Sent } from './broadcast.ts'
import type { Block, Hex } from './chain.ts'
import {
  type CallRequest,
  estimateGas,
  ethCall,
  hexOf,
  isKnownTransaction,
  NEWEST_HEADER,
  receiptByHash,
  transactionCount,
} from './chainCalls.ts'
import { currentFees, type Fees, least } from './fees.ts'
import { expectReply, JsonRpc, type RpcWorld } from './jsonRpc.ts'
import type { Preview, Signer, WriteOptions } from './ledger.ts'
import { refusalError } from './ledgerErrors.ts'
import { bytesOf, type Header, type RawReceipt } from './rpcValues.ts'

export interface SendingOptions {
  /** In wei: more is never offered. Default: 500 gwei, above all but the worst hours of public chains. */
  readonly maxFeePerGas: bigint
  /** For a transaction to get into a block. */
  readonly deadline: Millis
  /** One that is in no block by then is replaced by one that pays more. Several blocks of the slowest chains. */
  readonly replaceAfter: Millis
  /** How soon to look again; grows fourfold while nothing happens. */
  readonly pollEvery: Millis
}

export const DEFAULT_SENDING: SendingOptions = {
  maxFeePerGas: 500_000_000_000n,
  deadline: minutes(5),
  replaceAfter: seconds(45),
  pollEvery: millis(250),
}

export interface SendRequest {
  /** undefined: makes a contract. */
  readonly to: Hex | undefined
  readonly data: Hex
  readonly value?: bigint
  /** Default: estimated, which refuses what would revert. */
  readonly gas?: bigint
}

interface SendingParts {
  readonly world: RpcWorld
  readonly rpc: JsonRpc
  readonly signer: Signer
  readonly options: Partial<SendingOptions>
}

type ExternalSigner = Extract<Signer, { kind: 'external' }>

/** A human looks at it. */
const EXTERNAL_TIMEOUT = minutes(5)
/** Estimates are of the state as it is; others write before us. */
const GAS_MARGIN_PERCENT = 125n
const SLOWEST_POLL = 4
/**
 * A receipt and a count that are asked for together may be of two blocks; and a busy node counts the transactions of a block some time before
 * it has their receipts (seen with anvil). Whoever believes too early does the same thing twice, so it takes two looks and this long.
 */
const BELIEVED_AFTER = seconds(3)

export class Sending {
  readonly #world: RpcWorld
  readonly #rpc: JsonRpc
  readonly #signer: Signer
  /** Whoever numbers, prices and hands in what was signed: we, or the signer itself. */
  readonly #by: Broadcast | ExternalSigner
  readonly #options: SendingOptions

  constructor({ world, rpc, signer, options }: SendingParts) {
    this.#world = world
    this.#rpc = rpc
    this.#signer = signer
    this.#options = {
      maxFeePerGas: options.maxFeePerGas ?? DEFAULT_SENDING.maxFeePerGas,
      deadline: options.deadline ?? DEFAULT_SENDING.deadline,
      replaceAfter: options.replaceAfter ?? DEFAULT_SENDING.replaceAfter,
      pollEvery: options.pollEvery ?? DEFAULT_SENDING.pollEvery,
    }
    this.#by = signer.kind === 'external' ? signer : new Broadcast(rpc, signer, this.#options.maxFeePerGas)
  }

  async preview(request: SendRequest, details: ErrorDetails, signal: AbortSignal | undefined): Promise<Preview> {
    const { fees, header } = await currentFees(this.#rpc, this.#options.maxFeePerGas, signal)
    const gas = await this.#gas(request, details, header, signal)
    const { maxFeePerGas, maxPriorityFeePerGas } = fees
    return { gas, maxFeePerGas, fee: gas * least(header.baseFee + maxPriorityFeePerGas, maxFeePerGas) }
  }

  /** The receipt of a transaction that succeeded. */
  async send(request: SendRequest, details: ErrorDetails, options: WriteOptions): Promise<RawReceipt> {
    const { signal } = options
    const { fees, header } = await currentFees(this.#rpc, this.#options.maxFeePerGas, signal)
    const gas = await this.#gas(request, details, header, signal)
    const until = this.#world.clock.monotonic() + this.#options.deadline
    const receipt =
      this.#by instanceof Broadcast
        ? await this.#sendHere(this.#by, { request, gas, fees }, until, details, options)
        : await this.#sendElsewhere(this.#by, request, gas, until, details, options)
    if (!receipt.succeeded) throw await this.#whyReverted(request, gas, receipt, details)
    return receipt
  }

  async #gas(
    request: SendRequest,
    details: ErrorDetails,
    header: Header,
    signal: AbortSignal | undefined,
  ): Promise<bigint> {
    if (request.gas !== undefined) return request.gas
    const reply = await this.#rpc.tryAsk(estimateGas(this.#callOf(request)), { signal })
    if (!reply.ok) throw refusalError(reply.refusal, details)
    const generous = (reply.value * GAS_MARGIN_PERCENT) / 100n
    return generous > header.gasLimit ? header.gasLimit : generous
  }

  #callOf({ to, data, value }: SendRequest): CallRequest {
    return { from: this.#signer.address, to, data, ...(value === undefined ? {} : { value }) }
  }

  async #sendHere(
    broadcast: Broadcast,
    { request, gas, fees }: { readonly request: SendRequest; readonly gas: bigint; readonly fees: Fees },
    until: number,
    details: ErrorDetails,
    options: WriteOptions,
  ): Promise<RawReceipt> {
    const chainId = await this.#rpc.chainId(options)
    const { to, data, value = 0n } = request
    for (;;) {
      const sent = await broadcast.first({ chainId, to, data, value, gas, ...fees }, details, options)
      try {
        const receipt = await this.#wait(broadcast, sent, until, details, options)
        if (receipt !== 'displaced') return receipt
        if (options.nonce !== undefined) throw nonceGone(details)
      } finally {
        broadcast.done(sent)
      }
    }
  }

  async #wait(
    broadcast: Broadcast,
    first: Sent,
    until: number,
    details: ErrorDetails,
    { signal, confirmations = 0 }: WriteOptions,
  ): Promise<RawReceipt | 'displaced'> {
    const { clock } = this.#world
    const { nonce } = first.unsigned
    let sent = first
    let lastSent = clock.monotonic()
    let missingSince: number | undefined
    for (let poll = 0; ; poll++) {
      const found = await this.#look(sent, confirmations, signal)
      if (found !== undefined) {
        if ('included' in found) return found.included
        const { receipt, head, count, known, isAbsent } = found
        if (receipt !== undefined && head.number - receipt.block >= confirmations) return receipt
        const now = clock.monotonic()
        if (!isAbsent || count <= nonce) missingSince = undefined
        else if (missingSince === undefined) missingSince = now
        else if (now - missingSince >= BELIEVED_AFTER) return 'displaced'
        if (receipt === undefined && count <= nonce) {
          const waited = now - lastSent
          if (waited >= this.#options.replaceAfter) {
            if (count < nonce && !broadcast.isInFlight(count)) await broadcast.fill(count, sent.unsigned)
            sent = await broadcast.replace(sent)
            lastSent = clock.monotonic()
          } else if (!known) await broadcast.onceMore(sent, details)
        }
      }
      if (clock.monotonic() >= until) {
        throw machineError('LEDGER_UNDECIDED', { ...details, transaction: sent.hash, nonce })
      }
      await this.#pause(poll, signal)
    }
  }

  /** Soon at first: chains of one machine answer with a block. */
  async #pause(poll: number, signal: AbortSignal | undefined): Promise<void> {
    const delay = millis(this.#options.pollEvery * Math.min(SLOWEST_POLL, 1 + poll / SLOWEST_POLL))
    await awaited(this.#world.clock, sleep(this.#world.clock, delay, signal))
  }

  /** undefined: nobody answers now. `included`: all that is asked for, where nothing has to lie on top of it. */
  async #look(
    { hash, hashes }: Pick<Sent, 'hash' | 'hashes'>,
    confirmations: number,
    signal: AbortSignal | undefined,
  ): Promise<
    | { readonly included: RawReceipt }
    | {
        readonly receipt: RawReceipt | undefined
        readonly head: Header
        readonly count: number
        readonly known: boolean
        /** The server knows neither a receipt nor the transaction. One that does not want to say is no such server. */
        readonly isAbsent: boolean
      }
    | undefined
  > {
    try {
      const receipts = await this.#rpc.askAll(hashes.map(receiptByHash), { signal })
      const receipt = receipts.flatMap((reply) => (reply.ok ? (reply.value ?? []) : []))[0]
      if (receipt !== undefined && confirmations === 0) return { included: receipt }
      const [newest, count, known] = await this.#rpc.askAll(
        [NEWEST_HEADER, transactionCount(this.#signer.address, 'latest'), isKnownTransaction(hash)],
        { signal },
      )
      const head = expectReply(newest, 'newest block')
      if (head === undefined) return undefined
      return {
        receipt,
        head,
        count: expectReply(count, 'transaction count'),
        isAbsent: receipts.every((reply) => reply.ok && reply.value === undefined) && known.ok && !known.value,
        // A server that cannot say is not asked to take it again and again.
        known: known.ok ? known.value : true,
      }
    } catch (error) {
      if (isMixnetError(error, 'LEDGER_UNREACHABLE') || isMixnetError(error, 'LEDGER_MISMATCH')) return undefined
      throw error
    }
  }

  /** The signer chooses nonce and fees, and sees to it that it gets into a block. */
  async #sendElsewhere(
    { address, urls }: ExternalSigner,
    request: SendRequest,
    gas: bigint,
    until: number,
    details: ErrorDetails,
    { signal, confirmations = 0 }: WriteOptions,
  ): Promise<RawReceipt> {
    const chainId = await this.#rpc.chainId({ signal })
    const signing = new JsonRpc(this.#world, { urls, chainId, timeout: EXTERNAL_TIMEOUT })
    const { to, data, value = 0n } = request
    const reply = await signing.tryAsk(
      {
        method: 'eth_sendTransaction',
        params: [{ from: address, ...(to === undefined ? {} : { to }), data, value: hexOf(value), gas: hexOf(gas) }],
        decode: (result) => bytesOf(result, 'transaction hash', 32),
      },
      { once: true, signal },
    )
    if (!reply.ok) {
      const { code, message } = reply.refusal
      throw machineError(
        'LEDGER_REFUSED',
        { ...details, reason: 'signer', why: message, rpcCode: code },
        {
          message: 'the signer refuses',
          nextStep: 'Look there: it was declined, or it does not have that account.',
        },
      )
    }
    const hash = reply.value
    for (let poll = 0; ; poll++) {
      const sent = { hash, hashes: [hash] }
      const found = await this.#look(sent, confirmations, signal)
      if (found !== undefined) {
        if ('included' in found) return found.included
        if (found.receipt !== undefined && found.head.number - found.receipt.block >= confirmations)
          return found.receipt
      }
      if (this.#world.clock.monotonic() >= until)
        throw machineError('LEDGER_UNDECIDED', { ...details, transaction: hash })
      await this.#pause(poll, signal)
    }
  }

  /** It was estimated before, so another was faster; what it would say now is most probably what it said. */
  async #whyReverted(
    request: SendRequest,
    gas: bigint,
    receipt: RawReceipt,
    details: ErrorDetails,
  ): Promise<MixnetError> {
    const { transactionHash: transaction, block: number, blockHash: hash } = receipt
    const all = { ...details, transaction }
    const block: Block = { number, hash, time: 0 }
    const reply = await this.#rpc.tryAsk(ethCall(this.#callOf(request), block)).catch(() => undefined)
    if (reply?.ok === false) return refusalError(reply.refusal, all)
    const reason = receipt.gasUsed >= gas ? 'out of gas' : 'reverted'
    return machineError('LEDGER_REFUSED', { ...all, reason })
  }
}
