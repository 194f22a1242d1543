/**
 * Signed transactions on their way to a chain's nodes: each gets a nonce, which may be contested, and bytes that can be sent again without
 * happening twice. @module
 */
import { keccak256 } from 'viem/utils'
import { type ErrorDetails, isMixnetError, type MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import type { Hex } from './chain.ts'
import { isKnownTransaction, sendRaw, transactionCount } from './chainCalls.ts'
import { bumped, currentFees } from './fees.ts'
import type { JsonRpc, RpcReply } from './jsonRpc.ts'
import type { Signer, UnsignedTransaction, WriteOptions } from './ledger.ts'
import { refusalError } from './ledgerErrors.ts'

export type KeySigner = Extract<Signer, { kind: 'key' }>

/** One nonce, and every transaction that was sent with it. */
export interface Sent {
  readonly unsigned: UnsignedTransaction
  readonly raw: Hex
  readonly hash: Hex
  readonly hashes: Hex[]
}

const NONCE_ATTEMPTS = 20
const ALREADY_THERE = /already known|already imported|known transaction|already exists|already in/i
const NONCE_USED = /nonce (?:is )?too low|invalid nonce|old ?nonce|nonce has already been used/i
const NONCE_TAKEN = /replacement|could not replace/i
const TOO_CHEAP = /underpriced|fee cap|less than block base fee|max fee per gas|gas price below/i

export class Broadcast {
  readonly #rpc: JsonRpc
  readonly #signer: KeySigner
  readonly #maxFeePerGas: bigint
  /** Sent and waited for, by nonce. */
  readonly #inFlight = new Set<number>()
  #turn: Promise<unknown> = Promise.resolve()

  /** Offers at most `maxFeePerGas`, in wei. */
  constructor(rpc: JsonRpc, signer: KeySigner, maxFeePerGas: bigint) {
    this.#rpc = rpc
    this.#signer = signer
    this.#maxFeePerGas = maxFeePerGas
  }

  /** With the next nonce, which is in flight until it is `done`. One after the other: two that ask at once would get the same. */
  first(transaction: Omit<UnsignedTransaction, 'nonce'>, details: ErrorDetails, options: WriteOptions): Promise<Sent> {
    const turn = this.#turn.then(() => this.#withNonce(transaction, details, options))
    this.#turn = turn.catch(() => {})
    return turn
  }

  done({ unsigned }: Sent): void {
    this.#inFlight.delete(unsigned.nonce)
  }

  isInFlight(nonce: number): boolean {
    return this.#inFlight.has(nonce)
  }

  async #withNonce(
    transaction: Omit<UnsignedTransaction, 'nonce'>,
    details: ErrorDetails,
    { signal, nonce: pinned }: WriteOptions,
  ): Promise<Sent> {
    const { address } = this.#signer
    let floor = 0
    for (let attempt = 0; attempt < NONCE_ATTEMPTS; attempt++) {
      const counts = await this.#rpc.askAll(
        [transactionCount(address, 'latest'), transactionCount(address, 'pending')],
        { signal },
      )
      const next = Math.max(
        floor,
        ...counts.map((reply) => (reply.ok ? reply.value : 0)),
        ...[...this.#inFlight].map((one) => one + 1),
      )
      if (pinned !== undefined && next > pinned) throw nonceGone(details)
      const nonce = pinned ?? next
      const sent = await signed(this.#signer, { ...transaction, nonce })
      const outcome = await this.again(sent, details)
      if (outcome === 'sent') {
        this.#inFlight.add(nonce)
        return sent
      }
      if (outcome === 'too cheap')
        throw machineError('LEDGER_NOT_NOW', { ...details, reason: 'fees' }, { message: 'the fees rose meanwhile' })
      floor = nonce + 1
    }
    throw machineError('LEDGER_UNDECIDED', { ...details, why: 'another program uses this key all the time' })
  }

  /** `sent` also where nobody answered: it may have arrived, and the same bytes can be sent again. */
  async again({ raw, hash }: Sent, details: ErrorDetails): Promise<'sent' | 'nonce gone' | 'too cheap'> {
    let reply: RpcReply<Hex>
    try {
      reply = await this.#rpc.tryAsk(sendRaw(raw, hash))
    } catch (error) {
      if (isMixnetError(error, 'LEDGER_UNREACHABLE')) return 'sent'
      throw error
    }
    if (reply.ok) return 'sent'
    const { message } = reply.refusal
    if (ALREADY_THERE.test(message)) return 'sent'
    // By us, where an earlier server took it and then did not answer.
    if (NONCE_USED.test(message)) return (await this.#rpc.ask(isKnownTransaction(hash))) ? 'sent' : 'nonce gone'
    if (NONCE_TAKEN.test(message)) return 'nonce gone'
    if (TOO_CHEAP.test(message)) return 'too cheap'
    throw refusalError(reply.refusal, details)
  }

  /** Of one that was taken before, and may happen whatever is said of it now. */
  async onceMore(sent: Sent, details: ErrorDetails): Promise<void> {
    try {
      await this.again(sent, details)
    } catch (error) {
      if (!isMixnetError(error)) throw error
    }
  }

  /** As it was, where the limit of fees or the chain does not let it pay more. */
  async replace(before: Sent): Promise<Sent> {
    try {
      const { fees } = await currentFees(this.#rpc, this.#maxFeePerGas, undefined)
      const higher = bumped(before.unsigned, fees, this.#maxFeePerGas)
      if (higher === undefined) return before
      const next = await signed(this.#signer, { ...before.unsigned, ...higher })
      const outcome = await this.again(next, {})
      // Whatever was said of it: it may be on its way, so its receipt counts.
      const hashes = [...before.hashes, next.hash]
      return outcome === 'sent' ? { ...next, hashes } : { ...before, hashes }
    } catch (error) {
      if (isMixnetError(error)) return before
      throw error
    }
  }

  /** An empty transaction for a nonce of which nobody here knows anything, and without which nothing after it can happen. */
  async fill(nonce: number, like: UnsignedTransaction): Promise<void> {
    try {
      // Another's may wait there: dearer, ours would take its place.
      if ((await this.#rpc.ask(transactionCount(this.#signer.address, 'pending'))) > nonce) return
      const fees = bumped(like, like, this.#maxFeePerGas) ?? like
      const empty = { to: this.#signer.address, data: '0x', value: 0n, gas: 21_000n } as const
      const { maxFeePerGas, maxPriorityFeePerGas } = fees
      await this.again(await signed(this.#signer, { ...like, ...empty, nonce, maxFeePerGas, maxPriorityFeePerGas }), {})
    } catch (error) {
      if (!isMixnetError(error)) throw error
    }
  }
}

export const nonceGone = (details: ErrorDetails): MixnetError =>
  machineError(
    'LEDGER_NOT_NOW',
    { ...details, reason: 'nonce' },
    {
      message: 'another transaction of this account was faster',
      nextStep: 'Look whether it was the same, and begin again.',
    },
  )

async function signed(signer: KeySigner, unsigned: UnsignedTransaction): Promise<Sent> {
  const raw = await signer.signTransaction(unsigned)
  const hash = keccak256(raw)
  return { unsigned, raw, hash, hashes: [hash] }
}
