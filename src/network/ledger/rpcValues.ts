/** Answers of JSON-RPC servers, which may be anything: each value is checked on its way in. @module */

import type { MixnetError } from '../../foundation/base/errors.ts'
import { machineError } from '../../foundation/base/machineError.ts'
import type { Address, Block, Hex } from './chain.ts'

/** What the server said is no such value. Other servers may say better. */
export function mismatch(what: string, why: string): MixnetError {
  return machineError('LEDGER_MISMATCH', { what, why })
}

export type JsonObject = Readonly<Record<string, unknown>>

export function objectOf(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(what, 'not an object')
  return value as JsonObject
}

export function listOf<T>(value: unknown, what: string, item: (value: unknown) => T): readonly T[] {
  if (!Array.isArray(value)) throw mismatch(what, 'not a list')
  return value.map(item)
}

/** 256 bits at most, as the EVM's. */
const QUANTITY = /^0x[0-9a-fA-F]{1,64}$/
const BYTES = /^0x(?:[0-9a-fA-F]{2})*$/

export function quantityOf(value: unknown, what: string): bigint {
  if (typeof value !== 'string' || !QUANTITY.test(value)) throw mismatch(what, 'not a quantity')
  return BigInt(value)
}

export function countOf(value: unknown, what: string): number {
  const count = quantityOf(value, what)
  if (count > Number.MAX_SAFE_INTEGER) throw mismatch(what, 'too large')
  return Number(count)
}

/** `length` in bytes. Lower case, so that equal bytes are equal strings. */
export function bytesOf(value: unknown, what: string, length?: number): Hex {
  if (typeof value !== 'string' || !BYTES.test(value)) throw mismatch(what, 'not hexadecimal bytes')
  if (length !== undefined && value.length !== 2 + 2 * length) throw mismatch(what, `not ${length} bytes`)
  return value.toLowerCase() as Hex
}

const hashOf = (value: unknown, what: string): Hex => bytesOf(value, what, 32)
export const addressOf = (value: unknown, what: string): Address => bytesOf(value, what, 20)

/** A header, with what a base fee is: 0 where the chain has none. */
export interface Header extends Block {
  readonly parentHash: Hex
  readonly baseFee: bigint
  readonly gasLimit: bigint
}

/** undefined for null: no such block. */
export function headerOf(value: unknown): Header | undefined {
  if (value === null) return undefined
  const { number, hash, timestamp, parentHash, baseFeePerGas, gasLimit } = objectOf(value, 'block')
  return {
    number: countOf(number, 'block number'),
    hash: hashOf(hash, 'block hash'),
    time: countOf(timestamp, 'block timestamp'),
    parentHash: hashOf(parentHash, 'parent hash'),
    baseFee: baseFeePerGas === undefined || baseFeePerGas === null ? 0n : quantityOf(baseFeePerGas, 'base fee'),
    gasLimit: quantityOf(gasLimit, 'gas limit'),
  }
}

export interface RawLog {
  readonly address: Address
  readonly topics: readonly Hex[]
  readonly data: Hex
  readonly block: number
  readonly blockHash: Hex
  readonly transactionHash: Hex
  readonly logIndex: number
}

export function logOf(value: unknown): RawLog {
  const log = objectOf(value, 'log')
  const topics = listOf(log.topics, 'topics', (topic) => hashOf(topic, 'topic'))
  if (topics.length > 4) throw mismatch('topics', 'more than four')
  return {
    address: addressOf(log.address, 'address of a log'),
    topics,
    data: bytesOf(log.data, 'data of a log'),
    block: countOf(log.blockNumber, 'block of a log'),
    blockHash: hashOf(log.blockHash, 'block hash of a log'),
    transactionHash: hashOf(log.transactionHash, 'transaction of a log'),
    logIndex: countOf(log.logIndex, 'index of a log'),
  }
}

export interface RawReceipt {
  readonly transactionHash: Hex
  readonly block: number
  readonly blockHash: Hex
  readonly succeeded: boolean
  readonly gasUsed: bigint
  readonly effectiveGasPrice: bigint
  readonly contractAddress: Address | undefined
  readonly logs: readonly RawLog[]
}

/** undefined for null: in no block. */
export function receiptOf(value: unknown): RawReceipt | undefined {
  if (value === null) return undefined
  const receipt = objectOf(value, 'receipt')
  const { contractAddress } = receipt
  return {
    transactionHash: hashOf(receipt.transactionHash, 'transaction of a receipt'),
    block: countOf(receipt.blockNumber, 'block of a receipt'),
    blockHash: hashOf(receipt.blockHash, 'block hash of a receipt'),
    succeeded: quantityOf(receipt.status, 'status of a receipt') === 1n,
    gasUsed: quantityOf(receipt.gasUsed, 'gas used'),
    effectiveGasPrice: quantityOf(receipt.effectiveGasPrice, 'gas price'),
    contractAddress:
      contractAddress === null || contractAddress === undefined
        ? undefined
        : addressOf(contractAddress, 'address of a contract'),
    logs: listOf(receipt.logs, 'logs', logOf),
  }
}
